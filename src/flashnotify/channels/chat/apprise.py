"""Chat over Apprise, a library that speaks to about 150 services (the optional extra `chat`).

Apprise blocks, so it runs in threads. It is asked service by service, not through its own pools,
which hold up the end of the process for as long as one call hangs.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar
from urllib.parse import unquote

import structlog
from pydantic import Field as PydanticField
from pydantic import SecretStr

from flashnotify.channels.chat.channel import ChatToOne
from flashnotify.channels.transport import Connections, Resources, Transport, TransportURL, words
from flashnotify.domain import Sent
from flashnotify.errors import SettingsError, Unreachable, stack_of
from flashnotify.meta.configs import Config, setting

if TYPE_CHECKING:
    from apprise import NotifyBase

log = structlog.get_logger(__name__)

# Sends to one destination at once: one, and one more that is kept for urgent messages.
_CONNECTIONS = 2
# The part of `timeout` that a call gets. Less than all, so that the threads can still tell a call
# that hangs from one that never began, before the delivery itself is given up.
_WITHIN = 0.95
# Characters kept of one thing that Apprise says: some providers answer with whole pages.
_HEARD = 2000


class AppriseConfig(Config):
    """How chat services are talked to."""

    timeout: Annotated[float, PydanticField(gt=0, le=600)] = setting(
        30.0, env="CHAT_TIMEOUT", help="Seconds that one chat message may take.", example="30"
    )


class AppriseURL(TransportURL):
    """A URL of Apprise's: each service has a form of its own, with tokens wherever it likes."""

    def __init__(self, url: SecretStr) -> None:
        self.secret = url
        self.scheme = url.get_secret_value().partition("://")[0].lower()
        self.host = self.path = self.query = ""
        self.port = self.username = self.password = None
        self.options = {}
        # Longest first: a token goes before what it begins with.
        parts = sorted(self._parts_of(url.get_secret_value()), key=len, reverse=True)
        # What is short is not looked for within words: all words would have it.
        found = [re.escape(p) if len(p) > 3 else rf"(?<!\w){re.escape(p)}(?!\w)" for p in parts]
        # Apprise's own short forms of a URL show its first and last character.
        self._private = re.compile(
            "|".join([r"[a-z][a-z0-9+.-]{0,30}://\S*", *found]), re.IGNORECASE
        )

    def _parts_of(self, url: str) -> set[str]:
        rest = url.partition("://")[2]
        parts = {url, rest}
        for part in re.split(r"[/:@?&#,;+]", rest):
            # What an option is called is no secret, and Apprise may need the word.
            parts |= {part, part.rstrip("="), part.partition("=")[2]}
        return {form for part in parts for form in (part, unquote(part)) if form}

    def redact(self, text: str) -> str:
        """`text` without any part of this URL."""
        return self._private.sub("***", text)


class AppriseTransport(Transport[ChatToOne]):
    """Any URL that Apprise knows: `msteams://…`, `matrixs://…`, `slack://…`."""

    schemes: ClassVar[tuple[str, ...]] = ("*",)
    example: ClassVar[str] = "msteams://team@token/token/token"
    form: ClassVar[type[TransportURL]] = AppriseURL
    config: ClassVar[type[Config] | None] = AppriseConfig

    def __init__(self, url: TransportURL, config: Config | None, resources: Resources) -> None:
        super().__init__(url, config, resources)
        assert isinstance(url, AppriseURL)
        assert isinstance(config, AppriseConfig)
        self._url = url
        self.connections = Connections(_CONNECTIONS)
        self.timeout = config.timeout
        self._ear = _ear()
        # An Apprise service keeps a session and is for one thread at a time.
        self._services = [self._open_service()]

    async def send(self, content: ChatToOne) -> Sent:
        """Send one message.

        Raises:
            Unreachable: Apprise could not; with what it logged. It says no more than that.
            Unavailable: there was no thread.
        """
        within = _WITHIN * self.timeout
        call = partial(self._notify, content)
        return await self.resources.threads.run(call, within=within, lane=content.priority)

    def _notify(self, content: ChatToOne) -> Sent:
        """Send, in a thread."""
        with self._ear.listen() as heard:
            try:
                service = self._service()
                sent = service.notify(
                    title=content.title,
                    body=content.text,
                    notify_type="warning" if content.priority.urgent else "info",
                    body_format="text",
                )
            except Exception as error:  # noqa: BLE001  # whatever a service's code does wrong
                name, stack = type(error).__name__, stack_of(error)
                log.error("apprise.crashed", service=self.url.scheme, error=name, stack=stack)
                raise Unreachable(self._words(f"{name}.", *heard)) from None
        # One that raised may be broken, and one whose thread was lost comes back when there are
        # others already.
        if len(self._services) < self.connections.total:
            self._services.append(service)
        if not sent:
            raise Unreachable(self._words(*heard) or "Apprise does not say why")
        return Sent(answer=self._words(*heard))

    def _service(self) -> NotifyBase:
        """A service that no other thread uses."""
        try:
            return self._services.pop()
        except IndexError:
            return self._open_service()

    def _open_service(self) -> NotifyBase:
        """What Apprise makes of the URL.

        Raises:
            SettingsError: it cannot make anything of it.
        """
        try:
            # Optional, and 0.4 s to import: only where there is a chat destination.
            import apprise  # noqa: PLC0415
        except ModuleNotFoundError:
            raise SettingsError(
                "needs a package that is not installed: pip install 'flashnotify[chat]'"
            ) from None
        asset = apprise.AppriseAsset(
            app_id="FlashNotify",
            app_desc="FlashNotify",
            app_url="",
            # Messages load nothing from hosts that nobody here chose.
            image_url_mask="",
            image_url_logo="",
            http_redirects=False,
            pgp_autogen=False,
            pem_autogen=False,
        )
        with self._ear.listen() as heard:
            service = apprise.Apprise.instantiate(self._url.secret.get_secret_value(), asset=asset)
        if service is None:
            said = self._words(*heard) or "nothing"
            raise SettingsError(f"is no URL that Apprise can use; it says: {said}")
        options = self._url.secret.get_secret_value().lower()
        if "overflow=" not in options:
            # What is too long for the service comes in several messages, rather than not at all.
            service.overflow_mode = apprise.OverflowMode.SPLIT
        # A silence of the network ends the thread too, not only the wait for it.
        if "rto=" not in options or service.socket_read_timeout > self.timeout:
            service.socket_read_timeout = self.timeout
        service.socket_connect_timeout = min(service.socket_connect_timeout, self.timeout)
        return service

    def _words(self, *said: str) -> str:
        return words(self._url.redact(" ".join(said)))


class _Ear(logging.Filter):
    """Takes all that Apprise logs, for it holds addresses and messages: our log gets none of it.

    What is said in a thread that listens is kept: Apprise has no other way to say why it failed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said = threading.local()

    @contextmanager
    def listen(self) -> Iterator[list[str]]:
        """What Apprise says in this thread from now on."""
        before = getattr(self._said, "here", None)
        said: list[str] = []
        self._said.here = said
        try:
            yield said
        finally:
            self._said.here = before

    def filter(self, record: logging.LogRecord) -> bool:
        """Let nothing through, and keep it if it is of use."""
        here = getattr(self._said, "here", None)
        if here is not None and (text := _useful(record)):
            here.append(text[:_HEARD])
        return False


def _useful(record: logging.LogRecord) -> str | None:
    """What happened, or what the provider said, which is logged at DEBUG."""
    text = record.getMessage()
    if record.levelno > logging.DEBUG:
        return text
    if not text.startswith("Response Details:"):
        return None
    # Mostly bytes, and their repr would show every accent as an escape.
    said = record.args[0] if isinstance(record.args, tuple) and record.args else text
    return said.decode(errors="replace") if isinstance(said, bytes) else text


def _ear() -> _Ear:
    """The one ear at Apprise's logger."""
    logger = logging.getLogger("apprise")
    logger.setLevel(logging.DEBUG)
    for there in logger.filters:
        if isinstance(there, _Ear):
            return there
    logger.addFilter(made := _Ear())
    return made
