"""The languages of pages: which one a browser gets, and that nothing is left untranslated."""

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from flashnotify import web
from flashnotify.web.languages import Language, Languages, read_catalogue

FOLDER = Path(web.__file__).parent
CATALOGUES = sorted(FOLDER.glob("locale/*.po"))
_SOURCES = [("**.py", "python"), ("templates/**.html", "jinja2.ext:babel_extract")]


def messages() -> set[str]:
    """Return every message of the pages."""
    found = extract_from_dir(FOLDER, method_map=_SOURCES, keywords={"_": None})
    return {message for _, _, message, _, _ in found if isinstance(message, str)}


def test_there_are_catalogues() -> None:
    assert "fr" in [file.stem for file in CATALOGUES]
    assert len(messages()) > 40


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.stem)
def test_every_message_is_translated(file: Path) -> None:
    translated = read_catalogue(file)
    assert messages() - translated.keys() == set()
    assert translated.keys() - messages() == set(), "no page has these any more"
    for message, translation in translated.items():
        places = [sorted(re.findall(r"%\(\w+\)s", text)) for text in (message, translation)]
        assert places[0] == places[1], message


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.stem)
def test_catalogues_are_read_as_babel_reads_them(file: Path) -> None:
    with file.open("rb") as opened:
        expected = {message.id: message.string for message in read_po(opened) if message.id}
    assert read_catalogue(file) == expected


def test_texts_that_tools_have_wrapped_are_joined(tmp_path: Path) -> None:
    file = tmp_path / "xx.po"
    file.write_text('#: a.html:1\nmsgid ""\n"a \\"b\\" "\n"c\\n"\nmsgstr ""\n"é "\n"f"\n')
    assert read_catalogue(file) == {'a "b" c\n': "é f"}


@pytest.mark.parametrize(
    ("own", "accepted", "tag"),
    [
        (None, None, "en"),
        (None, "fr", "fr"),
        (None, "fr-CA,fr;q=0.9", "fr"),
        (None, "de, fr;q=0.5, en;q=0.2", "fr"),
        (None, "fr;q=0.2, en;q=0.9", "en"),
        (None, "fr;q=0, en;q=0.1", "en"),
        (None, "de", "en"),
        (None, "*", "en"),
        (None, "\x00;;,=é" * 1000, "en"),
        (None, "../../etc", "en"),
        ("fr", "en", "fr"),
        ("fr_CA", "en", "fr"),
        ("de", "fr", "fr"),
    ],
)
def test_the_language_of_a_browser(own: str | None, accepted: str | None, tag: str) -> None:
    assert Languages("en").best(own, accepted).tag == tag


def test_the_language_of_the_campus_is_the_default() -> None:
    assert Languages("fr-FR").best(None, "de").tag == "fr"


def test_values_in_a_message_are_escaped() -> None:
    language = Language("en", {})
    assert language.translate("Since %(time)s", time="<b>") == "Since &lt;b&gt;"
    assert language.translate("100 %") == "100 %"
