"""SMS over Kannel's protocol and over JSON: requests and replies."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from flashnotify.app import Service
from flashnotify.channels.sms.channel import SMSToOne
from flashnotify.channels.sms.http_json import HttpJsonConfig, HttpJsonTransport
from flashnotify.channels.sms.kannel import KannelConfig, KannelTransport
from flashnotify.channels.sms.segments import fit
from flashnotify.channels.transport import Transport
from flashnotify.channels.url import TransportURL
from flashnotify.domain import Message, Rendering
from flashnotify.errors import (
    AddressRefused,
    Misconfigured,
    Rejected,
    SettingsError,
    TransportError,
    Unreachable,
)
from flashnotify.settings import ServiceConfig
from tests.conformance.adapter import Lent
from tests.support.certificates import Authority
from tests.support.http_server import HttpServer, Reply
from tests.support.manual_clock import ManualClock
from tests.support.running import running

DELIVERY = UUID("01a3185c-5000-7000-b017-5b84b7b894d2")
# What a URL's query and a form would take for something else.
TRICKY = "50% + 1 & more = a #tag; café?\nLine two €"


def sms(text: str = "Room changed") -> SMSToOne:
    message = Message(DELIVERY, "+33612345678", Rendering("en", {}), 1_800_000_000_000)
    return SMSToOne(fit(text, 3), message, "Campus")


def kannel(url: str, folder: Path) -> KannelTransport:
    return KannelTransport(TransportURL(SecretStr(url)), KannelConfig(), Lent(folder).resources)


def gateway(url: str, folder: Path, **settings: Any) -> HttpJsonTransport:
    config = HttpJsonConfig(**settings)
    return HttpJsonTransport(TransportURL(SecretStr(url)), config, Lent(folder).resources)


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with HttpServer(Reply(202, "0: Accepted for delivery")) as started:
        yield started


async def outcome(transport: Transport[SMSToOne]) -> TransportError | None:
    """Send, close the transport, and return the result."""
    try:
        await transport.send(sms())
    except TransportError as error:
        return error
    finally:
        await transport.close()
    return None


class TestKannel:
    @pytest.mark.parametrize(
        ("text", "coding"), [(TRICKY, "0"), ("ça 🎓", "2"), ("déjà ^{}\\[~]|€", "0")]
    )
    async def test_gets_the_text_as_it_is(
        self, server: HttpServer, tmp_path: Path, text: str, coding: str
    ) -> None:
        transport = kannel(f"kannel://us%40r:p%3A%2F%25w@{server.host}", tmp_path)
        sent = await transport.send(sms(text))
        await transport.close()
        assert (sent.answer, sent.reference) == ("202 0: Accepted for delivery", str(DELIVERY))
        (request,) = server.requests
        assert (request.method, request.path) == ("GET", "/cgi-bin/sendsms")
        assert dict(request.query) == {
            "username": "us@r",
            "password": "p:/%w",
            "to": "+33612345678",
            "from": "Campus",
            "text": text,
            "charset": "UTF-8",
            "coding": coding,
            "dlr-mask": "19",
            "dlr-url": f"http://127.0.0.1:1/v1/receipts/kannel/{DELIVERY}"
            f"/token-kannel {DELIVERY}?status=%d",
        }

    async def test_is_asked_for_an_smsc_at_another_path(
        self, server: HttpServer, tmp_path: Path
    ) -> None:
        transport = kannel(f"kannel://u:p@{server.host}/sendsms?smsc=operator-1", tmp_path)
        assert await outcome(transport) is None
        assert server.requests[0].path == "/sendsms"
        assert server.requests[0].query["smsc"] == "operator-1"

    @pytest.mark.parametrize(
        ("status", "said", "kind"),
        [
            (202, "3: Queued for later delivery", None),
            (202, "<html>nonsense \x00</html>", None),
            (403, "Authorization failed for sendsms", Misconfigured),
            (403, "Not routable. Do not try again.", AddressRefused),
            (403, "Number(s) has/have been denied by white- and/or black-lists.", AddressRefused),
            (400, "Number(s) has/have been denied by white- and/or black-lists.", Rejected),
            (404, "Unknown request.", Misconfigured),
            (503, "Temporal failure, try again later.", Unreachable),
        ],
    )
    async def test_replies_map_to_results(
        self,
        server: HttpServer,
        tmp_path: Path,
        status: int,
        said: str,
        kind: type[TransportError] | None,
    ) -> None:
        server.next(Reply(status, said))
        error = await outcome(kannel(f"kannel://u:p@{server.host}", tmp_path))
        assert (type(error) if error else None) is kind
        if error is not None:
            about_the_url = "nothing accepts messages at this URL: " if status == 404 else ""
            assert error.reason == f"{about_the_url}{status} {said}"

    @pytest.mark.parametrize("status", [301, 400, 403, 500])
    async def test_a_page_that_quotes_the_request_shows_no_password(
        self, server: HttpServer, tmp_path: Path, status: int
    ) -> None:
        page = "<a href='https://x/sendsms?username=u&amp;password=hunter2%26x'>moved</a> hunter2&x"
        server.next(Reply(status, page))
        error = await outcome(kannel(f"kannel://u:hunter2%26x@{server.host}", tmp_path))
        assert error is not None
        assert "hunter2" not in error.reason
        if status == 301:
            assert "sendsms" not in error.reason

    @pytest.mark.parametrize("status", [200, 202, 204])
    async def test_any_2xx_means_taken(
        self, server: HttpServer, tmp_path: Path, status: int
    ) -> None:
        server.next(Reply(status))
        assert await outcome(kannel(f"kannel://u:p@{server.host}", tmp_path)) is None

    def test_has_a_default_port(self, tmp_path: Path) -> None:
        assert kannel("kannel://u:p@[::1]", tmp_path).name == "kannel://[::1]"
        assert kannel("kannel://u:p@[::1]", tmp_path)._sendsms.startswith("http://[::1]:13013/")


class TestJson:
    async def test_gets_a_document(self, server: HttpServer, tmp_path: Path) -> None:
        transport = gateway(f"http+json://{server.host}/v2/sms?account=7", tmp_path)
        await transport.send(sms(TRICKY))
        await transport.close()
        (request,) = server.requests
        assert (request.method, request.path) == ("POST", "/v2/sms")
        assert dict(request.query) == {"account": "7"}
        assert request.headers["Content-Type"] == "application/json"
        assert "Authorization" not in request.headers
        assert json.loads(request.body) == {
            "to": "+33612345678",
            "text": TRICKY,
            "from": "Campus",
            "reference": str(DELIVERY),
        }

    @pytest.mark.parametrize(
        ("user", "setting", "expected"),
        [
            ("", "Bearer of-the-setting", "Bearer of-the-setting"),
            ("us%40r:p%3Aw@", "Bearer of-the-setting", "Basic dXNAcjpwOnc="),
            ("key@", None, "Basic a2V5Og=="),
        ],
    )
    async def test_sends_the_credentials(
        self, server: HttpServer, tmp_path: Path, user: str, setting: str | None, expected: str
    ) -> None:
        url = f"http+json://{user}{server.host}"
        assert await outcome(gateway(url, tmp_path, authorization=setting)) is None
        assert server.requests[0].headers["Authorization"] == expected

    @pytest.mark.parametrize("value", ["Bearer a\r\nX-Other: b", "Bearer é"])
    def test_a_header_that_cannot_be_sent_is_refused(self, value: str) -> None:
        with pytest.raises(SettingsError, match="SMS_HTTP_AUTHORIZATION") as caught:
            HttpJsonConfig(authorization=value)
        assert value not in str(caught.value)

    @pytest.mark.parametrize(
        ("said", "reference"),
        [
            ('{"id": "gw-1"}', "gw-1"),
            ('{"message_id": 17, "status": "queued"}', "17"),
            ('{"messageId": "m"}', "m"),
            ('{"reference": "r"}', "r"),
            ('{"id": "", "reference": "r"}', "r"),
            ('{"id": null}', str(DELIVERY)),
            ('{"id": ["x"]}', str(DELIVERY)),
            ('["id"]', str(DELIVERY)),
            ("nonsense", str(DELIVERY)),
            ("", str(DELIVERY)),
            ("[" * 60_000, str(DELIVERY)),
            ('{"id": ' + "9" * 5_000 + "}", str(DELIVERY)),
        ],
    )
    async def test_accepts_any_successful_reply(
        self, server: HttpServer, tmp_path: Path, said: str, reference: str
    ) -> None:
        server.next(Reply(200, said))
        transport = gateway(f"http+json://{server.host}", tmp_path)
        sent = await transport.send(sms())
        await transport.close()
        assert sent.reference == reference
        assert sent.answer == f"200 {said}".strip()[:500]

    @pytest.mark.parametrize("status", [200, 302, 400, 404, 500])
    @pytest.mark.parametrize(
        "quoted",
        [
            "{target}",
            "Cannot POST {target}",
            "key h+nter2&amp; or h+nter2& or h%2bnter2%26 or h%2Bnter2%26 is wrong",
            '{{"id": "h+nter2&", "path": "{target}"}}',
            "h%2Bnter2%26",
            "/hooks/4f5cT0k3nInThePath9a",
            "token 4f5cT0k3nInThePath9a",
        ],
    )
    async def test_a_key_in_the_url_is_shown_nowhere(
        self, server: HttpServer, tmp_path: Path, status: int, quoted: str
    ) -> None:
        target = "/hooks/4f5cT0k3nInThePath9a?apikey=h%2bnter2%26&strict=true"
        server.next(Reply(status, quoted.format(target=target)))
        transport = gateway(f"http+json://{server.host}{target}", tmp_path)
        try:
            shown = repr(await transport.send(sms()))
        except TransportError as error:
            shown = f"{error} {error!r} {error.reason}"
        await transport.close()
        shown += f"{transport.name} {transport.url!r}"
        assert "nter2" not in shown
        assert "T0k3n" not in shown

    @pytest.mark.parametrize("status", [401, 403, 404, 405, 410])
    async def test_a_wrong_url_is_misconfigured(
        self, server: HttpServer, tmp_path: Path, status: int
    ) -> None:
        server.next(Reply(status, "no"))
        error = await outcome(gateway(f"http+json://{server.host}/wrong", tmp_path))
        assert type(error) is Misconfigured

    async def test_over_tls(
        self, tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with HttpServer(Reply(200), tls=authority.server()) as server:
            error = await outcome(gateway(f"https+json://u:p@{server.host}", tmp_path))
            assert type(error) is Misconfigured
            assert server.requests == []
            monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
            assert await outcome(gateway(f"https+json://u:p@{server.host}", tmp_path)) is None
            assert len(server.requests) == 1


async def test_fails_over_to_the_next_gateway(
    server: HttpServer, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "FLASHNOTIFY_SMS_URL", f"kannel://u:secret@127.0.0.1:1 http+json://k:secret@{server.host}"
    )
    async with running(Service(ServiceConfig(), clock)) as service:
        id = await service.send(to=["tel:+33612345678"], channels=["sms"])
        shown = await service.completed(id)
        assert shown["counts"] == {"sms": {"sent": 1}}
        (delivery,) = (await service.get(f"/v1/notifications/{id}/deliveries"))["items"]
        tries = [(a["transport"], a["outcome"]) for a in delivery["attempts"]]
        assert tries == [
            ("kannel://127.0.0.1:1", "retryable"),
            (f"http+json://{server.host}", "sent"),
        ]
        assert "secret" not in json.dumps(delivery)
        assert json.loads(server.requests[0].body)["reference"] == delivery["id"]
