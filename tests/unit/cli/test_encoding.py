"""Input that is not UTF-8 is explained: in arguments, on standard input, in `.env`."""

from pathlib import Path

import pytest

from tests.support.in_process_cli import InProcessCli

SEND = ("send", "--kind=academic", "--to=mailto:ada@univ.example", "--data=course=ALG-2")
# A byte of Latin-1, as Python has it in arguments (PEP 383).
LATIN = "ferm\udce9"


@pytest.mark.parametrize(
    ("arguments", "stdin", "named"),
    [
        (
            (*SEND, f"--title={LATIN}", "x"),
            "",
            "the argument '--title=ferm\N{REPLACEMENT CHARACTER}'",
        ),
        (("status", LATIN), "", "the argument 'ferm\N{REPLACEMENT CHARACTER}'"),
        ((*SEND, "--title=Closed"), LATIN, "standard input"),
    ],
)
async def test_what_is_typed_or_piped(
    tmp_path: Path, arguments: tuple[str, ...], stdin: str, named: str
) -> None:
    refused = await InProcessCli(tmp_path).cli(*arguments, stdin=stdin)
    assert (refused.code, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"flashnotify: {named} is not UTF-8. Convert it: iconv ")
    assert list(tmp_path.iterdir()) == []


async def test_the_file_of_settings(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"FLASHNOTIFY_SMS_FROM=Universit\xe9\n")
    refused = await InProcessCli(tmp_path).cli("outbox")
    assert (refused.code, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"flashnotify: {tmp_path}/.env is not UTF-8.")
