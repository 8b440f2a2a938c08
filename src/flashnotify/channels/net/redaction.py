"""Removal of our secrets from answers that quote them."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

# A shorter secret guards nothing, and would be found within ordinary words.
_MIN_LENGTH = 4


class Redaction:
    """Replaces `secrets`, in each form in which an answer may quote them."""

    def __init__(self, secrets: Iterable[str | None]) -> None:
        forms = {
            form
            for secret in secrets
            if secret and len(secret) >= _MIN_LENGTH
            for form in _forms(secret)
        }
        # Longest first: one secret may contain another.
        self._forms = sorted(forms, key=len, reverse=True)

    def apply(self, body: bytes) -> bytes:
        """Return `body` without the secrets."""
        for form in self._forms:
            body = body.replace(form, b"***")
        return body


def _forms(secret: str) -> Iterator[bytes]:
    for form in (secret, quote(secret, safe=""), quote_plus(secret), html.escape(secret)):
        yield form.encode()
        yield json.dumps(form)[1:-1].encode()
