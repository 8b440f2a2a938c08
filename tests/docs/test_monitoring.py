"""docs/monitoring.md has every metric, and no event that the code does not log.

After an intended change: `DOCS=write make test ARGS=tests/docs/test_monitoring.py`.
"""

import re

from flashnotify.domain import WaitReason
from tests.docs.generated_text import DOCS, assert_generated
from tests.docs.metrics_table import metrics_table

PAGE = DOCS / "monitoring.md"
BEGIN = "<!-- metrics: tests/docs/test_monitoring.py -->\n"
END = "<!-- end of metrics -->"


def test_the_metrics_are_those_of_the_code() -> None:
    assert_generated(PAGE, BEGIN, metrics_table(), END)


def test_the_reasons_are_those_of_the_code() -> None:
    section = PAGE.read_text().partition("## What waits")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(WaitReason)


def test_the_events_of_the_log_are_those_of_the_code() -> None:
    section = PAGE.read_text().partition("## Logs")[2]
    rows = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    named = {event for row in rows for event in re.findall(r"`([a-z_]+\.[a-z_]+)`", row)}
    sources = "".join(path.read_text() for path in (DOCS.parent / "src").rglob("*.py"))
    logged = set(re.findall(r"log\.(?:info|warning|error)\(\s*\"([a-z_.]+)\"", sources))
    assert named
    assert named - logged == set()
