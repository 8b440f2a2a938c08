"""A kind declared by a test, seen through the API."""

from typing import Any

import pytest

from flashnotify.app import Service
from flashnotify.channels.email.channel import EmailMixin
from flashnotify.errors import DeclarationError
from flashnotify.meta import Email, Moment, Notifier, Priority, Templates, Text, Wording
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec, TemplatesSpec
from flashnotify.settings import ServiceConfig
from tests.support.manual_clock import ManualClock
from tests.support.running import Running, running

Kinds = Registry[NotifierSpec]
Wordings = Registry[TemplatesSpec]


@pytest.fixture
def library(clock: ManualClock, kinds: Kinds, wordings: Wordings) -> Service:
    """A service whose only kind is declared here."""

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
        path = "/v1/notify/library_loan"
        answer = await service.anonymous.post(path, content="Due today", headers=other)
        assert answer.status_code == 403
        assert "--scope notify:library_loan" in answer.json()["detail"]
        exposition = (await service.anonymous.get("/metrics")).text
    assert (
        'flashnotify_notifications_accepted_total{kind="library_loan",priority="high"} 1.0'
        in exposition
    )


async def test_a_field_that_the_templates_need_is_required(
    clock: ManualClock, kinds: Kinds, wordings: Wordings
) -> None:
    class LabNotifier(EmailMixin, Notifier, registry=kinds):
        """A laboratory."""

        course = Text(required=True)
        room = Text()
        starts_at = Moment()
        priority = Priority(default="low")

    class LabTemplates(Templates, of=LabNotifier, registry=wordings):
        en = Wording(subject="{{ title }}", text="{{ room }}", html="{{ body }}")
        fr = Wording(subject="{{ title }}", text="{{ starts_at }}", html="{{ body }}")

    document = LOAN | {"kind": "lab", "data": {"course": "ALG-2"}}
    async with running(Service(ServiceConfig(), clock, kinds, wordings), deliver=False) as service:
        answer = await service.http.post("/v1/notifications", json=document)
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [
            "/data/room",
            "/data/starts_at",
        ]
        document["data"] |= {"room": "B204", "starts_at": "2026-12-12T09:00:00+01:00"}
        answer = await service.http.post("/v1/notifications", json=document)
        assert answer.status_code == 202


async def test_a_kind_without_templates_stops_the_start(
    kinds: Kinds, wordings: Wordings, clock: ManualClock
) -> None:
    class LostNotifier(EmailMixin, Notifier, registry=kinds):
        """A lost object."""

        priority = Priority(default="low")

    with pytest.raises(DeclarationError, match=r"LostNotifier: .*class LostTemplates\(Templates"):
        Service(ServiceConfig(), clock, kinds, wordings)
