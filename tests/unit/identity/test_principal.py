"""What is refused is said in the words of the one who asks: a person, or whoever has a key."""

from dataclasses import replace

import pytest

from flashnotify.domain import Priority, Role
from flashnotify.errors import NotPermitted
from flashnotify.identity.principal import READ, Principal, Proof
from flashnotify.meta.registry import NOTIFIERS

KEY = Principal("k", frozenset({READ}), Priority.medium)
PERSON = replace(KEY, id="user:u", role=Role.sender, proof=Proof.session)
CREATE = "flashnotify keys create --name NAME --scope"
ASK = "Ask an admin for an account that"


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        (KEY, f"This key lacks the scope 'admin'. Create a key that has it: {CREATE} admin"),
        (PERSON, f"Your account lacks the scope 'admin'. {ASK} has it."),
        (
            replace(KEY, proof=Proof.token),
            "This token lacks the scope 'admin'. Get one with it if this key has it. Otherwise: "
            f"Create a key that has it: {CREATE} admin",
        ),
        (
            replace(PERSON, proof=Proof.token),
            "This token lacks the scope 'admin'. Get one with it if your account has it. "
            f"Otherwise: {ASK} has it.",
        ),
    ],
)
def test_a_missing_scope_is_named_with_what_to_do(principal: Principal, expected: str) -> None:
    with pytest.raises(NotPermitted) as refused:
        principal.require("admin")
    assert str(refused.value) == expected


@pytest.mark.parametrize(
    ("principal", "who", "remedy"),
    [
        (
            KEY,
            "This key",
            f"Create a key that may: {CREATE} notify:academic --max-priority critical",
        ),
        (PERSON, "Your account", f"{ASK} may."),
    ],
)
def test_a_priority_that_is_too_high_is_refused_with_what_to_do(
    principal: Principal, who: str, remedy: str
) -> None:
    with pytest.raises(NotPermitted) as refused:
        principal.require_priority(Priority.critical, NOTIFIERS["academic"])
    sends = "may send academic notifications up to medium, not critical."
    assert str(refused.value) == f"{who} {sends} {remedy}"
