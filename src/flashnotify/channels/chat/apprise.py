"""Chat over Apprise, a library for about 150 services (the optional extra `chat`).

Apprise blocks, so it runs in threads. We call its services directly: its own thread pools keep the
process alive as long as one call hangs.
"""

from __future__ import annotations

import logging
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property, partial
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote

import structlog
from pydantic import SecretStr

from flashnotify.channels.chat.channel import ChatToOne
from flashnotify.channels.transport import Resources, Transport, TransportConfig, excerpt
from flashnotify.channels.url import TransportURL
from flashnotify.domain import Sent
from flashnotify.errors import SettingsError, Unreachable, stack_of
from flashnotify.meta import setting

if TYPE_CHECKING:
    from apprise import NotifyBase

log = structlog.get_logger(__name__)

# Apprise's log messages in the current thread, while a call collects them.
_messages: ContextVar[list[str] | None] = ContextVar("messages", default=None)


class AppriseConfig(TransportConfig):
    """Settings for chat services."""

    # For each destination: one, and one more for urgent messages.
    connections = 2
    timeout = setting(
        30.0, env="CHAT_TIMEOUT", help="Timeout of one chat message, in seconds.", example="30"
    )


class AppriseURL(TransportURL):
    """A URL of Apprise's: each service has its own form, with tokens anywhere."""

    def __init__(self, url: SecretStr) -> None:
        self.secret = url
        self.scheme = url.get_secret_value().partition("://")[0].lower()
        self.host = self.path = self.query = ""
        self.port = self.username = self.password = None
        self.options = {}

    @cached_property
    def private(self) -> re.Pattern[str]:
        """The pattern of all parts of this URL."""
        url = self.secret.get_secret_value()
        rest = url.partition("://")[2]
        parts = {url, rest}
        for part in re.split(r"[/:@?&#,;+]", rest):
            # The name of an option is not a secret, and Apprise's messages may use it.
            parts |= {part, part.rstrip("="), part.partition("=")[2]}
        forms = {form for part in parts for form in (part, unquote(part)) if form}
        # Short parts only as whole words, since they are within many. Longest first: one part may
        # contain another. Apprise shortens URLs to a form that shows the first and last character.
        patterns = [
            re.escape(form) if len(form) > 3 else rf"(?<!\w){re.escape(form)}(?!\w)"
            for form in sorted(forms, key=len, reverse=True)
        ]
        return re.compile("|".join([r"[a-z][a-z0-9+.-]{0,30}://\S*", *patterns]), re.IGNORECASE)


class AppriseTransport(Transport[ChatToOne]):
    """Any URL that Apprise knows: `msteams://…`, `matrixs://…`, `slack://…`."""

    schemes: ClassVar[tuple[str, ...]] = ("*",)
    form: ClassVar[type[TransportURL]] = AppriseURL
    config: ClassVar[type[TransportConfig] | None] = AppriseConfig

    def __init__(self, url: AppriseURL, config: AppriseConfig, resources: Resources) -> None:
        super().__init__(url, config, resources)
        self._url = url
        logger = logging.getLogger("apprise")
        logger.setLevel(logging.DEBUG)
        # Apprise reports the reason of a failure in no other way.
        logger.addFilter(_collect)
        # An Apprise service keeps a session, and only one thread at a time may use it.
        self._services = [self._open_service()]

    async def send(self, content: ChatToOne) -> Sent:
        """Send one message. A failure has Apprise's log messages, since it reports nothing else."""
        call = partial(self._notify, content)
        # A call that hangs or never started must be reported before the delivery times out.
        within = 0.95 * self.timeout
        return await self.resources.threads.run(call, within=within, lane=content.priority)

    def _notify(self, content: ChatToOne) -> Sent:
        """Send from within a thread."""
        with _collected() as messages:
            try:
                service = self._service()
                sent = service.notify(
                    title=content.title,
                    body=content.text,
                    notify_type="warning" if content.priority.urgent else "info",
                    body_format="text",
                )
            except Exception as error:  # noqa: BLE001  # of about 150 services' code
                name, stack = type(error).__name__, stack_of(error)
                log.error("apprise.crashed", service=self.url.scheme, error=name, stack=stack)
                raise Unreachable(self._excerpt(f"{name}.", *messages)) from None
        # A service that raised may be broken. One whose thread was lost returns when others have
        # replaced it.
        if len(self._services) < self.connections.total:
            self._services.append(service)
        if not sent:
            raise Unreachable(self._excerpt(*messages) or "Apprise gives no reason")
        return Sent(answer=self._excerpt(*messages))

    def _service(self) -> NotifyBase:
        """Return a service that no other thread uses."""
        try:
            return self._services.pop()
        except IndexError:
            return self._open_service()

    def _open_service(self) -> NotifyBase:
        try:
            # An optional package that takes 0.4 s to import: only for a chat destination.
            import apprise  # noqa: PLC0415

            from flashnotify.channels.chat import taken_answers  # noqa: PLC0415
        except ModuleNotFoundError:
            raise SettingsError(
                "needs a package that is not installed. In the folder of the source, run: "
                f"{shlex.quote(sys.executable)} -m pip install -e '.[chat]'"
            ) from None
        taken_answers.read_leniently()
        asset = apprise.AppriseAsset(
            app_id="FlashNotify",
            app_desc="FlashNotify",
            app_url="",
            # Messages must not load images from foreign hosts.
            image_url_mask="",
            image_url_logo="",
            http_redirects=False,
            pgp_autogen=False,
            pem_autogen=False,
        )
        url = self._url.secret.get_secret_value()
        with _collected() as messages:
            service = apprise.Apprise.instantiate(url, asset=asset)
        if service is None:
            reason = self._excerpt(*messages) or "no reason given"
            raise SettingsError(f"is not a URL that Apprise can use: {reason}")
        if "overflow=" not in url.lower():
            # Split a message that is too long for the service, rather than lose it.
            service.overflow_mode = apprise.OverflowMode.SPLIT
        # If the network is silent, end the thread too, not only the wait for it.
        if "rto=" not in url.lower() or service.socket_read_timeout > self.timeout:
            service.socket_read_timeout = self.timeout
        service.socket_connect_timeout = min(service.socket_connect_timeout, self.timeout)
        return service

    def _excerpt(self, *messages: str) -> str:
        return excerpt(self._url.private.sub("***", " ".join(messages)))


@contextmanager
def _collected() -> Iterator[list[str]]:
    """Yield the list of messages that Apprise logs in this thread in the block."""
    messages: list[str] = []
    token = _messages.set(messages)
    try:
        yield messages
    finally:
        _messages.reset(token)


def _collect(record: logging.LogRecord) -> bool:
    """Keep a record, which holds addresses and texts, out of our log; collect it if it is useful.

    Useful is what happened, and the provider's answer, which Apprise logs at DEBUG.
    """
    messages, text = _messages.get(), record.getMessage()
    debug = record.levelno <= logging.DEBUG
    if messages is None or (debug and not text.startswith("Response Details:")):
        return False
    if debug and isinstance(record.args, tuple) and record.args:
        # Usually bytes, and their repr would escape every accent.
        answer = record.args[0]
        text = answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)
    # Some providers answer with whole pages.
    messages.append(text[:2000])
    return False
