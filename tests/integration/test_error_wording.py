"""The wording of every error of the API, in one file: `golden/errors.md`.

Other tests assert codes. After an intended change of wording, rewrite the file with
`GOLDEN=write make test ARGS=tests/integration/test_error_wording.py`, and read the difference.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from flashnotify.app import Service
from flashnotify.domain import moment
from flashnotify.errors import InvalidInput
from flashnotify.identity.audit import Actor
from flashnotify.identity.key_format import checksum
from flashnotify.settings import ServiceConfig
from tests.integration import wrong_requests as wrong
from tests.support.manual_clock import ManualClock
from tests.support.people import GOOD, add_user
from tests.support.running import ACADEMIC, Running, running
from tests.support.signing_in import OWN_PAGE, cookie_of

GOLDEN = Path(__file__).parent / "golden" / "errors.md"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TEXT = {"Content-Type": "text/plain"}
NDJSON = {"Content-Type": "application/x-ndjson"}
NOTIFICATIONS, BATCH = "/v1/notifications", "/v1/notifications/batch"
CURL = "/v1/notify/academic?to=mailto:ada@univ.example&course=ALG-2"
NO_ID = "0196e0a0-0000-7000-8000-000000000000"
UNKNOWN_KEY = f"fn_{'0' * 10}_{'a' * 43}{checksum('0' * 10, 'a' * 43)}"


class Wording:
    """Collects problem responses."""

    def __init__(self, service: Running) -> None:
        self._service = service
        self.lines = ["# The wording of errors", ""]

    async def ask(self, title: str, method: str, path: str, **request: Any) -> None:
        """Make a request as an admin, or with the given headers, that must be refused."""
        client = self._service.http
        if "key" in request:
            client = self._service.anonymous
            request["headers"] = request.get("headers", {}) | request.pop("key")
        self.add(title, await client.request(method, path, **request))

    def add(self, title: str, answer: httpx.Response) -> None:
        """Note the problem of an answer."""
        assert answer.headers["content-type"] == "application/problem+json", (title, answer.text)
        self.note(title, answer.json())

    def note(self, title: str, found: dict[str, Any]) -> None:
        """Note a problem."""
        self.lines.append(f"- {title}: {found['status']} `{found['code']}` {found['detail']}")
        for error in found.get("errors", ())[:3]:
            self.lines.append(f"  `{error['pointer']}` `{error['code']}` {error['detail']}")

    def text(self) -> str:
        """Return all of it."""
        return "\n".join(self.lines) + "\n"


def short(value: object) -> str:
    """Return a value for a title."""
    text = json.dumps(value, ensure_ascii=True, default=lambda _: "removed")
    return f"`{text if len(text) < 70 else text[:69] + '…'}`"


async def test_the_wording_matches_the_golden_file(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ServiceConfig(rate_limit="5/hour", max_batch=2, max_request_bytes=300_000)
    async with running(Service(config, clock)) as service:
        wording = Wording(service)
        await _authentication(service, wording, clock)
        await _tokens(service, wording, clock)
        await _documents(wording)
        await _fields(wording)
        await _users(service, wording)
        await _state(service, wording, clock)

        async def crash(*_: object) -> None:
            raise RuntimeError

        id = await service.send()
        monkeypatch.setattr(service.service.archive.notifications, "counts", crash)
        await wording.ask("An unexpected error", "GET", f"{NOTIFICATIONS}/{id}")
        service.service.supervisor.stopping()
        await wording.ask("Stopping", "POST", NOTIFICATIONS, json=ACADEMIC)
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(wording.text())
    assert wording.text() == GOLDEN.read_text()


def id_of(key: Mapping[str, str]) -> str:
    """Return the id of an API key, by its headers."""
    return key["Authorization"].split("_")[1]


async def _authentication(service: Running, wording: Wording, clock: ManualClock) -> None:
    for title, key in (
        ("No key", {}),
        ("Not a key", {"X-API-Key": "nonsense"}),
        ("Unknown key", {"X-API-Key": UNKNOWN_KEY}),
    ):
        await wording.ask(title, "GET", NOTIFICATIONS, key=key)
    key = await service.key("read", expires_at=moment(clock.now() + 1000).isoformat())
    await clock.advance(1)
    await wording.ask("Expired key", "GET", NOTIFICATIONS, key=key)
    key = await service.key("read")
    await service.http.delete(f"/v1/api-keys/{id_of(key)}")
    await wording.ask("Revoked key", "GET", NOTIFICATIONS, key=key)
    key = await service.key("read")
    await service.http.post(f"/v1/api-keys/{id_of(key)}/rotate", json={"overlap": 0})
    await wording.ask("Rotated key", "GET", NOTIFICATIONS, key=key)
    key = await service.key("read")
    await wording.ask("Missing scope", "POST", NOTIFICATIONS, json=ACADEMIC, key=key)
    await wording.ask("Missing scope", "GET", "/v1/api-keys", key=key)
    key = await service.key("notify:academic", max_priority="low")
    urgent = ACADEMIC | {"priority": "high"}
    await wording.ask("Priority", "POST", NOTIFICATIONS, json=urgent, key=key)
    key = await service.key("read")
    for since in ("2027-01-01T00:00:00", "1800000000"):
        path = f"{NOTIFICATIONS}?since={since}"
        await wording.ask(f"In a URL: {since}", "GET", path, key=key)
    for _ in range(3):
        await service.anonymous.get("/v1/kinds", headers=key)
    await wording.ask("Rate limit", "GET", "/v1/kinds", key=key)


async def _tokens(service: Running, wording: Wording, clock: ManualClock) -> None:
    await add_user(service.service)
    password = {"grant_type": "password", "username": "ada@univ.example", "password": GOOD}
    tokens = (await service.anonymous.post("/v1/auth/token", data=password)).json()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    again = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    client = {"grant_type": "client_credentials"}
    await wording.ask("Not a token", "GET", NOTIFICATIONS, key={"Authorization": "Bearer x"})
    for form in (
        {"grant_type": "implicit"},
        {"username": "ada@univ.example"},
        {**password, "password": "wrong"},
        {**password, "scope": "admin"},
        {**password, "role": "admin"},
        {**again, "refresh_token": "x"},
        client,
        {**client, "client_secret": "x"},
        {**client, "client_secret": UNKNOWN_KEY},
    ):
        await wording.ask(f"Token for {short(form)}", "POST", "/v1/auth/token", data=form)
    body = b"grant_type=password&grant_type=password"
    await wording.ask("A form", "POST", "/v1/auth/token", content=body, headers=FORM)
    await wording.ask("Not a form", "POST", "/v1/auth/token", content="x", headers=TEXT)
    form = {"token": UNKNOWN_KEY}
    await wording.ask("Revoke an API key", "POST", "/v1/auth/revoke", data=form)
    await wording.ask("A token lacks a scope", "GET", "/v1/api-keys", key=bearer)
    await service.anonymous.post("/v1/auth/token", data=again)
    await clock.advance(15 * 60)
    await wording.ask("Expired token", "GET", NOTIFICATIONS, key=bearer)
    await wording.ask("Refreshed twice", "POST", "/v1/auth/token", data=again)


async def _documents(wording: Wording) -> None:
    for path in ("/v1/nothing", f"{NOTIFICATIONS}/{NO_ID}", f"/v1/devices/{NO_ID}"):
        await wording.ask(f"GET {path}", "GET", path)
    await wording.ask("No such API key", "DELETE", "/v1/api-keys/nothing")
    await wording.ask("No Web Push", "GET", "/v1/vapid-key")
    await wording.ask("No such delivery", "GET", f"/v1/receipts/kannel/{NO_ID}/x?status=1")
    await wording.ask("Unknown kind in the path", "POST", "/v1/notify/party", content="x")
    await wording.ask("Trailing slash", "POST", f"{NOTIFICATIONS}/", json=ACADEMIC)
    await wording.ask("Method", "PUT", NOTIFICATIONS)
    for body in (b"", b"{", b"[]", b'{"title": "\xe9"}', b'{"a": 1}\n{"a": 1}'):
        title = f"Body {body!r}"
        await wording.ask(title, "POST", NOTIFICATIONS, content=body, headers=JSON)
    for body in (b"\xe9", b"{}", b"[{}", b"[{}] x", b"[{},", b"[NaN]"):
        await wording.ask(f"Array {body!r}", "POST", BATCH, content=body, headers=JSON)
    await wording.ask("Batch without a valid notification", "POST", BATCH, json=[{}])
    await wording.ask("Large batch", "POST", BATCH, json=[ACADEMIC] * 3)
    await wording.ask("Large body", "POST", NOTIFICATIONS, content=b" " * 300_001, headers=JSON)
    await wording.ask("Not JSON", "POST", NOTIFICATIONS, data=ACADEMIC)
    await wording.ask("Not a batch", "POST", BATCH, data=ACADEMIC)
    await wording.ask("Not text", "POST", CURL, json=ACADEMIC)


async def _fields(wording: Wording) -> None:
    for changes, *_ in wrong.NOTIFICATIONS:
        document = wrong.changed(ACADEMIC, changes)
        await wording.ask(short(changes), "POST", NOTIFICATIONS, json=document)
    for entry, _ in wrong.ENTRIES:
        document = ACADEMIC | {"to": [entry]}
        await wording.ask(f"Entry {short(entry)}", "POST", NOTIFICATIONS, json=document)
    for changes, *_ in wrong.API_KEYS:
        document = {"name": "registrar", "scopes": ["read"]} | changes
        await wording.ask(f"Key {short(changes)}", "POST", "/v1/api-keys", json=document)
    user = {"name": "Ada Lovelace", "role": "sender"}
    for changes, *_ in wrong.USERS:
        await wording.ask(f"User {short(changes)}", "POST", "/v1/users", json=user | changes)
    for number, (changes, *_) in enumerate(wrong.SUBSCRIPTIONS, 1):
        document = wrong.subscription(changes)
        await wording.ask(f"Subscription {number}", "POST", "/v1/devices", json=document)
    topic = {"type": "ntfy", "topic": "a b"}
    await wording.ask("Topic", "POST", "/v1/devices", json=topic)
    for query, *_ in wrong.QUERIES:
        await wording.ask(f"Query {short(query)}", "GET", NOTIFICATIONS, params=query)
    await wording.ask("Query of an endpoint without one", "GET", "/v1/kinds?kind=academic")
    await wording.ask("Wait while sending", "POST", "/v1/notifications?wait=5", json=ACADEMIC)
    await wording.ask("Path", "GET", f"{NOTIFICATIONS}/1")
    for key in ("a b", "a" * 256):
        headers = {"Idempotency-Key": key}
        title = f"Idempotency-Key {short(key)}"
        await wording.ask(title, "POST", NOTIFICATIONS, json=ACADEMIC, headers=headers)
    await wording.ask("Parameter for a header", "GET", "/v1/events?since=7")
    for more in ("&course=X", "&colour=red", "&message=x"):
        await wording.ask(f"Text {more}", "POST", CURL + more, content="x")
    await wording.ask("Text in Latin-1", "POST", CURL, content=b"\xe9")


async def _users(service: Running, wording: Wording) -> None:
    await wording.ask("No such user", "GET", f"/v1/users/{NO_ID}")
    await wording.ask("Preferences of a key", "GET", "/v1/me/preferences")
    for chosen, *_ in wrong.PREFERENCES:
        path = f"/v1/users/{NO_ID}/preferences"
        await wording.ask(f"Preferences {short(chosen)}", "PUT", path, json=chosen)
    await _phone(service, wording)
    admin = await service.http.post("/v1/users", json={"name": "Ada", "role": "admin"})
    await wording.ask("Last admin", "POST", f"{admin.headers['Location']}/deactivate")
    change = {"current": "x", "new": "y"}
    await wording.ask("Password of a key", "POST", "/v1/auth/password", json=change)
    link = {"token": "x", "new_password": "y"}
    await wording.ask("No link", "POST", "/v1/auth/password-reset/confirm", json=link)
    path, who = "/v1/auth/password-reset", {"email": "ada@univ.example"}
    for _ in range(3):
        assert (await service.http.post(path, json=who)).status_code == 202
    await wording.ask("Many links", "POST", path, json=who)


async def _phone(service: Running, wording: Wording) -> None:
    user = await add_user(service.service, email="phone@univ.example")
    own = {"key": await cookie_of(service.service, user) | OWN_PAGE}
    path, code = "/v1/me/phone", {"code": "000000"}
    await wording.ask("Phone", "PUT", path, json={"phone": "12"}, **own)
    await wording.ask("Code without a number", "POST", f"{path}/confirm", json=code, **own)
    phones = service.service.people.phones
    with patch.object(secrets, "randbelow", return_value=1):
        for _ in range(3):
            await phones.request(user.id, "+33612345678")
    await wording.ask("Wrong code", "POST", f"{path}/confirm", json=code, **own)
    # Not by requests: the account has few.
    for _ in range(4):
        with pytest.raises(InvalidInput):
            await phones.confirm(Actor("local"), user.id, "000000")
    await wording.ask("Code used up", "POST", f"{path}/confirm", json=code, **own)
    await wording.ask("Many codes", "PUT", path, json={"phone": "+33612345678"}, **own)


async def _state(service: Running, wording: Wording, clock: ManualClock) -> None:
    headers = {"Idempotency-Key": "k"}
    await service.http.post(NOTIFICATIONS, json=ACADEMIC, headers=headers)
    other = ACADEMIC | {"title": "Other"}
    await wording.ask("Other request", "POST", NOTIFICATIONS, json=other, headers=headers)
    sent = await service.send()
    await service.completed(sent)
    await wording.ask("Cancel what was sent", "POST", f"{NOTIFICATIONS}/{sent}/cancel")
    now = moment(clock.now())
    later = {"send_at": (now + timedelta(hours=1)).isoformat()}
    cancelled = await service.send(**later)
    await service.http.post(f"{NOTIFICATIONS}/{cancelled}/cancel")
    await wording.ask("Retry what was cancelled", "POST", f"{NOTIFICATIONS}/{cancelled}/retry")
    expiring = await service.send(expires_at=(now + timedelta(seconds=1)).isoformat())
    await service.completed(expiring)
    await clock.advance(1)
    await wording.ask("Retry what expired", "POST", f"{NOTIFICATIONS}/{expiring}/retry")
    long = json.dumps(ACADEMIC | {"body": "x" * 300_001}).encode()
    for title, line in (("Line that is no JSON", b"{"), ("Long line", long)):
        answer = await service.http.post(BATCH, content=line, headers=NDJSON)
        (result,) = answer.json()["results"]
        wording.note(title, result["error"])
