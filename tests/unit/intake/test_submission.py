"""The one way in: done once per key, on disk before the answer, nothing when it cannot be."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from flashnotify.app import Service
from flashnotify.archive.writes.changes import Stage, Statement
from flashnotify.domain import Priority
from flashnotify.settings import ServiceConfig
from tests.support.manual_clock import ManualClock
from tests.support.running import ACADEMIC, Running, running


@pytest.fixture
async def accepting(clock: ManualClock) -> Any:
    """A service that accepts, and delivers nothing."""
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        yield service


async def post(service: Running, key: str | None = None, **changes: Any) -> httpx.Response:
    """Send the academic example, with an Idempotency-Key."""
    headers = {"Idempotency-Key": key} if key is not None else {}
    return await service.http.post("/v1/notifications", json=ACADEMIC | changes, headers=headers)


async def accepted(service: Running) -> list[Any]:
    """All that was accepted."""
    items: list[Any] = (await service.get("/v1/notifications", limit=200))["items"]
    return items


async def test_is_on_disk_before_the_answer(accepting: Running) -> None:
    answer = await post(accepting)
    assert answer.status_code == 202
    assert answer.headers["location"] == answer.json()["href"]
    (item,) = await accepted(accepting)
    assert item["id"] == answer.json()["id"]
    assert item["status"] == answer.json()["status"] == "queued"
    assert accepting.service.queue.depth()[Priority.low] == 1


async def test_a_hundred_at_once_with_one_key_are_one_notification(accepting: Running) -> None:
    answers = await asyncio.gather(*(post(accepting, "k-1") for _ in range(100)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    replayed = [answer.headers.get("idempotent-replayed") for answer in answers]
    assert sorted(replayed, key=str) == [None] + ["true"] * 99
    assert len(await accepted(accepting)) == 1


async def test_the_same_key_later_gets_the_same_answer(
    accepting: Running, clock: ManualClock
) -> None:
    first = await post(accepting, "k-1", send_at="2027-06-01T00:00:00Z")
    await clock.advance(24 * 3600 - 1)
    again = await post(accepting, "k-1", send_at="2027-06-01T00:00:00Z")
    assert again.json() == first.json()
    assert first.json()["status"] == "scheduled"
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers


async def test_a_key_is_forgotten_after_a_day(accepting: Running, clock: ManualClock) -> None:
    """Though nobody has tidied up: the scheduler does not run here."""
    first = await post(accepting, "k-1")
    await clock.advance(24 * 3600)
    second = await post(accepting, "k-1", title="Another")
    assert second.status_code == 202
    assert second.json()["id"] != first.json()["id"]
    again = await post(accepting, "k-1", title="Another")
    assert again.json() == second.json()
    assert len(await accepted(accepting)) == 2


async def test_the_same_key_with_another_body_is_refused(accepting: Running) -> None:
    await post(accepting, "k-1")
    answer = await post(accepting, "k-1", title="Another")
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:flashnotify:problem:idempotency-mismatch"
    assert len(await accepted(accepting)) == 1


async def test_keys_belong_to_their_caller(accepting: Running) -> None:
    ids = set()
    for headers in [await accepting.key("notify:academic") for _ in range(2)]:
        answer = await accepting.anonymous.post(
            "/v1/notifications", json=ACADEMIC, headers=headers | {"Idempotency-Key": "k-1"}
        )
        ids.add(answer.json()["id"])
    assert len(ids) == 2


async def test_a_refused_request_uses_no_key(accepting: Running) -> None:
    assert (await post(accepting, "k-1", title="")).status_code == 422
    assert (await post(accepting, "k-1")).status_code == 202


@pytest.mark.parametrize("key", ["a b", "x" * 256, "é", ""])
async def test_a_key_that_cannot_be_one_is_refused(accepting: Running, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode()}
    answer = await accepting.http.post("/v1/notifications", json=ACADEMIC, headers=headers)
    assert answer.status_code == 422


async def test_a_request_that_is_cancelled_leaves_its_key_usable(accepting: Running) -> None:
    tasks = [asyncio.create_task(post(accepting, "k-1")) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [a.status_code for a in answers if isinstance(a, httpx.Response)] == [202, 202]
    assert len(await accepted(accepting)) == 1


async def test_what_is_to_be_sent_later_is_not_queued_yet(
    accepting: Running, clock: ManualClock
) -> None:
    answer = await post(accepting, send_at="2027-01-15T08:00:01Z")
    assert answer.json()["status"] == "scheduled"
    assert sum(accepting.service.queue.depth().values()) == 0
    past = await post(accepting, send_at="2020-01-01T00:00:00Z")
    assert past.json()["status"] == "queued"
    assert sum(accepting.service.queue.depth().values()) == 1


async def test_a_full_queue_accepts_all_the_same(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_QUEUE_BOUND", "10")
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        answers = [await post(service) for _ in range(15)]
        assert {answer.status_code for answer in answers} == {202}
        assert service.service.queue.depth()[Priority.low] == 10
        assert len(await accepted(service)) == 15


async def test_a_full_disk_is_a_503_with_nothing_half_done(accepting: Running) -> None:
    writer = accepting.service.writer
    for pages, status in ((1, 503), (1_000_000, 202)):
        limit = Statement(text(f"PRAGMA max_page_count={pages}"), Stage.parents)
        await writer.write((limit, {}))
        answers = [await post(accepting, f"k-{n}", body="x" * 60_000) for n in range(3)]
        assert [answer.status_code for answer in answers] == [status] * 3
        if status == 503:
            assert int(answers[0].headers["retry-after"]) >= 1
            assert await accepted(accepting) == []
    assert len(await accepted(accepting)) == 3


async def test_a_writer_that_cannot_keep_up_is_a_503(
    accepting: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting.service.writer, "_max_backlog", -1)
    answer = await post(accepting)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    monkeypatch.undo()
    assert await accepted(accepting) == []


async def test_nothing_is_accepted_while_stopping(accepting: Running) -> None:
    accepting.service.supervisor.stopping()
    answer = await post(accepting)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


async def test_recipients_are_kept_in_canonical_form_and_once(accepting: Running) -> None:
    to = ["mailto:Ada@UNIV.example", "MAILTO:Ada@univ.example", "mailto:bob%40univ.example"]
    answer = await post(accepting, to=to)
    shown = await accepting.get(answer.json()["href"])
    assert shown["to"] == ["mailto:Ada@univ.example", "mailto:bob@univ.example"]


async def test_moments_keep_their_offset_in_data(accepting: Running) -> None:
    data = {"course": "ALG-2", "starts_at": "2027-12-12T09:00:00+05:00"}
    shown = await accepting.get((await post(accepting, data=data)).json()["href"])
    assert shown["data"] == data


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59Z", "0001-01-02T00:00:00Z"])
async def test_whatever_is_accepted_can_be_shown(accepting: Running, at: str) -> None:
    assert (await post(accepting, send_at=at)).status_code == 202
    (item,) = await accepted(accepting)
    assert item["send_at"].replace(".999000", "") == at
