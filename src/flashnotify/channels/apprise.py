"""Chat over Apprise, a library that speaks to about 150 services (the optional extra `chat`).

Apprise blocks, so it runs in threads. It is asked service by service, not through its own pools,
which hold up the end of the process for as long as one call hangs.
"""

from __future__ import annotations

import logging
import re
import threading
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar
from urllib.parse import unquote

import structlog
from pydantic import Field as PydanticField
from pydantic import SecretStr

from flashnotify.channels.base import Connections, Resources, Transport, TransportURL, words
from flashnotify.channels.chat import ChatToOne
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
_LOGGER = "apprise"


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
        found = (re.escape(p) if len(p) > 3 else rf"(?<!\w){re.escape(p)}(?!\w)" for p in parts)
        self._private = re.compile("|".join(found) or r"(?!)", re.IGNORECASE)

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
        with _Heard() as heard:
            try:
                service = self._services.pop() if self._services else self._open_service()
                sent = service.notify(
                    title=content.title,
                    body=content.text,
                    notify_type="warning" if content.priority.urgent else "info",
                    body_format="text",
                )
            except Exception as error:  # noqa: BLE001  # whatever a service's code does wrong
                name, stack = type(error).__name__, stack_of(error)
                log.error("apprise.crashed", service=self.url.scheme, error=name, stack=stack)
                raise Unreachable(self._words(f"{name}. {heard}")) from None
        # One that raised may be broken, and one whose thread was lost comes back when there are
        # others already.
        if len(self._services) < self.connections.total:
            self._services.append(service)
        if not sent:
            raise Unreachable(self._words(str(heard)) or "Apprise does not say why")
        return Sent(answer=self._words(str(heard)))

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
        with _Heard() as heard:
            service = apprise.Apprise.instantiate(self._url.secret.get_secret_value(), asset=asset)
        if service is None:
            said = self._words(str(heard)) or "nothing"
            raise SettingsError(f"is no URL that Apprise can use; it says: {said}")
        if "overflow=" not in self._url.secret.get_secret_value().lower():
            # What is too long for the service comes in several messages, rather than not at all.
            service.overflow_mode = apprise.OverflowMode.SPLIT
        # A hang of the network ends its thread too.
        service.socket_connect_timeout = min(service.socket_connect_timeout, self.timeout)
        service.socket_read_timeout = min(service.socket_read_timeout, self.timeout)
        return service

    def _words(self, text: str) -> str:
        return words(self._url.redact(text))


class _Heard(logging.Handler):
    """What Apprise logs in this thread meanwhile: its only way to say why something failed."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()
        self._said: list[str] = []

    def __enter__(self) -> _Heard:
        logger = logging.getLogger(_LOGGER)
        # It logs addresses, and what providers say: that goes into attempts, never into our log.
        logger.propagate = False
        # What providers say is logged at DEBUG.
        logger.setLevel(logging.DEBUG)
        logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger(_LOGGER).removeHandler(self)

    def __str__(self) -> str:
        return " ".join(self._said)

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread != self._thread:
            return
        said = record.getMessage()
        if record.levelno > logging.DEBUG:
            self._said.append(said)
        elif said.startswith("Response Details:"):
            # Mostly bytes, and their repr would show every accent as an escape.
            given = record.args[0] if isinstance(record.args, tuple) and record.args else said
            self._said.append(given.decode(errors="replace") if isinstance(given, bytes) else said)
