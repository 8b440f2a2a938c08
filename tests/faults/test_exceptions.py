"""An unexpected exception in a batch becomes the result of that batch alone."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flashnotify.app import Service
from flashnotify.channels.transport import CaptureTransport
from flashnotify.domain import Rendering, Sent, moment
from flashnotify.meta.specs import TemplatesSpec
from flashnotify.settings import ServiceConfig
from tests.support.manual_clock import ManualClock
from tests.support.running import Running, running

# More than the first retry of anything waits.
LATER = 60.0
# More than the failures in a row that open a breaker.
MANY = [f"mailto:p{number}@univ.example" for number in range(20)]

# What an exception's message may quote, and no log may.
PRIVATE = "ada" + "@univ.example"


def poisoned(recipients: list[str]) -> dict[str, Any]:
    return {"title": "poison", "to": recipients}


async def _first_attempts(service: Running, id: str) -> list[dict[str, Any]]:
    """Return the deliveries once each has an attempt."""
    path = f"/v1/notifications/{id}/deliveries"
    found = await service.until(
        path, lambda page: page["items"] and all(d["attempts"] for d in page["items"])
    )
    deliveries: list[dict[str, Any]] = found["items"]
    return deliveries


def _break_template(monkeypatch: pytest.MonkeyPatch) -> None:
    render = TemplatesSpec.render

    def broken(
        spec: TemplatesSpec, locale: str, parts: tuple[str, ...], values: dict[str, Any]
    ) -> Rendering:
        if values["title"] == "poison":
            raise ZeroDivisionError(PRIVATE)
        return render(spec, locale, parts, values)

    monkeypatch.setattr(TemplatesSpec, "render", broken)


def _break_transport(monkeypatch: pytest.MonkeyPatch) -> None:
    send = CaptureTransport.send

    async def broken(transport: CaptureTransport, content: Any) -> Sent:
        if "poison" in content.content.subject:
            raise ZeroDivisionError(PRIVATE)
        return await send(transport, content)

    monkeypatch.setattr(CaptureTransport, "send", broken)


@pytest.mark.parametrize("break_it", [_break_template, _break_transport])
async def test_exception_is_an_outcome_and_disturbs_no_other(
    break_it: Callable[[pytest.MonkeyPatch], None],
    service: Running,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        break_it(patch)
        id = await service.send(**poisoned(MANY))
        for delivery in await _first_attempts(service, id):
            assert delivery["status"] == "queued"
            (attempt,) = delivery["attempts"]
            assert attempt["outcome"] == "error"
            assert attempt["answer"] == "internal error: ZeroDivisionError"
            assert delivery["next_attempt_at"] is not None

        # Others go out at once, over the same transport, by the same workers.
        for priority in ("low", "critical"):
            other = await service.completed(await service.send(priority=priority))
            assert other["counts"] == {"email": {"sent": 1}}
        ready = await service.get("/readyz")
        assert set(ready["parts"].values()) == {"ok"}, ready

    # Mended, it goes out too.
    await clock.advance(LATER)
    assert (await service.completed(id))["counts"] == {"email": {"sent": len(MANY)}}
    captured = capfd.readouterr()
    assert "ZeroDivisionError" in captured.out + captured.err
    assert PRIVATE not in captured.out + captured.err


async def test_exception_in_one_message_leaves_its_batch_alone(
    service: Running, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = CaptureTransport.send

    async def broken(transport: CaptureTransport, content: Any) -> Sent:
        if content.to == "p7@univ.example":
            raise ZeroDivisionError
        return await send(transport, content)

    with monkeypatch.context() as patch:
        patch.setattr(CaptureTransport, "send", broken)
        id = await service.send(to=MANY)
        await _first_attempts(service, id)
        found = await service.get(f"/v1/notifications/{id}/deliveries")
        by_address = {d["to"]: d["status"] for d in found["items"]}
        assert by_address.pop("p7@univ.example") == "queued"
        assert set(by_address.values()) == {"sent"}
    await clock.advance(LATER)
    assert (await service.completed(id))["counts"] == {"email": {"sent": len(MANY)}}
    # None of the others came again.
    kept = [message["to"] for message in (await service.get("/v1/outbox"))["items"]]
    assert sorted(kept) == sorted(address.removeprefix("mailto:") for address in MANY)


def _damage(archive: Path, column: str, id: str, value: str) -> str:
    """Put `value` where it must not be; what was there before."""
    with closing(sqlite3.connect(archive)) as connection, connection:
        key = bytes.fromhex(id.replace("-", ""))
        (before,) = connection.execute(
            f"SELECT {column} FROM notifications WHERE id = ?", [key]
        ).fetchone()
        connection.execute(f"UPDATE notifications SET {column} = ? WHERE id = ?", [value, key])
    return str(before)


@pytest.mark.parametrize("damaged", ['{"course": "ALG', "[]", '{"nobody": "declared it"}'])
async def test_damaged_data_is_an_outcome(damaged: str, clock: ManualClock) -> None:
    config = ServiceConfig()
    async with running(Service(config, clock), deliver=False) as before:
        id = await before.send(to=MANY)
    whole = _damage(config.archive_file, "data", id, damaged)

    async with running(Service(config, clock)) as service:
        for delivery in await _first_attempts(service, id):
            (attempt,) = delivery["attempts"]
            assert attempt["outcome"] == "error"
            assert attempt["answer"].startswith("internal error: ")
        await service.completed(await service.send())
        assert (await service.get("/readyz"))["status"] == "ok"

    _damage(config.archive_file, "data", id, whole)
    async with running(Service(config, clock)) as service:
        await clock.advance(LATER)
        assert (await service.completed(id))["counts"] == {"email": {"sent": len(MANY)}}
        assert json.loads(whole)["course"] == "ALG-2"


async def test_a_damaged_audience_is_an_outcome(clock: ManualClock) -> None:
    config = ServiceConfig()
    async with running(Service(config, clock), deliver=False) as before:
        id = await before.send(to=[f"mailto:s{n}@univ.example" for n in range(51)])
    _damage(config.archive_file, "audience", id, '["mailto:ada@')

    async with running(Service(config, clock)) as service:
        await service.completed(await service.send())
        assert (await service.completed(id))["counts"] == {"unknown": {"failed": 1}}
        page = await service.get(f"/v1/notifications/{id}/deliveries")
        (delivery,) = page["items"]
        assert delivery["reason"] == "the audience in the archive cannot be read"
        assert (await service.get("/readyz"))["status"] == "ok"


async def test_a_damaged_address_of_a_device_fails_alone(clock: ManualClock) -> None:
    config = ServiceConfig()
    async with running(Service(config, clock), deliver=False) as before:
        device = {"type": "ntfy", "topic": "campus"}
        whole = (await before.http.post("/v1/devices", json=device)).json()["address"]
        soon = moment(clock.now() + 60_000).isoformat()
        id = await before.send(to=[whole], send_at=soon)
    _damage(config.archive_file, "audience", id, json.dumps([whole, "push:\ufffd" + whole[6:]]))
    await clock.advance(60)

    async with running(Service(config, clock)) as service:
        assert (await service.completed(id))["counts"] == {"push": {"failed": 1, "sent": 1}}
