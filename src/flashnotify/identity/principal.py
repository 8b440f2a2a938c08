"""What a caller may do, by its scopes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flashnotify.domain import Priority
from flashnotify.errors import NotPermitted
from flashnotify.meta.specs import NotifierSpec

READ = "read"
ADMIN = "admin"
DEVICES = "devices"
NOTIFY_ALL = "notify:*"


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who is signed in. `id` is what their notifications are filed under.

    `expires_at`, in milliseconds since the epoch, is how long that is good for.
    """

    id: str
    scopes: frozenset[str]
    max_priority: Priority
    expires_at: int | None = None

    def require(self, scope: str) -> None:
        """Check that `scope` is among the caller's; `admin` may do everything.

        Raises:
            NotPermitted: it is not.
        """
        if scope in self.scopes or ADMIN in self.scopes:
            return
        if scope.startswith("notify:") and NOTIFY_ALL in self.scopes:
            return
        raise NotPermitted(
            f"This key lacks the scope {scope!r}. Make one that has it: "
            f"flashnotify keys create --name NAME --scope {scope}"
        )

    def require_priority(self, priority: Priority, kind: NotifierSpec) -> None:
        """Check that the caller may send this urgently: as high as its key says, or the kind is.

        Raises:
            NotPermitted: it may not.
        """
        highest = max(self.max_priority, kind.priority)
        if priority > highest:
            raise NotPermitted(
                f"This key may send {kind.kind} notifications up to {highest.name}, not "
                f"{priority.name}. Make one that may: flashnotify keys create --name NAME "
                f"--scope {kind.scope} --max-priority {priority.name}"
            )


# Whoever reaches the Unix socket beside the archive owns it.
LOCAL_ADMIN = Caller("local", frozenset({ADMIN}), Priority.critical)


def known_scopes(kinds: Iterable[NotifierSpec]) -> tuple[str, ...]:
    """Every scope that a key can have.

    `read` reads all, `devices` registers and removes what gets push, `notify:<kind>` sends that
    kind and `notify:*` every kind, `admin` does everything.
    """
    return (READ, ADMIN, DEVICES, NOTIFY_ALL, *(kind.scope for kind in kinds))
