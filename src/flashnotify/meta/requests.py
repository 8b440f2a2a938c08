"""The request model of a kind, compiled from its declaration: a branch of the OpenAPI `oneOf`."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    PlainSerializer,
    StringConstraints,
    TypeAdapter,
    create_model,
)
from pydantic import Field as PydanticField
from pydantic_core import CoreSchema

from flashnotify import domain
from flashnotify.errors import InvalidValue
from flashnotify.meta.descriptors import Field, Moment, Priority, Text

# More entries of `channels` than there will ever be.
_CHANNELS = 100
_LOCALE = r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$"


def field_type(field: Field[Any]) -> Any:
    """Return the pydantic type that validates with the descriptor's own validator."""
    return Annotated[Any, field, PlainSerializer(_plain, when_used="json")]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, domain.Window) else value


def _no_duplicates(value: Any) -> Any:
    if isinstance(value, list) and len(value) > _CHANNELS:
        # Reporting each invalid entry would take too long.
        raise InvalidValue("too_many", f"must have at most {_CHANNELS} entries; has {len(value)}")
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return list(dict.fromkeys(value))
    return value


def _optional(description: str, **constraints: Any) -> Any:
    return PydanticField(None, description=description, **constraints)


class AudienceCombination(BaseModel):
    """People who are in all of `all`, in one of `any`, and in none of `not`.

    Their entries are `user:`, `group:`, `mailto:` and `tel:`, which mean people in the directory,
    and other combinations. One of `all` and `any` has entries.
    """

    model_config = ConfigDict(extra="forbid")

    all: list["str | AudienceCombination"] = []
    any: list["str | AudienceCombination"] = []
    none: list["str | AudienceCombination"] = PydanticField([], alias="not")


class _AudienceSchema:
    """Describes the audience, whose entries are checked elsewhere: in slices, each by its place."""

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return the schema of a list of entries."""
        entries = Annotated[list[str | AudienceCombination], PydanticField(min_length=1)]
        return handler(TypeAdapter(entries).core_schema)


# A language, as the key of a text.
_Tag: TypeAlias = Annotated[str, StringConstraints(pattern=_LOCALE, max_length=35)]
# The entries of an audience, as JSON has them.
Entries: TypeAlias = Annotated[list[Any], _AudienceSchema()]


# A single line: the subject of an email, the title of a push; and a message as plain text.
_TITLE = Text(
    required=True,
    max_length=None,
    help="A single line: the subject of an email, the title of a push.",
    example="Room changed",
)
_BODY = Text(
    required=True,
    max_length=None,
    multiline=True,
    help="The message, as plain text.",
    example="The exam takes place in room B204.",
)


class LocalizedText(BaseModel):
    """A title and a body in one language."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Annotated[str, _TITLE]
    body: Annotated[str, _BODY]


class NotificationRequest(BaseModel):
    """The request fields that all kinds share. Unknown fields are rejected.

    The settings limit the lengths of title and body and the number of recipients; submission
    checks those.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    title: Annotated[str, _TITLE]
    body: Annotated[str, _BODY]
    to: Entries = PydanticField(
        min_length=1,
        description="The audience: addresses such as `mailto:ada@univ.example`, people and groups "
        "of the directory such as `user:etu12345` and `group:l3-info`, and combinations of these.",
        examples=[["mailto:ada@univ.example"]],
    )
    priority: Annotated[domain.Priority, Priority(default="low")] | None = _optional(
        "Overrides the kind's priority, within what the key allows.", examples=["low"]
    )
    # Each kind allows its own.
    channels: list[str] | None = None
    data: BaseModel
    locale: str | None = _optional(
        "The language of the templates (BCP 47).", pattern=_LOCALE, max_length=35, examples=["fr"]
    )
    send_at: Annotated[datetime, Moment()] | None = _optional(
        "Send no earlier than this.", examples=["2026-12-01T08:00:00+01:00"]
    )
    delay: Annotated[str, Text(max_length=40)] | None = _optional(
        "Instead of `send_at`: a delay, or a time of day on the campus, such as `30min`, `8am` or "
        "`tomorrow 8am`.",
        examples=["30min"],
    )
    expires_at: Annotated[datetime, Moment()] | None = _optional(
        "Send no later than this.", examples=["2026-12-12T09:00:00+01:00"]
    )
    reference: Annotated[str, Text()] | None = _optional(
        "The sender's own identifier, to find the notification by.", examples=["exam-8841"]
    )
    texts: dict[_Tag, LocalizedText] | None = _optional(
        "Title and body in other languages (BCP 47), up to 20: each recipient gets the nearest to "
        "their own. `title` and `body` are for the rest.",
        examples=[{"fr": {"title": "Salle modifiée", "body": "L'examen a lieu en B204."}}],
    )
    personalised: bool = PydanticField(
        False,
        strict=True,
        description="Fill placeholders such as `((first_name))` or `((attributes.room|B204))` in "
        "title and body with what the directory knows of each person.",
    )
    acknowledge: bool = PydanticField(
        False,
        strict=True,
        description="Ask each recipient to confirm, by a link, that they have read it.",
    )


def request_model(
    kind: str, doc: str, fields: Mapping[str, Field[Any]], channels: Iterable[str]
) -> type[BaseModel]:
    """Compile the request model of a kind, named `<Kind>Notification`."""
    stem = "".join(part.capitalize() for part in kind.split("_"))
    members: dict[str, Any] = {
        name: (field_type(field), ...) if field.required else (field_type(field), None)
        for name, field in fields.items()
    }
    data = create_model(
        f"{stem}Data", __config__=ConfigDict(extra="forbid"), __doc__=doc, **members
    )
    required = any(field.required for field in fields.values())
    names = tuple(channels)
    chosen: Any = Annotated[list[Literal[names]], BeforeValidator(_no_duplicates)]  # type: ignore[valid-type]  # the names are known only at run time
    own: dict[str, Any] = {
        "kind": (Literal[kind], ...),
        "data": (data, ...) if required else (data, PydanticField(default_factory=data)),
        "channels": (
            chosen | None,
            _optional("Use only these of the kind's channels.", min_length=1),
        ),
    }
    return create_model(f"{stem}Notification", __base__=NotificationRequest, __doc__=doc, **own)
