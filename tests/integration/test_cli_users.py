"""`flashnotify users`, on an archive that no `serve` holds."""

from __future__ import annotations

import io
import json
import sqlite3
import sys
from pathlib import Path

import pytest
import typer

from flashnotify.cli import users
from tests.support.in_process_cli import InProcessCli
from tests.support.passwords import GOOD

ADA = ("--name=Ada Lovelace", "--role=sender", "--email=ada@univ.example", "--kind=academic")


@pytest.fixture
async def cli(tmp_path: Path) -> InProcessCli:
    commands = InProcessCli(tmp_path)
    assert (await commands.cli("migrate")).code == 0
    return commands


def stored_hash(cli: InProcessCli) -> str | None:
    with sqlite3.connect(cli.archive) as archive:
        ((found,),) = archive.execute("SELECT password_hash FROM users").fetchall()
    archive.close()
    return None if found is None else str(found)


async def test_a_user_is_created_listed_given_a_password_and_deactivated(cli: InProcessCli) -> None:
    created = await cli.cli("users", "create", *ADA, "--external-id=etu1")
    assert created.code == 0, created.stderr
    id = created.stdout.strip()
    assert created.stderr == (
        "There is no password yet. Set one: flashnotify users set-password ada@univ.example\n"
    )
    assert stored_hash(cli) is None
    for user in ("Ada@univ.example", "etu1", id):
        done = await cli.cli("users", "set-password", user, stdin=f"{GOOD}\r\n")
        assert (done.code, done.stdout, done.stderr) == (0, "", "")
    assert str(stored_hash(cli)).startswith("$argon2id$")
    listed = await cli.cli("users", "list", "--search=lovelace")
    assert id in listed.stdout
    assert GOOD not in listed.stdout
    assert (await cli.cli("users", "deactivate", "etu1")).code == 0
    shown = json.loads((await cli.cli("users", "list", "--json")).stdout)["items"]
    assert [(user["id"], user["active"], user["kinds"]) for user in shown] == [
        (id, False, ["academic"])
    ]
    assert "No user matches" in (await cli.cli("users", "list", "--role=admin")).stdout


async def test_a_user_without_a_login_cannot_sign_in(cli: InProcessCli) -> None:
    created = await cli.cli("users", "create", "--name=Ada", "--role=sender")
    assert created.code == 0
    assert created.stderr == "Nobody can sign in without an email address or external id.\n"


async def test_a_password_is_read_but_never_typed_as_an_argument(cli: InProcessCli) -> None:
    created = await cli.cli("users", "create", *ADA, "--password", stdin=GOOD)
    assert (created.code, created.stderr) == (0, "")
    assert stored_hash(cli) is not None
    refused = await cli.cli("users", "create", *ADA, f"--password={GOOD}")
    assert refused.code == 2


def test_a_terminal_is_asked_twice_and_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def ask(_: str, **options: object) -> str:
        assert options == {"hide_input": True, "confirmation_prompt": True}
        return GOOD

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(typer, "prompt", ask)
    assert users._password() == GOOD


@pytest.mark.parametrize(
    ("stdin", "words"),
    [
        ("password1234\n", "the password: is easy to guess. "),
        ("\n", "the password: must have at least 12 characters"),
        ("\udcff\n", "the password on standard input is not UTF-8"),
    ],
)
async def test_a_bad_password_is_refused(cli: InProcessCli, stdin: str, words: str) -> None:
    assert (await cli.cli("users", "create", *ADA)).code == 0
    refused = await cli.cli("users", "set-password", "ada@univ.example", stdin=stdin)
    assert refused.code == 1
    assert refused.stderr.startswith(f"flashnotify: {words}")
    assert stored_hash(cli) is None


async def test_mistakes_name_what_was_typed(cli: InProcessCli) -> None:
    wrong = await cli.cli(
        *("users", "create", "--name=Ada", "--role=root", "--email=ada", "--kind=academc")
    )
    assert wrong.code == 1
    assert "--role: unknown value" in wrong.stderr
    assert "--email: not a valid email address" in wrong.stderr
    kind = await cli.cli("users", "create", *ADA, "--kind=academc")
    assert "--kind academc: unknown kind" in kind.stderr
    unknown = await cli.cli("users", "deactivate", "eve@univ.example")
    assert unknown.stderr == (
        "flashnotify: no user has the email address or external id 'eve@univ.example'\n"
    )


async def test_people_are_imported_and_exported(cli: InProcessCli, tmp_path: Path) -> None:
    file, copy = tmp_path / "people.csv", tmp_path / "copy.csv"
    file.write_text("external_id,name\netu1,Ada\netu2,\n")
    refused = await cli.cli("users", "import", str(file))
    assert (refused.code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("flashnotify: line 3: has no name\n1 of 2 lines are bad")
    assert "the other lines with --skip-bad." in refused.stderr
    dry = await cli.cli("users", "import", str(file), "--skip-bad", "--dry-run")
    assert dry.stdout == "1 created\n"
    assert dry.stderr.endswith("dry run.\n")
    done = await cli.cli("users", "import", str(file), "--skip-bad")
    assert (done.code, done.stdout) == (0, "1 created\n")
    assert "1 of 2 lines were skipped" in done.stderr
    exported = await cli.cli("users", "export", str(copy))
    assert (exported.code, exported.stderr) == (0, "")
    again = await cli.cli("users", "import", str(copy), "--deactivate-missing", "--json")
    assert json.loads(again.stdout)["unchanged"] == 1
    file.write_bytes("external_id,name\netu1,Zoé\n".encode("latin-1"))
    latin = await cli.cli("users", "import", str(file))
    assert "Line 2 is not UTF-8" in latin.stderr
    assert "-t UTF-8 FILE. Nothing was imported." in latin.stderr
