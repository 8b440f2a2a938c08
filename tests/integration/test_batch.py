"""`POST /v1/notifications/batch`: an invalid notification rejects only itself."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from flashnotify.errors import Unavailable
from tests.support.running import ACADEMIC, Running

PATH = "/v1/notifications/batch"
LINES = {"Content-Type": "application/x-ndjson"}


def lines(*documents: Any) -> bytes:
    return b"\n".join(json.dumps(document).encode() for document in documents)


async def test_an_array_is_accepted(service: Running) -> None:
    answer = await service.http.post(PATH, json=[ACADEMIC] * 3)
    assert answer.status_code == 202
    content = answer.json()
    assert (content["accepted"], content["rejected"]) == (3, 0)
    assert [result["index"] for result in content["results"]] == [0, 1, 2]
    for result in content["results"]:
        await service.completed(result["id"])


async def test_a_bad_line_in_the_middle_rejects_itself_only(service: Running) -> None:
    first = lines(ACADEMIC, ACADEMIC | {"to": ["mailto:nobody"]})
    body = first + b"\n{nonsense\n\n" + lines(ACADEMIC)
    answer = await service.http.post(PATH, content=body, headers=LINES)
    content = answer.json()
    assert (content["accepted"], content["rejected"]) == (2, 2)
    statuses = [result.get("error", {}).get("status", 202) for result in content["results"]]
    assert statuses == [202, 422, 400, 202]
    assert content["results"][1]["error"]["code"] == "invalid_input"
    (fault,) = content["results"][1]["error"]["errors"]
    assert (fault["pointer"], fault["code"]) == ("/to/0", "not_an_email_address")
    assert len((await service.get("/v1/notifications"))["items"]) == 2


async def test_truncated_ndjson_rejects_its_last_line(service: Running) -> None:
    body = lines(ACADEMIC, ACADEMIC)[:-10]
    content = (await service.http.post(PATH, content=body, headers=LINES)).json()
    assert (content["accepted"], content["rejected"]) == (1, 1)
    assert content["results"][1]["error"]["status"] == 400


async def test_a_truncated_array_is_refused(service: Running) -> None:
    body = json.dumps([ACADEMIC, ACADEMIC]).encode()[:-10]
    answer = await service.http.post(
        PATH, content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert (await service.get("/v1/notifications"))["items"] == []


async def test_a_batch_over_the_limit_is_refused(service: Running) -> None:
    answer = await service.http.post(PATH, json=[{}] * 10_001)
    assert answer.status_code == 413
    assert answer.json()["code"] == "too_many_notifications"


@pytest.mark.parametrize("as_lines", [True, False])
async def test_an_oversized_notification_rejects_itself_only(
    service: Running, as_lines: bool
) -> None:
    long = ACADEMIC | {"body": "x" * (1024 * 1024)}
    if as_lines:
        answer = await service.http.post(PATH, content=lines(ACADEMIC, long), headers=LINES)
    else:
        answer = await service.http.post(PATH, json=[ACADEMIC, long])
    first, second = answer.json()["results"]
    assert "id" in first
    assert second["error"]["code"] == "document_too_large"


async def test_empty_lines_are_ignored(service: Running) -> None:
    answer = await service.http.post(PATH, content=b"\r\n" * 50_000, headers=LINES)
    assert answer.json() == {"accepted": 0, "rejected": 0, "results": []}


async def test_ten_thousand_are_accepted(service: Running) -> None:
    later = ACADEMIC | {"send_at": "2027-12-01T08:00:00+01:00"}
    answer = await service.http.post(PATH, content=lines(*[later] * 10_000), headers=LINES)
    assert answer.json()["accepted"] == 10_000


async def test_a_repeated_key_accepts_only_missing_notifications(service: Running) -> None:
    headers = LINES | {"Idempotency-Key": "b-1"}
    bad = ACADEMIC | {"title": ""}
    first = await service.http.post(PATH, content=lines(ACADEMIC, bad), headers=headers)
    second = await service.http.post(PATH, content=lines(ACADEMIC, ACADEMIC), headers=headers)
    assert first.json()["results"][0]["id"] == second.json()["results"][0]["id"]
    assert (first.json()["accepted"], second.json()["accepted"]) == (1, 2)
    assert len((await service.get("/v1/notifications"))["items"]) == 2


async def test_a_batch_of_another_type_is_refused(service: Running) -> None:
    answer = await service.http.post(PATH, content=b"a,b", headers={"Content-Type": "text/csv"})
    assert answer.status_code == 415


async def test_a_batch_of_which_nothing_is_accepted_is_a_problem(service: Running) -> None:
    wrong = ACADEMIC | {"title": ""}
    answer = await service.http.post(PATH, json=[wrong, wrong])
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    content = answer.json()
    assert (content["code"], content["status"]) == ("all_rejected", 422)
    assert content["request_id"] == answer.headers["x-request-id"]
    assert (content["accepted"], content["rejected"]) == (0, 2)
    assert [result["error"]["code"] for result in content["results"]] == ["invalid_input"] * 2
    # Nothing was asked for, so nothing is wrong.
    assert (await service.http.post(PATH, json=[])).status_code == 202


async def test_a_batch_that_cannot_be_stored_now_may_be_sent_again(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise Unavailable("The disk is full.", retry_after=7)

    monkeypatch.setattr(service.service.archive.notifications, "accept", full)
    answer = await service.http.post(PATH, json=[ACADEMIC, ACADEMIC | {"title": ""}])
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "7"


async def test_who_may_send_is_asked_before_the_body_is_read(service: Running) -> None:
    async def unread() -> AsyncIterator[bytes]:
        yield pytest.fail("the body was read")

    for path in (PATH, "/v1/notifications", "/v1/notify/academic"):
        answer = await service.anonymous.post(path, content=unread())
        assert answer.status_code == 401
        reader = await service.key("read")
        answer = await service.anonymous.post(path, content=unread(), headers=reader)
        assert answer.json()["code"] == "missing_scope"


@pytest.mark.parametrize("path", [PATH, "/v1/notifications", "/v1/notify/academic"])
async def test_a_compressed_body_is_refused_as_such(service: Running, path: str) -> None:
    media_type = "text/plain" if path == "/v1/notify/academic" else "application/json"
    headers = {"Content-Encoding": "gzip", "Content-Type": media_type}
    answer = await service.http.post(path, content=b"\x1f\x8b", headers=headers)
    assert answer.status_code == 415
    assert answer.json()["code"] == "unsupported_encoding"
    assert answer.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("media_type", ["x-ndjson", "x-www-form-urlencoded", "json"])
@pytest.mark.parametrize("body", ["short", "x" * 1024 * 1024])
async def test_lines_that_curl_joined_name_its_option(
    service: Running, media_type: str, body: str
) -> None:
    joined = lines(ACADEMIC | {"body": body}, ACADEMIC).replace(b"\n", b"")
    headers = {"Content-Type": f"application/{media_type}"}
    answer = (await service.http.post(PATH, content=joined, headers=headers)).json()
    (error,) = [each["error"] for each in answer["results"]] if "results" in answer else [answer]
    assert error["code"] in ("malformed_document", "unsupported_media_type", "document_too_large")
    assert "--data-binary" in error["detail"]


async def test_a_batch_that_fails_for_no_fault_of_its_own_is_an_internal_error(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(service.service.archive.notifications, "accept", crash)
    answer = await service.http.post(PATH, json=[ACADEMIC, ACADEMIC])
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
