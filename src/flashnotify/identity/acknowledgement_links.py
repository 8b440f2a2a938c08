"""The links in messages with which their recipients acknowledge a notification."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from flashnotify.identity.secret import Secret

_ID, _PROOF = 16, 8


class AcknowledgementLinks:
    """Makes and reads links. Each has the id of its delivery and a proof, in 32 characters.

    They are short because SMS are. Those made with a previous key stay valid.
    """

    def __init__(self, secret: Secret, public_url: str) -> None:
        self._secret = secret
        self._page = public_url.rstrip("/") + "/a/"

    def link(self, delivery_id: UUID) -> str:
        """Return the link in the message of a delivery, the same each time."""
        id = delivery_id.bytes
        return self._page + urlsafe_b64encode(id + _proof(self._secret.key, id)).decode()

    def read(self, token: str) -> UUID | None:
        """Return the delivery whose link ends with `token`; None if it is forged."""
        try:
            given = urlsafe_b64decode(token.encode("ascii"))
        except ValueError:
            return None
        id, proof = given[:_ID], given[_ID:]
        keys = (self._secret.key, *self._secret.previous)
        proven = any(hmac.compare_digest(_proof(key, id), proof) for key in keys)
        return UUID(bytes=id) if proven and len(id) == _ID else None


def _proof(key: bytes, id: bytes) -> bytes:
    own = hmac.digest(key, b"flashnotify acknowledgements", "sha256")
    return hmac.digest(own, id, "sha256")[:_PROOF]
