"""Addresses that were refused for good three times, or reported dead."""

from typing import Any

import pytest

from flashnotify.app import Service
from flashnotify.domain import Role
from flashnotify.settings import ServiceConfig
from tests.integration.conftest import Emailing
from tests.integration.test_users import audited
from tests.support.http_server import HttpServer, Reply
from tests.support.manual_clock import ManualClock
from tests.support.people import add_user
from tests.support.running import Running, running
from tests.support.smtp_server import SmtpServer

ADA, BOB = "ada@univ.example", "bob@univ.example"
UNKNOWN = "550 5.1.1 no such user"
SUSPENDED = "/v1/addresses/suspended"


async def mail(service: Running, to: str = ADA, **more: Any) -> tuple[str, str]:
    """Send an email; return the status and the reason of its delivery."""
    id = await service.send(to=[f"mailto:{to}"], channels=["email"], **more)
    await service.completed(id)
    (found,) = (await service.get(f"/v1/notifications/{id}/deliveries"))["items"]
    return found["status"], found["reason"] or ""


async def suspended(service: Running) -> Any:
    return (await service.get(SUSPENDED))["items"]


async def test_an_address_refused_three_times_in_a_row_is_skipped_until_it_is_cleared(
    smtp: SmtpServer, emailing: Emailing, clock: ManualClock
) -> None:
    smtp.always(f"RCPT {ADA}", UNKNOWN)
    async with emailing(smtp.url) as service:
        for _ in range(3):
            assert await suspended(service) == []
            assert await mail(service) == ("failed", UNKNOWN)
        (found,) = await suspended(service)
        told = {"channel": "email", "address": ADA, "reason": UNKNOWN, "refusals": 3}
        assert found == found | told
        clears = f"DELETE {SUSPENDED}/{found['id']}"
        status, reason = await mail(service, ADA.replace("ada", "Ada"))
        assert status == "skipped"
        assert reason.startswith(f"the address is suspended: {UNKNOWN}.")
        assert reason.endswith(clears)
        assert await mail(service, BOB) == ("sent", "")
    # After a restart, too.
    async with emailing(smtp.url) as service:
        assert (await mail(service))[0] == "skipped"
        assert smtp.recipients.count(ADA) == 3
        assert (await service.http.delete(f"{SUSPENDED}/{found['id']}")).status_code == 204
        assert (await service.http.delete(f"{SUSPENDED}/{found['id']}")).status_code == 404
        assert await suspended(service) == []
        assert audited(service)[-1][1:] == (
            *("address.cleared", f"address:{found['id']}"),
            {"channel": "email"},
        )
        smtp.always(f"RCPT {ADA}", None)
        assert await mail(service) == ("sent", "")


async def test_a_success_in_between_begins_the_count_anew(
    smtp: SmtpServer, emailing: Emailing
) -> None:
    async with emailing(smtp.url) as service:
        for answers in ([UNKNOWN] * 2, [], [UNKNOWN] * 2):
            for answer in answers:
                smtp.next("RCPT", answer)
                assert (await mail(service))[0] == "failed"
            if not answers:
                assert (await mail(service))[0] == "sent"
        assert await suspended(service) == []


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("RCPT", "550 5.7.1 Message refused"),
        ("CONTENT", "554 5.6.0 Message content rejected"),
        ("CONTENT", "550 Message looks like spam"),
    ],
)
async def test_a_refused_message_is_not_the_fault_of_the_address(
    smtp: SmtpServer, emailing: Emailing, command: str, answer: str
) -> None:
    smtp.always(command, answer)
    async with emailing(smtp.url) as service:
        for _ in range(3):
            assert await mail(service) == ("failed", answer)
        assert await suspended(service) == []


async def test_a_critical_notification_is_tried_and_its_success_clears(
    smtp: SmtpServer, emailing: Emailing
) -> None:
    smtp.always(f"RCPT {ADA}", UNKNOWN)
    critical: dict[str, Any] = {
        "kind": "security",
        "data": {"location": "B", "instructions": "Leave it."},
    }
    async with emailing(smtp.url) as service:
        for _ in range(3):
            await mail(service)
        assert (await mail(service, **critical)) == ("failed", UNKNOWN)
        assert [each["refusals"] for each in await suspended(service)] == [4]
        smtp.always(f"RCPT {ADA}", None)
        assert (await mail(service, **critical)) == ("sent", "")
        assert await suspended(service) == []


async def test_a_change_of_address_clears_the_old_one(smtp: SmtpServer, emailing: Emailing) -> None:
    smtp.always(f"RCPT {ADA}", UNKNOWN)
    async with emailing(smtp.url) as service:
        user = await add_user(service.service, Role.viewer, email=ADA)
        for _ in range(3):
            await mail(service)
        answer = await service.http.patch(f"/v1/users/{user.id}", json={"email": BOB})
        assert answer.status_code == 200, answer.text
        assert await suspended(service) == []
        assert service.service.refused.known == {}


async def test_nothing_in_memory_keeps_the_address_of_a_person_who_was_erased(
    service: Running,
) -> None:
    user = await add_user(service.service, Role.viewer, email=ADA)
    await service.service.refused.report_dead("email", ADA, UNKNOWN)
    answer = await service.http.delete(f"/v1/users/{user.id}", params={"erase": True})
    assert answer.status_code == 204, answer.text
    assert service.service.refused.known == {}


async def test_a_number_that_a_receipt_reports_dead_is_skipped(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = "tel:+33612345678"
    async with HttpServer(Reply(202, "0: Accepted for delivery")) as kannel:
        monkeypatch.setenv("FLASHNOTIFY_SMS_URL", f"kannel://user:secret@{kannel.host}")
        async with running(Service(ServiceConfig(), clock)) as service:
            id = await service.send(to=[number], channels=["sms"])
            await service.completed(id)
            url = kannel.requests[-1].query["dlr-url"].replace("%d", "2")
            path = "/v1/receipts/" + url.partition("/v1/receipts/")[2]
            assert (await service.anonymous.get(path)).status_code == 200
            (found,) = await suspended(service)
            assert (found["channel"], found["address"]) == ("sms", number[4:])
            id = await service.send(to=[number], channels=["sms"])
            await service.completed(id)
            assert (await service.get(f"/v1/notifications/{id}"))["counts"] == {
                "sms": {"skipped": 1}
            }
        assert len(kannel.requests) == 1
