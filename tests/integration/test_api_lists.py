"""Lists: their filters and their pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flashnotify.domain import moment
from tests.integration.deliveries import let_pass
from tests.support.manual_clock import ManualClock
from tests.support.running import Running

SECURITY = {"kind": "security", "data": {"location": "B", "instructions": "Leave it."}}


async def pages(service: Running, path: str, **query: Any) -> list[list[dict[str, Any]]]:
    """Return all items of a list, page by page."""
    found = []
    while True:
        page = await service.get(path, **query)
        found.append(page["items"])
        if page["next"] is None:
            return found
        query["cursor"] = page["next"]


async def ids(service: Running, **query: Any) -> list[str]:
    (page,) = await pages(service, "/v1/notifications", **query)
    return [item["id"] for item in page]


async def test_pages_are_in_order_newest_first(service: Running) -> None:
    sent = [await service.send() for _ in range(5)]
    for id in sent:
        await service.completed(id)
    for path, key in (("/v1/notifications", "id"), ("/v1/outbox", "notification_id")):
        found = await pages(service, path, limit=2)
        assert [len(page) for page in found] == [2, 2, 1]
        listed = [item[key] for page in found for item in page]
        assert sorted(listed) == sorted(sent)
    assert [len(p) for p in await pages(service, "/v1/notifications", limit=5)] == [5]
    assert await ids(service) == sent[::-1]


async def test_new_items_do_not_shift_pages(service: Running) -> None:
    sent = [await service.send() for _ in range(4)]
    first = await service.get("/v1/notifications", limit=2)
    await service.send()
    second = await service.get("/v1/notifications", limit=2, cursor=first["next"])
    listed = [item["id"] for item in first["items"] + second["items"]]
    assert listed == sent[::-1]
    assert second["next"] is None


async def test_notifications_are_filtered(service: Running, clock: ManualClock) -> None:
    later = moment(clock.now()) + timedelta(hours=1)
    academic = await service.send(reference="r-1")
    security = await service.send(**SECURITY, priority="high")
    for id in (academic, security):
        await service.completed(id)
    await let_pass(service, clock, 2)
    boundary = moment(clock.now())
    scheduled = await service.send(reference="r-1", send_at=later.isoformat())
    assert await ids(service, kind="security") == [security]
    assert await ids(service, kind="nothing") == []
    assert await ids(service, status="completed") == [security, academic]
    assert await ids(service, status="scheduled") == [scheduled]
    assert await ids(service, status="queued") == []
    assert await ids(service, outcome="all_sent") == [security, academic]
    assert await ids(service, outcome="all_failed") == []
    assert await ids(service, priority="high") == [security]
    assert await ids(service, reference="r-1") == [scheduled, academic]
    assert await ids(service, reference="r-1", status="completed", kind="academic") == [academic]
    assert await ids(service, since=boundary.isoformat()) == [scheduled]
    assert await ids(service, until=boundary.isoformat()) == [security, academic]
    assert await ids(service, since=boundary.isoformat(), until=boundary.isoformat()) == []
    assert [len(p) for p in await pages(service, "/v1/notifications", status="completed", limit=1)]\
        == [1, 1]  # fmt: skip


async def test_deliveries_are_filtered_by_status_and_channel(service: Running) -> None:
    to = [f"mailto:student{n}@univ.example" for n in range(7)]
    id = await service.send(to=[*to, to[0], "mailto:student1@UNIV.example"])
    other = await service.send()
    shown = await service.completed(id)
    await service.completed(other)
    assert shown["counts"] == {"email": {"sent": 7}}
    path = f"/v1/notifications/{id}/deliveries"
    found = await pages(service, path, limit=3, status="sent", channel="email")
    assert [len(page) for page in found] == [3, 3, 1]
    reached = [item["to"] for page in found for item in page]
    assert sorted(reached) == sorted(entry.removeprefix("mailto:") for entry in to)
    assert all(len(item["attempts"]) == 1 for page in found for item in page)
    assert await pages(service, path, status="failed") == [[]]
    assert await pages(service, path, channel="sms") == [[]]


async def test_deliveries_of_all_notifications_are_filtered(
    service: Running, clock: ManualClock
) -> None:
    mails = await service.send(to=["mailto:Ada@univ.example", "mailto:bob@univ.example"])
    both = await service.send(
        **SECURITY, to=["mailto:ada@univ.example", "tel:+33612345678"], title="Leave"
    )
    for id in (mails, both):
        await service.completed(id)
    await let_pass(service, clock, 2)
    boundary = moment(clock.now()).isoformat()
    late = await service.send(to=["mailto:bob@univ.example"])
    await service.completed(late)

    async def found(**query: str) -> list[tuple[str, str, str]]:
        (page,) = await pages(service, "/v1/deliveries", **query)
        return sorted((item["notification_id"], item["kind"], item["to"]) for item in page)

    ada, bob = "Ada@univ.example", "bob@univ.example"
    text = (both, "security", "+33612345678")
    written_to_ada = [(mails, "academic", ada), (both, "security", "ada@univ.example")]
    for to in ("mailto:ada@UNIV.example", "ADA@univ.example", "mailto:%41da@univ.example"):
        assert await found(to=to) == written_to_ada
    assert await found(to="mailto:ada@univ.example", kind="academic") == written_to_ada[:1]
    for to in ("tel:+33 6 12 34 56 78", "+33612345678", " 33612345678"):
        assert await found(to=to) == [text]
    assert await found(channel="sms") == await found(kind="security", channel="sms") == [text]
    assert await found(kind="security", status="sent") == sorted([written_to_ada[1], text])
    assert await found(since=boundary) == [(late, "academic", bob)]
    assert len(await found(until=boundary, status="sent")) == 4
    assert len(await found()) == len(await found(status="sent")) == 5
    assert await found(status="failed") == await found(channel="fax") == []
    (*_, last) = listed = await pages(service, "/v1/deliveries", limit=2, status="sent")
    assert [len(page) for page in listed] == [2, 2, 1]
    assert last[0]["notification_id"] == mails
    answer = await service.http.get("/v1/deliveries", params={"to": "tel:12"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/to"


async def test_the_outbox_is_filtered_by_notification_and_channel(service: Running) -> None:
    sent = [await service.send() for _ in range(2)]
    for id in sent:
        await service.completed(id)
    (found,) = await pages(service, "/v1/outbox", notification=sent[0])
    assert [item["notification_id"] for item in found] == [sent[0]]
    assert await pages(service, "/v1/outbox", channel="sms") == [[]]


async def test_a_notification_shows_the_request(service: Running, clock: ManualClock) -> None:
    later = moment(clock.now()) + timedelta(days=2)
    id = await service.send(
        to=["mailto:Ada@UNIV.example", "mailto:bob@univ.example"],
        channels=["email"],
        locale="fr",
        reference="scolarité-8841",
        expires_at=later.isoformat(),
        data={"course": "ALG-2", "starts_at": "2027-02-01T09:00:00+01:00"},
    )
    shown = await service.completed(id)
    assert shown == {
        "id": id,
        "kind": "academic",
        "title": "Room changed",
        "body": "The exam takes place in room B204.",
        "data": {"course": "ALG-2", "starts_at": "2027-02-01T09:00:00+01:00"},
        "recipients": 2,
        "acknowledge": False,
        "personalised": False,
        "reminds_of": None,
        "channels": ["email"],
        "locale": "fr",
        "priority": "low",
        "status": "completed",
        "outcome": "all_sent",
        "reference": "scolarité-8841",
        "accepted_at": "2027-01-15T08:00:00Z",
        "send_at": None,
        "expires_at": "2027-01-17T08:00:00Z",
        "completed_at": "2027-01-15T08:00:00Z",
        "href": f"/v1/notifications/{id}",
        "counts": {"email": {"sent": 2}},
    }
    to = ["mailto:Ada@univ.example", "mailto:bob@univ.example"]
    assert await service.get(f"/v1/notifications/{id}", include="to") == shown | {"to": to}
