"""`flashnotify status`: the first line agrees with the table below it."""

import pytest

from flashnotify.cli.notification import _show

FOUND = {
    "id": "01a2",
    "kind": "academic",
    "title": "Room changed",
    "status": "sending",
    "outcome": None,
    "priority": "low",
    "accepted_at": "2026-12-01T08:00:00Z",
    # The archive does not know which of the queued ones are being sent.
    "counts": {"email": {"queued": 2, "sent": 1}},
    "more": False,
}


@pytest.mark.parametrize(
    ("statuses", "counted"),
    [
        (["queued", "queued"], "2 queued, 1 sent"),
        (["sending", "queued"], "1 sending, 1 queued, 1 sent"),
        (["sending", "sending"], "2 sending, 1 sent"),
    ],
)
def test_status_counts_what_is_being_sent(
    statuses: list[str], counted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: list[dict[str, object]] = [
        {
            "channel": "email",
            "to": f"p{number}@univ.example",
            "status": status,
            "attempt_count": 0,
            "next_attempt_at": None,
            "waiting": None,
            "reason": None,
            "attempts": [],
        }
        for number, status in enumerate(statuses)
    ]
    _show(FOUND | {"deliveries": rows})
    assert capsys.readouterr().out.startswith(f"{counted}\n")
