"""API keys: `fn_<id>_<secret><checksum>`.

The id finds the row, the secret proves it, and the checksum lets a secret scanner and a typing
mistake be told from a forgery without a look-up. Only an HMAC of the secret is stored.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import string
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from flashnotify.archive.reads.reader import Reader
from flashnotify.archive.writer import Writer
from flashnotify.archive.writes.statements import ADD_API_KEY, REVOKE_API_KEY, USE_API_KEY
from flashnotify.clock import Clock
from flashnotify.domain import Priority
from flashnotify.errors import NotAuthenticated, NotFound
from flashnotify.identity.principal import Caller

_ALPHABET = string.digits + string.ascii_letters
_ID_ALPHABET = string.digits + string.ascii_lowercase
_ID_LENGTH = 10
_SECRET_LENGTH = 43  # 62 ** 43 > 2 ** 256
_CHECKSUM_LENGTH = 6  # 62 ** 6 > 2 ** 32
# `last_used_at` is a help for people who tidy up: a minute is close enough, and saves writes.
_USE_RESOLUTION = 60_000
_CACHED = 10_000
_REVOKED = "This API key was revoked. Make a new one: flashnotify keys create"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as it is shown, once, when it is made."""

    id: str
    token: str


class ApiKeys:
    """Makes, checks, lists and revokes API keys. `pepper` is the secret behind the HMACs."""

    def __init__(self, reader: Reader, writer: Writer, clock: Clock, pepper: bytes) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._pepper = hmac.digest(pepper, b"flashnotify api keys", "sha256")
        # Keys change only through this process, so what was read stays true until revoked here.
        # By the digest of the whole token, which has proved itself.
        self._known: dict[bytes, Caller] = {}
        self._revoked: set[str] = set()
        self._used: dict[str, int] = {}
        self._uses: set[asyncio.Future[None]] = set()

    async def authenticate(self, token: str) -> Caller:
        """Return whose key this is.

        Raises:
            NotAuthenticated: it is no key, or one that is unknown, expired or revoked.
        """
        now = self._clock.now()
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        caller = self._known.get(digest)
        if caller is None:
            caller = await self._look_up(token)
            if caller.id in self._revoked:  # while it was being looked up
                raise NotAuthenticated(_REVOKED)
            if len(self._known) >= _CACHED:
                del self._known[next(iter(self._known))]
            self._known[digest] = caller
        if not self.is_good(caller):
            raise NotAuthenticated(
                "This API key has expired. Make a new one: flashnotify keys create"
            )
        self._note_use(caller.id, now)
        return caller

    def is_good(self, caller: Caller) -> bool:
        """Whether the key of somebody who once proved it is neither revoked nor expired by now."""
        expired = caller.expires_at is not None and self._clock.now() >= caller.expires_at
        return not expired and caller.id not in self._revoked

    async def create(
        self,
        name: str,
        scopes: Iterable[str],
        *,
        max_priority: Priority,
        expires_at: int | None,
    ) -> NewKey:
        """Make a key; its token is kept nowhere. `expires_at`: milliseconds since the epoch."""
        id = _random(_ID_ALPHABET, _ID_LENGTH)
        secret = _random(_ALPHABET, _SECRET_LENGTH)
        await self._writer.write(
            (
                ADD_API_KEY,
                {
                    "id": id,
                    "name": name,
                    "secret_hmac": self._hmac(id, secret),
                    "scopes": json.dumps(sorted(set(scopes))),
                    "max_priority": int(max_priority),
                    "created_at": self._clock.now(),
                    "expires_at": expires_at,
                    "revoked_at": None,
                    "last_used_at": None,
                },
            )
        )
        return NewKey(id, f"fn_{id}_{secret}{_checksum(id, secret)}")

    async def all(self) -> Sequence[Row[Any]]:
        """Every key there is or was, oldest first."""
        return await self._reader.api_keys()

    async def revoke(self, id: str) -> None:
        """Make a key useless, from now on.

        Raises:
            NotFound: there is no such key.
        """
        if await self._reader.api_key(id) is None:
            raise NotFound(f"There is no API key {id!r}. See: flashnotify keys list")
        self._revoked.add(id)
        await self._writer.write((REVOKE_API_KEY, {"of": id, "now": self._clock.now()}))
        self._known = {digest: caller for digest, caller in self._known.items() if caller.id != id}

    async def _look_up(self, token: str) -> Caller:
        parts = _parse(token)
        if parts is None:
            raise NotAuthenticated(
                "This is not an API key: those look like fn_… and must be copied whole."
            )
        id, secret = parts
        row = await self._reader.api_key(id)
        stored = row.secret_hmac if row is not None else b""
        if not hmac.compare_digest(stored, self._hmac(id, secret)) or row is None:
            raise NotAuthenticated(
                "This API key is not known here. Make one: flashnotify keys create"
            )
        if row.revoked_at is not None:
            raise NotAuthenticated(_REVOKED)
        scopes = frozenset(json.loads(row.scopes))
        return Caller(row.id, scopes, Priority(row.max_priority), row.expires_at)

    def _hmac(self, id: str, secret: str) -> bytes:
        return hmac.digest(self._pepper, f"{id}:{secret}".encode(), "sha256")

    def _note_use(self, id: str, now: int) -> None:
        if now - self._used.get(id, 0) < _USE_RESOLUTION:
            return
        self._used[id] = now
        use = self._writer.submit([(USE_API_KEY, {"of": id, "now": now})])
        self._uses.add(use)
        use.add_done_callback(self._use_noted)

    def _use_noted(self, use: asyncio.Future[None]) -> None:
        # No request fails because this note could not be written; the writer has logged why.
        self._uses.discard(use)
        if not use.cancelled():
            use.exception()


def _parse(token: str) -> tuple[str, str] | None:
    """The id and the secret of a well-formed token."""
    prefix, _, rest = token.partition("_")
    id, _, tail = rest.partition("_")
    secret, checksum = tail[:-_CHECKSUM_LENGTH], tail[-_CHECKSUM_LENGTH:]
    if prefix != "fn" or not token.isascii():
        return None
    if len(id) != _ID_LENGTH or len(secret) != _SECRET_LENGTH or checksum != _checksum(id, secret):
        return None
    return id, secret


def _checksum(id: str, secret: str) -> str:
    number = zlib.crc32(f"fn_{id}_{secret}".encode())
    digits = []
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))
