"""What a declared kind and a declared channel do, and what a wrong declaration is told."""

import inspect
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest

from flashnotify.app import Service
from flashnotify.channels.email.channel import EmailMixin
from flashnotify.domain import Priority as Level
from flashnotify.errors import DeclarationError
from flashnotify.meta import Channel, Email, Moment, Notifier, Priority, Templates, Text, Wording
from flashnotify.meta.metaclasses import ChannelMeta, NotificationMeta
from flashnotify.meta.registry import CHANNELS, Registry
from flashnotify.meta.specs import NotifierSpec, TemplatesSpec
from flashnotify.settings import ServiceConfig
from tests.support.manual_clock import ManualClock
from tests.support.running import Running, running

Kinds = Registry[NotifierSpec]
Wordings = Registry[TemplatesSpec]


@pytest.fixture
def library(
    clock: ManualClock, kinds: Kinds, wordings: Wordings, monkeypatch: pytest.MonkeyPatch
) -> Service:
    """A service with one kind, declared here."""

    class LibraryLoanNotifier(EmailMixin, Notifier, registry=kinds):
        """A book of the library.

        It is due, or it has come.
        """

        book = Text(required=True, max_length=40, help="Its title.", example="Emma")
        due = Moment()
        contact = Email()
        priority = Priority(default="high")

    class LibraryLoanTemplates(Templates, of=LibraryLoanNotifier, registry=wordings):
        en = Wording(subject="{{ title }}: {{ book }}", text="{{ body }}", html="{{ body }}")

    return Service(ServiceConfig(), clock, kinds, wordings)


LOAN: dict[str, Any] = {
    "kind": "library_loan",
    "title": "Due",
    "body": "Bring it back.",
    "to": ["mailto:ada@univ.example"],
    "data": {"book": "Emma"},
}


async def refused(service: Running, **changes: Any) -> dict[str, str]:
    """The pointers and codes of a 422."""
    answer = await service.http.post("/v1/notifications", json=LOAN | changes)
    assert answer.status_code == 422, answer.text
    return {error["pointer"]: error["code"] for error in answer.json()["errors"]}


# --- NotificationMeta ------------------------------------------------------------------------


async def test_a_kind_is_a_branch_of_the_api_document(library: Service) -> None:
    async with running(library, deliver=False) as service:
        document = await service.get("/openapi.json")
    body = document["paths"]["/v1/notifications"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    ref = "#/components/schemas/LibraryLoanNotification"
    assert schema["oneOf"] == [{"$ref": ref}]
    assert schema["discriminator"] == {"propertyName": "kind", "mapping": {"library_loan": ref}}
    branch = document["components"]["schemas"]["LibraryLoanNotification"]
    assert branch["properties"]["kind"]["const"] == "library_loan"
    assert branch["additionalProperties"] is False
    assert set(branch["required"]) == {"kind", "title", "body", "to", "data"}
    assert branch["description"].startswith("A book of the library.")
    data = document["components"]["schemas"]["LibraryLoanData"]
    assert data["required"] == ["book"]
    assert data["additionalProperties"] is False
    assert data["properties"]["book"] == {
        "type": "string",
        "minLength": 1,
        "maxLength": 40,
        "description": "Its title.",
        "examples": ["Emma"],
        "title": "Book",
    }
    assert data["properties"]["due"]["format"] == "date-time"
    assert data["properties"]["contact"]["format"] == "email"


async def test_every_ref_of_the_api_document_leads_somewhere(service: Running) -> None:
    document = await service.get("/openapi.json")

    def refs(node: Any) -> set[str]:
        if isinstance(node, dict):
            own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
            return own.union(*(refs(value) for value in node.values()))
        return set().union(*(refs(value) for value in node)) if isinstance(node, list) else set()

    names = {ref.removeprefix("#/components/schemas/") for ref in refs(document)}
    assert {"AcademicNotification", "SecurityData", "Problem"} <= names
    assert names <= set(document["components"]["schemas"])


async def test_a_request_is_checked_against_the_fields_of_its_kind(library: Service) -> None:
    async with running(library, deliver=False) as service:
        assert await refused(service, data={}) == {"/data/book": "missing"}
        data = {"book": "Emma", "a/b~c": 1}
        assert await refused(service, data=data) == {"/data/a~1b~0c": "unknown_field"}
        assert list(await refused(service, data={"book": "x" * 41})) == ["/data/book"]
        assert list(await refused(service, data={"book": 1, "due": "soon", "contact": "me"})) == [
            "/data/book",
            "/data/due",
            "/data/contact",
        ]
        assert list(await refused(service, sent_at="now")) == ["/sent_at"]


async def test_an_unknown_kind_lists_the_kinds(library: Service) -> None:
    async with running(library, deliver=False) as service:
        assert await refused(service, kind="libary_loan") == {"/kind": "unknown_kind"}
        answer = await service.http.post("/v1/notifications", json=LOAN | {"kind": "libary_loan"})
    assert "did you mean 'library_loan'?" in answer.json()["errors"][0]["detail"]


async def test_a_kind_has_its_own_priority_scope_and_metric(library: Service) -> None:
    async with running(library, deliver=False) as service:
        loans = await service.key("notify:library_loan", "read", max_priority="low")
        other = await service.key("read")
        accepted = await service.anonymous.post("/v1/notifications", json=LOAN, headers=loans)
        assert accepted.status_code == 202
        # As urgent as the kind is by itself, though the key says low; and no higher.
        shown = await service.get(accepted.json()["href"])
        assert shown["priority"] == "high"
        urgent = LOAN | {"priority": "critical"}
        answer = await service.anonymous.post("/v1/notifications", json=urgent, headers=loans)
        assert answer.status_code == 403
        answer = await service.anonymous.post("/v1/notifications", json=LOAN, headers=other)
        assert answer.status_code == 403
        assert "--scope notify:library_loan" in answer.json()["detail"]
        exposition = (await service.anonymous.get("/metrics")).text
    assert (
        'flashnotify_notifications_accepted_total{kind="library_loan",priority="high"} 1.0'
        in exposition
    )


def test_a_kind_is_found_in_the_registry_under_its_name(kinds: Kinds, library: Service) -> None:
    spec = kinds["library_loan"]
    assert kinds.names() == ["library_loan"]
    assert spec.summary == "A book of the library."
    assert spec.priority is Level.high
    assert spec.scope == "notify:library_loan"
    assert spec.schemes == {"mailto"}
    assert list(spec.fields) == ["book", "due", "contact"]


def declared(kinds: Kinds, name: str, bases: tuple[type, ...], **body: Any) -> None:
    """Declare a kind by its parts. What is None is left out."""
    body = {"__doc__": "Something.", "priority": Priority(default="low")} | body
    body = {key: value for key, value in body.items() if value is not None}
    NotificationMeta(name, bases, body, registry=kinds)


WITH_EMAIL = (EmailMixin, Notifier)


@pytest.mark.parametrize(
    ("name", "bases", "body", "place", "remedy"),
    [
        ("LostNotifier", (Notifier,), {}, "LostNotifier:", "such as EmailMixin"),
        ("LostNotifier", WITH_EMAIL, {"__doc__": None}, "LostNotifier:", "write one line"),
        ("LostNotifier", WITH_EMAIL, {"__doc__": "  "}, "LostNotifier:", "write one line"),
        (
            "LostNotifier",
            WITH_EMAIL,
            {"priority": None},
            "LostNotifier.priority:",
            'write `priority = Priority(default="low")`',
        ),
        (
            "LostNotifier",
            WITH_EMAIL,
            {"priority": Text()},
            "LostNotifier.priority:",
            'write `priority = Priority(default="low")`',
        ),
        *(
            (
                "LostNotifier",
                WITH_EMAIL,
                {"retention": retention},
                "LostNotifier.retention:",
                "write `retention = timedelta(days=365)`",
            )
            for retention in (30, timedelta(), timedelta(days=-1))
        ),
        ("Lost", WITH_EMAIL, {}, "Lost:", "like AcademicNotifier"),
        ("Notifier", WITH_EMAIL, {}, "Notifier:", "like AcademicNotifier"),
        *(
            (
                "LostNotifier",
                WITH_EMAIL,
                {field: Text()},
                f"LostNotifier.{field}:",
                "rename the field",
            )
            for field in (
                "title",
                "body",
                "kind",
                "to",
                "channels",
                "data",
                "locale",
                "send_at",
                "expires_at",
                "reference",
                "values",
                "prepare",
            )
        ),
    ],
)
def test_a_wrong_kind_fails_at_import_with_class_attribute_and_remedy(
    kinds: Kinds,
    name: str,
    bases: tuple[type, ...],
    body: dict[str, Any],
    place: str,
    remedy: str,
) -> None:
    with pytest.raises(DeclarationError) as failure:
        declared(kinds, name, bases, **body)
    assert str(failure.value).startswith(place)
    assert remedy in str(failure.value)
    assert len(kinds) == 0


def test_a_second_kind_of_the_same_name_is_refused(kinds: Kinds) -> None:
    declared(kinds, "LostNotifier", WITH_EMAIL)
    with pytest.raises(
        DeclarationError, match=r"LostNotifier: a kind named 'lost' is already declared"
    ):
        declared(kinds, "LostNotifier", WITH_EMAIL)


def test_no_kind_is_declared_once_the_service_has_started(kinds: Kinds) -> None:
    kinds.freeze()
    with pytest.raises(DeclarationError, match="LostNotifier: the kind registry is frozen"):
        declared(kinds, "LostNotifier", WITH_EMAIL)


def test_fields_and_channels_are_inherited(kinds: Kinds) -> None:
    class BaseNotifier(EmailMixin, Notifier, abstract=True):
        place = Text(required=True)
        priority = Priority(default="high")

    class FireNotifier(BaseNotifier, registry=kinds):
        """It burns."""

        floor = Text()

    assert list(kinds["fire"].fields) == ["place", "floor"]
    assert list(kinds["fire"].channels) == ["email"]
    assert kinds["fire"].priority is Level.high
    with pytest.raises(ValueError, match="place: is required"):
        FireNotifier(floor="2")
    with pytest.raises(ValueError, match="roof: not a field of fire"):
        FireNotifier(place="B", roof="flat")


# --- ChannelMeta -----------------------------------------------------------------------------


async def send_pigeon(self: Any, message: Any, transport: Any, config: Any) -> None:
    """Send a pigeon."""


def send_in_thread(self: Any, message: Any, transport: Any, config: Any) -> None:
    """Block the event loop."""


def send_pigeons(self: Any, message: Any, transport: Any, config: Any) -> Iterator[None]:
    """Send nothing until the caller iterates."""
    yield


async def send_pigeons_later(
    self: Any, message: Any, transport: Any, config: Any
) -> AsyncIterator[None]:
    """Send nothing until the caller iterates."""
    yield


def channel(registry: Registry[Any], name: str = "pigeon", **body: Any) -> ChannelMeta:
    """Declare a channel by its parts. What is None is left out."""
    whole: dict[str, Any] = {
        "scheme": "loft",
        "address": Text(),
        "parts": ("text",),
        "send_pigeon": send_pigeon,
    }
    whole = {key: value for key, value in (whole | body).items() if value is not None}
    return ChannelMeta("PigeonMixin", (Channel,), whole, channel=name, registry=registry)


def test_a_channel_compiles_to_what_the_kinds_that_inherit_it_offer(kinds: Kinds) -> None:
    mixin = channel(Registry("channel"))
    declared(kinds, "LostNotifier", (mixin, EmailMixin, Notifier))
    spec = kinds["lost"]
    assert list(spec.channels) == ["pigeon", "email"]
    assert spec.schemes == {"loft", "mailto"}
    assert inspect.iscoroutinefunction(getattr(spec.notifier, spec.channels["pigeon"].send))
    document = {"kind": "lost", "title": "t", "body": "b", "to": ["loft:1"], "channels": ["pigeon"]}
    assert spec.request.model_validate(document).model_dump()["channels"] == ["pigeon"]


def test_a_second_class_for_a_channel_is_refused() -> None:
    registry: Registry[Any] = Registry("channel")
    channel(registry)
    with pytest.raises(
        DeclarationError, match="PigeonMixin: a channel named 'pigeon' is already declared"
    ):
        channel(registry)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"address": None}, "PigeonMixin.address: must be a descriptor.* `address = Email"),
        ({"address": "a@b"}, "PigeonMixin.address: must be a descriptor.* `address = Email"),
        ({"scheme": None}, 'PigeonMixin.scheme: missing; write `scheme = "mailto"`'),
        ({"parts": None}, "PigeonMixin.parts: missing; write `parts = "),
        ({"send_pigeon": None}, "PigeonMixin.send_pigeon: missing; write `async def send_pigeon"),
        *(
            (
                {"send_pigeon": blocking},
                r"send_pigeon: must be a coroutine function; write `async def send_pigeon\(",
            )
            for blocking in (send_in_thread, send_pigeons, send_pigeons_later)
        ),
        ({"name": "Pigeon Post"}, "PigeonMixin: the channel name 'Pigeon Post' must be"),
    ],
)
def test_a_wrong_channel_fails_at_import_with_class_attribute_and_remedy(
    body: dict[str, Any], message: str
) -> None:
    registry: Registry[Any] = Registry("channel")
    with pytest.raises(DeclarationError, match=message):
        channel(registry, **body)
    assert len(registry) == 0


def test_a_kind_registers_no_channel(kinds: Kinds) -> None:
    before = CHANNELS.names()
    declared(kinds, "LostNotifier", WITH_EMAIL)
    assert CHANNELS.names() == before


async def test_a_kind_without_templates_stops_the_start(
    kinds: Kinds, wordings: Wordings, clock: ManualClock
) -> None:
    declared(kinds, "LostNotifier", WITH_EMAIL)
    with pytest.raises(DeclarationError, match=r"LostNotifier: .*class LostTemplates\(Templates"):
        Service(ServiceConfig(), clock, kinds, wordings)
