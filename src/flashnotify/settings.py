"""The service's own settings. Those of channels and transports are declared beside them."""

from __future__ import annotations

import difflib
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from limits import parse as parse_rate
from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, DotEnvSettingsSource
from sqlalchemy import URL

from flashnotify.archive.sqlite.engine import archive_file, archive_url
from flashnotify.errors import SettingsError
from flashnotify.meta.configs import ENV_FILE, ENV_PREFIX, Config, setting
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import ConfigSpec

# The name of the file that keeps the secret key, if none is set. Without it, no API key works.
KEY_FILE = "secret"


def _database(value: str) -> str:
    try:
        archive_url(value)
    except SettingsError as error:
        raise ValueError(str(error).rstrip(".")) from None
    return value


def _timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        # Not asked before: the list takes a walk through the whole database.
        nearest = difflib.get_close_matches(value, available_timezones(), n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        raise ValueError(f"there is no such time zone in the IANA database{hint}") from None
    return value


def _long_enough(value: SecretStr | None) -> SecretStr | None:
    if value is not None and len(value.get_secret_value()) < 32:
        raise ValueError("it must have at least 32 characters")
    return value


def _rate(value: str) -> str:
    try:
        parse_rate(value)
    except ValueError:
        raise ValueError("it is no rate") from None
    return value


class ServiceConfig(Config):
    """How the service itself runs."""

    database_url: Annotated[str, AfterValidator(_database)] = setting(
        "sqlite:///var/flashnotify.db",
        help="The archive: a SQLite file, made at the first start.",
        example="sqlite:////var/lib/flashnotify/flashnotify.db",
    )
    secret_key: Annotated[SecretStr | None, AfterValidator(_long_enough)] = setting(
        None,
        help="What API keys are proved with; made at the first start and kept beside the database.",
        example="$(openssl rand -hex 32)",
        secret=True,
    )
    workers: Annotated[int, Field(ge=2, le=256)] = setting(
        8, help="Tasks that deliver; a quarter of them take urgent work only.", example="16"
    )
    threads: Annotated[int, Field(ge=1, le=256)] = setting(
        8, help="Threads for transports whose libraries block.", example="16"
    )
    queue_url: Literal["memory://"] = setting(
        "memory://",
        help="Where jobs wait their turn: in this process. All of them are in the archive too.",
        example="memory://",
    )
    queue_bound: Annotated[int, Field(ge=10, le=1_000_000)] = setting(
        1000, help="Jobs of each priority held in memory; the rest waits on disk.", example="5000"
    )
    drain_seconds: Annotated[float, Field(ge=0, le=600)] = setting(
        10.0, help="Seconds that work in hand gets to finish when the service stops.", example="20"
    )
    log_format: Literal["console", "json"] = setting(
        "console", help="How the log is written.", example="json"
    )
    locale: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$")] = setting(
        "en", help="The language of notifications that ask for none.", example="fr"
    )
    timezone: Annotated[str, AfterValidator(_timezone)] = setting(
        "UTC",
        help="The time zone of the campus, by its IANA name: messages and quiet hours are in its "
        "time. As long as it is UTC, messages show times as their senders wrote them.",
        example="Europe/Paris",
    )
    public_url: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")] = setting(
        "http://127.0.0.1:8000",
        help="Where this service is reached from outside, for links and the callbacks of gateways.",
        example="https://notify.univ.example",
    )
    rate_limit: Annotated[str, AfterValidator(_rate)] = setting(
        "6000/minute", help="How fast one API key may call.", example="50/second"
    )
    max_batch: Annotated[int, Field(ge=1)] = setting(
        10_000, help="Most notifications of a batch.", example="2000"
    )
    max_batch_bytes: Annotated[int, Field(ge=1024)] = setting(
        16 * 1024 * 1024, help="Most bytes of a batch's body.", example="33554432"
    )
    max_request_bytes: Annotated[int, Field(ge=1024)] = setting(
        1024 * 1024, help="Most bytes of one request's body.", example="2097152"
    )
    max_title_length: Annotated[int, Field(ge=1)] = setting(
        200, help="Most characters of a title.", example="120"
    )
    max_body_bytes: Annotated[int, Field(ge=1)] = setting(
        64 * 1024, help="Most bytes, in UTF-8, of a notification's body.", example="16384"
    )
    max_recipients: Annotated[int, Field(ge=1)] = setting(
        10_000, help="Most entries of `to`.", example="2000"
    )

    @property
    def archive(self) -> URL:
        """The archive's URL."""
        return archive_url(self.database_url)

    @property
    def archive_file(self) -> Path:
        """The archive's SQLite file."""
        return archive_file(self.archive)

    @property
    def socket(self) -> Path:
        """The Unix socket on which `serve` answers the command line."""
        return self.beside("sock")

    def beside(self, name: str) -> Path:
        """Where the file `name` that belongs to the archive is kept."""
        return self.archive_file.with_name(f"{self.archive_file.name}.{name}")

    def pepper(self) -> bytes:
        """The secret key: as set, or the one kept beside the database, made if there is none."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value().encode()
        path = self.beside(KEY_FILE)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            secret = path.read_bytes().strip()
            if len(secret) < 32:
                raise SettingsError(
                    f"{path} is damaged: it must hold the secret key. Restore it from a backup, or "
                    "remove it and make new API keys."
                ) from None
            return secret
        with os.fdopen(file, "wb") as stream:
            secret = secrets.token_hex(32).encode()
            stream.write(secret)
            stream.flush()
            os.fsync(stream.fileno())
        return secret


def given_names() -> set[str]:
    """The names of all that is set, in the environment and in `.env`."""
    file = DotEnvSettingsSource(BaseSettings, env_file=ENV_FILE, case_sensitive=True)
    return {*os.environ, *file.env_vars}


def unknown_names(
    configs: Registry[ConfigSpec], environment: Iterable[str]
) -> Mapping[str, str | None]:
    """`FLASHNOTIFY_…` names that set nothing, each with the known name most like it."""
    known = [setting.env for config in configs for setting in config.settings]
    unknown = [name for name in environment if name.startswith(ENV_PREFIX) and name not in known]
    return {name: _nearest(name, known) for name in unknown}


def _nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, by what follows the prefix that all have."""
    tails = [env.removeprefix(ENV_PREFIX) for env in known]
    found = difflib.get_close_matches(name.removeprefix(ENV_PREFIX), tails, n=1)
    return ENV_PREFIX + found[0] if found else None
