"""Tokens that prove that a form comes from a page of ours, in the same browser."""

import hmac
import secrets
from dataclasses import dataclass

_SALT = 16


@dataclass(frozen=True, slots=True)
class FormTokens:
    """Makes and checks the tokens of forms, each bound to a cookie of the browser."""

    key: bytes

    def make(self, cookie: str) -> str:
        """Return a token; a new one each time, so that compression tells nothing of it."""
        salt = secrets.token_bytes(_SALT)
        return (salt + self._proof(salt, cookie)).hex()

    def fits(self, token: str, cookie: str) -> bool:
        """Return whether a token was made for the cookie."""
        try:
            given = bytes.fromhex(token)
        except ValueError:
            return False
        salt, proof = given[:_SALT], given[_SALT:]
        return hmac.compare_digest(proof, self._proof(salt, cookie))

    def _proof(self, salt: bytes, cookie: str) -> bytes:
        key = hmac.digest(self.key, b"flashnotify forms", "sha256")
        return hmac.digest(key, salt + cookie.encode("utf-8", "surrogateescape"), "sha256")
