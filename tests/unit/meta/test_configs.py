"""Settings are read from the declared variables; secrets are never shown."""

import traceback
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, Field, SecretStr

from flashnotify.channels.email.settings import EmailConfig
from flashnotify.errors import DeclarationError, SettingsError
from flashnotify.meta import Config, setting
from flashnotify.meta.configs import ConfigMeta
from flashnotify.meta.registry import CONFIGS, Registry
from flashnotify.settings import ServiceConfig, unknown_names

REGISTRY: Registry[Any] = Registry("config")


def _no_x(value: SecretStr) -> SecretStr:
    if "x" in value.get_secret_value():
        raise ValueError("it must not have an x")
    return value


class PigeonConfig(Config, registry=REGISTRY):
    """Settings of pigeons."""

    height: Annotated[int, Field(ge=1)] = setting(10, help="Metres.", example="20")
    loft_name: str = setting("north", env="LOFT", help="Where from.", example="south")
    token: Annotated[SecretStr, AfterValidator(_no_x)] = setting(
        "none", help="Proof.", example="abc", secret=True
    )


def test_defaults_hold_without_an_environment() -> None:
    config = PigeonConfig()
    assert (config.height, config.loft_name) == (10, "north")
    assert config.token.get_secret_value() == "none"


def test_settings_are_read_from_their_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHNOTIFY_HEIGHT", "30")
    monkeypatch.setenv("FLASHNOTIFY_LOFT", "east")
    monkeypatch.setenv("FLASHNOTIFY_TOKEN", "t0ken")
    config = PigeonConfig()
    assert (config.height, config.loft_name) == (30, "east")
    assert config.token.get_secret_value() == "t0ken"


def test_settings_are_read_from_env_files(tmp_path: Any) -> None:
    (tmp_path / ".env").write_text("FLASHNOTIFY_HEIGHT=40\nFLASHNOTIFY_WHATEVER=1\n")
    assert PigeonConfig().height == 40


@pytest.mark.parametrize("name", ["HEIGHT", "height", "LOFT", "LOFT_NAME", "FLASHNOTIFY_LOFT_NAME"])
def test_no_other_variable_is_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`HEIGHT` may belong to another program."""
    monkeypatch.setenv(name, "7")
    config = PigeonConfig()
    assert (config.height, config.loft_name) == (10, "north")


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHNOTIFY_HEIGHT", "")
    assert PigeonConfig().height == 10


def test_arguments_take_precedence_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHNOTIFY_HEIGHT", "30")
    assert PigeonConfig(height=5).height == 5


def test_an_invalid_value_names_the_variable_and_gives_an_example(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_HEIGHT", "high")
    with pytest.raises(SettingsError) as failure:
        PigeonConfig()
    message = str(failure.value)
    assert message.startswith("FLASHNOTIFY_HEIGHT: 'high' is not valid: ")
    assert message.endswith("Example: FLASHNOTIFY_HEIGHT=20")
    with pytest.raises(SettingsError, match=r"^FLASHNOTIFY_HEIGHT: 0 is not valid: "):
        PigeonConfig(height=0)


def test_every_invalid_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHNOTIFY_HEIGHT", "high")
    monkeypatch.setenv("FLASHNOTIFY_TOKEN", "xyz")
    with pytest.raises(SettingsError) as failure:
        PigeonConfig()
    names = [line.partition(":")[0] for line in str(failure.value).splitlines()]
    assert names == ["FLASHNOTIFY_HEIGHT", "FLASHNOTIFY_TOKEN"]


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHNOTIFY_TOKEN", "hunter2")
    config = PigeonConfig()
    assert "hunter2" not in f"{config!r} {config} {vars(config)}"
    assert "token=***" in repr(config)
    assert "height=10" in repr(config)


def test_an_invalid_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHNOTIFY_TOKEN", "hunter2x")
    with pytest.raises(SettingsError) as failure:
        PigeonConfig()
    assert "FLASHNOTIFY_TOKEN: the value is not valid: it must not" in str(failure.value)
    assert "hunter2x" not in "".join(traceback.format_exception(failure.value))


def test_a_setting_without_a_type_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"BadConfig\.size: has no type; write `size: int"):
        ConfigMeta(
            "BadConfig",
            (Config,),
            {"size": setting(1, help="", example="1")},
            registry=Registry("config"),
        )


def test_each_setting_is_listed_with_its_documentation() -> None:
    (spec,) = REGISTRY.values()
    shown = [(s.env, s.type, s.default, s.help, s.example, s.secret) for s in spec.settings]
    assert shown == [
        ("FLASHNOTIFY_HEIGHT", "whole number", 10, "Metres.", "20", False),
        ("FLASHNOTIFY_LOFT", "text", "north", "Where from.", "south", False),
        ("FLASHNOTIFY_TOKEN", "text", "none", "Proof.", "abc", True),
    ]


# --- The declared settings -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FLASHNOTIFY_DATABASE_URL", "var/flashnotify.db"),
        ("FLASHNOTIFY_DATABASE_URL", "postgresql://localhost/db"),
        ("FLASHNOTIFY_DATABASE_URL", "sqlite://"),
        ("FLASHNOTIFY_DATABASE_URL", "sqlite:///:memory:"),
        ("FLASHNOTIFY_SECRET_KEY", "short"),
        ("FLASHNOTIFY_WORKERS", "1"),
        ("FLASHNOTIFY_WORKERS", "many"),
        ("FLASHNOTIFY_DRAIN_SECONDS", "-1"),
        ("FLASHNOTIFY_LOG_FORMAT", "xml"),
        ("FLASHNOTIFY_LOCALE", "français"),
    ],
)
def test_an_invalid_setting_stops_the_start(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name}: .*Example: {name}="):
        ServiceConfig()


def test_the_password_of_a_database_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHNOTIFY_DATABASE_URL", "postgresql://me:hunter2@localhost/db")
    with pytest.raises(SettingsError, match="postgresql is not supported") as failure:
        ServiceConfig()
    assert "hunter2" not in str(failure.value)


@pytest.mark.parametrize(
    "sender", ["Campus", "Campus <campus>", "a@univ.example\nBcc: b@univ.example", "a@b@c.example"]
)
def test_an_invalid_sender_stops_the_start(sender: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHNOTIFY_EMAIL_FROM", sender)
    with pytest.raises(SettingsError, match=r"^FLASHNOTIFY_EMAIL_FROM: "):
        EmailConfig()


def test_the_senders_domain_is_in_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHNOTIFY_EMAIL_FROM", "Université <a@bücher.example>")
    assert EmailConfig().sender == "Université <a@xn--bcher-kva.example>"


def test_unknown_names_are_listed_with_the_nearest_known_one() -> None:
    names = ["FLASHNOTIFY_WORKER", "FLASHNOTIFY_WORKERS", "FLASHNOTIFY_ZZZ", "PATH"]
    assert unknown_names(CONFIGS, names) == {
        "FLASHNOTIFY_WORKER": "FLASHNOTIFY_WORKERS",
        "FLASHNOTIFY_ZZZ": None,
    }
