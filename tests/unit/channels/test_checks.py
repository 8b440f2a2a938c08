"""`Transport.check`, over real sockets: it sends no message."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from flashnotify.channels.email.smtp.transport import SmtpTransport
from flashnotify.channels.push.ntfy import NtfyTransport
from flashnotify.channels.sms.http_json import HttpJsonTransport
from flashnotify.channels.sms.kannel import KannelTransport
from flashnotify.channels.transport import Transport
from flashnotify.errors import Misconfigured, Rejected, TransportError, Unreachable
from tests.conformance.adapter import Lent
from tests.support.eventually import eventually
from tests.support.http_server import DROP, GARBAGE, Answer, HttpServer, Reply
from tests.support.smtp_server import SmtpServer

PASSWORD = "correct-horse-battery-staple"


def made(kind: type[Transport[Any]], url: str, folder: Path) -> Transport[Any]:
    config = kind.config() if kind.config is not None else None
    return kind(kind.form(SecretStr(url)), config, Lent(folder).resources)


async def check(kind: type[Transport[Any]], url: str, folder: Path) -> str | TransportError:
    """Return the finding of a check, or its error; neither may contain the password."""
    transport = made(kind, url, folder)
    try:
        found: str | TransportError = await transport.check()
    except TransportError as error:
        found = error
    finally:
        await transport.close()
    assert PASSWORD not in str(found)
    return found


async def test_smtp_check_says_hello_and_logs_in(tmp_path: Path) -> None:
    async with SmtpServer(accounts={"user": PASSWORD}) as server:
        address = f"127.0.0.1:{server.port}?starttls=never"
        assert "user and password" in str(
            await check(SmtpTransport, f"smtp://user:{PASSWORD}@{address}", tmp_path)
        )
        wrong = await check(SmtpTransport, f"smtp://user:wrong{PASSWORD}@{address}", tmp_path)
        assert isinstance(wrong, Misconfigured)
        required = f"smtp://127.0.0.1:{server.port}?starttls=require"
        assert isinstance(await check(SmtpTransport, required, tmp_path), Misconfigured)
        await eventually(lambda: server.open == 0)
        assert (server.mails, server.recipients) == ([], [])
    down = await check(SmtpTransport, f"smtp://{address}", tmp_path)
    assert isinstance(down, Unreachable)


# The answer of Kannel 1.4.5.
NO_NUMBER = Reply(400, "Missing receiver number, rejected")


@pytest.mark.parametrize(
    ("kind", "url", "answer", "expected"),
    [
        (KannelTransport, "kannel://user:{}@{}", NO_NUMBER, str),
        (KannelTransport, "kannel://user:{}@{}", Reply(202, "Welcome"), Unreachable),
        (
            KannelTransport,
            "kannel://user:{}@{}",
            Reply(403, "Authorization failed for sendsms"),
            Misconfigured,
        ),
        (KannelTransport, "kannel://user:{}@{}", Reply(404, "Unknown request."), Misconfigured),
        (KannelTransport, "kannel://user:{}@{}", Reply(503, "no SMSC"), Unreachable),
        (KannelTransport, "kannel://user:{}@{}", DROP, Unreachable),
        (HttpJsonTransport, "http+json://user:{}@{}/sms", Reply(405), str),
        (HttpJsonTransport, "http+json://user:{}@{}/sms", Reply(200), str),
        (HttpJsonTransport, "http+json://user:{}@{}/sms", Reply(401), Misconfigured),
        (HttpJsonTransport, "http+json://user:{}@{}/sms", Reply(502), Unreachable),
        (HttpJsonTransport, "http+json://user:{}@{}/sms", GARBAGE, Unreachable),
        (NtfyTransport, "ntfy://user:{}@{}", Reply(200, '{"healthy": true}'), str),
        (NtfyTransport, "ntfy://user:{}@{}", Reply(200, '{"healthy": false}'), Unreachable),
        (NtfyTransport, "ntfy://user:{}@{}", Reply(200, "<html>"), Unreachable),
        (NtfyTransport, "ntfy://user:{}@{}", Reply(401, "unauthorized"), Misconfigured),
        (NtfyTransport, "ntfy://user:{}@{}", Reply(404, "not here"), Misconfigured),
        (NtfyTransport, "ntfy://user:{}@{}", DROP, Unreachable),
    ],
)
async def test_http_checks_send_no_message(
    tmp_path: Path,
    kind: type[Transport[Any]],
    url: str,
    answer: Answer,
    expected: type[str | TransportError],
) -> None:
    async with HttpServer() as server:
        server.next(answer)
        found = await check(kind, url.format(PASSWORD, server.host), tmp_path)
        assert isinstance(found, expected), found
        assert not isinstance(found, Rejected)
        (request,) = server.requests
        assert (request.method in ("GET", "HEAD"), request.body) == (True, b"")
        assert "to" not in request.query
        credentials = {**request.headers, **dict(request.query.items())}
        assert any(name in credentials for name in ("Authorization", "password"))
    down = await check(kind, url.format(PASSWORD, server.host), tmp_path)
    assert isinstance(down, Unreachable)
