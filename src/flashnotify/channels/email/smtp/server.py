"""The parameters of a connection to an SMTP server."""

import ssl
from dataclasses import dataclass, field
from typing import Literal

Encryption = Literal["tls", "require", "auto", "never"]


@dataclass(frozen=True, slots=True)
class Server:
    """An SMTP server, and our credentials there.

    `ehlo_name` is our name in EHLO; None stands for our address.
    """

    host: str
    port: int
    encryption: Encryption
    tls: ssl.SSLContext = field(repr=False)
    ehlo_name: str | None = None
    username: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)
