"""What wrong requests get: problem details that point into the caller's own document."""

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
from tests.support.manual_clock import ManualClock
from tests.support.running import ACADEMIC, Running, running

JSON = {"Content-Type": "application/json"}
SECURITY = {
    "kind": "security",
    "data": {"location": "Building B", "instructions": "Leave\nthe building."},
}

KINDS = "security, health, weather, infrastructure, academic, administrative"


def problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The problem of an answer, once it is seen to be one (RFC 9457)."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["type"] == f"urn:flashnotify:problem:{slug}"
    assert found["status"] == status
    assert found["title"]
    assert found["detail"]
    assert found["request_id"] == answer.headers["x-request-id"]
    assert set(found) - {"errors"} == {"type", "title", "status", "detail", "request_id"}
    return found


def pointers(answer: httpx.Response) -> dict[str, str]:
    """What is wrong, by place."""
    errors = problem(answer, 422, "invalid-input")["errors"]
    return {error["pointer"]: error["detail"] for error in errors}


async def post(service: Running, **changes: Any) -> httpx.Response:
    document = {key: value for key, value in (ACADEMIC | changes).items() if value is not ...}
    return await service.http.post("/v1/notifications", json=document)


@pytest.fixture
async def api(clock: ManualClock) -> AsyncIterator[Running]:
    """A service that accepts and does not deliver."""
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        yield service


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"kind": "acedemic"}, "/kind", "academic, administrative; did you mean 'academic'?"),
        (
            {"kind": "party"},
            "/kind",
            f"the kinds are {KINDS}",
        ),
        (
            {"kind": 7},
            "/kind",
            f"the kinds are {KINDS}",
        ),
        (
            {"kind": None},
            "/kind",
            f"the kinds are {KINDS}",
        ),
        (
            {"kind": ...},
            "/kind",
            f"is missing; the kinds are {KINDS}",
        ),
        ({"title": ...}, "/title", "is missing"),
        ({"title": ""}, "/title", "is empty"),
        ({"title": " \u00a0 "}, "/title", "is empty"),
        ({"title": 3}, "/title", "expected a text"),
        ({"title": "x" * 201}, "/title", "has 201 characters; at most 200 are allowed"),
        ({"body": ...}, "/body", "is missing"),
        ({"body": "é" * 32769}, "/body", "has 65538 bytes of UTF-8; at most 65536 are allowed"),
        ({"to": ...}, "/to", "is missing"),
        ({"to": []}, "/to", "name at least one"),
        ({"to": "mailto:ada@univ.example"}, "/to", "must be a list"),
        ({"to": [{}]}, "/to/0", "must be a text"),
        ({"to": ["mailto:" + '"' * 1001]}, "/to/0", "has 1001 characters; at most 1000"),
        ({"kind": "academic" * 10_000}, "/kind", "is no kind; the kinds are"),
        # To name each would take long: the first one, or how many there are, has to do.
        ({"to": [1] * 10_000}, "/to/0", "must be a text"),
        ({"channels": [1] * 101}, "/channels", "has 101 entries; name each channel once"),
        ({"data": {f"x{n}": 1 for n in range(201)}}, "/data", "has 201 fields; at most 200"),
        ({f"x{n}": 1 for n in range(200)}, "", "fields; at most 200 are allowed"),
        ({"to": ["mailto:a@b.example"] * 10_001}, "/to", "has 10001 entries"),
        ({"channels": []}, "/channels", "name at least one"),
        ({"channels": ["sms", "push"]}, "/channels", "they take push:, tel: addresses"),
        ({"channels": ["fax"]}, "/channels/0", "is no channel of academic; its channels are email"),
        ({"channels": ["email", "pigeon"]}, "/channels/1", "its channels are email, sms"),
        ({"priority": "urgent"}, "/priority", "low, medium, high, critical"),
        ({"priority": 3}, "/priority", "low, medium, high, critical"),
        ({"locale": "not a locale"}, "/locale", "write it as fr or pt-BR"),
        ({"reference": ""}, "/reference", "is empty"),
        ({"reference": "x" * 201}, "/reference", "at most 200"),
        ({"data": ...}, "/data", "is missing"),
        ({"data": []}, "/data", "must be a JSON object"),
        ({"data": {}}, "/data/course", "is missing"),
        ({"data": {"course": ""}}, "/data/course", "is empty"),
        ({"data": {"course": None}}, "/data/course", "expected a text"),
        ({"data": {"course": "A", "starts_at": "tomorrow"}}, "/data/starts_at", "such as 2026"),
        (
            {"data": {"course": "A", "rooom": "B"}},
            "/data/rooom",
            "course, room, starts_at, teacher",
        ),
        ({"data": {"course": "A", "~/": "B"}}, "/data/~0~1", "is no field of academic"),
        ({"send_to": []}, "/send_to", "is no field of a notification"),
        ({"course": "ALG-2"}, "/course", "move it into data"),
        ({"send_at": "2026-12-01T08:00:00"}, "/send_at", "such as 2026-12-01T08:00:00+01:00"),
        ({"send_at": "2026-02-30T08:00:00Z"}, "/send_at", "is no such moment"),
        ({"send_at": 1_800_000_000}, "/send_at", "such as 2026"),
        ({"send_at": "9999-12-31T23:59:59-10:00"}, "/send_at", "is too far away"),
        ({"expires_at": "0001-01-01T00:00:00+10:00"}, "/expires_at", "is too far away"),
        ({"expires_at": "2027-01-15T08:00:00Z"}, "/expires_at", "is in the past"),
    ],
)
async def test_points_at_what_is_wrong(
    api: Running, changes: dict[str, Any], place: str, words: str
) -> None:
    wrong = pointers(await post(api, **changes))
    assert list(wrong) == [place]
    assert words in wrong[place]


async def test_names_all_faults_at_once(api: Running) -> None:
    wrong = pointers(
        await post(api, title="a\nb", extra=1, data={"x": 1, "room": "\x00"}, priority="urgent")
    )
    assert set(wrong) == {
        "/title", "/extra", "/data/x", "/data/room", "/data/course", "/priority",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("ada@univ.example", "write it with its scheme, such as mailto:"),
        ("mailto:ada", "@-sign"),
        ("mailto:", "@-sign"),
        ("mailto:ada@univ.example,bob@univ.example", "several addresses"),
        ("mailto:ada@univ.example?subject=x", "has a query"),
        ("mailto:ada%0d%0aBcc:x@univ.example", "encoded control character"),
        ("mailto:ada@univ.example\r\nBcc: x@univ.example", "character"),
        ("mailto:Ada <ada@univ.example>", ""),
        ("fax:+33612345678", "it takes chat:, mailto:, push:, tel:"),
        ("user:etu12345", "it takes chat:, mailto:"),
        ("group:l3-info", "it takes chat:, mailto:"),
        ("http://univ.example", "it takes chat:, mailto:"),
    ],
)
async def test_a_bad_address_names_its_entry(api: Running, entry: str, words: str) -> None:
    good = [f"mailto:student{n}@univ.example" for n in range(3)]
    wrong = pointers(await post(api, to=[*good, entry, *good]))
    assert list(wrong) == ["/to/3"]
    assert words in wrong["/to/3"]


@pytest.mark.parametrize("control", ["\r", "\n", "\r\nBcc: x@y.example", "\x00", "\x1b", "\x7f",
                                     "\x85", "\u2028", "\u2029", "\t"])  # fmt: skip
@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("/title", lambda text: {"title": text}),
        ("/reference", lambda text: {"reference": text}),
        ("/data/course", lambda text: {"data": {"course": text}}),
        ("/data/room", lambda text: {"data": {"course": "ALG-2", "room": text}}),
    ],
)
async def test_refuses_control_characters_in_what_is_one_line(
    api: Running, control: str, place: str, change: Any
) -> None:
    wrong = pointers(await post(api, **change(f"a{control}b")))
    assert list(wrong) == [place]
    assert "line break" in wrong[place] or "control character U+" in wrong[place]


async def test_takes_line_breaks_in_what_has_many_lines(api: Running) -> None:
    assert (await post(api, body="a\n\tb\r\nc")).status_code == 202
    assert (await post(api, **SECURITY)).status_code == 202
    assert list(pointers(await post(api, body="a\x00b"))) == ["/body"]
    wrong = {"location": "B", "instructions": "a\x1bb"}
    assert list(pointers(await post(api, **SECURITY | {"data": wrong}))) == ["/data/instructions"]


@pytest.mark.parametrize(
    "document",
    [
        b"", b"{", b"nonsense", b"[]", b"null", b'"text"', b"12", b"[" * 100_000,
        b'{"title": "\xe9"}', b'{"title": "\\ud800"}', '{"kind": "academic"}'.encode("utf-16"),
        b'{"kind": 1' + b"0" * 5000 + b"}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/notifications", "/v1/api-keys"])
async def test_refuses_what_is_no_json_object(api: Running, path: str, document: bytes) -> None:
    answer = await api.http.post(path, content=document, headers=JSON)
    assert "errors" not in problem(answer, 400, "malformed-document")


@pytest.mark.parametrize("path", ["/v1/notifications", "/v1/api-keys"])
@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "nonsense"]
)
async def test_refuses_other_media_types(api: Running, path: str, media_type: str) -> None:
    answer = await api.http.post(
        path, content=json.dumps(ACADEMIC), headers={"Content-Type": media_type}
    )
    assert "application/json" in problem(answer, 415, "unsupported-media-type")["detail"]


@pytest.mark.parametrize(
    "media_type", ["application/json; charset=utf-8", "Application/JSON", None]
)
async def test_takes_json_however_it_is_declared(api: Running, media_type: str | None) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}
    answer = await api.http.post("/v1/notifications", content=json.dumps(ACADEMIC), headers=headers)
    assert answer.status_code == 202


@pytest.mark.parametrize("path", ["/v1/notifications", "/v1/api-keys"])
async def test_refuses_what_is_too_large(
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
        assert "2000 bytes" in problem(answer, 413, "document-too-large")["detail"]
        declared = JSON | {"Content-Length": "100000"}
        answer = await service.http.post(path, content=chunks(), headers=declared)
        problem(answer, 413, "document-too-large")
        assert sent == 0, "it was not read"
        answer = await service.http.post(path, content=chunks(), headers=JSON)
        problem(answer, 413, "document-too-large")
        assert sent < 100_000
        answer = await service.http.post(
            "/v1/notifications", content=json.dumps(ACADEMIC).encode().ljust(2000), headers=JSON
        )
        assert answer.status_code == 202


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic YWRhOmFkYQ=="},
        {"Authorization": "Bearer fn_0123456789_" + "a" * 49},
        {"X-API-Key": "nonsense"},
        {"X-API-Key": b"\xff\xfe"},
    ],
)
async def test_says_how_to_sign_in(api: Running, headers: Any) -> None:
    for method, path in (
        ("POST", "/v1/notifications"),
        ("GET", "/v1/notifications"),
        ("GET", "/v1/outbox"),
        ("POST", "/v1/api-keys"),
        ("GET", "/v1/api-keys"),
        ("DELETE", "/v1/api-keys/x"),
        ("GET", "/v1/notifications/0196e0a0-0000-7000-8000-000000000000"),
    ):
        answer = await api.anonymous.request(method, path, headers=headers)
        problem(answer, 401, "not-authenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


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
    problem(answer, 401, "not-authenticated")
    await clock.advance(3600)
    answer = await api.anonymous.get("/v1/notifications", headers=headers)
    assert "expired" in problem(answer, 401, "not-authenticated")["detail"]


async def test_a_key_is_held_to_its_scopes(api: Running) -> None:
    reads, sends = await api.key("read"), await api.key("notify:academic")
    answer = await api.anonymous.post("/v1/notifications", json=ACADEMIC, headers=reads)
    assert "notify:academic" in problem(answer, 403, "not-permitted")["detail"]
    for path in ("/v1/notifications", "/v1/outbox"):
        answer = await api.anonymous.get(path, headers=sends)
        assert "'read'" in problem(answer, 403, "not-permitted")["detail"]
    id = await api.send()
    for path in (f"/v1/notifications/{id}", f"/v1/notifications/{id}/deliveries"):
        problem(await api.anonymous.get(path, headers=sends), 403, "not-permitted")
    answer = await api.anonymous.post("/v1/notifications", json=ACADEMIC | SECURITY, headers=sends)
    assert "notify:security" in problem(answer, 403, "not-permitted")["detail"]
    for headers in (reads, sends, await api.key("notify:*", "read")):
        for method, path in (
            ("GET", "/v1/api-keys"),
            ("POST", "/v1/api-keys"),
            ("DELETE", "/v1/api-keys/x"),
        ):
            answer = await api.anonymous.request(method, path, headers=headers)
            assert "'admin'" in problem(answer, 403, "not-permitted")["detail"]
    assert (
        await api.anonymous.post(
            "/v1/notifications", json=ACADEMIC, headers=await api.key("notify:*")
        )
    ).status_code == 202


async def test_a_key_is_held_to_its_priority(api: Running) -> None:
    headers = await api.key("notify:*", max_priority="medium")

    async def status(**changes: Any) -> int:
        answer = await api.anonymous.post(
            "/v1/notifications", json=ACADEMIC | changes, headers=headers
        )
        if answer.status_code == 403:
            assert "up to medium, not" in problem(answer, 403, "not-permitted")["detail"]
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
    assert "revoked" in problem(answer, 401, "not-authenticated")["detail"]
    (key,) = (await api.get("/v1/api-keys"))["items"]
    assert key["revoked_at"] is not None
    assert "key" not in key
    # Again is no error, and changes nothing.
    assert (await api.http.delete(f"/v1/api-keys/{key['id']}")).status_code == 204
    assert (await api.get("/v1/api-keys"))["items"] == [key]
    problem(await api.http.delete("/v1/api-keys/nothing"), 404, "not-found")


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"name": ""}, "/name", "at least 1"),
        ({"name": "a\nb"}, "/name", "pattern"),
        ({"scopes": []}, "/scopes", "at least 1"),
        ({"scopes": ["read", "notify:party"]}, "/scopes/1", "notify:security, notify:health"),
        ({"max_priority": "urgent"}, "/max_priority", "'critical'"),
        ({"expires_at": "2030-01-01T00:00:00"}, "/expires_at", "such as 2026"),
        ({"expires_at": 1_900_000_000}, "/expires_at", "such as 2026"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at", "in the past"),
        ({"expires_at": "9999-12-31T23:59:59-10:00"}, "/expires_at", "too far away"),
        ({"scope": "read"}, "/scope", "not permitted"),
    ],
)
async def test_points_at_what_is_wrong_with_a_key(
    api: Running, changes: dict[str, Any], place: str, words: str
) -> None:
    wanted = {"name": "registrar", "scopes": ["read"]} | changes
    wrong = pointers(await api.http.post("/v1/api-keys", json=wanted))
    assert list(wrong) == [place]
    assert words in wrong[place]
    assert (await api.get("/v1/api-keys"))["items"] == []


async def test_says_what_is_not_there(api: Running) -> None:
    missing = "0196e0a0-0000-7000-8000-000000000000"
    for path in (f"/v1/notifications/{missing}", f"/v1/notifications/{missing}/deliveries"):
        assert "no notification" in problem(await api.http.get(path), 404, "not-found")["detail"]
    problem(await api.http.get("/v1/nothing"), 404, "not-found")
    answer = await api.http.put("/v1/notifications")
    problem(answer, 405, "method-not-allowed")
    assert "POST" in answer.headers["allow"]
    assert list(pointers(await api.http.get("/v1/notifications/1"))) == ["/id"]


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ({"limit": 0}, "/limit"),
        ({"limit": 201}, "/limit"),
        ({"limit": "x"}, "/limit"),
        ({"cursor": "nonsense"}, "/cursor"),
        ({"cursor": "\x00"}, "/cursor"),
        ({"cursor": "x" * 65}, "/cursor"),
        ({"status": "lost"}, "/status"),
        ({"priority": "urgent"}, "/priority"),
        ({"since": "2027-01-01T00:00:00"}, "/since"),
        ({"until": "1800000000"}, "/until"),
    ],
)
async def test_points_at_what_is_wrong_in_a_query(
    api: Running, query: dict[str, Any], place: str
) -> None:
    answer = await api.http.get("/v1/notifications", params=query)
    assert list(pointers(answer)) == [place]


@pytest.mark.parametrize(
    ("method", "path", "there_are"),
    [
        ("GET", "/v1/notifications?statsu=failed", "kind, status, priority"),
        ("GET", "/v1/outbox?statsu=failed", "notification, channel, limit, cursor"),
        ("GET", "/v1/kinds?statsu=failed", "none"),
        ("POST", "/v1/notifications?statsu=failed", "none"),
    ],
)
async def test_a_parameter_that_means_nothing_is_refused(
    api: Running, method: str, path: str, there_are: str
) -> None:
    """A filter with a typing mistake would find everything."""
    answer = await api.http.request(method, path, json=ACADEMIC if method == "POST" else None)
    found = pointers(answer)
    assert list(found) == ["/statsu"]
    assert there_are in found["/statsu"]
    assert (await api.anonymous.get("/readyz?from=probe")).status_code == 200


async def test_a_path_that_is_no_id_takes_no_get_with_parameters_either(api: Running) -> None:
    problem(await api.http.get("/v1/notifications/batch"), 405, "method-not-allowed")
    answer = await api.http.get("/v1/notifications/batch?limit=1")
    assert list(pointers(answer)) == ["/limit"]


async def test_a_path_has_one_form(api: Running) -> None:
    """A redirect would be followed by few, and by most of them with GET."""
    problem(await api.http.post("/v1/notifications/", json=ACADEMIC), 404, "not-found")


async def test_what_nobody_expected_is_a_problem_too(
    api: Running,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def crash(*_: object) -> None:
        raise RuntimeError(ACADEMIC["title"])

    monkeypatch.setattr(api.service.lists, "counts", crash)
    answer = await api.http.get(f"/v1/notifications/{await api.send()}")
    found = problem(answer, 500, "internal")
    assert ACADEMIC["title"] not in answer.text
    # To standard output, or to logging once something in this process has configured it.
    logged = capsys.readouterr().out + caplog.text
    assert found["request_id"] in logged
    assert "RuntimeError" in logged
    assert ACADEMIC["title"] not in logged


async def test_a_service_that_is_stopping_says_when_to_come_again(api: Running) -> None:
    api.service.supervisor.stopping()
    answer = await post(api)
    assert "stopping" in problem(answer, 503, "unavailable")["detail"]
    assert int(answer.headers["retry-after"]) > 0
    assert (await api.get("/v1/notifications"))["items"] == []


@pytest.mark.parametrize("key", ["", "a b", "é".encode(), "a" * 256, "a\tb"])
async def test_an_idempotency_key_is_plain_text(api: Running, key: str | bytes) -> None:
    headers = {"Idempotency-Key": key}
    answer = await api.http.post("/v1/notifications", json=ACADEMIC, headers=headers)  # type: ignore[arg-type]
    assert list(pointers(answer)) == ["/idempotency-key"]


async def test_the_same_request_twice_is_one_notification(api: Running, clock: ManualClock) -> None:
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
    problem(await send("k", ACADEMIC | {"title": "Other"}), 422, "idempotency-mismatch")
    # Keys are each caller's own.
    other = await send("k", **await api.key("notify:*"))
    assert other.json()["id"] != first.json()["id"]
    # A refused request leaves its key free.
    assert (await send("l", ACADEMIC | {"title": ""})).status_code == 422
    assert "idempotent-replayed" not in (await send("l")).headers
    await clock.advance(24 * 3600 - 1)
    assert (await send("k")).headers.get("idempotent-replayed") == "true"
    await clock.advance(1)
    anew = await send("k")
    assert "idempotent-replayed" not in anew.headers
    assert anew.json()["id"] != first.json()["id"]


async def test_a_hundred_at_once_are_one_notification(service: Running) -> None:
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

    assert list(pointers(await post(service, expires_at=after(0)))) == ["/expires_at"]
    for expiry in (100, 99):
        answer = await post(service, send_at=after(100), expires_at=after(expiry))
        assert pointers(answer) == {"/expires_at": "is not after send_at"}
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


async def test_what_expires_before_it_is_due_is_never_sent(
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
        assert shown["counts"] == {}
        assert (await service.get("/v1/outbox"))["items"] == []
