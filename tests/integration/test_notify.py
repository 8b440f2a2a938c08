"""`POST /v1/notify/{kind}`: the curl way."""

import pytest

from tests.support.running import Running


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
