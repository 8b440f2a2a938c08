"""A new password by a link: what works once, who learns what, and where the link is seen."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest

from flashnotify.archive.identity_records import User
from flashnotify.errors import NotAuthenticated
from flashnotify.identity.audit import Actor
from tests.integration.conftest import Emailing
from tests.support.eventually import eventually
from tests.support.manual_clock import ManualClock
from tests.support.passwords import GOOD
from tests.support.raw_servers import listening
from tests.support.running import Running
from tests.support.smtp_server import SmtpServer

NEW = "orange kettle drum 48"
EMAIL = "ada@univ.example"
LINK = re.compile(r"http://127\.0\.0\.1:8000/reset-password#(\S+)")
INVALID = [
    {
        "pointer": "/token",
        "code": "invalid_token",
        "detail": "this link is not valid any more; ask for a new one",
    }
]


async def add(service: Running, **more: Any) -> User:
    fields = {"name": "Ada <Lovelace>", "role": "sender", "email": EMAIL} | more
    answer = await service.http.post("/v1/users", json=fields | {"password": GOOD})
    assert answer.status_code == 201, answer.text
    return await service.service.identity.users.find(UUID(answer.json()["id"]))


async def ask(service: Running, email: str = EMAIL) -> Any:
    return await service.anonymous.post("/v1/auth/password-reset", json={"email": email})


async def sent(service: Running, number: int = 1) -> Any:
    """Return the newest of `number` emails in the outbox, as an admin sees it."""
    page = await service.until("/v1/outbox", lambda page: len(page["items"]) == number)
    return page["items"][0]


def token_of(text: str) -> str:
    found = LINK.search(text)
    assert found is not None
    return found[1]


async def confirm(service: Running, token: str, password: str = NEW) -> Any:
    document = {"token": token, "new_password": password}
    return await service.anonymous.post("/v1/auth/password-reset/confirm", json=document)


async def test_a_link_sets_a_password_once(service: Running) -> None:
    ada = await add(service)
    answer = await ask(service, "ADA@univ.example")
    assert (answer.status_code, answer.json()) == (202, {"minutes": 30})
    token = token_of((await sent(service))["text"])
    weak = await confirm(service, token, "password1234")
    assert [(e["pointer"], e["code"]) for e in weak.json()["errors"]] == [
        ("/new_password", "weak_password")
    ]
    assert (await confirm(service, token)).status_code == 204
    sign_in = service.service.identity.sign_in
    assert (await sign_in.with_password(EMAIL, NEW, None)).id == ada.id
    with pytest.raises(NotAuthenticated):
        await sign_in.with_password(EMAIL, GOOD, None)
    again = await confirm(service, token)
    assert (again.status_code, again.json()["errors"]) == (422, INVALID)


async def test_a_link_works_for_half_an_hour(service: Running, clock: ManualClock) -> None:
    await add(service)
    await ask(service)
    token = token_of((await sent(service))["text"])
    await clock.advance(30 * 60)
    assert (await confirm(service, token)).json()["errors"] == INVALID


async def test_a_link_ends_with_the_credentials_that_it_replaces(service: Running) -> None:
    ada = await add(service)
    await ask(service)
    token = token_of((await sent(service))["text"])
    users = service.service.identity.users
    await users.set_password(Actor("local"), ada.id, NEW)
    assert (await confirm(service, token)).json()["errors"] == INVALID
    await ask(service)
    token = token_of((await sent(service, 2))["text"])
    await users.set_active(Actor("local"), ada.id, False)
    assert (await confirm(service, token)).json()["errors"] == INVALID


async def test_a_forged_token_is_refused(service: Running) -> None:
    await add(service)
    await ask(service)
    token = token_of((await sent(service))["text"])
    payload, _, signature = token.rpartition(".")
    other = "A" if signature[0] != "A" else "B"
    forged = [
        "",
        ".",
        "x",
        "é",
        payload,
        token + "x",
        f"{payload}.{other}{signature[1:]}",
        f"A{token}",
    ]
    for each in forged:
        answer = await confirm(service, each)
        assert (answer.status_code, answer.json()["errors"]) == (422, INVALID), each
    # Nobody guesses a signature: who tries keeps nobody else out.
    for _ in range(30):
        await confirm(service, "x")
    assert (await confirm(service, token)).status_code == 204


async def test_choosing_weak_passwords_is_slowed_down(service: Running, clock: ManualClock) -> None:
    await add(service)
    await ask(service)
    token = token_of((await sent(service))["text"])
    answers = [await confirm(service, token, "password") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [422] * 10 + [429]
    assert answers[-1].headers["Retry-After"] == "1"
    await clock.advance(1)
    assert (await confirm(service, token)).status_code == 204


async def test_nobody_learns_who_has_an_account(service: Running) -> None:
    await add(service)
    await add(service, email="gone@univ.example")
    gone = (await service.get("/v1/users", search="gone"))["items"][0]
    await service.http.post(f"/v1/users/{gone['id']}/deactivate")
    answers = [await ask(service, name + "@univ.example") for name in ("ada", "gone", "eve")]
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, '{"minutes":30}\n')}
    assert (await sent(service))["to"] == EMAIL


async def test_many_requests_are_delayed(service: Running, clock: ManualClock) -> None:
    for email in (EMAIL, "eve@univ.example"):
        answers = [await ask(service, email) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [202] * 3 + [429]
        assert answers[-1].headers["Retry-After"] == "1"
    statuses = [(await ask(service, f"user{n}@univ.example")).status_code for n in range(20)]
    assert statuses == [202] * 14 + [429] * 6


async def test_a_network_of_many_people_waits_for_seconds(
    service: Running, clock: ManualClock
) -> None:
    for number in range(60):
        answer = await ask(service, f"user{number}@univ.example")
        if answer.status_code == 429:
            assert int(answer.headers["Retry-After"]) <= 5
            await clock.advance(5)
            assert (await ask(service, f"user{number}@univ.example")).status_code == 202


@pytest.mark.parametrize(
    ("locale", "subject", "language"),
    [
        ("fr-CA", "Choisissez un nouveau mot de passe", "fr"),
        ("en", "Choose a new password", "en"),
        ("de", "Choose a new password", "en"),
        (None, "Choose a new password", "en"),
    ],
)
async def test_the_email_is_in_the_language_of_its_reader(
    service: Running, locale: str | None, subject: str, language: str
) -> None:
    await add(service, locale=locale)
    await ask(service)
    message = await sent(service)
    assert (message["subject"], message["channel"]) == (subject, "email")
    assert message["notification_id"] is None
    assert f'<html lang="{language}">' in message["html"]
    assert "Ada &lt;Lovelace&gt;" in message["html"]
    assert token_of(message["text"]) in message["html"]


async def test_only_an_admin_sees_the_link_where_email_is_captured(service: Running) -> None:
    await add(service)
    await ask(service)
    await sent(service)
    for scope in ("read", "notify:*"):
        headers = await service.key("read", scope)
        for path in (
            "/v1/outbox",
            "/v1/outbox?channel=email",
            "/v1/notifications",
            "/v1/deliveries",
        ):
            answer = await service.anonymous.get(path, headers=headers)
            assert answer.json()["items"] == []
    admin = await service.anonymous.get("/v1/outbox", headers=await service.key("admin"))
    assert len(admin.json()["items"]) == 1


async def test_pages_of_the_outbox_keep_their_limit(service: Running) -> None:
    await add(service)
    for _ in range(2):
        await ask(service)
    await sent(service, 2)
    ids = [await service.send() for _ in range(3)]
    await service.until("/v1/outbox", lambda page: len(page["items"]) == 5)
    for limit in (1, 2, 3, 5):
        first = await service.get("/v1/outbox", limit=limit)
        assert len(first["items"]) <= limit
        seen, cursor = list(first["items"]), first["next"]
        while cursor:
            page = await service.get("/v1/outbox", limit=limit, cursor=cursor)
            seen += page["items"]
            cursor = page["next"]
        assert {m["notification_id"] for m in seen} - {None} == set(ids)
        assert len({m["id"] for m in seen}) == len(seen)


async def test_the_link_goes_over_smtp(emailing: Emailing, smtp: SmtpServer) -> None:
    async def received() -> list[Any]:
        return list(smtp.mails)

    async with emailing(smtp.url, PUBLIC_URL="https://notify.univ.example/app/") as service:
        await add(service)
        await ask(service)
        await eventually(received, bool)
        text = smtp.mails[0].message.get_body(("plain",))
        assert text is not None
        assert "https://notify.univ.example/app/reset-password#" in text.get_content()
        assert (await service.get("/v1/outbox"))["items"] == []


async def test_a_mail_server_that_hangs_does_not_hold_up_the_stop(emailing: Emailing) -> None:
    connected = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()

    async with (
        listening(hang) as port,
        emailing(f"smtp://127.0.0.1:{port}", SMTP_TIMEOUT="50") as service,
    ):
        await add(service)
        await ask(service)
        await connected.wait()


async def test_a_long_body_is_refused(service: Running) -> None:
    for path in ("/v1/auth/password-reset", "/v1/auth/password-reset/confirm"):
        answer = await service.anonymous.post(path, json={"email": "x" * 20_000})
        assert answer.status_code == 413


async def test_requests_and_resets_are_audited(service: Running) -> None:
    ada = await add(service)
    await ask(service)
    await ask(service, "eve@univ.example")
    await confirm(service, token_of((await sent(service))["text"]))
    with closing(sqlite3.connect(service.service.config.archive_file)) as archive:
        rows = archive.execute("SELECT actor, address, action, target FROM audit").fetchall()
    target = f"user:{ada.id}"
    assert rows[1:] == [
        ("anonymous", "127.0.0.1", "password.reset_requested", target),
        (target, "127.0.0.1", "password.changed", target),
    ]


async def test_neither_passwords_nor_tokens_are_seen_elsewhere(
    service: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    ada = await add(service)
    path = f"/v1/users/{ada.id}"
    await ask(service)
    token = token_of((await sent(service))["text"])
    wrong, weak = "canary-of-a-wrong-password", "canarycanarycanary"
    answers = [
        await confirm(service, token, weak),
        await confirm(service, token + "x", NEW),
        await confirm(service, token),
        await service.anonymous.post(
            "/v1/auth/password-reset/confirm", json={"token": token, "new_password": [NEW]}
        ),
        await service.http.put(f"{path}/password", json={"password": weak}),
        await service.http.put(f"{path}/password", json={"password": GOOD}),
        await service.http.post("/v1/users", json={"name": "x", "password": weak}),
        await service.anonymous.post("/v1/auth/password", json={"current": wrong, "new": NEW}),
    ]
    with pytest.raises(NotAuthenticated) as refused:
        await service.service.identity.sign_in.with_password(EMAIL, wrong, None)
    answers += [await service.http.get(p) for p in ("/metrics", "/readyz", path, "/v1/users")]
    seen = "".join(answer.text for answer in answers) + str(refused.value)
    seen += "".join(capfd.readouterr())
    file = service.service.config.archive_file
    for part in (file, file.with_name(file.name + "-wal")):
        seen += part.read_bytes().decode("latin-1")
    for secret in (token, NEW, GOOD, wrong, weak):
        assert secret not in seen, secret
