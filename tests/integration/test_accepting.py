"""Accepting over HTTP: on disk before the response, once per key, or a 503."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from flashnotify.app import Service
from flashnotify.archive.sql.changes import Stage, Statement
from flashnotify.domain import Priority
from flashnotify.settings import ServiceConfig
from tests.support.manual_clock import ManualClock
from tests.support.running import ACADEMIC, Running, running


@pytest.fixture
async def accepting(clock: ManualClock) -> Any:
    """Run a service that accepts but does not deliver."""
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        yield service


async def post(service: Running, key: str | None = None, **changes: Any) -> httpx.Response:
    """Send the academic example with an Idempotency-Key."""
    headers = {"Idempotency-Key": key} if key is not None else {}
    return await service.http.post("/v1/notifications", json=ACADEMIC | changes, headers=headers)


async def accepted(service: Running) -> list[Any]:
    """Return all accepted notifications."""
    items: list[Any] = (await service.get("/v1/notifications", limit=200))["items"]
    return items


async def test_is_on_disk_before_the_answer(accepting: Running) -> None:
    answer = await post(accepting)
    assert answer.status_code == 202
    assert answer.headers["location"] == answer.json()["href"]
    (item,) = await accepted(accepting)
    assert item["id"] == answer.json()["id"]
    assert (answer.json()["status"], item["status"]) == ("queued", "sending")
    assert accepting.service.dispatch.queue("email").depth()[Priority.low] == 1


async def test_a_hundred_concurrent_requests_with_one_key_create_one_notification(
    accepting: Running,
) -> None:
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
    await clock.skip(24 * 3600 - 1)
    again = await post(accepting, "k-1", send_at="2027-06-01T00:00:00Z")
    assert again.json() == first.json()
    assert first.json()["status"] == "scheduled"
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers


async def test_a_language_without_wording_is_said(accepting: Running) -> None:
    plain, regional = await post(accepting), await post(accepting, locale="fr-CA")
    assert {"warnings"}.isdisjoint({*plain.json(), *regional.json()})
    first, again = await post(accepting, "k", locale="de"), await post(accepting, "k", locale="de")
    assert (first.status_code, again.json()) == (202, first.json())
    (warning,) = first.json()["warnings"]
    assert (warning["pointer"], warning["code"]) == ("/locale", "no_wording")
    assert "'en'" in warning["detail"]
    batch = [ACADEMIC, ACADEMIC | {"locale": "de"}]
    answer = await accepting.http.post("/v1/notifications/batch", json=batch)
    assert [result.get("warnings") for result in answer.json()["results"]] == [None, [warning]]


async def test_the_same_key_with_another_body_is_refused(accepting: Running) -> None:
    await post(accepting, "k-1")
    answer = await post(accepting, "k-1", title="Another")
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:flashnotify:problem:idempotency-mismatch"
    assert len(await accepted(accepting)) == 1


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


async def test_recipients_are_kept_in_canonical_form_and_once(accepting: Running) -> None:
    to = ["mailto:Ada@UNIV.example", "MAILTO:Ada@univ.example", "mailto:bob%40univ.example"]
    answer = await post(accepting, to=to)
    shown = await accepting.get(answer.json()["href"])
    assert (shown["recipients"], "to" in shown) == (2, False)
    shown = await accepting.get(answer.json()["href"], include="to")
    assert shown["to"] == ["mailto:Ada@univ.example", "mailto:bob@univ.example"]


async def test_times_in_data_keep_their_offset(accepting: Running) -> None:
    data = {"course": "ALG-2", "starts_at": "2027-12-12T09:00:00+05:00"}
    shown = await accepting.get((await post(accepting, data=data)).json()["href"])
    assert shown["data"] == data


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59Z", "0001-01-02T00:00:00Z"])
async def test_every_accepted_time_can_be_shown(accepting: Running, at: str) -> None:
    assert (await post(accepting, send_at=at)).status_code == 202
    (item,) = await accepted(accepting)
    assert item["send_at"].replace(".999000", "") == at
