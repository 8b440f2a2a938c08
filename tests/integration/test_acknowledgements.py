"""Acknowledging a notification, by the link in its messages or signed in; reminding the rest."""

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from flashnotify.app import Service
from flashnotify.archive.identity_records import User
from flashnotify.identity.acknowledgement_links import AcknowledgementLinks
from flashnotify.identity.roles import user_principal
from flashnotify.identity.secret import Secret
from flashnotify.settings import ServiceConfig
from tests.support.manual_clock import ManualClock
from tests.support.people import add_user
from tests.support.running import Running, running

LINK = re.compile(r"http://127\.0\.0\.1:8000(/a/[\w-]{32})(?![\w-])")
BROWSER = {"Accept": "text/html", "Origin": "https://mail.example", "Accept-Language": "en"}


@pytest.fixture
async def service(clock: ManualClock) -> AsyncIterator[Running]:
    async with running(Service(ServiceConfig(), clock)) as found:
        yield found


async def add(service: Running, number: int, **values: Any) -> User:
    values = {"email": f"p{number}@univ.example", "name": f"P {number}", "locale": "en"} | values
    return await add_user(service.service, **values)


async def asked(service: Running, *to: str, **changes: Any) -> str:
    """Send what is to be acknowledged, and return its id once it is sent."""
    id = await service.send(
        **{"to": list(to), "acknowledge": True, "channels": ["email"]} | changes
    )
    await service.completed(id)
    return id


async def messages(service: Running, id: str) -> dict[str, dict[str, Any]]:
    found = await service.get("/v1/outbox", notification=id, limit=200)
    return {message["to"]: message for message in found["items"]}


async def paths(service: Running, id: str) -> dict[str, str]:
    """Return the path of the link in each message, by its address."""
    found = {}
    for to, message in (await messages(service, id)).items():
        [path] = LINK.findall(message["text"])
        found[to] = path
    return found


async def counts(service: Running, id: str) -> tuple[int, int, int]:
    found = await service.get(f"/v1/notifications/{id}/acknowledgements")
    return found["recipients"], found["acknowledged"], found["silent"]


async def press(service: Running, path: str) -> str:
    """Press the button, and return the page that follows."""
    answer = await service.anonymous.post(path, headers=BROWSER)
    assert answer.status_code == 303, answer.text
    page = await service.anonymous.get(answer.headers["location"], headers=BROWSER)
    assert page.status_code == 200
    return page.text


async def test_each_message_has_its_link_in_the_language_of_its_recipient(service: Running) -> None:
    ada = await add(service, 0, locale="fr", phone="+33612345678")
    to = (f"user:{ada.id}", "mailto:plain@univ.example")
    id = await asked(service, *to, channels=["email", "sms"], locale="en")
    found = await messages(service, id)
    assert len(set((await paths(service, id)).values())) == 3
    french = found["p0@univ.example"]
    text, _, signature = french["text"].partition("\n-- \n")
    assert "Merci de confirmer que vous avez lu ce message" in text
    assert LINK.search(text)
    assert signature
    [path] = LINK.findall(french["html"])
    assert f'<a href="http://127.0.0.1:8000{path}"' in french["html"]
    assert "J’ai lu ce message</a>" in french["html"]
    assert found["plain@univ.example"]["html"].count("I have read this</a>") == 1
    assert re.search(r"\nConfirmez : http\S+$", found["+33612345678"]["text"])


async def test_a_long_sms_keeps_its_link_within_its_segments(service: Running) -> None:
    id = await asked(service, "tel:+33612345678", channels=["sms"], body="long " * 200)
    text = (await messages(service, id))["+33612345678"]["text"]
    assert len(text) <= 306
    assert re.search(r"long\.\.\.\nConfirm: http://127\.0\.0\.1:8000/a/[\w-]{32}$", text)


async def test_a_look_at_the_page_acknowledges_nothing(service: Running) -> None:
    id = await asked(service, "mailto:a@univ.example", title="<Exam>", body="x " * 1000)
    [path] = (await paths(service, id)).values()
    for method in ("GET", "HEAD"):
        page = await service.anonymous.request(method, path, headers=BROWSER)
        assert page.status_code == 200
    page = await service.anonymous.get(path, headers=BROWSER)
    assert "&lt;Exam&gt;" in page.text
    assert "x …" in page.text or "x…" in page.text
    assert len(page.text) < 3000
    assert "<script" not in page.text
    assert await counts(service, id) == (1, 0, 1)


async def test_the_button_acknowledges_once(service: Running, clock: ManualClock) -> None:
    id = await asked(service, "mailto:a@univ.example", "mailto:b@univ.example")
    found = await paths(service, id)
    assert "Thank you" in await press(service, found["a@univ.example"])
    first = (await service.get(f"/v1/notifications/{id}/acknowledgements"))["items"]
    await clock.advance(3600)
    assert "Thank you" in await press(service, found["a@univ.example"])
    assert (await service.get(f"/v1/notifications/{id}/acknowledgements"))["items"] == first
    assert await counts(service, id) == (2, 1, 1)


async def test_the_page_speaks_french(service: Running) -> None:
    ada = await add(service, 0, locale="fr-CA", first_name="Ada")
    id = await asked(service, f"user:{ada.id}", title="((first_name)), lisez", personalised=True)
    [path] = (await paths(service, id)).values()
    page = await service.anonymous.get(path, headers=BROWSER)
    assert "J’ai lu ce message" in page.text
    assert "<h1>Ada, lisez</h1>" in page.text
    assert 'lang="fr"' in page.text


@pytest.mark.parametrize("change", [lambda t: t[:-1] + "A", lambda t: t[:-4], lambda t: "é" * 32])
async def test_a_forged_link_is_none(service: Running, change: Any) -> None:
    id = await asked(service, "mailto:a@univ.example")
    [path] = (await paths(service, id)).values()
    forged = "/a/" + change(path.removeprefix("/a/")[:-1] + "_")
    for method in ("GET", "POST"):
        answer = await service.anonymous.request(method, forged, headers=BROWSER)
        assert answer.status_code == 404
    assert await counts(service, id) == (1, 0, 1)


def test_a_link_survives_the_rotation_of_the_secret() -> None:
    id = UUID("01a204ab-133f-7000-95d3-66f8d33980d8")
    link = AcknowledgementLinks(Secret(lambda: b"old"), "https://n.example/x/").link(id)
    assert re.fullmatch(r"https://n\.example/x/a/[\w-]{32}", link)
    token = link.rpartition("/")[2]
    assert AcknowledgementLinks(Secret(lambda: b"new", [b"old"]), "").read(token) == id
    assert AcknowledgementLinks(Secret(lambda: b"new"), "").read(token) is None


async def test_a_person_acknowledges_signed_in(service: Running) -> None:
    ada, bob = await add(service, 0), await add(service, 1)
    id = await asked(service, f"user:{ada.id}", "mailto:x@univ.example")

    async def acknowledge(user: User) -> Any:
        principal = user_principal(user)
        grant = await service.service.identity.grants.issue(principal, None, "password", None)
        headers = {"Authorization": f"Bearer {grant.access_token}"}
        return await service.anonymous.post(f"/v1/notifications/{id}/acknowledge", headers=headers)

    assert (await acknowledge(bob)).status_code == 404
    first = await acknowledge(ada)
    assert first.status_code == 200, first.text
    assert (await acknowledge(ada)).json() == first.json()
    assert (await service.http.post(f"/v1/notifications/{id}/acknowledge")).status_code == 404
    assert await counts(service, id) == (2, 1, 1)


async def test_the_list_tells_who_has_and_who_has_not(service: Running) -> None:
    users = [await add(service, number, phone=f"+3361234567{number}") for number in range(3)]
    id = await asked(
        service,
        *(f"user:{user.id}" for user in users),
        "mailto:plain@univ.example",
        channels=["email", "sms"],
    )
    found = await paths(service, id)
    assert len(found) == 7
    await press(service, found["+33612345671"])
    await press(service, found["p1@univ.example"])
    path = f"/v1/notifications/{id}/acknowledgements"
    # Each person once, though they have two messages.
    everybody = await service.get(path)
    assert len(everybody["items"]) == 4
    [one] = (await service.get(path, status="acknowledged"))["items"]
    assert one == {
        "recipient": f"user:{users[1].id}",
        "name": "P 1",
        "status": "acknowledged",
        "acknowledged_at": one["acknowledged_at"],
        "channel": "sms",
    }
    silent: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await service.get(path, status="silent", limit=1, **cursor)
        silent += [each["recipient"] for each in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    wanted = {f"user:{users[0].id}", f"user:{users[2].id}", "mailto:plain@univ.example"}
    assert len(silent) == 3
    assert set(silent) == wanted


async def test_who_may_not_see_people_sees_masked_addresses(service: Running) -> None:
    key = await service.key("notify:academic", "read:all")
    id = await asked(service, "mailto:plain@univ.example")
    path = f"/v1/notifications/{id}/acknowledgements"
    answer = await service.anonymous.get(path, headers=key)
    [item] = answer.json()["items"]
    assert (item["recipient"], item["name"]) == ("mailto:p***@univ.example", None)


async def remind(service: Running, id: str, **headers: str) -> Any:
    return await service.http.post(f"/v1/notifications/{id}/remind", headers=headers)


async def test_a_reminder_reaches_the_silent_only(service: Running) -> None:
    users = [await add(service, n, locale=locale) for n, locale in enumerate(("fr", "en", "en"))]
    id = await asked(
        service, *(f"user:{user.id}" for user in users), "mailto:plain@univ.example", title="Exam"
    )
    found = await paths(service, id)
    await press(service, found["p1@univ.example"])
    answer = await remind(service, id)
    assert answer.status_code == 202, answer.text
    reminder = answer.json()["id"]
    shown = await service.completed(reminder)
    assert (shown["reminds_of"], shown["recipients"], shown["title"]) == (id, 3, "Exam")
    subjects = {to: m["subject"] for to, m in (await messages(service, reminder)).items()}
    assert subjects == {
        "p0@univ.example": "[ALG-2] Rappel\N{NO-BREAK SPACE}: Exam",
        "p2@univ.example": "[ALG-2] Reminder: Exam",
        "plain@univ.example": subjects["plain@univ.example"],
    }
    # Its links are about the first message, and a reminder of it is one of that.
    await press(service, (await paths(service, reminder))["p2@univ.example"])
    assert await counts(service, id) == await counts(service, reminder) == (4, 2, 2)
    second = (await remind(service, reminder)).json()["id"]
    assert (await service.completed(second))["reminds_of"] == id
    assert set(await messages(service, second)) == {"p0@univ.example", "plain@univ.example"}


async def test_a_reminder_is_sent_once_for_a_key(service: Running) -> None:
    id = await asked(service, "mailto:a@univ.example")
    first, again = [await remind(service, id, **{"Idempotency-Key": "k"}) for _ in range(2)]
    assert first.json()["id"] == again.json()["id"]
    assert again.headers["idempotent-replayed"] == "true"


async def test_who_acknowledges_before_a_reminder_is_sent_is_left_out(clock: ManualClock) -> None:
    """The SMS of a reminder wait for the end of quiet hours, which the acknowledgement precedes."""
    async with running(Service(ServiceConfig(), clock)) as service:
        id = await asked(
            service, "mailto:a@univ.example", "tel:+33612345678", channels=["email", "sms"]
        )
        found = await paths(service, id)
        await clock.advance(14 * 3600)
        reminder = (await remind(service, id)).json()["id"]
        await service.until(
            f"/v1/notifications/{reminder}", lambda n: n["counts"].get("sms") == {"queued": 1}
        )
        await press(service, found["+33612345678"])
        await clock.advance(12 * 3600)
        await service.completed(reminder)
        deliveries = await service.get(f"/v1/notifications/{reminder}/deliveries", channel="sms")
        [sms] = deliveries["items"]
        assert sms["status"] == "skipped"
        assert sms["reason"] == "acknowledged before the reminder was sent"


async def test_what_cannot_be_reminded_of_is_refused_in_words(
    service: Running, clock: ManualClock
) -> None:
    unasked = await service.send()
    done = await asked(service, "mailto:a@univ.example")
    await press(service, (await paths(service, done))["a@univ.example"])
    later = await service.send(acknowledge=True, delay="2h")
    cancelled = await service.send(acknowledge=True, delay="2h")
    await service.http.post(f"/v1/notifications/{cancelled}/cancel")
    expects = {
        unasked: "not_asked",
        done: "none_silent",
        later: "not_sent_yet",
        cancelled: "notification_cancelled",
    }
    for id, code in expects.items():
        answer = await remind(service, id)
        assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert (
        await service.http.get(f"/v1/notifications/{unasked}/acknowledgements")
    ).status_code == 409


async def test_only_who_sent_it_may_remind(service: Running) -> None:
    id = await asked(service, "mailto:a@univ.example")
    key = await service.key("notify:academic", "read:all")
    answer = await service.anonymous.post(f"/v1/notifications/{id}/remind", headers=key)
    assert answer.status_code == 404


async def test_acknowledgements_are_purged_with_their_notification(
    service: Running, clock: ManualClock
) -> None:
    id = await asked(service, "mailto:a@univ.example", "mailto:b@univ.example")
    found = await paths(service, id)
    for path in found.values():
        await press(service, path)
    purge = service.service.archive.maintenance.purge_notifications
    while await purge("academic", (), clock.now() + 1, 1):
        pass
    assert (await service.http.get(f"/v1/notifications/{id}/acknowledgements")).status_code == 404
    page = await service.anonymous.post(found["a@univ.example"], headers=BROWSER)
    assert page.status_code == 404
    assert "It may have ended" in page.text


async def test_nobody_acknowledges_for_who_was_erased_nor_reminds_them(service: Running) -> None:
    gone, here = await add(service, 1), await add(service, 2)
    id = await asked(service, f"user:{gone.id}", f"user:{here.id}")
    links = await paths(service, id)
    await service.http.delete(f"/v1/users/{gone.id}", params={"erase": "true"})
    answer = await service.anonymous.post(links["p1@univ.example"], headers=BROWSER)
    assert answer.status_code == 404
    assert await counts(service, id) == (2, 0, 2)
    found = await service.get(f"/v1/notifications/{id}/acknowledgements")
    assert [each["recipient"] for each in found["items"]] == [f"user:{here.id}"]
    reminder = (await service.http.post(f"/v1/notifications/{id}/remind")).json()["id"]
    await service.completed(reminder)
    sent = await service.get(f"/v1/notifications/{reminder}/deliveries")
    assert {each["to"] for each in sent["items"]} == {"p2@univ.example"}
