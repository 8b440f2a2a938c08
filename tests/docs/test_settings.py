"""docs/settings.md lists every setting that is declared, as it is declared."""

import runpy
from pathlib import Path

import pytest

from tests.docs.settings_table import settings_table

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "settings.md"


def test_the_table_matches_the_declarations() -> None:
    page = PAGE.read_text()
    assert page[page.index("| variable") :] == settings_table()


@pytest.mark.parametrize("name", ["settings_table", "command_list"])
def test_a_table_is_printed_to_be_pasted(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    script = f"tests/docs/{name}.py"
    assert script in (ROOT / "CONTRIBUTING.md").read_text()
    printed = runpy.run_path(str(ROOT / script), run_name="__main__")
    assert capsys.readouterr().out == printed[name]()
