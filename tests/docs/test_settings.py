"""docs/settings.md lists every setting that is declared, as it is declared."""

from pathlib import Path

from tests.docs.settings_table import settings_table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"


def test_the_table_matches_the_declarations() -> None:
    page = PAGE.read_text()
    assert page[page.index("| variable") :] == settings_table()
