"""Principals and their scopes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from limits import RateLimitItem

from flashnotify.domain import Priority, Role
from flashnotify.errors import NotPermitted
from flashnotify.meta.specs import NotifierSpec

READ = "read"
READ_ALL = "read:all"
ADMIN = "admin"
DEVICES = "devices"
PEOPLE = "people"
NOTIFY_ALL = "notify:*"


class Proof(StrEnum):
    """The ways to authenticate."""

    api_key = "api_key"
    token = "token"  # noqa: S105  # a name
    session = "session"
    local = "local"


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever is authenticated, with a `name` for people. Its notifications are filed under `id`.

    The authentication expires at `expires_at`, in milliseconds since the epoch. It may use
    `channels`, reach `recipients_per_day` and make requests at a `rate`; None stands for no limit
    of its own. An API key has had its `rotation` since the start of this process. Users have a
    `role`. `proof` is what was shown for it, `fingerprint` tells the secrets of a key apart, and
    `digest` is the hash of a token.
    """

    id: str
    scopes: frozenset[str]
    max_priority: Priority
    expires_at: int | None = None
    name: str = ""
    channels: frozenset[str] | None = None
    recipients_per_day: int | None = None
    rate: RateLimitItem | None = None
    rotation: int = 0
    role: Role | None = None
    proof: Proof = Proof.api_key
    fingerprint: str | None = field(default=None, repr=False, compare=False)
    # Its SMS are charged to it; users have those of their groups.
    cost_centre: UUID | None = None
    digest: bytes = field(default=b"", repr=False, compare=False)
    # Whether it may send any kind.
    sends: bool = field(init=False)

    def __post_init__(self) -> None:
        sends = ADMIN in self.scopes or any(s.startswith("notify:") for s in self.scopes)
        object.__setattr__(self, "sends", sends)

    @property
    def sees_all(self) -> bool:
        """Whether it may see what others sent, too."""
        return ADMIN in self.scopes or READ_ALL in self.scopes

    @property
    def only_sender(self) -> str | None:
        """The one sender whose notifications it may see; None if it sees all."""
        return None if self.sees_all else self.id

    def may_control(self, sender: str) -> bool:
        """Return whether it may cancel and retry what `sender` sent."""
        return ADMIN in self.scopes or sender == self.id

    def allows(self, scope: str) -> bool:
        """Return whether it has `scope`, by itself or with another."""
        if scope in self.scopes or ADMIN in self.scopes:
            return True
        if scope == READ and READ_ALL in self.scopes:
            return True
        return scope.startswith("notify:") and NOTIFY_ALL in self.scopes

    def require(self, scope: str) -> None:
        """Raise `NotPermitted` without `scope`; `admin` implies every scope."""
        if self.allows(scope):
            return
        who, remedy = self.holder, self._remedy("has it", f"--scope {scope}")
        if self.proof is Proof.token:
            # It may have fewer scopes than its holder.
            who, remedy = "this token", f"Get one with it if {who} has it. Otherwise: {remedy}"
        raise NotPermitted(
            f"{who.capitalize()} lacks the scope {scope!r}. {remedy}", code="missing_scope"
        )

    @property
    def holder(self) -> str:
        """What its limits are of, in the words of an error."""
        return "this key" if self.role is None else "your account"

    def _remedy(self, which: str, options: str) -> str:
        """Return how to get more: people ask for it, others create a key with these options."""
        if self.role is not None:
            return f"Ask an admin for an account that {which}."
        return f"Create a key that {which}: flashnotify keys create --name NAME {options}"

    def require_sending(self, kind: str = "KIND") -> None:
        """Raise `NotPermitted` without the scope of any kind: whatever the request is, it fails.

        The error names the scope for `kind`.
        """
        if not self.sends:
            self.require(f"notify:{kind}")

    def allowed_channels(
        self, kind: NotifierSpec, wanted: Sequence[str] | None
    ) -> Sequence[str] | None:
        """Return the `wanted` channels, or those of a kind that are allowed; None: all of them.

        Raise `NotPermitted` if one that is wanted is not allowed, or none is.
        """
        if self.channels is None:
            return wanted
        allowed = [name for name in kind.channels if name in self.channels]
        if not allowed or any(name not in allowed for name in wanted or ()):
            raise self.channel_not_allowed()
        return wanted or allowed

    def channel_not_allowed(self) -> NotPermitted:
        """Return the error that names the channels that are allowed."""
        return NotPermitted(
            f"This key may only use {', '.join(sorted(self.channels or ()))}. Name these in "
            "`channels`, with addresses for them in `to`, or use a key that may use others.",
            code="channel_not_allowed",
        )

    def require_priority(self, priority: Priority, kind: NotifierSpec) -> None:
        """Raise `NotPermitted` above its own priority, or that of the kind if that is higher."""
        highest = max(self.max_priority, kind.priority)
        if priority > highest:
            options = f"--scope {kind.scope} --max-priority {priority.name}"
            raise NotPermitted(
                f"{self.holder.capitalize()} may send {kind.kind} notifications up to "
                f"{highest.name}, not {priority.name}. {self._remedy('may', options)}",
                code="priority_not_allowed",
            )


# Access to the Unix socket beside the archive is proof enough: its owner owns the archive.
LOCAL_ADMIN = Principal("local", frozenset({ADMIN}), Priority.critical, proof=Proof.local)


def known_scopes(kinds: Iterable[NotifierSpec]) -> tuple[str, ...]:
    """Return every scope that a key can have.

    `read` reads the state of the service and what its holder sent, `read:all` also what others
    sent. `devices` registers and removes devices, `people` manages groups and sees who is in them,
    `notify:<kind>` sends one kind, `notify:*` every kind, and `admin` does everything.
    """
    return (READ, READ_ALL, ADMIN, DEVICES, PEOPLE, NOTIFY_ALL, *(kind.scope for kind in kinds))
