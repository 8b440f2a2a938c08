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
    url = re.fullmatch(r"sqlite:///([^?:#%]+)", configured(VARIABLE, DEFAULT) or "")
    return None if url is None else Path(url[1])


def configured(variable: str, default: str | None = None) -> str | None:
    """Return a setting from the environment or `.env`, as it was written."""
    # Names in any case, as pydantic-settings reads them.
    settings = {name.upper(): value for name, value in (dotenv_values(".env") | os.environ).items()}
    return settings.get(variable, default)


def missing(archive: Path) -> str:
    """Return what to tell a person whose command finds no archive where it looked."""
    return (
        f"There is no archive at {archive.absolute()}. Run this in the folder of serve, or set "
        f"{VARIABLE} to its archive, such as sqlite:////srv/flashnotify/var/flashnotify.db. "
        "To make a new one, start `flashnotify serve`."
    )


def beside(archive: Path, name: str) -> Path:
    """Return the path of the archive's companion file `name`."""
    return archive.with_name(f"{archive.name}.{name}")
