"""SMS through a real Kannel, to its fake SMSC and back as a delivery report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kannel import FAKESMSC, NO_ROUTE, Kannel, free_ports
from tests.support.eventually import eventually
from tests.support.running import ACADEMIC
from tests.support.serve_process import ServeProcess
from tests.support.system import requires_program

pytestmark = [
    requires_program("bearerbox"),
    requires_program("smsbox"),
    requires_program(FAKESMSC),
    pytest.mark.timeout(120),
]

TO = "+33612345678"


@pytest.fixture
def kannel(tmp_path: Path) -> Kannel:
    """Return Kannel, not yet started."""
    return Kannel(tmp_path / "kannel")


@pytest.fixture
def serve(tmp_path: Path) -> Callable[[str], ServeProcess]:
    """Start a service whose SMS go to a URL, and which Kannel can reach."""

    def made(url: str) -> ServeProcess:
        (port,) = free_ports(1)
        public = f"http://127.0.0.1:{port}"
        return ServeProcess(
            tmp_path / "service", "--port", str(port), SMS_URL=url, PUBLIC_URL=public
        )

    return made


async def text(service: ServeProcess, *to: str, **changes: Any) -> str:
    """Send an SMS; the notification's id."""
    document = ACADEMIC | {"to": [f"tel:{number}" for number in to], "channels": ["sms"]}
    # It must not wait for the end of quiet hours when the tests run at night.
    document |= {"priority": "critical"} | changes
    answer = await service.admin.post("/v1/notifications", json=document)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def deliveries(
    service: ServeProcess, id: str, true: Callable[[list[Any]], bool]
) -> list[Any]:
    """Return the deliveries of a notification once they satisfy `true`."""

    async def found() -> list[Any]:
        page = (await service.admin.get(f"/v1/notifications/{id}/deliveries")).json()
        return list(page["items"])

    return await eventually(found, lambda items: items and true(items))


def every(status: str) -> Callable[[list[Any]], bool]:
    return lambda found: all(delivery["status"] == status for delivery in found)


async def test_an_sms_arrives_and_its_delivery_is_confirmed(
    kannel: Kannel, serve: Callable[[str], ServeProcess]
) -> None:
    async with kannel, serve(kannel.url()) as service:
        id = await text(service, TO, "+33612345679")
        found = await deliveries(service, id, every("delivered"))
        assert {d["attempts"][0]["answer"] for d in found} == {"202 0: Accepted for delivery"}
        assert all(len(delivery["attempts"]) == 1 for delivery in found)
        shown = (await service.admin.get(f"/v1/notifications/{id}")).json()
        assert (shown["status"], shown["counts"]) == ("completed", {"sms": {"delivered": 2}})
        assert sorted(sms.to for sms in kannel.texted) == [TO, "+33612345679"]
        for sms in kannel.texted:
            assert sms.sender == "Campus"
            assert "B204" in sms.text
        # Kannel's password went to Kannel, and nowhere else.
        assert "pass: word" not in service.stderr
        assert "pass%3A" not in service.stderr


async def test_text_outside_gsm_7_arrives_unchanged(
    kannel: Kannel, serve: Callable[[str], ServeProcess]
) -> None:
    async with kannel, serve(kannel.url()) as service:
        title = "Ça sera à l'amphi Œdipe 🎓"
        id = await text(service, TO, title=title, locale="fr")
        await deliveries(service, id, every("delivered"))
        assert title in "".join(sms.text for sms in kannel.texted)


async def test_a_long_sms_arrives_in_its_parts(
    kannel: Kannel, serve: Callable[[str], ServeProcess]
) -> None:
    async with kannel, serve(kannel.url()) as service:
        id = await text(service, TO, body="Please bring your own paper and a pen. " * 20)
        await deliveries(service, id, every("delivered"))
        # SMS_MAX_SEGMENTS is 2.
        first, second = kannel.texted
        whole = first.text + second.text
        assert whole.endswith("...")
        assert 250 < len(whole) <= 306


async def test_an_sms_that_kannel_cannot_route_fails_with_its_answer(
    kannel: Kannel, serve: Callable[[str], ServeProcess]
) -> None:
    async with kannel, serve(kannel.url()) as service:
        id = await text(service, f"{NO_ROUTE}15112345678")
        (delivery,) = await deliveries(service, id, every("failed"))
        assert delivery["reason"] == "403 Not routable. Do not try again."
        assert kannel.texted == []


async def test_a_wrong_password_is_shown_to_the_administrator(
    kannel: Kannel, serve: Callable[[str], ServeProcess]
) -> None:
    async with kannel, serve(kannel.url("wrong")) as service:
        id = await text(service, TO)
        (delivery,) = await deliveries(service, id, lambda found: found[0]["attempts"])
        (attempt,) = delivery["attempts"]
        assert (delivery["status"], attempt["outcome"]) == ("queued", "misconfigured")
        assert attempt["answer"] == "403 Authorization failed for sendsms"
        ready = (await service.http.get("/readyz")).json()
        assert ready["parts"]["sms"] == "failing"
        channels = (await service.admin.get("/v1/channels")).json()["items"]
        problems = [t["problem"] for channel in channels for t in channel["transports"]]
        assert "403 Authorization failed for sendsms" in problems


async def test_an_sms_waits_for_a_kannel_that_is_down(
    kannel: Kannel, serve: Callable[[str], ServeProcess]
) -> None:
    async with serve(kannel.url()) as service:
        id = await text(service, TO)
        await deliveries(service, id, lambda found: found[0]["attempts"])
        async with kannel:
            (delivery,) = await deliveries(service, id, every("delivered"))
            assert delivery["attempts"][0]["outcome"] == "retryable"
            assert delivery["attempts"][-1]["outcome"] == "sent"
            assert len(kannel.texted) == 1
