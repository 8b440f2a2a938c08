import json
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from flashnotify.channels.push.channel import PushToOne
from flashnotify.channels.push.ntfy import NtfyConfig, NtfyTransport
from flashnotify.channels.url import TransportURL
from flashnotify.domain import Device, DeviceType, Message, Priority
from flashnotify.errors import Misconfigured, Retryable, Unreachable
from tests.conformance.adapter import Lent
from tests.support.http_server import HttpServer, Reply
from tests.unit.channels.push.pushes import IDS, message


def make(url: str, folder: Path) -> NtfyTransport:
    return NtfyTransport(TransportURL(SecretStr(url)), NtfyConfig(), Lent(folder).resources)


@pytest.fixture
async def ntfy() -> AsyncIterator[HttpServer]:
    async with HttpServer(Reply(200, '{"id": "hwQ2YpKdmg"}')) as server:
        yield server


async def sent(
    ntfy: HttpServer,
    folder: Path,
    sent: Message,
    credentials: str = "",
    reference: str = "hwQ2YpKdmg",
) -> Any:
    """Send a message; return the request."""
    transport = make(f"ntfy://{credentials}{ntfy.host}", folder)
    device = Device(IDS(), DeviceType.ntfy, "ada-5Hk2xQ")
    try:
        answer = await transport.send(PushToOne(sent, device))
    finally:
        await transport.close()
    assert answer.reference == reference
    return ntfy.requests[-1]


async def test_publishes_to_the_topic(ntfy: HttpServer, tmp_path: Path) -> None:
    given = message("Changé")
    request = await sent(ntfy, tmp_path, given)
    assert (request.method, request.path) == ("POST", "/")
    assert "Authorization" not in request.headers
    assert json.loads(request.body) == {
        "topic": "ada-5Hk2xQ",
        "title": "Changé",
        "message": "It is in B204.",
        "priority": 2,
        "sequence_id": str(given.delivery_id),
    }


@pytest.mark.parametrize(
    ("priority", "number"), [("low", 2), ("medium", 3), ("high", 4), ("critical", 5)]
)
async def test_priorities(ntfy: HttpServer, tmp_path: Path, priority: str, number: int) -> None:
    request = await sent(ntfy, tmp_path, message(priority=Priority[priority]))
    assert json.loads(request.body)["priority"] == number


async def test_a_token_becomes_bearer_credentials(ntfy: HttpServer, tmp_path: Path) -> None:
    request = await sent(ntfy, tmp_path, message(), "tk_1%2F2@")
    assert request.headers["Authorization"] == "Bearer tk_1/2"


async def test_a_password_becomes_basic_credentials(ntfy: HttpServer, tmp_path: Path) -> None:
    request = await sent(ntfy, tmp_path, message(), "fn:p%40ss%C3%A9@")
    scheme, _, credentials = request.headers["Authorization"].partition(" ")
    assert (scheme, b64decode(credentials).decode()) == ("Basic", "fn:p@ssé")


async def test_a_long_message_is_shortened_at_a_word(ntfy: HttpServer, tmp_path: Path) -> None:
    request = await sent(ntfy, tmp_path, message(text="très long " * 5000))
    text = json.loads(request.body)["message"]
    assert 4080 < len(text.encode()) <= 4096
    assert text.endswith(("très…", "long…"))


@pytest.mark.parametrize("body", ["", "welcome", "[]", "7", "{}", '{"id": '])
async def test_a_success_is_one_whatever_its_body(
    ntfy: HttpServer, tmp_path: Path, body: str
) -> None:
    ntfy.next(Reply(200, body))
    given = message()
    await sent(ntfy, tmp_path, given, reference=str(given.delivery_id))


async def test_a_missing_endpoint_is_misconfigured(ntfy: HttpServer, tmp_path: Path) -> None:
    ntfy.next(Reply(404, "nothing here"))
    with pytest.raises(Misconfigured, match="nothing accepts messages at this URL: 404"):
        await sent(ntfy, tmp_path, message())


async def test_a_forbidden_topic_does_not_affect_other_topics(
    ntfy: HttpServer, tmp_path: Path
) -> None:
    ntfy.next(Reply(403, '{"code": 40301, "error": "forbidden"}'))
    with pytest.raises(Retryable, match="allow it on the ntfy server") as caught:
        await sent(ntfy, tmp_path, message())
    assert not isinstance(caught.value, Unreachable)


async def test_serves_only_topics(tmp_path: Path) -> None:
    transport = make("ntfys://ntfy.univ.example", tmp_path)
    assert transport.serves(message(device=Device(IDS(), DeviceType.ntfy, "topic")))
    assert not transport.serves(message(device=Device(IDS(), DeviceType.webpush, "https://x")))
    assert transport.serves(message())
