import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from flashnotify.channels.push.channel import PushToOne
from flashnotify.channels.push.message_encryption import MAX_BYTES
from flashnotify.channels.push.webpush import WebPushConfig, WebPushTransport, origin, payload
from flashnotify.channels.url import TransportURL
from flashnotify.domain import Device, DeviceType, Priority
from flashnotify.errors import Gone, Misconfigured, Rejected, SettingsError, Unsendable
from tests.conformance.adapter import Lent
from tests.support.browser import Browser, b64, vapid_claims
from tests.support.certificates import Authority
from tests.support.http_server import HttpServer, Reply
from tests.support.manual_clock import ManualClock
from tests.unit.channels.push.pushes import IDS, message

CONTACT = "mailto:it@univ.example"


@pytest.fixture
def browser() -> Browser:
    return Browser()


@pytest.fixture
async def service() -> AsyncIterator[HttpServer]:
    """A push service."""
    async with HttpServer(Reply(201, "", {"Location": "https://push.example/m/1"})) as server:
        yield server


@pytest.fixture
def lent(tmp_path: Path, clock: ManualClock) -> Lent:
    return Lent(tmp_path, clock)


@pytest.fixture
async def transport(lent: Lent) -> AsyncIterator[WebPushTransport]:
    made = make(lent, allowed_networks="127.0.0.0/8")
    yield made
    await made.close()


def make(lent: Lent, **settings: Any) -> WebPushTransport:
    config = WebPushConfig(contact=CONTACT, **settings)
    return WebPushTransport(TransportURL(SecretStr("webpush:")), config, lent.resources)


def push(browser: Browser, endpoint: str, **changes: Any) -> PushToOne:
    device = Device(IDS(), DeviceType.webpush, endpoint, browser.p256dh, browser.auth)
    return PushToOne(message(**changes), device)


async def test_the_browser_gets_the_message(
    service: HttpServer, transport: WebPushTransport, browser: Browser
) -> None:
    content = push(browser, f"{service.url}/p/1?x=y", priority=Priority.high)
    sent = await transport.send(content)
    (request,) = service.requests
    assert (request.method, request.path, request.query["x"]) == ("POST", "/p/1", "y")
    assert request.headers["Content-Encoding"] == "aes128gcm"
    assert browser.read(request.body) == {
        "id": content.reference,
        "title": "Room changed",
        "body": "It is in B204.",
        "priority": "high",
    }
    claims, key = vapid_claims(request.headers["Authorization"])
    assert claims["aud"] == service.url
    assert claims["sub"] == CONTACT
    assert key == transport.public_key
    assert sent.reference == "https://push.example/m/1"


@pytest.mark.parametrize(
    ("priority", "urgency"),
    [("low", "low"), ("medium", "normal"), ("high", "high"), ("critical", "high")],
)
async def test_urgency_follows_the_priority(
    service: HttpServer,
    transport: WebPushTransport,
    browser: Browser,
    priority: str,
    urgency: str,
) -> None:
    await transport.send(push(browser, service.url, priority=Priority[priority]))
    assert service.requests[0].headers["Urgency"] == urgency


@pytest.mark.parametrize(
    ("seconds", "ttl"),
    [(None, 2419200), (3600, 3600), (0.5, 0), (-5, 0), (10**8, 2419200)],
)
async def test_ttl_follows_the_expiry(
    service: HttpServer,
    transport: WebPushTransport,
    browser: Browser,
    clock: ManualClock,
    seconds: float | None,
    ttl: int,
) -> None:
    expires_at = None if seconds is None else clock.now() + round(seconds * 1000)
    await transport.send(push(browser, service.url, expires_at=expires_at))
    assert service.requests[0].headers["TTL"] == str(ttl)


async def test_topic_identifies_the_delivery(
    service: HttpServer, transport: WebPushTransport, browser: Browser
) -> None:
    id = IDS()
    await transport.send(push(browser, service.url, delivery_id=id))
    topic = service.requests[0].headers["Topic"]
    assert topic == b64(id.bytes)
    assert len(topic) <= 32  # RFC 8030, section 5.4


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=400)
    | st.just('"\\' * 200),
    st.integers(1, 5000),
    st.sampled_from(["word ", 'quoted" ', "é ", "字", "👩‍🎓 ", "back\\slash\n"]),
)
def test_every_payload_fits(title: str, times: int, text: str) -> None:
    text = text * times
    content = push(Browser(), "https://push.example/x", delivery_id=IDS())
    content.title, content.text = title, text
    made = payload(content)
    assert len(made) <= MAX_BYTES
    found = json.loads(made)
    assert found["title"] == title
    if found["body"] != text:
        assert found["body"].endswith("…")
        assert text.startswith(found["body"].removesuffix("…"))
        # No other word would fit.
        assert len(made) > MAX_BYTES - 40


@pytest.mark.parametrize(("status", "error"), [(404, Gone), (410, Gone), (413, Rejected)])
async def test_refusals_of_one_message(
    service: HttpServer,
    transport: WebPushTransport,
    browser: Browser,
    status: int,
    error: type[Rejected],
) -> None:
    service.next(Reply(status, "the reason"))
    with pytest.raises(error, match="the reason") as caught:
        await transport.send(push(browser, service.url))
    assert type(caught.value) is error


@pytest.mark.parametrize("status", [401, 403])
async def test_unauthorized_is_misconfigured_until_the_service_has_accepted_our_key(
    service: HttpServer, transport: WebPushTransport, browser: Browser, status: int
) -> None:
    service.next(Reply(status, "bad token"))
    with pytest.raises(Misconfigured, match="bad token"):
        await transport.send(push(browser, service.url))
    # Once it has accepted our key, only this one subscription can be wrong.
    await transport.send(push(browser, service.url))
    service.next(Reply(status, "bad token"))
    with pytest.raises(Rejected, match="another applicationServerKey"):
        await transport.send(push(browser, service.url))


async def test_a_redirect_is_not_followed(
    service: HttpServer, transport: WebPushTransport, browser: Browser
) -> None:
    async with HttpServer() as elsewhere:
        for status in (301, 302, 303, 307, 308):
            service.next(Reply(status, "", {"Location": elsewhere.url}))
            with pytest.raises(Misconfigured):
                await transport.send(push(browser, service.url))
        assert elsewhere.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost"])
async def test_non_public_addresses_are_never_connected_to(
    service: HttpServer, lent: Lent, browser: Browser, host: str
) -> None:
    transport = make(lent)
    with pytest.raises(Unsendable, match="not public"):
        await transport.send(push(browser, f"http://{host}:{service.port}/x"))
    await transport.close()
    assert service.connections == 0


async def test_dns_rebinding_is_blocked(
    service: HttpServer, lent: Lent, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        found = ["127.0.0.1", "::1"]
        return [
            (socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port))
            for a in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    transport = make(lent)
    with pytest.raises(Unsendable, match="not public"):
        await transport.send(push(browser, f"https://push.example:{service.port}/x"))
    await transport.close()
    assert asked == ["push.example"]
    assert service.connections == 0


async def test_tls_verifies_host_name_and_authority(
    lent: Lent, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    async with HttpServer(tls=authority.server()) as service:
        stranger = make(lent, allowed_networks="127.0.0.0/8")
        with pytest.raises(Misconfigured, match="certificate"):
            await stranger.send(push(browser, service.url))
        await stranger.close()
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
        trusting = make(lent, allowed_networks="127.0.0.0/8")
        await trusting.send(push(browser, service.url))
        await trusting.close()
        assert len(service.requests) == 1


def test_serves_subscriptions_with_one_service_each(lent: Lent) -> None:
    transport = make(lent)
    subscription = message(device=Device(IDS(), DeviceType.webpush, "https://A.example:443/x"))
    topic = message(device=Device(IDS(), DeviceType.ntfy, "topic"))
    assert transport.serves(subscription)
    assert not transport.serves(topic)
    # The channel itself reports a device that is no longer registered.
    assert transport.serves(message())
    assert transport.service(subscription) == "https://a.example"
    assert transport.service(message()) is None


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("https://push.example/x/y?z", "https://push.example"),
        ("https://PUSH.example:443/", "https://push.example"),
        ("https://push.example:8443", "https://push.example:8443"),
        ("https://push.example?x=/y", "https://push.example"),
        ("http://127.0.0.1:80/", "http://127.0.0.1"),
        ("https://[2001:DB8::1]:444/", "https://[2001:db8::1]:444"),
    ],
)
def test_the_origin_of_an_endpoint(endpoint: str, expected: str) -> None:
    assert origin(endpoint) == expected


def test_the_key_is_kept(lent: Lent) -> None:
    assert make(lent).public_key == make(lent).public_key
    assert (lent.folder / "vapid.pem").exists()


def test_a_contact_is_required(lent: Lent) -> None:
    with pytest.raises(SettingsError, match="FLASHNOTIFY_PUSH_CONTACT"):
        WebPushTransport(TransportURL(SecretStr("webpush:")), WebPushConfig(), lent.resources)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("contact", "it@univ.example"),
        ("contact", "http://univ.example"),
        ("contact", "mailto:"),
        ("allowed_networks", "10.0.0.0/33"),
        ("allowed_networks", "campus"),
    ],
)
def test_invalid_settings_are_refused(setting: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"FLASHNOTIFY_PUSH_{setting.upper()}"):
        WebPushConfig(**{setting: value})
