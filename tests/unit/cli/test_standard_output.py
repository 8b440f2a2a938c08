"""Commands print, whatever standard output is connected to."""

import io
import os
import sys
from pathlib import Path

import pytest

from flashnotify.cli.output import print_json
from flashnotify.cli.standard_output import flush_output, prepare_output
from flashnotify.errors import FlashNotifyError
from tests.support.in_process_cli import InProcessCli


def test_a_locale_without_a_character(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    prepare_output()
    sys.stdout.write("modifiée\n")
    print_json({"title": "modifiée"})
    flush_output()
    assert written.getvalue() == b'modifi?e\n{\n  "title": "modifi\\u00e9e"\n}\n'


def test_no_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    prepare_output()
    with sys.stdout:
        sys.stdout.write("x")
        assert not sys.stdout.isatty()


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        sys.stdout.write("x")
        with pytest.raises(FlashNotifyError, match=r"^cannot write to standard output: No space"):
            flush_output()


def test_a_reader_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        sys.stdout.write("x")
        with pytest.raises(SystemExit, match="1"):
            flush_output()


async def test_utf_8_is_read_in_any_locale(tmp_path: Path) -> None:
    # As Python has it in the locale C (PEP 383).
    refused = await InProcessCli(tmp_path).cli("deliveries", "--to=modifi\udcc3\udca9e")
    assert "There is no archive" in refused.stderr
