"""The archive's place on disk, found without a database library: commands start quickly."""

import os
import re
from pathlib import Path

from dotenv import dotenv_values

VARIABLE = "FLASHNOTIFY_DATABASE_URL"
DEFAULT = "sqlite:///var/flashnotify.db"
EXAMPLE = f"Example: {VARIABLE}={DEFAULT}"


def configured_archive() -> Path | None:
    """Return the archive's file, or None if only `ServiceConfig` can read the setting."""
    # Names in any case, as pydantic-settings reads them.
    settings = {name.upper(): value for name, value in (dotenv_values(".env") | os.environ).items()}
    url = re.fullmatch(r"sqlite:///([^?:#%]+)", settings.get(VARIABLE, DEFAULT) or "")
    return None if url is None else Path(url[1])


def missing(archive: Path) -> str:
    """Return what to tell a person whose command finds no archive where it looked."""
    return (
        f"There is no archive at {archive.absolute()}. Run this in the folder where `flashnotify "
        f"serve` runs, or set {VARIABLE} to the absolute path of its archive. Start `flashnotify "
        "serve` or `flashnotify migrate` to create one."
    )


def beside(archive: Path, name: str) -> Path:
    """Return the path of the archive's companion file `name`."""
    return archive.with_name(f"{archive.name}.{name}")
