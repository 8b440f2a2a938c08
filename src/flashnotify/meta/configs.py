"""`ConfigMeta`: settings declared beside the code they configure, read from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import Field, SecretStr, ValidationError, create_model
from pydantic_settings import BaseSettings, SettingsConfigDict

from flashnotify.errors import DeclarationError, SettingsError
from flashnotify.meta.faults import explain
from flashnotify.meta.registry import CONFIGS, Registry
from flashnotify.meta.specs import ConfigSpec, SettingSpec

ENV_PREFIX = "FLASHNOTIFY_"
ENV_FILE = ".env"


class Setting:
    """One setting: its default, help and example, and whether it is a secret.

    `env` is the variable's name without `FLASHNOTIFY_`, by default the attribute's in capitals.
    """

    def __init__(
        self, default: Any, *, help: str, example: str, env: str | None = None, secret: bool = False
    ) -> None:
        self.default = default
        self.help = help
        self.example = example
        self.env = env
        self.secret = secret


def setting(
    default: Any, *, help: str, example: str, env: str | None = None, secret: bool = False
) -> Any:
    """Declare a setting. It returns Any, so that the attribute can have its value's type."""
    return Setting(default, help=help, example=example, env=env, secret=secret)


class ConfigMeta(type):
    """Compiles an annotated class of `Setting` values into a pydantic-settings model."""

    def __new__(  # noqa: D102  # documented on the class
        metacls,
        name: str,
        bases: tuple[type[Any], ...],
        namespace: dict[str, Any],
        *,
        registry: Registry[ConfigSpec] = CONFIGS,
    ) -> ConfigMeta:
        cls = super().__new__(metacls, name, bases, namespace)
        if any(isinstance(value, Setting) for value in namespace.values()):
            cls.__config__ = _compile(cls, name, namespace)
            registry.add(name, cls.__config__, cls)
        return cls

    __config__: ConfigSpec


def _compile(cls: type[Any], name: str, namespace: dict[str, Any]) -> ConfigSpec:
    types = get_type_hints(cls, include_extras=True)
    settings: list[SettingSpec] = []
    members: dict[str, Any] = {}
    for attribute, declared in namespace.items():
        if not isinstance(declared, Setting):
            continue
        if attribute not in types:
            raise DeclarationError(
                f"{name}.{attribute}: has no type; write `{attribute}: int = setting(…)`."
            )
        env = ENV_PREFIX + (declared.env or attribute.upper())
        settings.append(
            SettingSpec(
                env=env,
                attribute=attribute,
                type=_type_name(types[attribute]),
                default=declared.default,
                help=declared.help,
                example=declared.example,
                secret=declared.secret,
            )
        )
        members[attribute] = (types[attribute], Field(declared.default, validation_alias=env))
    model = create_model(f"{name}Model", __base__=_EnvironmentModel, **members)
    return ConfigSpec(name, tuple(settings), model)


class _EnvironmentModel(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_ignore_empty=True,
        extra="ignore",
        validate_default=True,
    )


def _shown(value: object) -> str:
    """Return an invalid value without the credentials of a URL, which may be valid."""
    return re.sub(r"//[^/@]*@", "//***@", repr(value))


def _type_name(hint: Any) -> str:
    """Return the type of a setting in plain words."""
    origin = get_origin(hint)
    if origin is Annotated:
        return _type_name(get_args(hint)[0])
    if origin is Literal:
        return " or ".join(map(str, get_args(hint)))
    if origin in (Union, UnionType):
        return _type_name(next(kind for kind in get_args(hint) if kind is not NoneType))
    return _TYPE_NAMES[hint]


_TYPE_NAMES: Mapping[type[Any], str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    SecretStr: "text",
    Path: "path",
}


class Config(metaclass=ConfigMeta):
    """Base class of the settings groups. An instance holds valid values and never shows secrets."""

    __config__: ClassVar[ConfigSpec]

    def __init__(self, **values: object) -> None:
        """Read the environment and `.env`; `values` take precedence over both.

        Raises:
            SettingsError: a variable is invalid; the message names each one, with an example.
        """
        # By variable: a model with the attributes' names would read those from the environment too.
        names = {setting.attribute: setting.env for setting in self.__config__.settings}
        try:
            model = self.__config__.model(**{names[name]: value for name, value in values.items()})
        except ValidationError as error:
            raise SettingsError("\n".join(self._explain(error))) from None
        for setting in self.__config__.settings:
            self.__dict__[setting.attribute] = getattr(model, setting.attribute)

    def _explain(self, error: ValidationError) -> list[str]:
        named = {setting.env: setting for setting in self.__config__.settings}
        lines = []
        for fault in error.errors(include_url=False):
            setting = named[str(fault["loc"][0])]
            given = "the value" if setting.secret else _shown(fault["input"])
            _, reason = explain(fault)
            lines.append(
                f"{setting.env}: {given} is not valid: {reason}. "
                f"Example: {setting.env}={setting.example}"
            )
        return lines

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{s.attribute}={'***' if s.secret else repr(self.__dict__[s.attribute])}"
            for s in self.__config__.settings
        )
        return f"{type(self).__name__}({shown})"
