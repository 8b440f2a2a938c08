"""`POST /v1/notify/{kind}`: the curl way."""

from datetime import datetime, timedelta

import pytest

from flashnotify.domain import moment
from tests.support.manual_clock import ManualClock
from tests.support.running import ACADEMIC, Running


async def test_the_body_is_the_message_and_the_query_has_the_rest(service: Running) -> None:
    answer = await service.http.post(
        "/v1/notify/academic",
        params=[
            ("to", "mailto:ada@univ.example"),
            ("to", "mailto:emmy@univ.example"),
            ("course", "ALG-2"),
            ("title", "Room changed"),
            ("priority", "high"),
            ("reference", "r-7"),
        ],
        content="The exam takes place in B204.\n",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 202, answer.text
    shown = await service.completed(answer.json()["id"])
    assert shown["title"] == "Room changed"
    assert shown["body"] == "The exam takes place in B204."
    assert shown["data"] == {"course": "ALG-2"}
    assert shown["priority"] == "high"
    assert shown["counts"] == {"email": {"sent": 2}}


async def test_the_title_defaults_to_the_first_line(service: Running) -> None:
    answer = await service.http.post(
        "/v1/notify/academic?to=mailto:ada@univ.example&course=ALG-2",
        content="Room changed\nThe exam takes place in B204.",
    )
    shown = await service.get(answer.json()["href"])
    assert shown["title"] == "Room changed"


@pytest.mark.parametrize("media_type", ["application/json", "multipart/form-data; boundary=x"])
async def test_other_media_types_are_refused(service: Running, media_type: str) -> None:
    """Otherwise, people would get the JSON or the parts."""
    answer = await service.http.post(
        "/v1/notify/academic?to=mailto:ada@univ.example&course=ALG-2",
        content='{"title": "x"}',
        headers={"Content-Type": media_type},
    )
    assert answer.status_code == 415
    assert answer.json()["code"] == "unsupported_media_type"


async def test_an_unencoded_plus_is_explained(service: Running) -> None:
    answer = await service.http.post(
        "/v1/notify/academic?to=tel:+33612345678&course=ALG-2", content="x"
    )
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == "/to/0"
    assert fault["code"] == "not_a_phone_number"


async def test_errors_point_at_the_parameter(service: Running) -> None:
    answer = await service.http.post(
        "/v1/notify/academic?to=mailto:nobody&starts_at=now&colour=red", content="x"
    )
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("/colour", "unknown_parameter")
    answer = await service.http.post(
        "/v1/notify/academic?to=mailto:nobody&starts_at=now&course=A", content="x"
    )
    (fault,) = answer.json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("/starts_at", "not_a_timestamp")


async def test_an_unknown_kind_lists_the_kinds(service: Running) -> None:
    answer = await service.http.post("/v1/notify/party?to=mailto:a@univ.example", content="x")
    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown_kind"


async def test_a_repeated_key_returns_the_same_notification(service: Running) -> None:
    url = "/v1/notify/academic?to=mailto:ada@univ.example&course=ALG-2"
    key = {"Idempotency-Key": "k"}
    first = await service.http.post(url, content="x", headers=key)
    again = await service.http.post(url, content="x", headers=key)
    other = await service.http.post(url + "&room=B", content="x", headers=key)
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert other.status_code == 422


URL = "/v1/notify/academic?to=mailto:ada@univ.example&course=ALG-2"


async def test_whitespace_in_the_first_line_folds(service: Running) -> None:
    """Nobody sent a title that could be wrong."""
    body = b"\xef\xbb\xbf\tRoom\tchanged\r\ntoday\xc2\xa0 only\rnow\nIt is B204."
    for text, title in (
        (body, "Room changed"),
        (b"Room\tB204\rchanged \nToday", "Room B204 changed"),
    ):
        answer = await service.http.post(URL, content=text)
        assert answer.status_code == 202, answer.text
        assert (await service.get(answer.json()["href"]))["title"] == title


async def test_a_control_character_is_reported_once(service: Running) -> None:
    answer = await service.http.post(URL, content="Room\x1bchanged")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/body"]
    answer = await service.http.post(URL + "&title=a%07", content="Room\x1bchanged")
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/title", "/body"}
    answer = await service.http.post(URL, content="")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/body"]


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        (b"Room changed", "Room changed"),
        ("Salle modifiée".encode(), "Salle modifiée"),
        ("Salle modifiée".encode("latin-1"), "Salle modifiée"),
        (b"=?UTF-8?B?U2FsbGUgbW9kaWZpw6ll?=", "Salle modifiée"),
        (b"=?UTF-8?Q?Salle_modifi=C3=A9e?=", "Salle modifiée"),
        (b"=?nonsense?B?U2FsbGU=?=", "=?nonsense?B?U2FsbGU=?="),
    ],
)
async def test_the_title_may_be_a_header(service: Running, title: bytes, shown: str) -> None:
    answer = await service.http.post(URL, content="x", headers={b"Title": title})
    assert answer.status_code == 202, answer.text
    assert (await service.get(answer.json()["href"]))["title"] == shown


@pytest.mark.parametrize(
    ("header", "priority"),
    [
        ("high", "high"),
        *(("1", "low"), ("min", "low"), ("4", "high"), ("5", "critical"), ("urgent", "critical")),
        # The kind's own.
        *(("3", "low"), ("default", "low"), ("", "low")),
        # RFC 9218: a browser says how soon it wants the response.
        *(("u=1", "low"), ("u=1, i", "low"), ("i", "low")),
    ],
)
async def test_the_priority_may_be_a_header(service: Running, header: str, priority: str) -> None:
    answer = await service.http.post(URL, content="x", headers={"Priority": header})
    assert answer.status_code == 202, answer.text
    assert (await service.get(answer.json()["href"]))["priority"] == priority


async def test_recipients_may_be_in_headers(service: Running) -> None:
    answer = await service.http.post(
        "/v1/notify/academic?course=ALG-2",
        content="x",
        headers=[
            ("To", "mailto:ada@univ.example, tel:+33612345678"),
            ("To", "mailto:emmy@univ.example"),
        ],
    )
    shown = await service.completed(answer.json()["id"])
    assert shown["counts"] == {"email": {"sent": 2}, "sms": {"sent": 1}}
    refused = await service.http.post(
        URL, content="x", headers={"Priority": "soon", "To": "mailto:ada"}
    )
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/priority"]
    refused = await service.http.post(URL + "&title=a", content="x", headers={"Title": "b"})
    (error,) = refused.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/title", "repeated")


async def test_a_delay_schedules_the_notification(service: Running, clock: ManualClock) -> None:
    answer = await service.http.post(URL + "&delay=30min", content="x")
    assert answer.json()["status"] == "scheduled"
    shown = await service.get(answer.json()["href"])
    assert datetime.fromisoformat(shown["send_at"]) == moment(clock.now()) + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("tile=x", "did you mean title?"),
        ("subject=x", "did you mean title?"),
        ("recipients=x", "did you mean to?"),
        ("message=x", "send the message as the body of the request"),
        ("body=x", "send the message as the body of the request"),
        ("course_name=x", "did you mean course?"),
    ],
)
async def test_a_misspelt_parameter_names_the_nearest(
    service: Running, query: str, hint: str
) -> None:
    answer = await service.http.post(f"{URL}&{query}", content="x")
    (error,) = answer.json()["errors"]
    assert error["code"] == "unknown_parameter"
    assert hint in error["detail"]


async def test_hundreds_of_unknown_parameters_get_a_short_answer(service: Running) -> None:
    query = "&".join(f"n{number}=" for number in range(400))
    answer = await service.http.post(f"{URL}&{query}", content="x")
    assert len(answer.json()["errors"]) == 20


async def test_a_request_may_wait_for_the_outcome(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    sends = await service.key("notify:academic")
    answer = await service.anonymous.post(URL + "&wait=60", content="x", headers=sends)
    found = answer.json()
    assert answer.status_code == 202
    assert (found["status"], found["outcome"]) == ("completed", "all_sent")
    # It is accepted, although nothing more can wait.
    monkeypatch.setattr("flashnotify.telemetry.long_polling._MAX_WAITING", 0)
    answer = await service.http.post(URL + "&wait=60&delay=1h", content="x")
    assert (answer.status_code, answer.json()["status"]) == (202, "scheduled")
    assert "outcome" not in answer.json()
    refused = await service.http.post(URL + "&wait=1000", content="x")
    (error,) = refused.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/wait", "out_of_range")


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        *(("min", "low"), ("1", "low"), (2, "low"), (3, "medium"), ("4", "high")),
        *((5, "critical"), ("max", "critical"), ("Urgent", "critical"), ("High", "high")),
    ],
)
async def test_the_priorities_of_ntfy_are_explained_in_json(
    service: Running, value: object, hint: str
) -> None:
    answer = await service.http.post("/v1/notifications", json=ACADEMIC | {"priority": value})
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/priority", "unknown_value")
    assert error["detail"].endswith(f"; did you mean {hint}?")
    answer = await service.http.get("/v1/notifications", params={"priority": str(value)})
    (error,) = answer.json()["errors"]
    assert error["detail"].endswith(f"; did you mean {hint}?")


async def test_the_default_priority_is_that_of_the_kind(service: Running) -> None:
    answer = await service.http.post("/v1/notifications", json=ACADEMIC | {"priority": "default"})
    (error,) = answer.json()["errors"]
    assert error["detail"] == "omit it for the kind's default"


async def test_only_a_value_from_the_url_is_to_be_encoded(service: Running) -> None:
    hint = "in a URL, write + as %2B"
    key = await service.key("read", "notify:academic")
    ask = service.anonymous
    wrong = ACADEMIC | {"to": ["tel:0612345678"], "send_at": "2026-12-01T08:00:00"}
    in_body = await ask.post("/v1/notifications", json=wrong, headers=key)
    assert len(in_body.json()["errors"]) == 1
    assert hint not in in_body.text
    for path in (
        "/v1/notify/academic?course=X&to=tel:0612345678",
        "/v1/notify/academic?course=X&to=mailto:ada@univ.example&send_at=2026-12-01T08:00:00",
    ):
        assert hint in (await ask.post(path, content=b"x", headers=key)).text
    to = {"To": "tel:0612345678"}
    in_header = await ask.post("/v1/notify/academic?course=X", content=b"x", headers=key | to)
    assert in_header.status_code == 422
    assert hint not in in_header.text
    for query in ("since=2026-12-01T08:00:00", "until=2026-12-01T08:00:00+01:00"):
        assert hint in (await ask.get(f"/v1/notifications?{query}", headers=key)).text
