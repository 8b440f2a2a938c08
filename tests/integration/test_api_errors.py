"""Refused requests: problem details that point into the client's own document."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from flashnotify.app import Service
from flashnotify.domain import moment
from flashnotify.settings import ServiceConfig
from tests.integration.wrong_requests import (
    API_KEYS,
    ENTRIES,
    NOTIFICATIONS,
    QUERIES,
    SECURITY,
    changed,
)
from tests.support.manual_clock import ManualClock
from tests.support.running import ACADEMIC, Running, running

JSON = {"Content-Type": "application/json"}


def problem(answer: httpx.Response, status: int, code: str, type: str = "") -> dict[str, Any]:
    """Return the problem of a response, after checking its form (RFC 9457)."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["type"] == f"urn:flashnotify:problem:{type or code.replace('_', '-')}"
    assert found["status"] == status
    assert found["code"] == code
    assert found["title"]
    assert found["detail"]
    assert found["request_id"] == answer.headers["x-request-id"]
    members = {"type", "title", "status", "code", "detail", "request_id"}
    assert set(found) - {"errors"} == members
    return found


def codes(answer: httpx.Response) -> dict[str, str]:
    """Return the code of each mistake, by pointer."""
    errors = problem(answer, 422, "invalid_input")["errors"]
    assert all(set(error) == {"pointer", "code", "detail"} for error in errors)
    assert all(error["detail"] for error in errors)
    return {error["pointer"]: error["code"] for error in errors}


async def post(service: Running, **changes: Any) -> httpx.Response:
    return await service.http.post("/v1/notifications", json=changed(ACADEMIC, changes))


@pytest.fixture
async def api(clock: ManualClock) -> AsyncIterator[Running]:
    """Run a service that accepts but does not deliver."""
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        yield service


async def test_errors_point_at_the_mistake(api: Running) -> None:
    for changes, pointer, code in NOTIFICATIONS:
        assert codes(await post(api, **changes)) == {pointer: code}, changes


async def test_lists_all_mistakes_at_once(api: Running) -> None:
    wrong = codes(
        await post(api, title="a\nb", extra=1, data={"x": 1, "room": "\x00"}, priority="urgent")
    )
    assert set(wrong) == {
        "/title", "/extra", "/data/x", "/data/room", "/data/course", "/priority",
    }  # fmt: skip


async def test_errors_point_at_the_entry(api: Running) -> None:
    good = [f"mailto:student{n}@univ.example" for n in range(3)]
    for entry, code in ENTRIES:
        assert codes(await post(api, to=[*good, entry, *good])) == {"/to/3": code}, entry


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("/title", lambda text: {"title": text}),
        ("/reference", lambda text: {"reference": text}),
        ("/data/course", lambda text: {"data": {"course": text}}),
        ("/data/room", lambda text: {"data": {"course": "ALG-2", "room": text}}),
    ],
)
async def test_refuses_control_characters_in_single_line_fields(
    api: Running, place: str, change: Any
) -> None:
    line_breaks = ("\r", "\n", "\r\nBcc: x@y.example")
    for control in (*line_breaks, "\x00", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\t"):
        code = "line_break" if control in line_breaks else "control_character"
        assert codes(await post(api, **change(f"a{control}b"))) == {place: code}, control


async def test_accepts_line_breaks_in_multi_line_fields(api: Running) -> None:
    assert (await post(api, body="a\n\tb\r\nc")).status_code == 202
    assert (await post(api, **SECURITY)).status_code == 202
    assert list(codes(await post(api, body="a\x00b"))) == ["/body"]
    wrong = {"location": "B", "instructions": "a\x1bb"}
    assert list(codes(await post(api, **SECURITY | {"data": wrong}))) == ["/data/instructions"]


@pytest.mark.parametrize("path", ["/v1/notifications", "/v1/api-keys"])
async def test_refuses_bodies_that_are_not_a_json_object(api: Running, path: str) -> None:
    for body in (
        b"", b"{", b"nonsense", b"[]", b"null", b'"text"', b"12", b"[" * 100_000,
        b'{"title": "\xe9"}', b'{"title": "\\ud800"}', '{"kind": "academic"}'.encode("utf-16"),
        b'{"kind": 1' + b"0" * 5000 + b"}",
    ):  # fmt: skip
        answer = await api.http.post(path, content=body, headers=JSON)
        assert "errors" not in problem(answer, 400, "malformed_document"), body[:20]


@pytest.mark.parametrize("path", ["/v1/notifications", "/v1/api-keys"])
async def test_refuses_other_media_types(api: Running, path: str) -> None:
    for media_type in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
        "nonsense",
    ):
        headers = {"Content-Type": media_type}
        answer = await api.http.post(path, content=json.dumps(ACADEMIC), headers=headers)
        problem(answer, 415, "unsupported_media_type")


async def test_accepts_every_declaration_of_json(api: Running) -> None:
    document = json.dumps(ACADEMIC)
    for media_type in ("application/json; charset=utf-8", "Application/JSON", None):
        headers = {} if media_type is None else {"Content-Type": media_type}
        answer = await api.http.post("/v1/notifications", content=document, headers=headers)
        assert answer.status_code == 202, media_type


@pytest.mark.parametrize("path", ["/v1/notifications", "/v1/api-keys"])
async def test_refuses_bodies_that_are_too_large(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_MAX_REQUEST_BYTES", "2000")
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 100
            yield b" " * 100

    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        answer = await service.http.post(path, content=b" " * 2001, headers=JSON)
        problem(answer, 413, "document_too_large")
        declared = JSON | {"Content-Length": "100000"}
        answer = await service.http.post(path, content=chunks(), headers=declared)
        problem(answer, 413, "document_too_large")
        assert sent == 0, "it was not read"
        answer = await service.http.post(path, content=chunks(), headers=JSON)
        problem(answer, 413, "document_too_large")
        assert sent < 100_000
        answer = await service.http.post(
            "/v1/notifications", content=json.dumps(ACADEMIC).encode().ljust(2000), headers=JSON
        )
        assert answer.status_code == 202


async def test_a_request_without_a_valid_key_is_refused(api: Running) -> None:
    refused: list[tuple[Any, str]] = [
        ({}, "not_authenticated"),
        ({"Authorization": "Bearer"}, "not_authenticated"),
        ({"Authorization": "Basic YWRhOmFkYQ=="}, "not_authenticated"),
        ({"Authorization": "Bearer nonsense"}, "invalid_token"),
        ({"Authorization": "Bearer fn_0123456789_" + "a" * 49}, "malformed_key"),
        ({"X-API-Key": "nonsense"}, "malformed_key"),
        ({"X-API-Key": b"\xff\xfe"}, "malformed_key"),
    ]
    for method, path in (
        ("POST", "/v1/notifications"),
        ("GET", "/v1/notifications"),
        ("GET", "/v1/outbox"),
        ("POST", "/v1/api-keys"),
        ("GET", "/v1/api-keys"),
        ("DELETE", "/v1/api-keys/x"),
        ("GET", "/v1/notifications/0196e0a0-0000-7000-8000-000000000000"),
    ):
        for headers, code in refused:
            answer = await api.anonymous.request(method, path, headers=headers)
            problem(answer, 401, code, "not-authenticated")
            # With what is wrong only if there was a token (RFC 6750, section 3.1).
            had_token = "Authorization" in headers and code != "not_authenticated"
            said = 'Bearer error="invalid_token"' if had_token else "Bearer"
            assert answer.headers["www-authenticate"] == said


async def test_a_key_works_in_both_headers_until_it_expires(
    api: Running, clock: ManualClock
) -> None:
    until = moment(clock.now()) + timedelta(hours=1)
    headers = await api.key("read", expires_at=until.isoformat())
    token = headers["Authorization"].removeprefix("Bearer ")
    for shown in (headers, {"X-API-Key": token}, {"Authorization": f"bearer {token}"}):
        answer = await api.anonymous.get("/v1/notifications", headers=shown)
        assert answer.status_code == 200
    wrong = token[:-1] + ("a" if token[-1] != "a" else "b")
    answer = await api.anonymous.get("/v1/notifications", headers={"X-API-Key": wrong})
    problem(answer, 401, "malformed_key", "not-authenticated")
    await clock.advance(3600)
    answer = await api.anonymous.get("/v1/notifications", headers=headers)
    problem(answer, 401, "expired_key", "not-authenticated")


def lacks_scope(answer: httpx.Response) -> str:
    """Return the detail of a 403, which names the missing scope."""
    return str(problem(answer, 403, "missing_scope", "not-permitted")["detail"])


async def test_a_key_is_limited_to_its_scopes(api: Running) -> None:
    reads, sends = await api.key("read"), await api.key("notify:academic")
    answer = await api.anonymous.post("/v1/notifications", json=ACADEMIC, headers=reads)
    # Before its body is read, the kind is not known.
    assert "'notify:KIND'" in lacks_scope(answer)
    for path in ("/v1/notifications", "/v1/outbox"):
        answer = await api.anonymous.get(path, headers=sends)
        assert "'read'" in lacks_scope(answer)
    id = await api.send()
    for path in (f"/v1/notifications/{id}", f"/v1/notifications/{id}/deliveries"):
        assert "'read'" in lacks_scope(await api.anonymous.get(path, headers=sends))
    answer = await api.anonymous.post("/v1/notifications", json=ACADEMIC | SECURITY, headers=sends)
    assert "'notify:security'" in lacks_scope(answer)
    for headers in (reads, sends, await api.key("notify:*", "read")):
        for method, path in (
            ("GET", "/v1/api-keys"),
            ("POST", "/v1/api-keys"),
            ("DELETE", "/v1/api-keys/x"),
        ):
            answer = await api.anonymous.request(method, path, headers=headers)
            assert "'admin'" in lacks_scope(answer)
    assert (
        await api.anonymous.post(
            "/v1/notifications", json=ACADEMIC, headers=await api.key("notify:*")
        )
    ).status_code == 202


async def test_a_key_is_limited_to_its_priority(api: Running) -> None:
    headers = await api.key("notify:*", max_priority="medium")

    async def status(**changes: Any) -> int:
        answer = await api.anonymous.post(
            "/v1/notifications", json=ACADEMIC | changes, headers=headers
        )
        if answer.status_code == 403:
            problem(answer, 403, "priority_not_allowed", "not-permitted")
        return answer.status_code

    assert await status(priority="medium") == 202
    assert await status(priority="high") == 403
    assert await status(priority="critical") == 403
    # The kind's own priority is always allowed.
    assert await status(**SECURITY) == 202
    assert await status(**SECURITY, priority="critical") == 202


async def test_a_revoked_key_stops_at_once(api: Running) -> None:
    headers = await api.key("read")
    assert (await api.anonymous.get("/v1/notifications", headers=headers)).status_code == 200
    (key,) = (await api.get("/v1/api-keys"))["items"]
    assert (await api.http.delete(f"/v1/api-keys/{key['id']}")).status_code == 204
    answer = await api.anonymous.get("/v1/notifications", headers=headers)
    problem(answer, 401, "revoked_key", "not-authenticated")
    (key,) = (await api.get("/v1/api-keys"))["items"]
    assert key["revoked_at"] is not None
    assert "key" not in key
    # Again is no error, and changes nothing.
    assert (await api.http.delete(f"/v1/api-keys/{key['id']}")).status_code == 204
    assert (await api.get("/v1/api-keys"))["items"] == [key]
    problem(await api.http.delete("/v1/api-keys/nothing"), 404, "not_found")


async def test_errors_point_at_the_mistake_in_a_key(api: Running) -> None:
    for changes, pointer, code in API_KEYS:
        wanted = {"name": "registrar", "scopes": ["read"]} | changes
        answer = await api.http.post("/v1/api-keys", json=wanted)
        assert codes(answer) == {pointer: code}, changes
    assert (await api.get("/v1/api-keys"))["items"] == []


async def test_missing_resources_are_named(api: Running) -> None:
    missing = "0196e0a0-0000-7000-8000-000000000000"
    for path in (f"/v1/notifications/{missing}", f"/v1/notifications/{missing}/deliveries"):
        problem(await api.http.get(path), 404, "not_found")
    problem(await api.http.get("/v1/nothing"), 404, "not_found")
    answer = await api.http.put("/v1/notifications")
    problem(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["allow"]
    assert codes(await api.http.get("/v1/notifications/1")) == {"/id": "not_an_id"}


async def test_errors_point_at_the_mistake_in_a_query(api: Running) -> None:
    for query, pointer, code in QUERIES:
        answer = await api.http.get("/v1/notifications", params=query)
        assert codes(answer) == {pointer: code}, query


async def test_an_unknown_parameter_is_refused(api: Running) -> None:
    """A misspelt filter would match everything."""
    for path, known in (
        ("/v1/notifications", "kind, status, outcome, priority"),
        ("/v1/outbox", "notification, channel, limit, cursor"),
        ("/v1/kinds", ""),
    ):
        answer = await api.http.get(path, params={"statsu": "failed"})
        assert codes(answer) == {"/statsu": "unknown_parameter"}
        assert known in answer.json()["errors"][0]["detail"]
    answer = await api.http.post("/v1/notifications?statsu=failed", json=ACADEMIC)
    assert codes(answer) == {"/statsu": "unknown_parameter"}
    assert (await api.anonymous.get("/readyz?from=probe")).status_code == 200


async def test_nothing_is_said_of_parameters_before_authentication(api: Running) -> None:
    for path in ("/v1/notifications?token=x", "/v1/kinds?token=x", "/v1/notify/academic?token=x"):
        method = "POST" if "notify" in path else "GET"
        answer = await api.anonymous.request(method, path)
        problem(answer, 401, "not_authenticated")
    # Nor of the kinds that there are.
    answer = await api.anonymous.post("/v1/notify/academic?token=x", headers=await api.key("read"))
    assert "'notify:academic'" in lacks_scope(answer)


async def test_events_name_the_header_to_resume_with(api: Running) -> None:
    answer = await api.http.get("/v1/events?since=7")
    assert codes(answer) == {"/since": "unknown_parameter"}
    assert "the header Last-Event-ID" in answer.json()["errors"][0]["detail"]


async def test_the_allowed_methods_are_named(api: Running) -> None:
    for method, path, allowed in (
        ("PUT", "/v1/notifications", "GET, POST"),
        ("DELETE", "/v1/notifications", "GET, POST"),
        ("PUT", "/v1/notifications/7", "GET"),
        ("GET", "/v1/notify/academic", "POST"),
        ("POST", "/v1/api-keys/7", "DELETE"),
        ("PUT", "/docs", "GET"),
    ):
        answer = await api.http.request(method, path)
        found = problem(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == allowed
        assert found["detail"] == f"This endpoint does not support {method}; use {allowed}."


async def test_lines_of_json_name_their_media_type(api: Running) -> None:
    lines = "".join(f"{json.dumps(ACADEMIC)}\n" for _ in range(2))
    for path in ("/v1/notifications", "/v1/notifications/batch"):
        answer = await api.http.post(path, content=lines, headers=JSON)
        found = problem(answer, 400, "malformed_document")
        assert "Content-Type: application/x-ndjson" in found["detail"]


async def test_get_on_the_batch_path_is_refused(api: Running) -> None:
    problem(await api.http.get("/v1/notifications/batch"), 405, "method_not_allowed")
    answer = await api.http.get("/v1/notifications/batch?limit=1")
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


async def test_a_trailing_slash_is_not_redirected(api: Running) -> None:
    """Few clients would follow a redirect, and most of them with GET."""
    answer = await api.http.post("/v1/notifications/", json=ACADEMIC)
    found = problem(answer, 404, "not_found")
    assert "did you mean /v1/notifications?" in found["detail"]


async def test_a_path_without_its_id_says_that_a_part_is_empty(api: Running) -> None:
    """As when the variable of a shell script is not set."""
    found = problem(await api.http.get("/v1/notifications//deliveries"), 404, "not_found")
    assert "one of its parts is empty" in found["detail"]


async def test_hints_have_the_path_prefix_of_a_proxy(api: Running) -> None:
    for path in ("/v1/notification", "/v1/notifications/"):
        answer = await api.http.get(path, headers={"X-Forwarded-Prefix": "/notify"})
        detail = problem(answer, 404, "not_found")["detail"]
        assert "did you mean /notify/v1/notifications? See /notify/docs." in detail


async def test_an_unexpected_error_is_a_problem(
    api: Running,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def crash(*_: object) -> None:
        raise RuntimeError(ACADEMIC["title"])

    monkeypatch.setattr(api.service.archive.notifications, "counts", crash)
    answer = await api.http.get(f"/v1/notifications/{await api.send()}")
    found = problem(answer, 500, "internal")
    assert ACADEMIC["title"] not in answer.text
    # To standard output, or to logging once something in this process has configured it.
    logged = capsys.readouterr().out + caplog.text
    assert found["request_id"] in logged
    assert "RuntimeError" in logged
    assert ACADEMIC["title"] not in logged


async def test_a_stopping_service_sends_retry_after(api: Running) -> None:
    api.service.supervisor.stopping()
    answer = await post(api)
    problem(answer, 503, "stopping", "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert (await api.get("/v1/notifications"))["items"] == []


async def test_an_idempotency_key_is_plain_text(api: Running) -> None:
    for key in (b"", b"a b", "é".encode(), b"a" * 256, b"a\tb"):
        headers = {b"Idempotency-Key": key}
        answer = await api.http.post("/v1/notifications", json=ACADEMIC, headers=headers)
        assert list(codes(answer)) == ["/idempotency-key"], key


async def test_a_repeated_request_creates_one_notification(
    api: Running, clock: ManualClock
) -> None:
    async def send(key: str, document: Any = ACADEMIC, **headers: str) -> httpx.Response:
        headers["Idempotency-Key"] = key
        client = api.anonymous if "Authorization" in headers else api.http
        return await client.post("/v1/notifications", json=document, headers=headers)

    first = await send("k")
    assert "idempotent-replayed" not in first.headers
    again = await send("k")
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    problem(await send("k", ACADEMIC | {"title": "Other"}), 422, "idempotency_mismatch")
    # Keys are each caller's own.
    other = await send("k", **await api.key("notify:*"))
    assert other.json()["id"] != first.json()["id"]
    # A refused request leaves its key free.
    assert (await send("l", ACADEMIC | {"title": ""})).status_code == 422
    assert "idempotent-replayed" not in (await send("l")).headers
    await clock.skip(24 * 3600 - 1)
    assert (await send("k")).headers.get("idempotent-replayed") == "true"
    await clock.advance(1)
    anew = await send("k")
    assert "idempotent-replayed" not in anew.headers
    assert anew.json()["id"] != first.json()["id"]


async def test_a_hundred_concurrent_requests_create_one_notification(service: Running) -> None:
    headers = {"Idempotency-Key": "exam-2026"}
    answers = await asyncio.gather(
        *(
            service.http.post("/v1/notifications", json=ACADEMIC, headers=headers)
            for _ in range(100)
        )
    )
    assert {answer.status_code for answer in answers} == {202}
    (id,) = {answer.json()["id"] for answer in answers}
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    await service.completed(id)
    assert len((await service.get("/v1/notifications"))["items"]) == 1
    assert len((await service.get("/v1/outbox"))["items"]) == 1


async def test_send_at_and_expires_at(service: Running, clock: ManualClock) -> None:
    now = datetime.fromtimestamp(clock.now() / 1000, UTC)

    def after(seconds: float) -> str:
        return (now + timedelta(seconds=seconds)).isoformat()

    assert codes(await post(service, expires_at=after(0))) == {"/expires_at": "in_the_past"}
    for expiry in (100, 99):
        answer = await post(service, send_at=after(100), expires_at=after(expiry))
        assert codes(answer) == {"/expires_at": "too_early"}
    answer = await post(service, send_at=after(100), expires_at=after(101))
    assert answer.json()["status"] == "scheduled"
    id = answer.json()["id"]
    assert answer.headers["location"] == answer.json()["href"] == f"/v1/notifications/{id}"
    await clock.advance(99)
    shown = await service.get(f"/v1/notifications/{id}")
    assert (shown["status"], shown["counts"]) == ("scheduled", {})
    await clock.advance(1)
    await service.completed(id)
    # In the past: at once.
    answer = await post(service, send_at=after(-1000))
    assert answer.json()["status"] == "queued"
    await service.completed(answer.json()["id"])


async def test_a_notification_that_expires_before_it_is_due_is_never_sent(
    clock: ManualClock,
) -> None:
    expires = moment(clock.now()) + timedelta(seconds=10)
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        id = await service.send(expires_at=expires.isoformat())
    await clock.advance(10)
    async with running(Service(ServiceConfig(), clock)) as service:
        shown = await service.until(
            f"/v1/notifications/{id}", lambda found: found["status"] == "expired"
        )
        assert shown["counts"] == {"email": {"skipped": 1}}
        (delivery,) = (await service.get(f"/v1/notifications/{id}/deliveries"))["items"]
        assert (delivery["status"], delivery["reason"]) == ("skipped", "expired")
        assert (await service.get("/v1/outbox"))["items"] == []
