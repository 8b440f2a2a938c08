"""The parts of a page in docs/ that are made from the code."""

import os
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def assert_generated(page: Path, begin: str, generated: str, end: str = "") -> None:
    """Fail unless `generated` stands between two marks of a page; an empty `end` is its end.

    With `DOCS=write` in the environment, it is written there.
    """
    before, _, rest = page.read_text().partition(begin)
    found, after = (rest, "") if not end else rest.split(end, 1)
    if os.environ.get("DOCS") == "write":
        page.write_text(before + begin + generated + end + after)
    else:
        assert found == generated
