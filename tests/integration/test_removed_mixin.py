"""Removing a mixin from a kind removes the channel from its schema, requests and queued work."""

from typing import Any

from flashnotify.app import Service
from flashnotify.channels.email.channel import EmailMixin
from flashnotify.channels.sms.channel import SMSMixin
from flashnotify.meta import Notifier, Priority, Templates, TimeWindow, Wording
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec, TemplatesSpec
from flashnotify.settings import ServiceConfig
from tests.support.manual_clock import ManualClock
from tests.support.running import Running, running

ALWAYS = "00:00-23:59"
MEAL: dict[str, Any] = {
    "kind": "meal",
    "title": "Soup",
    "body": "Leek and potato.",
    "to": ["mailto:ada@univ.example", "tel:+33612345678"],
    "data": {},
}


def service(clock: ManualClock, *mixins: type[Any]) -> Service:
    """Run a service whose only kind has the channels of `mixins`."""
    kinds: Registry[NotifierSpec] = Registry("kind")
    wordings: Registry[TemplatesSpec] = Registry("template set")

    class MealNotifier(*mixins, Notifier, registry=kinds):  # type: ignore[misc]  # chosen here
        """The menu."""

        priority = Priority(default="low")
        quiet_hours = TimeWindow(ALWAYS)

    class MealTemplates(Templates, of=MealNotifier, registry=wordings):
        """The same words everywhere."""

        en = Wording(subject="{{ title }}", text="{{ body }}", html="{{ body }}", sms="{{ body }}")

    return Service(ServiceConfig(), clock, kinds, wordings)


async def deliveries(service: Running, id: str) -> dict[str, Any]:
    """Return the deliveries of a notification, by channel."""
    found = await service.get(f"/v1/notifications/{id}/deliveries")
    return {delivery["channel"]: delivery for delivery in found["items"]}


async def test_queued_deliveries_are_skipped_with_the_reason(clock: ManualClock) -> None:
    async with running(service(clock, EmailMixin, SMSMixin)) as before:
        id = await before.send(**MEAL)
        await before.until(
            f"/v1/notifications/{id}", lambda found: found["counts"].get("email") == {"sent": 1}
        )
        assert (await deliveries(before, id))["sms"]["status"] == "queued"

    async with running(service(clock, EmailMixin)) as after:
        await clock.skip(24 * 3600)
        shown = await after.completed(id)
        assert shown["counts"] == {"email": {"sent": 1}, "sms": {"skipped": 1}}
        sms = (await deliveries(after, id))["sms"]
        assert (sms["status"], sms["reason"]) == ("skipped", "not offered by kind")
        assert sms["attempts"] == []


async def test_queued_deliveries_of_a_removed_kind_are_skipped(clock: ManualClock) -> None:
    async with running(service(clock, SMSMixin)) as before:
        id = await before.send(**MEAL | {"to": MEAL["to"][1:]})
        await before.until(f"/v1/notifications/{id}", lambda found: found["counts"])

    kinds: Registry[NotifierSpec] = Registry("kind")
    async with running(Service(ServiceConfig(), clock, kinds, Registry("template set"))) as after:
        await clock.skip(24 * 3600)
        assert (await after.completed(id))["counts"] == {"sms": {"skipped": 1}}


async def test_the_schema_and_requests_no_longer_have_the_channel(clock: ManualClock) -> None:
    async with running(service(clock, EmailMixin, SMSMixin)) as before:
        assert channels(await before.get("/openapi.json")) == ["email", "sms"]
    async with running(service(clock, EmailMixin)) as after:
        assert channels(await after.get("/openapi.json")) == ["email"]
        (kind,) = (await after.get("/v1/kinds"))["items"]
        assert kind["channels"] == ["email"]
        for changes, pointer in (
            ({"channels": ["sms"], "to": MEAL["to"][:1]}, "/channels/0"),
            ({"to": MEAL["to"][1:]}, "/to/0"),
        ):
            answer = await after.http.post("/v1/notifications", json=MEAL | changes)
            assert answer.status_code == 422
            assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def channels(document: dict[str, Any]) -> list[str]:
    """Return the channels that the OpenAPI document allows for a meal."""
    schema = document["components"]["schemas"]["MealNotification"]["properties"]["channels"]
    items = next(option["items"] for option in schema["anyOf"] if "items" in option)
    return list(items.get("enum") or [items["const"]])
