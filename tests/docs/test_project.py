"""The set-up files say the same as each other, and lead nowhere outside the project."""

import re
import runpy
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = [f"requirements{part}.lock" for part in ("", "-chat", "-build", "-dev", "-bench")]
LOCK_LINE = re.compile(
    r"""  (?P<name>[a-z0-9-]+)==(?P<version>[a-z0-9.]+) (?:\ ;\ [^:/]+?)? (?:\ \\)?
      | \ {4}--hash=sha256:[0-9a-f]{64} (?:\ \\)?
    """,
    re.VERBOSE,
)
ADR_SECTIONS = ["## Status", "## Context", "## Decision", "## Consequences"]


def locked(lock: str) -> dict[str, str]:
    """Return the versions in a lock file by name."""
    lines = (LOCK_LINE.fullmatch(line) for line in (ROOT / lock).read_text().splitlines())
    return {m["name"]: m["version"] for m in lines if m and m["name"]}


def required(requirements: list[str | dict[str, str]]) -> set[str]:
    """Return the names in a list of requirements, without included groups."""
    names = (re.match(r"[A-Za-z0-9-]+", r) for r in requirements if isinstance(r, str))
    return {name[0].lower() for name in names if name}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_holds_names_versions_and_hashes_only(lock: str) -> None:
    lines = (ROOT / lock).read_text().splitlines()
    assert [line for line in lines if not LOCK_LINE.fullmatch(line)] == []


def test_every_requirement_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    assert required(project["project"]["dependencies"]) <= locked("requirements.lock").keys()
    chat = project["project"]["optional-dependencies"]["chat"]
    assert locked("requirements.lock").items() <= locked("requirements-chat.lock").items()
    assert required(chat) <= locked("requirements-chat.lock").keys()
    assert required(groups["build"]) <= locked("requirements-build.lock").keys()
    assert required(groups["dev"]) <= locked("requirements-dev.lock").keys()
    assert required(groups["bench"]) <= locked("requirements-bench.lock").keys()
    assert locked("requirements.lock").items() <= locked("requirements-bench.lock").items()


@pytest.mark.parametrize("lock", LOCKS[:3])
def test_tests_run_with_the_versions_that_are_installed(lock: str) -> None:
    assert locked(lock).items() <= locked("requirements-dev.lock").items()


def test_the_installation_shows_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    follow = runpy.run_path(str(ROOT / "scripts" / "install_locked.py"))["_follow"]
    lines = ("Collecting a==1", "  Downloading a-1.whl", "Collecting b==1", "Installing collected")
    follow(lines, total=2)
    assert capsys.readouterr().out.strip() == "2 packages"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    follow(lines, total=2)
    steps = [step.strip() for step in capsys.readouterr().out.split("\r")]
    assert steps == [
        "found 1 of 2 packages",
        "found 2 of 2 packages",
        "installing 2 packages",
        "2 packages",
    ]


def test_every_make_target_has_help_and_is_in_contributing() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony
    targets = set(phony[1].split())
    assert targets == set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    assert {t for t in targets if f"`make {t}`" not in contributing} == {"help"}


def test_adrs_are_numbered_without_gaps_and_have_their_sections() -> None:
    adrs = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(adr.name[:4]) for adr in adrs] == list(range(1, len(adrs) + 1))
    for adr in adrs:
        text = adr.read_text()
        assert re.match(rf"# {int(adr.name[:4])}\. .+\n\nDate: \d{{4}}-\d\d-\d\d\n", text), adr.name
        assert [line for line in text.splitlines() if line.startswith("## ")] == ADR_SECTIONS


@pytest.mark.parametrize(
    "page",
    [
        str(page.relative_to(ROOT))
        for folder, pattern in ((ROOT, "*.md"), (ROOT / "docs", "**/*.md"))
        for page in sorted(folder.glob(pattern))
    ],
)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    prose = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose)
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in local if not (ROOT / page).parent.joinpath(link).exists()] == []
