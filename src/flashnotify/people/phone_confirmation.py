"""Phone numbers that people give themselves, confirmed by a code that is sent to the number."""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from flashnotify.archive import people_ports
from flashnotify.archive.people_records import PhoneConfirmation
from flashnotify.clock import Clock
from flashnotify.domain import Rendering
from flashnotify.errors import FieldError, InvalidInput, RateLimited, Unavailable
from flashnotify.identity.audit import Actor
from flashnotify.identity.password_reset import DirectMessages
from flashnotify.identity.users import Users
from flashnotify.one_at_a_time import OneAtATime

DIGITS, CODE_MINUTES, TRIES = 6, 10, 5
# Codes an hour, for a person and for a number.
_CODES = 3
# Milliseconds.
_MINUTE, _HOUR = 60_000, 3_600_000
_TEXTS: Mapping[str, str] = {
    "en": "{code} confirms your phone number, within {minutes} minutes. If you did not ask for it, "
    "ignore this message.",
    "fr": "{code} confirme votre numéro de téléphone, dans les {minutes} minutes. Si vous n'avez "
    "rien demandé, ignorez ce message.",
}


class PhoneConfirmations:
    """Sends codes to numbers, and gives a number to the person who sends its code back.

    A code is stored as an HMAC, by a key derived from `key`. `locale` is for who has none.
    """

    def __init__(
        self,
        stored: people_ports.PhoneConfirmations,
        users: Users,
        messages: DirectMessages,
        clock: Clock,
        key: bytes,
        locale: str,
    ) -> None:
        self._stored = stored
        self._users = users
        self._messages = messages
        self._clock = clock
        self._key = hmac.digest(key, b"phone confirmation", "sha256")
        self._locale = locale
        self._changes = OneAtATime()

    async def request(self, user_id: UUID, phone: str) -> None:
        """Send a new code to a number. Earlier codes of the person are of no use any more.

        Raises:
            NotFound: there is no such user.
            RateLimited: too many codes were sent to the person or to the number.
            Unavailable: it could not be sent.
        """
        user = await self._users.find(user_id)
        code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
        await self._changes.run(self._store(user_id, phone, code))
        # Outside of the turn: a gateway may be slow.
        if not await self._messages.send("sms", phone, _sms(code, user.locale or self._locale)):
            raise Unavailable("The code could not be sent. Try again later.", retry_after=60)

    async def confirm(self, actor: Actor, user_id: UUID, code: str) -> None:
        """Give a person the number that their code was sent to.

        Raise `InvalidInput` if the code is wrong, expired or used up.
        """
        await self._changes.run(self._confirm(actor, user_id, code))

    async def remove(self, actor: Actor, user_id: UUID) -> None:
        """Take a person's number away, and what would confirm another one."""
        await self._changes.run(self._remove(actor, user_id))

    async def _store(self, user_id: UUID, phone: str, code: str) -> None:
        now = self._clock.now()
        own = await self._stored.of_user(user_id)
        for sent in (own, await self._stored.of_phone(phone)):
            self._bound(sent, now)
        before = sum(c.sent for c in own if c.phone == phone and c.sent_at > now - _HOUR)
        code_hmac = self._hmac(user_id, phone, code)
        await self._stored.store(PhoneConfirmation(user_id, phone, code_hmac, 0, before + 1, now))

    def _bound(self, sent: Sequence[PhoneConfirmation], now: int) -> None:
        recent = [each for each in sent if each.sent_at > now - _HOUR]
        if sum(each.sent for each in recent) >= _CODES:
            wait = min(each.sent_at for each in recent) + _HOUR - now
            raise RateLimited(
                f"At most {_CODES} codes an hour are sent to a person, and to a number.",
                retry_after=-(-wait // 1000),
                code="too_many_codes",
            )

    async def _confirm(self, actor: Actor, user_id: UUID, code: str) -> None:
        waiting = [c for c in await self._stored.of_user(user_id) if c.code_hmac]
        if not waiting:
            raise _refused("no_code", "no code waits for you; ask for one: PUT /v1/me/phone")
        [found] = waiting
        if self._clock.now() >= found.sent_at + CODE_MINUTES * _MINUTE:
            raise _refused("code_expired", "this code has expired; ask for a new one")
        if found.tries >= TRIES:
            raise _refused("code_used_up", "too many wrong codes; ask for a new one")
        if not hmac.compare_digest(self._hmac(user_id, found.phone, code), found.code_hmac):
            await self._stored.store(replace(found, tries=found.tries + 1))
            left = TRIES - found.tries - 1
            raise _refused("wrong_code", f"not the code that was sent; tries left: {left}")
        await self._users.change(actor, user_id, {"phone": found.phone})
        await self._stored.withdraw(user_id)

    async def _remove(self, actor: Actor, user_id: UUID) -> None:
        await self._stored.withdraw(user_id)
        await self._users.change(actor, user_id, {"phone": None})

    def _hmac(self, user_id: UUID, phone: str, code: str) -> bytes:
        return hmac.digest(self._key, f"{user_id} {phone} {code}".encode(), "sha256")


def _refused(code: str, detail: str) -> InvalidInput:
    return InvalidInput([FieldError("/code", code, detail)])


def _sms(code: str, locale: str) -> Rendering:
    """Return the SMS in the language of `locale`, or else in English."""
    language = locale.replace("_", "-").partition("-")[0].lower()
    language = language if language in _TEXTS else "en"
    return Rendering(language, {"sms": _TEXTS[language].format(code=code, minutes=CODE_MINUTES)})
