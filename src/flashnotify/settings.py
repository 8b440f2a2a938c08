"""The service's own settings. Channels and transports declare theirs next to their code."""

import difflib
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, DotEnvSettingsSource, NoDecode
from sqlalchemy import URL

from flashnotify.archive.sqlite.engine import archive_file, archive_url
from flashnotify.archive.sqlite.location import DEFAULT, beside
from flashnotify.domain import Role
from flashnotify.errors import InvalidValue, SettingsError
from flashnotify.identity.rate_limits import checked_rate
from flashnotify.meta import Config, Email, setting
from flashnotify.meta.configs import ENV_FILE, ENV_PREFIX
from flashnotify.meta.localization import LOCALE_PATTERN, TimeZone
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import ConfigSpec
from flashnotify.networks import Network, networks
from flashnotify.private_file import read_or_create

# The file that holds the secret key if none is set. Without it, no API key works.
KEY_FILE = "secret"


def _database(value: str) -> str:
    archive_url(value)
    return value


def _timezone(value: str) -> str:
    try:
        return TimeZone().validate(value)
    except InvalidValue as error:
        # Only after a failure: listing the names reads the whole database.
        nearest = difflib.get_close_matches(value, available_timezones(), n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        raise ValueError(f"{error}{hint}") from None


def _long_enough(value: SecretStr | None) -> SecretStr | None:
    if value is not None and len(value.get_secret_value()) < 32:
        raise ValueError("must have at least 32 characters")
    return value


def _secrets(value: str | None) -> tuple[SecretStr, ...]:
    return tuple(map(SecretStr, (value or "").split()))


def _all_long_enough(value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    for secret in value:
        _long_enough(secret)
    return value


def _web_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s?#]+", value):
        raise ValueError("must begin with http:// or https://, and have no query")
    return value


def _optional_web_url(value: str | None) -> str | None:
    return value and _web_url(value)


def _claim_roles(text: str) -> Mapping[tuple[str, str], Role]:
    found = {}
    for word in text.split():
        claimed, _, role = word.rpartition("=")
        claim, _, value = claimed.partition(":")
        # Services are programs, which do not sign in at the campus.
        roles = [known for known in Role if known is not Role.service]
        if not claim or not value or role not in roles:
            raise ValueError(f"each must be CLAIM:VALUE=ROLE, with one of {', '.join(roles)}")
        found[claim, value] = Role(role)
    return found


class ServiceConfig(Config):
    """How the service itself runs."""

    database_url: Annotated[str, AfterValidator(_database)] = setting(
        DEFAULT,
        help="The archive: a SQLite file, created at the first start.",
        example="sqlite:////var/lib/flashnotify/flashnotify.db",
    )
    secret_key: Annotated[SecretStr | None, AfterValidator(_long_enough)] = setting(
        None,
        help="Key for hashing API keys and signing tokens; created at the first start and kept "
        "next to the archive.",
        example="$(openssl rand -hex 32)",
        secret=True,
    )
    previous_secret_keys: Annotated[
        tuple[SecretStr, ...],
        NoDecode,
        BeforeValidator(_secrets),
        AfterValidator(_all_long_enough),
    ] = setting(
        None,
        help="Secret keys from before, separated by spaces: API keys and tokens that were made "
        "with them stay valid.",
        example="'OLD-KEY'",
        secret=True,
    )
    admin_email: Annotated[str, AfterValidator(Email(special=True).validate)] = setting(
        "admin@localhost.example",
        help="Email address of the first admin, who is created when `serve` starts without users.",
        example="it@univ.example",
    )
    admin_password: SecretStr | None = setting(
        None,
        help="Password of the first admin. Without it, `serve` makes one and prints it once.",
        example="$(openssl rand -base64 18)",
        secret=True,
    )
    password_sign_in: bool = setting(
        True, help="Let people sign in with a password, beside OIDC_ISSUER.", example="false"
    )
    oidc_issuer: Annotated[str | None, AfterValidator(_optional_web_url)] = setting(
        None,
        help="OpenID Connect provider of the campus, at which people sign in. Its callback is "
        "PUBLIC_URL/sign-in/campus/callback.",
        example="https://login.univ.example/realms/campus",
    )
    oidc_client_id: str = setting(
        "flashnotify", help="How the provider knows this service.", example="notify"
    )
    oidc_client_secret: SecretStr | None = setting(
        None,
        help="Secret that the provider has given this service.",
        example="$(cat oidc-secret)",
        secret=True,
    )
    oidc_create_users: bool = setting(
        False, help="Create the users who sign in at the provider first.", example="true"
    )
    oidc_roles: Annotated[
        Mapping[tuple[str, str], Role], NoDecode, BeforeValidator(_claim_roles)
    ] = setting(
        "",
        help="Roles of those whom the provider gives a value of a claim, separated by spaces.",
        example="groups:it=admin affiliation:staff=sender",
    )
    workers: Annotated[int, Field(ge=2, le=256)] = setting(
        8, help="Workers per channel; a quarter of them are reserved for urgent work.", example="16"
    )
    threads: Annotated[int, Field(ge=1, le=256)] = setting(
        8, help="Threads for transports with blocking libraries.", example="16"
    )
    queue_url: Literal["memory://"] = setting(
        "memory://",
        help="Where jobs wait: in this process. The archive holds all of them too.",
        example="memory://",
    )
    queue_bound: Annotated[int, Field(ge=10, le=1_000_000)] = setting(
        1000,
        help="Jobs held in memory per channel and priority; the others wait on disk.",
        example="5000",
    )
    drain_seconds: Annotated[float, Field(ge=0, le=600)] = setting(
        10.0, help="Seconds for work in flight to finish when the service stops.", example="20"
    )
    metrics_transport_names: bool = setting(
        False,
        help="Name transports with their hosts in /metrics, which needs no key: `smtp://host:25`, "
        "not `smtp`.",
        example="true",
    )
    log_format: Literal["console", "json"] = setting(
        "console", help="Format of the log.", example="json"
    )
    locale: Annotated[str, Field(pattern=LOCALE_PATTERN)] = setting(
        "en", help="Language of notifications that do not ask for one.", example="fr"
    )
    timezone: Annotated[str, AfterValidator(_timezone)] = setting(
        "UTC",
        help="IANA name of the campus time zone, for messages and quiet hours. With UTC, messages "
        "show times as their senders wrote them.",
        example="Europe/Paris",
    )
    public_url: Annotated[str, AfterValidator(_web_url)] = setting(
        "http://127.0.0.1:8000",
        help="URL of this service as seen from outside, for links and callbacks of gateways. "
        "It may have a path, under which a reverse proxy serves it. By default, it has the port of "
        "`serve --port`.",
        example="https://notify.univ.example",
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(networks)] = setting(
        "127.0.0.0/8 ::1/128",
        help="Networks of reverse proxies, separated by spaces: the path prefix and "
        "the address of a client that they report are used, and one may have as many connections "
        "as the service serves.",
        example="10.0.3.0/28 fd00:3::/64",
    )
    retention_days: Annotated[int, Field(ge=1, le=36_500)] = setting(
        365,
        help="Days for which notifications are kept once they are over, unless their kind says "
        "otherwise.",
        example="90",
    )
    rate_limit: Annotated[str, AfterValidator(checked_rate)] = setting(
        "6000/minute", help="Limit on the requests of one API key.", example="50/second"
    )
    max_batch: Annotated[int, Field(ge=1)] = setting(
        10_000, help="Maximum number of notifications per batch.", example="2000"
    )
    max_batch_bytes: Annotated[int, Field(ge=1024)] = setting(
        16 * 1024 * 1024, help="Maximum size of a batch, in bytes.", example="33554432"
    )
    max_request_bytes: Annotated[int, Field(ge=1024)] = setting(
        1024 * 1024, help="Maximum size of any other request body, in bytes.", example="2097152"
    )
    max_title_length: Annotated[int, Field(ge=1)] = setting(
        200, help="Maximum length of a title, in characters.", example="120"
    )
    max_body_bytes: Annotated[int, Field(ge=1)] = setting(
        64 * 1024, help="Maximum size of a notification's body, in UTF-8 bytes.", example="16384"
    )
    # A document with more of them is too complex to be parsed at once.
    max_recipients: Annotated[int, Field(ge=1, le=50_000)] = setting(
        10_000, help="Maximum number of entries in `to`, at most 50,000.", example="2000"
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
        """Return the path of the archive's companion file `name`."""
        return beside(self.archive_file, name)

    def pepper(self) -> bytes:
        """Return the secret key from the settings, or else from a file next to the archive.

        The first call creates that file. Raise `SettingsError` if the file does not hold a key.
        """
        if self.secret_key is not None:
            return self.secret_key.get_secret_value().encode()
        path = self.beside(KEY_FILE)
        secret = read_or_create(path, lambda: secrets.token_hex(32).encode()).strip()
        if len(secret) < 32:
            raise SettingsError(
                f"{path} is damaged: it must hold the secret key. Restore it from a backup, or "
                "remove it and create new API keys."
            )
        return secret

    def previous_peppers(self) -> tuple[bytes, ...]:
        """Return the secret keys from before."""
        return tuple(key.get_secret_value().encode() for key in self.previous_secret_keys)


def given_names() -> set[str]:
    """Return the names of all variables set, in the environment and in `.env`."""
    file = DotEnvSettingsSource(BaseSettings, env_file=ENV_FILE, case_sensitive=True)
    return {*os.environ, *file.env_vars}


def unknown_names(
    configs: Registry[ConfigSpec], environment: Iterable[str]
) -> Mapping[str, str | None]:
    """Return unknown `FLASHNOTIFY_…` names, each with the most similar known name."""
    known = [s.env.removeprefix(ENV_PREFIX) for config in configs.values() for s in config.settings]
    given = [name.removeprefix(ENV_PREFIX) for name in environment if name.startswith(ENV_PREFIX)]
    unknown = {
        name: difflib.get_close_matches(name, known, n=1) for name in given if name not in known
    }
    return {
        ENV_PREFIX + name: ENV_PREFIX + nearest[0] if nearest else None
        for name, nearest in unknown.items()
    }
