"""Email with passwords and TLS."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.conftest import Emailing
from tests.integration.deliveries import answers, delivery_of, outcomes, tried
from tests.integration.test_smtp_failures import ready
from tests.support.certificates import Authority
from tests.support.manual_clock import ManualClock
from tests.support.running import Running
from tests.support.smtp_server import SmtpServer

PASSWORD = "p/ss: wörd"
QUOTED = "p%2Fss%3A%20w%C3%B6rd"
ACCOUNTS = {"campus@univ.example": PASSWORD}


@pytest.fixture(params=["smtps", "starttls", "starttls=require"])
async def secure(
    request: pytest.FixtureRequest, authority: Authority
) -> AsyncIterator[tuple[SmtpServer, str]]:
    """Run a server with TLS and a password, and return its URL too."""
    tls = authority.server()
    from_start = request.param == "smtps"
    async with SmtpServer(
        tls=tls if from_start else None, starttls=None if from_start else tls, accounts=ACCOUNTS
    ) as server:
        options = "?starttls=require" if request.param == "starttls=require" else ""
        yield server, with_password(server) + options


def with_password(server: SmtpServer, password: str = QUOTED) -> str:
    scheme, _, rest = server.url.partition("://")
    return f"{scheme}://campus%40univ.example:{password}@{rest}"


def clear_text_of(server: SmtpServer) -> bytes:
    """Return everything received without encryption, and its base64 parts decoded."""
    seen = server.plaintext
    for word in server.plaintext.split():
        with contextlib.suppress(ValueError):
            seen += base64.b64decode(word, validate=True)
    return seen


async def test_logs_in_over_tls(
    secure: tuple[SmtpServer, str], emailing: Emailing, authority: Authority
) -> None:
    server, url = secure
    async with emailing(url, SMTP_CA_FILE=str(authority.ca_file)) as service:
        for _ in range(2):
            await service.completed(await service.send())
        assert await ready(service) == ("ok", "ok")
    assert server.connections == 1
    assert [(mail.login, mail.encrypted) for mail in server.mails] == [
        ("campus@univ.example", True)
    ] * 2
    clear = clear_text_of(server)
    assert b"AUTH" not in clear
    assert PASSWORD.encode() not in clear
    assert b"ada@" not in clear


async def problem(service: Running) -> str:
    """What has to be fixed in the settings of email."""
    channels = (await service.get("/v1/channels"))["items"]
    (found,) = (c["transports"][0]["problem"] for c in channels if c["channel"] == "email")
    return str(found)


async def test_an_untrusted_certificate_is_misconfigured(
    secure: tuple[SmtpServer, str], emailing: Emailing
) -> None:
    server, url = secure
    async with emailing(url) as service:
        delivery = await tried(service, await service.send())
        assert outcomes(delivery) == ["misconfigured"]
        assert "certificate verify failed" in str(answers(delivery)[0]).lower()
        assert await ready(service) == ("degraded", "failing")
        assert "certificate verify failed" in (await problem(service)).lower()
    assert server.mails == []
    assert PASSWORD.encode() not in clear_text_of(server)


async def test_a_certificate_for_another_host_is_not_trusted(
    emailing: Emailing, authority: Authority
) -> None:
    async with (
        SmtpServer(tls=authority.server("127.0.0.2")) as server,
        emailing(server.url, SMTP_CA_FILE=str(authority.ca_file)) as service,
    ):
        delivery = await tried(service, await service.send())
        assert outcomes(delivery) == ["misconfigured"]
        assert server.mails == []


async def test_a_password_is_never_sent_in_the_clear(emailing: Emailing) -> None:
    async with (
        SmtpServer(accounts=ACCOUNTS) as server,
        emailing(with_password(server)) as service,
    ):
        delivery = await tried(service, await service.send())
        assert outcomes(delivery) == ["misconfigured"]
        assert "STARTTLS" in str(answers(delivery)[0])
        assert (await ready(service))[0] == "degraded"
    assert b"EHLO" in server.plaintext
    assert b"AUTH" not in server.plaintext
    assert PASSWORD.encode() not in clear_text_of(server)


async def test_a_password_is_sent_in_the_clear_only_if_configured(
    emailing: Emailing,
) -> None:
    async with (
        SmtpServer(accounts=ACCOUNTS) as server,
        emailing(with_password(server) + "?starttls=never") as service,
    ):
        await service.completed(await service.send())
        assert [mail.login for mail in server.mails] == ["campus@univ.example"]


async def test_required_starttls_without_support_is_misconfigured(
    smtp: SmtpServer, emailing: Emailing
) -> None:
    async with emailing(f"{smtp.url}?starttls=require") as service:
        delivery = await tried(service, await service.send())
        assert outcomes(delivery) == ["misconfigured"]
        assert smtp.mails == []


@pytest.mark.parametrize(
    ("option", "encrypted"), [("", True), ("?starttls=auto", True), ("?starttls=never", False)]
)
async def test_uses_starttls_where_it_is_offered(
    emailing: Emailing, authority: Authority, option: str, encrypted: bool
) -> None:
    async with (
        SmtpServer(starttls=authority.server()) as server,
        emailing(server.url + option, SMTP_CA_FILE=str(authority.ca_file)) as service,
    ):
        await service.completed(await service.send())
        assert [mail.encrypted for mail in server.mails] == [encrypted]


async def test_a_server_without_authentication_is_misconfigured(
    emailing: Emailing, authority: Authority
) -> None:
    async with (
        SmtpServer(tls=authority.server()) as server,
        emailing(with_password(server), SMTP_CA_FILE=str(authority.ca_file)) as service,
    ):
        delivery = await tried(service, await service.send())
        assert outcomes(delivery) == ["misconfigured"]
        assert server.mails == []


async def test_a_wrong_password_opens_the_breaker_and_loses_nothing(
    secure: tuple[SmtpServer, str],
    emailing: Emailing,
    authority: Authority,
    clock: ManualClock,
) -> None:
    server, url = secure
    server.accounts = {"campus@univ.example": "changed"}
    async with emailing(url, SMTP_CA_FILE=str(authority.ca_file)) as service:
        first = await service.send()
        delivery = await tried(service, first)
        assert (delivery["status"], outcomes(delivery)) == ("queued", ["misconfigured"])
        (words,) = answers(delivery)
        assert str(words).startswith("535 5.7.8 Authentication credentials invalid")
        assert await ready(service) == ("degraded", "failing")
        assert "535" in await problem(service)
        metrics = (await service.anonymous.get("/metrics")).text
        scheme = url.partition(":")[0]
        assert f'flashnotify_breaker_open{{channel="email",transport="{scheme}"}} 1.0' in metrics
        # Nobody else tries, for now: that costs no attempt, and locks no account.
        connections = server.connections
        second = await service.send()
        page = await service.until(
            f"/v1/notifications/{second}/deliveries",
            lambda p: p["items"] and p["items"][0]["reason"],
        )
        assert page["items"][0]["attempts"] == []
        assert server.connections == connections
        # It is still wrong when the breaker tries again, and still said to be.
        while server.connections == connections:
            await clock.advance(5)
            await service.get("/healthz")
        assert (await ready(service))[0] == "degraded"
        # Somebody mends it.
        server.accounts = ACCOUNTS
        for id in (first, second):
            while (await service.get(f"/v1/notifications/{id}"))["status"] != "completed":
                await clock.advance(5)
        assert await ready(service) == ("ok", "ok")
        sent = {(await delivery_of(service, id))["id"] for id in (first, second)}
    assert {mail.message_id for mail in server.mails} == {f"<{id}@campus.example>" for id in sent}
    assert len(server.mails) == 2


async def test_the_password_is_shown_nowhere(
    secure: tuple[SmtpServer, str], emailing: Emailing, tmp_path: Path
) -> None:
    _, url = secure
    async with emailing(url) as service:
        delivery = await tried(service, await service.send())
        shown = [
            str(delivery),
            (await service.anonymous.get("/readyz")).text,
            (await service.anonymous.get("/metrics")).text,
            *(repr(channel.config) for channel in service.service.channels.values()),
            *(repr(o.transport.url) for o in service.service.channels["email"].transports),
        ]
    for text in shown:
        assert PASSWORD not in text
        assert QUOTED not in text
        assert "campus@univ" not in text
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert PASSWORD.encode() not in file.read_bytes()
            assert QUOTED.encode() not in file.read_bytes()
