"""Links with which people unsubscribe from emails of one kind, without signing in."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Protocol
from uuid import UUID

from flashnotify.errors import NotFound

# The kind, the person in base64url, and what proves both.
_TOKEN = re.compile(r"([a-z0-9_]+)\.([A-Za-z0-9_-]{22})\.([0-9a-f]{32})")


class Proofs(Protocol):
    """Makes texts that only the holder of the secret key can make, and knows its own."""

    def token(self, subject: str) -> str:
        """Return the text for `subject`."""

    def proves(self, subject: str, token: str) -> bool:
        """Return whether `token` was made for `subject`, also with a previous key."""


class UnsubscribeLinks:
    """Makes links, and reads them. They do not expire: an email is kept for years.

    A link holds the ids of a kind and a person, no personal data.
    """

    def __init__(self, secret: Proofs, public_url: str) -> None:
        self._secret = secret
        self._page = public_url.rstrip("/") + "/u/"

    def link(self, kind: str, user_id: UUID) -> str:
        """Return the URL at which a person unsubscribes from a kind."""
        person = urlsafe_b64encode(user_id.bytes).decode().rstrip("=")
        return f"{self._page}{kind}.{person}.{self._secret.token(_subject(kind, user_id))}"

    def read(self, token: str) -> tuple[str, UUID]:
        """Return the kind and the person of the last segment of a link.

        Raise `NotFound` if it is not ours.
        """
        if found := _TOKEN.fullmatch(token):
            kind, person, proof = found.groups()
            user_id = UUID(bytes=urlsafe_b64decode(person + "=="))
            if self._secret.proves(_subject(kind, user_id), proof):
                return kind, user_id
        raise NotFound("This link is not valid.")


def _subject(kind: str, user_id: UUID) -> str:
    return f"unsubscribe {kind} {user_id}"
