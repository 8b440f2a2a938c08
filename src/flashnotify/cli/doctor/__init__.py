"""`flashnotify doctor`: find problems and say how to fix them."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from flashnotify.cli.doctor.configuration import (
    doubtful_findings,
    key_findings,
    setting_findings,
)
from flashnotify.cli.doctor.database import archive_findings
from flashnotify.cli.doctor.findings import Finding, State, failed, warning
from flashnotify.cli.doctor.serving import serve_findings
from flashnotify.cli.doctor.transports import transport_findings
from flashnotify.cli.output import print_json, progress_bar
from flashnotify.errors import SettingsError
from flashnotify.settings import ServiceConfig
from flashnotify.telemetry import logs

# From good to bad.
_COLOURS: dict[State, str] = {"ok": "green", "warning": "yellow", "failed": "bold red"}


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check the settings, the archive, the keys, each transport and a running `serve`.

    Each problem comes with a remedy. Nothing is sent and nothing is changed. The exit code is 1 if
    a check fails.
    """
    with progress_bar() as bar:
        bar.add_task("checking", total=None)
        findings = list(_examine())
    worst = max((f.state for f in findings), key=list(_COLOURS).index)
    if as_json:
        print_json({"state": worst, "findings": [asdict(finding) for finding in findings]})
    else:
        _show(findings)
    if worst == "failed":
        raise typer.Exit(1)


def _examine() -> Iterable[Finding]:
    settings = setting_findings()
    yield from settings
    try:
        config = ServiceConfig()
    except SettingsError:
        yield warning("archive", "not checked", "Fix the settings first.")
        return
    logs.configure(config.log_format)
    try:
        yield from doubtful_findings(config)
        yield from key_findings(config)
        yield from archive_findings(config.archive_file.absolute())
        yield from asyncio.run(_transports_and_serve(config, {f.part for f in settings}))
    except PermissionError as error:
        found = f"{error.filename}: {error.strerror}"
        yield failed("archive", found, "Run this as the user that runs serve.")


async def _transports_and_serve(config: ServiceConfig, reported: set[str]) -> Sequence[Finding]:
    findings, names = await transport_findings(config, reported)
    return [*findings, *serve_findings(config, names)]


def _show(findings: Sequence[Finding]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    width = max(len(finding.part) for finding in findings)
    for finding in findings:
        line = Text.assemble((f"{finding.state:<7}", _COLOURS[finding.state]))
        line.append(f"  {finding.part:<{width}}  {finding.found}")
        console.print(line)
        if finding.remedy:
            console.print(Text(f"{'':<{width + 9}}  -> {finding.remedy}"))
    counts = Counter(finding.state for finding in findings)
    console.print(", ".join(f"{counts[state]} {state}" for state in _COLOURS))
