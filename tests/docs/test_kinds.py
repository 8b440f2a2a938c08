"""docs/kinds.md describes every kind as it is declared.

After an intended change: `DOCS=write make test ARGS=tests/docs/test_kinds.py`.
"""

from tests.docs.generated_text import DOCS, assert_generated
from tests.docs.kind_list import kind_list

MARK = "<!-- From here on: tests/docs/kind_list.py -->\n"


def test_the_page_matches_the_declarations() -> None:
    assert_generated(DOCS / "kinds.md", MARK, kind_list())
