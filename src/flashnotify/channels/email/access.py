"""How to reach an SMTP server, and who we are there."""

import ssl
from dataclasses import dataclass, field
from typing import Literal

Encryption = Literal["tls", "require", "auto", "never"]


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a server, and who we are there; `name` is ours in EHLO, None our address."""

    host: str
    port: int
    encryption: Encryption
    tls: ssl.SSLContext = field(repr=False)
    name: str | None = None
    username: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)
