"""ntfy: push to topics on an ntfy server (https://docs.ntfy.sh/publish/#publish-as-json)."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Annotated, ClassVar

import httpx
from pydantic import Field as PydanticField

from flashnotify.channels.net.client import HttpClient
from flashnotify.channels.push.channel import PushToOne
from flashnotify.channels.shortening import shorten
from flashnotify.channels.transport import Connections, Resources, Transport, TransportURL, words
from flashnotify.domain import DeviceType, Message, Priority, Sent
from flashnotify.errors import Misconfigured, Retryable, SettingsError, Unreachable
from flashnotify.meta.configs import Config, setting

# https://docs.ntfy.sh/publish/#limitations: what is longer becomes an attachment, or is refused.
_MOST_BYTES = 4096
# https://docs.ntfy.sh/publish/#message-priority
_PRIORITIES: Mapping[Priority, int] = {
    Priority.low: 2,
    Priority.medium: 3,
    Priority.high: 4,
    Priority.critical: 5,
}


class NtfyConfig(Config):
    """How ntfy servers are talked to."""

    connections: Annotated[int, PydanticField(ge=1, le=1000)] = setting(
        16,
        env="NTFY_CONNECTIONS",
        help="Most connections to each ntfy server, a quarter of them for urgent push.",
        example="32",
    )
    timeout: Annotated[float, PydanticField(gt=0, le=600)] = setting(
        10.0, env="NTFY_TIMEOUT", help="Seconds that one push over ntfy may take.", example="20"
    )


class NtfyTransport(Transport[PushToOne]):
    """`ntfy://[token@|user:password@]host[:port]` over HTTP, `ntfys://…` over HTTPS."""

    schemes: ClassVar[tuple[str, ...]] = ("ntfy", "ntfys")
    example: ClassVar[str] = "ntfys://token@ntfy.univ.example"
    config: ClassVar[type[Config] | None] = NtfyConfig

    def __init__(self, url: TransportURL, config: Config | None, resources: Resources) -> None:
        super().__init__(url, config, resources)
        assert isinstance(config, NtfyConfig)
        if not url.host:
            raise SettingsError("names no host")
        if url.path.strip("/") or url.options:
            raise SettingsError(
                "has something after the host; ntfy has no path of its own, and topics are "
                "registered as devices"
            )
        self.connections = Connections(config.connections)
        self.timeout = config.timeout
        self._headers = {"Content-Type": "application/json", **_authorization(url)}
        host = f"[{url.host}]" if ":" in url.host else url.host
        port = f":{url.port}" if url.port else ""
        # Publishing as JSON goes to the root, with the topic in the document.
        self._endpoint = f"{'https' if url.scheme == 'ntfys' else 'http'}://{host}{port}/"
        self._http = HttpClient(
            resources.clock,
            connections=config.connections,
            timeout=config.timeout,
            secrets=(url.password or url.username, self._headers.get("Authorization")),
        )

    def serves(self, message: Message) -> bool:
        """Devices that are ntfy topics."""
        return message.device is None or message.device.type is DeviceType.ntfy

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def check(self) -> str:
        """Ask for its health (https://docs.ntfy.sh/config/#health-checks), with our credentials.

        Raises:
            Misconfigured: it does not know our credentials, or is no ntfy server.
            TransportError: as `HttpClient` has it.
        """
        answer = await self._http.request(
            "GET", f"{self._endpoint}v1/health", headers=self._headers
        )
        reason = words(f"{answer.status_code} {answer.text}")
        if answer.status_code in (404, 405):
            raise Misconfigured(f"there is no ntfy server at that URL: {reason}")
        self._http.check(answer)
        if not _healthy(answer):
            raise Unreachable(f"it is not healthy, or no ntfy server: {reason}")
        return "it is healthy"

    async def send(self, content: PushToOne) -> Sent:
        """Send one push; ntfy's id for it is the outcome's reference.

        Raises:
            Misconfigured: it does not know our credentials, or is no ntfy server.
            Retryable: we may not write to this one topic, until somebody allows it.
            TransportError: as `HttpClient` has it.
        """
        answer = await self._http.request(
            "POST", self._endpoint, content=_document(content), headers=self._headers
        )
        reason = words(f"{answer.status_code} {answer.text}")
        if answer.status_code == 403:
            # Access is by topic: others may well be open to us.
            raise Retryable(
                f"we may not write to this topic; allow it on the ntfy server: {reason}"
            )
        if answer.status_code in (404, 405):
            raise Misconfigured(f"there is no ntfy server at that URL: {reason}")
        self._http.check(answer)
        return Sent(answer=reason, reference=_id(answer))


def _authorization(url: TransportURL) -> dict[str, str]:
    """Return the header for a token, or for a user name and a password.

    See https://docs.ntfy.sh/publish/#authentication.

    Raises:
        SettingsError: the token cannot stand in a header.
    """
    if url.username is None:
        return {}
    if url.password is None:
        if not (url.username.isascii() and url.username.isprintable()):
            raise SettingsError("has a token that is not printable ASCII on one line")
        return {"Authorization": f"Bearer {url.username}"}
    return {
        "Authorization": "Basic " + b64encode(f"{url.username}:{url.password}".encode()).decode()
    }


def _document(content: PushToOne) -> bytes:
    # More characters than bytes never fit, and measuring them takes time.
    text = content.text[: _MOST_BYTES + 1]
    return json.dumps(
        {
            "topic": content.device.target,
            "title": content.title,
            "message": shorten(text, lambda message: len(message.encode()) <= _MOST_BYTES),
            "priority": _PRIORITIES[content.priority],
            # From 2.16 on, apps replace the message that came with the same one
            # (https://docs.ntfy.sh/publish/#updating-deleting-notifications).
            "sequence_id": content.reference,
        },
        ensure_ascii=False,
    ).encode()


def _healthy(answer: httpx.Response) -> bool:
    try:
        return answer.json()["healthy"] is True
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _id(answer: httpx.Response) -> str:
    """Ntfy's id of the message.

    Raises:
        Unreachable: this is not what ntfy answers.
    """
    try:
        return words(str(answer.json()["id"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        reason = words(f"{answer.status_code}, but not as ntfy answers: {answer.text}")
        raise Unreachable(reason) from None
