"""`ConfigMeta`: settings declared beside the code they configure, read from the environment."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import Field, ValidationError, create_model
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from flashnotify.errors import DeclarationError, SettingsError
from flashnotify.meta.faults import explain
from flashnotify.meta.registry import CONFIGS, DeclarationMeta, Registry
from flashnotify.meta.specs import ConfigSpec, SettingSpec

ENV_PREFIX = "FLASHNOTIFY_"
ENV_FILE = ".env"


def setting(
    default: Any, *, help: str, example: str, env: str | None = None, secret: bool = False
) -> Any:
    """Declare a setting. It returns Any, so that the attribute can have its value's type.

    `env` is the variable's name without `FLASHNOTIFY_`, by default the attribute's in capitals.
    """
    return SettingSpec(default, help, example, env or "", secret)


class ConfigMeta(DeclarationMeta):
    """Compiles an annotated class of settings into a pydantic-settings model."""

    def _declare(cls, *, registry: Registry[ConfigSpec] = CONFIGS) -> None:
        declared = {k: v for k, v in vars(cls).items() if isinstance(v, SettingSpec)}
        if declared:
            cls.__config__ = _compile(cls, declared)
            registry.add(cls.__name__, cls.__config__, cls)

    __config__: ConfigSpec


def _compile(cls: type[Any], declared: Mapping[str, SettingSpec]) -> ConfigSpec:
    types = get_type_hints(cls, include_extras=True)
    settings: list[SettingSpec] = []
    members: dict[str, Any] = {}
    for name, spec in declared.items():
        if name not in types:
            raise DeclarationError(
                f"{cls.__name__}.{name}: has no type; write `{name}: int = setting(…)`."
            )
        env = ENV_PREFIX + (spec.env or name.upper())
        settings.append(replace(spec, attribute=name, env=env, type=_type_name(types[name])))
        members[name] = (types[name], Field(spec.default, validation_alias=env))
    model = create_model(f"{cls.__name__}Model", __base__=_EnvironmentModel, **members)
    return ConfigSpec(cls.__name__, tuple(settings), model)


class _EnvironmentModel(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", validate_default=True
    )


def _type_name(hint: Any) -> str:
    """Return the type of a setting in plain words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(map(str, arguments))
    if origin in (Annotated, Union, UnionType):
        return _type_name(next(kind for kind in arguments if kind is not NoneType))
    names = {bool: "true or false", int: "whole number", float: "number", Path: "path"}
    return names.get(hint, "text")


class Config(metaclass=ConfigMeta):
    """Base class of the settings groups. An instance holds valid values and never shows secrets."""

    __config__: ClassVar[ConfigSpec]

    def __init__(self, **values: object) -> None:
        """Read the environment and `.env`; `values` take precedence over both.

        Raise `SettingsError` if a variable is invalid; the message names each one, with an example.
        """
        # By variable: a model with the attributes' names would read those from the environment too.
        names = {setting.attribute: setting.env for setting in self.__config__.settings}
        try:
            model = self.__config__.model(**{names[name]: value for name, value in values.items()})
        except ValidationError as error:
            raise SettingsError("\n".join(map(self._explain, error.errors()))) from None
        for setting in self.__config__.settings:
            self.__dict__[setting.attribute] = getattr(model, setting.attribute)

    def _explain(self, fault: ErrorDetails) -> str:
        (setting,) = (one for one in self.__config__.settings if one.env == fault["loc"][0])
        # Without the credentials of a URL, which may be valid.
        shown = re.sub(r"//[^/@]*@", "//***@", repr(fault["input"]))
        # A person's address is nobody else's business.
        shown = re.sub(r"[^\s/<'\"]+@", "***@", shown)
        given = "the value" if setting.secret else shown
        return (
            f"{setting.env}: {given} is not valid: {explain(fault)[1].removesuffix('.')}. "
            f"{setting.hint}"
        )

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{s.attribute}={'***' if s.secret else repr(self.__dict__[s.attribute])}"
            for s in self.__config__.settings
        )
        return f"{type(self).__name__}({shown})"
