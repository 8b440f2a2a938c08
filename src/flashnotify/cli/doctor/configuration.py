"""Checks of the settings and of the archive's keys."""

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from flashnotify.archive.sqlite.inspection import has_api_keys, open_read_only
from flashnotify.channels.push.webpush import VAPID_FILE
from flashnotify.cli.doctor.findings import Finding
from flashnotify.errors import SettingsError
from flashnotify.meta import Config
from flashnotify.meta.registry import CONFIGS
from flashnotify.settings import KEY_FILE, ServiceConfig, given_names, unknown_names


def setting_findings() -> Iterator[Finding]:
    """Check each setting, and find unknown names."""
    valid = True
    for config in _declared(Config):
        try:
            config()
        except SettingsError as error:
            valid = False
            for line in str(error).splitlines():
                found, _, example = line.partition(" Example: ")
                name, _, found = found.partition(": ")
                yield Finding(name, "failed", found, f"Example: {example}")
    for name, nearest in unknown_names(CONFIGS, given_names()).items():
        valid = False
        hint = f"Did you mean {nearest}? " if nearest else ""
        yield Finding(
            name,
            "failed",
            "unknown setting",
            f"{hint}Correct or remove it; docs/settings.md lists all settings.",
        )
    if valid:
        known = {setting.env for config in CONFIGS.values() for setting in config.settings}
        count = len(known & given_names())
        yield Finding("settings", "ok", f"{count} of {len(known)} set, the rest are defaults")


def key_findings(config: ServiceConfig) -> Iterator[Finding]:
    """Check the secret key, and the Web Push key if there is one."""
    secret = config.beside(KEY_FILE)
    if config.secret_key is not None:
        yield Finding("secret key", "ok", "FLASHNOTIFY_SECRET_KEY is set")
    elif secret.exists():
        yield _key("secret key", secret) or _secret_key(config)
    elif _has_api_keys(config.archive_file):
        yield Finding(
            "secret key",
            "failed",
            f"{secret} is missing: the existing API keys do not work",
            "Restore it from a backup. If there is none, start `flashnotify serve`, which creates "
            "a new one, and create new API keys.",
        )
    else:
        yield Finding("secret key", "ok", "serve will create it when it starts")
    vapid = config.beside(VAPID_FILE)
    if vapid.exists():
        yield _key("Web Push key", vapid) or Finding("Web Push key", "ok", f"{vapid}")


def _key(part: str, file: Path) -> Finding | None:
    """Return the problem with a key's file, if there is one."""
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        return Finding(
            part,
            "failed",
            f"{file} has mode {mode:04o}: other users on this machine can access it",
            f"chmod 600 {file}",
        )
    try:
        file.read_bytes()
    except OSError as error:
        return Finding(
            part,
            "failed",
            f"{file} cannot be read: {error.strerror}",
            "Run this as the user that runs serve, or make that user its owner.",
        )
    return None


def _secret_key(config: ServiceConfig) -> Finding:
    try:
        config.pepper()
    except SettingsError as error:
        found, _, remedy = str(error).partition(". ")
        return Finding("secret key", "failed", found, remedy)
    return Finding("secret key", "ok", f"{config.beside(KEY_FILE)}")


def _has_api_keys(file: Path) -> bool:
    try:
        with closing(open_read_only(file)) as archive:
            return has_api_keys(archive)
    except sqlite3.Error:
        # There is no archive yet, or `archive_findings` reports what is wrong with it.
        return False


def _declared(base: type[Config]) -> Iterator[type[Config]]:
    """Yield every registered group of settings."""
    for config in base.__subclasses__():
        if any(vars(config).get("__config__") is registered for registered in CONFIGS.values()):
            yield config
        yield from _declared(config)
