"""`GET /v1/explain`: each reason why a person did or did not get a notification."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert

from flashnotify.archive.identity_records import User
from flashnotify.archive.people_models import (
    Acknowledgement,
    DigestEntry,
    Group,
    Membership,
    Preferences,
    RefusedAddress,
)
from flashnotify.archive.sql.changes import Stage, Statement
from flashnotify.channels.transport import CaptureTransport
from flashnotify.control.explain import Explain
from flashnotify.control.explanation import Code
from flashnotify.domain import Role, Sent
from flashnotify.errors import Rejected, Retryable
from tests.support.manual_clock import ManualClock
from tests.support.people import add_user, change_user
from tests.support.running import Running
from tests.support.signing_in import OWN_PAGE, cookie_of

PHONE = "+33612345678"


class Asking:
    """A person, and what is sent to them."""

    def __init__(self, service: Running, user: User) -> None:
        self.service, self.user = service, user
        self.to = [f"user:{user.id}"]

    async def store(self, table: type[Any], **row: Any) -> None:
        """Store a row that other parts of the service write."""
        add = Statement(insert(table), Stage.children)
        await self.service.service.writer.write((add, row))

    async def group(self, slug: str, *, member: bool = True, since: int = 0) -> UUID:
        id = self.service.service.ids()
        await self.store(Group, id=id, slug=slug, name=slug, joinable=0, created_at=0)
        if member:
            await self.join(id, since)
        return id

    async def join(self, group: UUID, since: int) -> None:
        row = {"group_id": group, "user_id": self.user.id, "source": "manual", "since": since}
        await self.store(Membership, **row)

    async def send(self, *, done: bool = True, **changes: Any) -> str:
        id = await self.service.send(**{"to": self.to, **changes})
        if done:
            await self.service.until(
                f"/v1/notifications/{id}", lambda n: n["status"] in ("completed", "expired")
            )
        return id

    async def why(self, id: str) -> Any:
        return await self.service.get("/v1/explain", notification=id, user=str(self.user.id))

    async def codes(self, id: str) -> list[str]:
        return [step["code"] for step in (await self.why(id))["steps"]]


@pytest.fixture
async def ada(service: Running) -> Asking:
    user = await add_user(service.service, Role.viewer, external_id="etu1", phone=PHONE)
    return Asking(service, user)


def step_of(found: Mapping[str, Any], code: str) -> Any:
    return next(step for step in found["steps"] if step["code"] == code)


async def test_sent_and_what_was_not_used(ada: Asking) -> None:
    id = await ada.send(channels=["email"])
    found = await ada.why(id)
    assert (found["code"], found["answer"]) == ("sent", "Yes: it was sent.")
    assert (found["notification"], found["user"]) == (id, str(ada.user.id))
    [delivery] = (await ada.service.get(f"/v1/notifications/{id}/deliveries"))["items"]
    sent = step_of(found, "sent")
    assert (sent["channel"], sent["delivery"]) == ("email", delivery["id"])
    assert sent["at"] == delivery["updated_at"]
    assert step_of(found, "channel_not_requested")["channel"] == "sms"
    assert [step["code"] for step in found["steps"]][:2] == ["accepted", "in_audience"]


async def test_a_channel_that_is_not_wanted_or_has_no_address(ada: Asking) -> None:
    found = await ada.why(await ada.send())
    unused = {
        step["channel"]: step["code"]
        for step in found["steps"]
        if "channel" in step and "delivery" not in step
    }
    assert unused == {"sms": "not_preferred", "push": "no_address", "chat": "no_address"}


async def test_delivered_read_and_acknowledged(ada: Asking, clock: ManualClock) -> None:
    id = await ada.send(channels=["in_app"])
    assert (await ada.why(id))["answer"] == "Yes: it was delivered."
    [message] = (
        await ada.service.service.archive.inbox.page(ada.user.id, unread=True, limit=1, cursor=None)
    ).items
    await clock.advance(60)
    await ada.service.service.archive.inbox.mark_read(ada.user.id, message.id, clock.now())
    found = await ada.why(id)
    assert found["answer"] == "Yes: the person read it."
    read = step_of(found, "read")
    assert (read["channel"], read["delivery"]) == ("in_app", str(message.id))
    recipient = f"user:{ada.user.id}"
    at = clock.now() + 1000
    await ada.store(
        Acknowledgement, notification_id=UUID(id), recipient=recipient, channel="email", at=at
    )
    found = await ada.why(id)
    assert found["code"] == "acknowledged"
    assert step_of(found, "acknowledged")["at"] > read["at"]


async def test_not_in_the_audience_or_excluded(ada: Asking) -> None:
    await ada.group("others", member=False)
    await ada.group("mine")
    assert (await ada.why(await ada.send(to=["group:others"], done=False)))["answer"] == (
        "No: the person is in none of the groups of the audience."
    )
    but = {"any": ["group:mine"], "not": [f"user:{ada.user.id}"]}
    found = await ada.why(await ada.send(to=[but, "mailto:x@univ.example"]))
    assert (found["code"], found["answer"]) == (
        "excluded",
        "No: the audience leaves the person out by `not`.",
    )


async def test_who_joined_after_the_fan_out(ada: Asking, clock: ManualClock) -> None:
    group = await ada.group("late", member=False)
    id = await ada.send(to=["group:late", "mailto:x@univ.example"])
    await ada.join(group, clock.now() + 5)
    found = await ada.why(id)
    assert found["code"] == "joined_later"
    assert step_of(found, "joined_later")["at"] is not None
    other = await ada.group("earlier", member=False)
    id = await ada.send(to=["group:earlier", "mailto:x@univ.example"])
    await ada.join(other, 0)
    assert (await ada.why(id))["code"] == "no_trace"


async def test_scheduled(ada: Asking) -> None:
    id = await ada.send(send_at="2027-03-01T08:00:00Z", done=False)
    found = await ada.why(id)
    assert (found["code"], found["answer"]) == ("scheduled", "Not yet: it is scheduled for later.")
    assert step_of(found, "scheduled")["at"] == "2027-03-01T08:00:00Z"


async def test_deactivated(ada: Asking) -> None:
    await change_user(ada.service.service, replace(ada.user, active=False))
    found = await ada.why(await ada.send())
    assert (found["code"], found["answer"]) == ("inactive", "No: the person is deactivated.")


async def test_no_address_on_the_wanted_channels(ada: Asking) -> None:
    found = await ada.why(await ada.send(channels=["push"]))
    assert found["code"] == "no_address"
    assert found["answer"] == "No: the person has no address on the channels that they want."


async def test_opted_out(ada: Asking) -> None:
    await ada.store(Preferences, user_id=ada.user.id, kinds='{"academic": []}', updated_at=0)
    found = await ada.why(await ada.send())
    assert (found["code"], found["answer"]) == (
        "opted_out",
        "No: the person opted out of this kind.",
    )


async def test_a_missing_value_answers_before_channels_that_were_not_used(ada: Asking) -> None:
    id = await ada.send(personalised=True, title="((attributes.room)), your room")
    found = await ada.why(id)
    assert found["code"] == "skipped"
    assert "((attributes.room))" in found["answer"]


async def test_held_for_the_digest(ada: Asking, clock: ManualClock) -> None:
    await ada.group("some", member=False)
    id = await ada.send(to=["group:some", "mailto:x@univ.example"])
    due = clock.now() + 3_600_000
    await ada.store(DigestEntry, user_id=ada.user.id, notification_id=UUID(id), due_at=due)
    found = await ada.why(id)
    assert found["answer"] == "Not yet: it waits for the person's next digest."
    assert step_of(found, "digest")["at"] == "2027-01-15T09:00:00Z"


async def test_quiet_hours(ada: Asking, clock: ManualClock) -> None:
    await clock.advance(15 * 3600)
    id = await ada.send(channels=["sms"], done=False)
    await ada.service.until(f"/v1/notifications/{id}", lambda n: bool(n["counts"]))
    found = await ada.why(id)
    assert found["answer"] == "Not yet: it waits for the end of quiet hours."
    assert step_of(found, "quiet_hours")["at"] == "2027-01-16T07:00:00Z"


async def test_a_suspended_address(ada: Asking) -> None:
    await ada.store(
        RefusedAddress,
        id=ada.service.service.ids(),
        channel="sms",
        address=PHONE,
        refusals=3,
        reason="unknown number",
        refused_at=5,
        suspended_at=7,
    )
    found = await ada.why(await ada.send())
    step = step_of(found, "address_suspended")
    assert (step["channel"], step["text"]) == (
        "sms",
        "The person's address is suspended: unknown number",
    )
    assert step["at"] == "1970-01-01T00:00:00.007000Z"


async def test_expired_and_cancelled(ada: Asking, clock: ManualClock) -> None:
    await clock.advance(15 * 3600)
    late = await ada.send(channels=["sms"], expires_at="2027-01-15T23:30:00Z", done=False)
    cancelled = await ada.send(channels=["sms"], done=False)
    for id in (late, cancelled):
        await ada.service.until(f"/v1/notifications/{id}", lambda n: bool(n["counts"]))
    await ada.service.http.post(f"/v1/notifications/{cancelled}/cancel")
    await ada.service.until(
        f"/v1/notifications/{cancelled}", lambda n: n["counts"] == {"sms": {"cancelled": 1}}
    )
    assert (await ada.why(cancelled))["answer"] == "No: it was cancelled before it was sent."
    await clock.advance(3600)
    await ada.service.until(
        f"/v1/notifications/{late}", lambda n: n["counts"] == {"sms": {"skipped": 1}}
    )
    found = await ada.why(late)
    assert (found["code"], found["answer"]) == (
        "expired",
        "No: it expired before it could be sent.",
    )


async def test_failed_and_retrying_in_the_words_of_the_provider(
    ada: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[Exception] = [Rejected("550 no such user"), Retryable("451 greylisted")]

    async def refuse(self: Any, content: Any) -> Sent:
        raise errors.pop(0)

    monkeypatch.setattr(CaptureTransport, "send", refuse)
    found = await ada.why(await ada.send(channels=["email"]))
    assert (found["code"], found["answer"]) == ("failed", "No: it failed: 550 no such user")
    id = await ada.send(channels=["email"], done=False)
    await ada.service.until(
        f"/v1/notifications/{id}/deliveries",
        lambda d: [i["attempt_count"] for i in d["items"]] == [1],
    )
    found = await ada.why(id)
    assert found["code"] == "retrying"
    assert found["answer"] == "Not yet: it will be tried again: 451 greylisted"


async def test_an_open_breaker(ada: Asking, clock: ManualClock) -> None:
    await clock.advance(15 * 3600)
    id = await ada.send(channels=["sms"], done=False)
    await ada.service.until(f"/v1/notifications/{id}", lambda n: bool(n["counts"]))
    channel = ada.service.service.channels["sms"]
    await clock.advance(8 * 3600 - 5)
    channel.transports[0].breaker.misconfigure("401 wrong password")
    await clock.advance(10)
    await ada.service.until(
        f"/v1/notifications/{id}/deliveries", lambda d: d["items"][0]["waiting"] == "breaker_open"
    )
    found = await ada.why(id)
    assert (found["code"], found["answer"]) == (
        "breaker_open",
        "Not yet: it waits for the transport to work again.",
    )


async def test_a_channel_that_the_kind_lost(ada: Asking) -> None:
    service = ada.service.service
    id = await ada.send(channels=["email", "in_app"])
    notification = await service.archive.notifications.find(UUID(id))
    assert notification is not None
    explanation = await service_explain(ada, replace(notification, channels=["email", "fax"]))
    assert Code.channel_not_offered in explanation


async def service_explain(ada: Asking, notification: Any) -> list[Code]:
    """Return the codes about a notification as it may come from an older version."""
    from_archive = ada.service.service.archive
    explain = Explain(
        from_archive, from_archive.directory, from_archive.explanations, ada.service.service.kinds
    )
    return [step.code for step in (await explain.explain(notification, ada.user.id)).steps]


async def test_who_may_ask(ada: Asking) -> None:
    service = ada.service
    id = await ada.send()
    other = await add_user(service.service, Role.viewer, email="bob@univ.example")
    own, others = [await cookie_of(service.service, user) | OWN_PAGE for user in (ada.user, other)]
    reader = await service.key("read:all")
    manager = await service.key("people", "read")
    both = await service.key("people", "read:all")
    for headers, user, status in (
        (own, str(ada.user.id), 200),
        (own, "etu1", 200),
        (own, None, 200),
        (own, str(other.id), 403),
        (others, None, 200),
        (reader, "etu1", 403),
        (manager, "etu1", 404),
        (both, "etu1", 200),
        (both, None, 403),
        (both, "etu2", 422),
    ):
        params = {"notification": id} | ({"user": user} if user else {})
        answer = await service.anonymous.get("/v1/explain", params=params, headers=headers)
        assert answer.status_code == status, (user, answer.text)
    # A sender who sees only what they sent is not told of others'.
    sender = await add_user(service.service, Role.sender, email="eve@univ.example")
    headers = await cookie_of(service.service, sender) | OWN_PAGE
    answer = await service.anonymous.get(
        "/v1/explain", params={"notification": id}, headers=headers
    )
    assert answer.status_code == 404
