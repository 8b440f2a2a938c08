"""What the endpoints of SCIM get and give, in HTTP or in an operation of a bulk request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flashnotify.facades.scim.selection import Selection
from flashnotify.identity.audit import Actor


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, under which URL, with which conditions, and for which attributes.

    An `admin` may also change how people sign in who may more than look.
    """

    actor: Actor
    admin: bool
    base: str
    headers: Mapping[str, str] = field(default_factory=dict)
    selection: Selection = field(default_factory=Selection)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: its status, and a document or the parts of its text if it may be long."""

    status: int
    document: Mapping[str, Any] | None = None
    location: str | None = None
    version: str | None = None
    texts: list[bytes] | None = None
