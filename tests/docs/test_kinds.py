"""docs/kinds.md describes every kind as it is declared.

After an intended change: `DOCS=write make test ARGS=tests/docs/test_kinds.py`.
"""

import os
from pathlib import Path

from tests.docs.kind_list import kind_list

PAGE = Path(__file__).resolve().parents[2] / "docs" / "kinds.md"
MARK = "<!-- From here on: tests/docs/kind_list.py -->\n"


def test_the_page_matches_the_declarations() -> None:
    said, _, listed = PAGE.read_text().partition(MARK)
    if os.environ.get("DOCS") == "write":
        listed = kind_list()
        PAGE.write_text(said + MARK + listed)
    assert listed == kind_list()
