"""Checks of the settings and of the archive's keys."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import urlsplit

from flashnotify.archive.sqlite.inspection import has_api_keys, open_read_only, secret_keys
from flashnotify.channels.email.settings import EmailConfig
from flashnotify.channels.push.webpush import VAPID_FILE
from flashnotify.channels.sms.channel import SMSConfig
from flashnotify.cli.doctor.findings import Finding, exposed_mode, failed, ok, warning
from flashnotify.errors import SettingsError
from flashnotify.identity.first_start import LOST
from flashnotify.identity.passwords import weakness_of
from flashnotify.identity.secret import Secret
from flashnotify.meta import Config
from flashnotify.meta.language_lookup import lookup
from flashnotify.meta.registry import CONFIGS, TEMPLATES
from flashnotify.settings import KEY_FILE, ServiceConfig, given_names, unknown_names

_THIS_MACHINE = {"127.0.0.1", "::1", "localhost"}


def setting_findings() -> Sequence[Finding]:
    """Check each setting, and find unknown names."""
    findings = [finding for config in _declared(Config) for finding in _invalid(config)]
    given = given_names()
    for name, nearest in unknown_names(CONFIGS, given).items():
        hint = f"Did you mean {nearest}? " if nearest else ""
        remedy = f"{hint}Correct or remove it; docs/settings.md lists all settings."
        findings.append(failed(name, "unknown setting", remedy))
    known = {setting.env for config in CONFIGS.values() for setting in config.settings}
    count = f"{len(known & given)} of {len(known)} set, the rest are defaults"
    return findings or [ok("settings", count)]


def doubtful_findings(config: ServiceConfig) -> Iterator[Finding]:
    """Find settings that work but are unlikely to be meant."""
    yield from _example_sender()
    yield from _receipts(config)
    yield from _admin_password(config)
    if not config.password_sign_in and config.oidc_issuer is None:
        yield warning(
            "FLASHNOTIFY_PASSWORD_SIGN_IN",
            "is false without FLASHNOTIFY_OIDC_ISSUER: nobody can sign in",
            "Set FLASHNOTIFY_OIDC_ISSUER, or FLASHNOTIFY_PASSWORD_SIGN_IN=true.",
        )
    if config.timezone == "UTC" and "FLASHNOTIFY_TIMEZONE" not in given_names():
        yield warning(
            "FLASHNOTIFY_TIMEZONE",
            "is UTC, the default: quiet hours are in UTC, and messages show times as their "
            "senders wrote them",
            "Set the time zone of the campus, such as FLASHNOTIFY_TIMEZONE=Europe/Paris.",
        )
    known = {locale: None for templates in TEMPLATES.values() for locale in templates.locales}
    lacking = [kind for kind, t in TEMPLATES.items() if lookup(t.locales, config.locale) is None]
    if lacking:
        found = f"is {config.locale}, in which there is no wording for {', '.join(lacking)}"
        remedy = (
            f"Set FLASHNOTIFY_LOCALE={' or '.join(known)}: messages are in {next(iter(known))}."
        )
        yield warning("FLASHNOTIFY_LOCALE", found, remedy)


def _example_sender() -> Iterator[Finding]:
    with suppress(SettingsError):  # reported by `setting_findings`
        email = EmailConfig()
        _, address = parseaddr(email.sender)
        sent = any(not url.startswith("capture:") for _, url in email.transports)
        # Nobody owns such a name (RFC 2606, section 2): servers refuse it, and replies are lost.
        if sent and address.endswith(".example"):
            yield warning(
                "FLASHNOTIFY_EMAIL_FROM",
                f"is {email.sender}, an example, while email is really sent",
                "Set an address of your own, such as "
                "FLASHNOTIFY_EMAIL_FROM='Campus <noreply@YOUR-DOMAIN>'.",
            )


def _receipts(config: ServiceConfig) -> Iterator[Finding]:
    """Find a gateway on another machine that is told to report to itself."""
    with suppress(SettingsError):  # reported by `setting_findings`
        gateways = {
            urlsplit(url).hostname
            for _, url in SMSConfig().transports
            if url.lower().startswith("kannel:")
        }
        if urlsplit(config.public_url).hostname in _THIS_MACHINE and gateways - _THIS_MACHINE:
            yield warning(
                "FLASHNOTIFY_PUBLIC_URL",
                f"is {config.public_url}, where Kannel cannot reach this service: its delivery "
                "reports are lost",
                "Set the URL of this service as Kannel reaches it, such as "
                "FLASHNOTIFY_PUBLIC_URL=https://notify.YOUR-DOMAIN.",
            )


def key_findings(config: ServiceConfig) -> Iterator[Finding]:
    """Check the secret key, and the Web Push key if there is one."""
    secret, vapid = config.beside(KEY_FILE), config.beside(VAPID_FILE)
    if config.secret_key is not None:
        yield _used(config, ok("secret key", "FLASHNOTIFY_SECRET_KEY is set"))
    elif secret.exists():
        yield _used(config, _key("secret key", secret, config.pepper))
    elif _has_api_keys(config.archive_file):
        yield failed(
            "secret key",
            f"{secret} is missing: the existing API keys do not work",
            "Restore it from a backup. If there is none, start `flashnotify serve`, which creates "
            "a new one, and create new API keys.",
        )
    else:
        yield ok("secret key", "serve will create it when it starts")
    if vapid.exists():
        yield _key("Web Push key", vapid, vapid.read_bytes)


def _key(part: str, file: Path, read: Callable[[], bytes]) -> Finding:
    if mode := exposed_mode(file):
        found = f"{file} has mode {mode}: other users on this machine can access it"
        return failed(part, found, f"chmod 600 {file}")
    try:
        read()
    except OSError as error:
        remedy = "Run this as the user that runs serve, or make that user its owner."
        return failed(part, f"{file} cannot be read: {error.strerror}", remedy)
    except SettingsError as error:
        found, _, remedy = str(error).partition(". ")
        return failed(part, found, remedy)
    return ok(part, f"{file}")


def _used(config: ServiceConfig, finding: Finding) -> Finding:
    """Return the finding, or another if the archive knows another secret key."""
    if finding.state != "ok":
        return finding
    try:
        with closing(open_read_only(config.archive_file)) as archive:
            known = secret_keys(archive)
    except sqlite3.Error:
        # As in `_has_api_keys`, or the tables are older.
        return finding
    secret = Secret(config.pepper, config.previous_peppers())
    valid = [fingerprint for fingerprint, _ in known if secret.was(fingerprint)]
    if known and known[0][0] not in (secret.fingerprint, *valid):
        return warning(finding.part, "it is not the one that serve used last", f"{LOST}.")
    if len(known) > 1 and known[1][0] not in valid and known[0][1]:
        found = f"it has changed: {known[0][1]} API keys are older"
        return warning(finding.part, found, f"{LOST}. Revoke the older keys.")
    return finding


def _admin_password(config: ServiceConfig) -> Iterator[Finding]:
    if config.admin_password is not None:
        weakness = weakness_of(config.admin_password.get_secret_value(), [config.admin_email])
        if weakness is not None:
            yield warning(
                "FLASHNOTIFY_ADMIN_PASSWORD",
                str(weakness),
                "Set another one: FLASHNOTIFY_ADMIN_PASSWORD=$(openssl rand -base64 18)",
            )


def _has_api_keys(file: Path) -> bool:
    try:
        with closing(open_read_only(file)) as archive:
            return has_api_keys(archive)
    except sqlite3.Error:
        # There is no archive yet, or `archive_findings` reports what is wrong with it.
        return False


def _invalid(config: type[Config]) -> Iterator[Finding]:
    try:
        config()
    except SettingsError as error:
        for line in str(error).splitlines():
            found, _, example = line.partition(" Example: ")
            name, _, found = found.partition(": ")
            yield failed(name, found, f"Example: {example}")


def _declared(base: type[Config]) -> Iterator[type[Config]]:
    """Yield every registered group of settings."""
    for config in base.__subclasses__():
        if any(vars(config).get("__config__") is registered for registered in CONFIGS.values()):
            yield config
        yield from _declared(config)
