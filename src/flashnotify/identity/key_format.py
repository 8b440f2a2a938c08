"""The form of API keys: `fn_<id>_<secret><checksum>`.

The id finds the key and the secret authenticates it. The checksum detects typing mistakes, and
lets secret scanners recognise a key, without a look-up.
"""

import secrets
import string
import zlib

_ALPHABET = string.digits + string.ascii_letters
_ID_ALPHABET = string.digits + string.ascii_lowercase
_ID_LENGTH = 10
_SECRET_LENGTH = 43  # 62 ** 43 > 2 ** 256
_CHECKSUM_LENGTH = 6  # 62 ** 6 > 2 ** 32


def new_id() -> str:
    """Return an id for a new key."""
    return _random(_ID_ALPHABET, _ID_LENGTH)


def new_secret() -> str:
    """Return a new secret."""
    return _random(_ALPHABET, _SECRET_LENGTH)


def written(id: str, secret: str) -> str:
    """Return a key as its holder has it."""
    return f"fn_{id}_{secret}{checksum(id, secret)}"


def parse(token: str) -> tuple[str, str] | None:
    """Return the id and the secret of a well-formed key."""
    prefix, _, rest = token.partition("_")
    id, _, tail = rest.partition("_")
    secret, check = tail[:-_CHECKSUM_LENGTH], tail[-_CHECKSUM_LENGTH:]
    if prefix != "fn" or not token.isascii():
        return None
    if len(id) != _ID_LENGTH or len(secret) != _SECRET_LENGTH or check != checksum(id, secret):
        return None
    return id, secret


def checksum(id: str, secret: str) -> str:
    """Return the checksum of a key."""
    number, base = zlib.crc32(f"fn_{id}_{secret}".encode()), len(_ALPHABET)
    return "".join(_ALPHABET[number // base**place % base] for place in range(_CHECKSUM_LENGTH))


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))
