"""Texts for each recipient: in their language, and with what the directory knows of them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from flashnotify.app import Service
from flashnotify.archive.identity_records import User
from flashnotify.domain import BATCH_SIZE
from flashnotify.settings import ServiceConfig
from tests.support.loop_steps import BOUND, longest_step
from tests.support.manual_clock import ManualClock
from tests.support.people import add_user
from tests.support.running import ACADEMIC, Running, running

TEXTS = {
    "fr": {"title": "Salle modifiée", "body": "L'examen a lieu en B204."},
    "en": {"title": "Room changed", "body": "The exam is in B204."},
}


@pytest.fixture
async def service(clock: ManualClock) -> AsyncIterator[Running]:
    async with running(Service(ServiceConfig(), clock)) as found:
        yield found


async def people(service: Running, *values: dict[str, Any]) -> list[User]:
    """Add users, whose email addresses are numbered."""
    return [
        await add_user(
            service.service, **{"email": f"p{number}@univ.example", "name": f"P {number}"} | each
        )
        for number, each in enumerate(values)
    ]


async def sent(service: Running, to: list[str], **changes: Any) -> dict[str, dict[str, Any]]:
    """Send, and return what was captured by address."""
    id = await service.send(to=to, **changes)
    await service.completed(id)
    found = await service.get("/v1/outbox", notification=id, limit=200)
    return {message["to"]: message for message in found["items"]}


def ids(users: list[User]) -> list[str]:
    return [f"user:{user.id}" for user in users]


async def test_each_recipient_gets_their_language(service: Running) -> None:
    found = await people(
        service, {"locale": "fr-CA"}, {"locale": "en-GB"}, {"locale": "de"}, {"locale": None}
    )
    to = [*ids(found), "mailto:plain@univ.example"]
    messages = await sent(service, to, title="Raum", body="In B204.", locale="fr", texts=TEXTS)
    subjects = {to: message["subject"] for to, message in messages.items()}
    french, english = "[ALG-2] Salle modifiée", "[ALG-2] Room changed"
    assert subjects == {
        "p0@univ.example": french,
        "p1@univ.example": english,
        "p2@univ.example": french,
        "p3@univ.example": french,
        "plain@univ.example": french,
    }
    # The words around it, too.
    assert "Message du service" in messages["p2@univ.example"]["text"]
    assert "Sent by" in messages["p1@univ.example"]["text"]


async def test_a_notification_shows_its_texts(service: Running) -> None:
    id = await service.send(texts=TEXTS, personalised=True)
    found = await service.get(f"/v1/notifications/{id}")
    assert found["texts"] == TEXTS
    assert (found["personalised"], found["acknowledge"], found["reminds_of"]) == (True, False, None)
    assert "texts" not in await service.get(f"/v1/notifications/{await service.send()}")


TEXT = {"title": "x", "body": "y"}


@pytest.mark.parametrize(
    ("texts", "pointer", "code"),
    [
        ({"french!": TEXT}, "/texts/french!", "not_a_locale"),
        ({"a/b": TEXT}, "/texts/a~1b", "not_a_locale"),
        ({"fr": {"title": "x"}}, "/texts/fr/body", "missing"),
        ({"fr": TEXT | {"to": "x"}}, "/texts/fr/to", "unknown_field"),
        ({"fr": {"title": "x\ny", "body": "y"}}, "/texts/fr/title", "line_break"),
        ({"fr": {"title": "x" * 1000, "body": "y"}}, "/texts/fr/title", "too_long"),
        ({"fr": {"title": "x", "body": "é" * 100_000}}, "/texts/fr/body", "too_long"),
        ({"fr-CA": TEXT, "fr_ca": TEXT}, "/texts/fr_ca", "conflict"),
        ({f"a{chr(97 + i)}": TEXT for i in range(21)}, "/texts", "too_many"),
        ({f"a{i}": 1 for i in range(1000)}, "/texts", "too_many"),
        ([TEXT], "/texts", "wrong_type"),
        ({"fr": "x"}, "/texts/fr", "wrong_type"),
    ],
)
async def test_a_wrong_text_is_refused(
    service: Running, texts: Any, pointer: str, code: str
) -> None:
    answer = await service.http.post("/v1/notifications", json=ACADEMIC | {"texts": texts})
    assert answer.status_code == 422, answer.text
    errors = answer.json()["errors"]
    assert [(error["pointer"], error["code"]) for error in errors] == [(pointer, code)]


async def test_each_person_gets_their_values_on_each_channel(service: Running) -> None:
    found = await people(
        service,
        {"first_name": "Ada", "attributes": {"room": "<B&204>"}, "phone": "+33612345678"},
        {"first_name": "Bob\r\nBcc: x@evil.example", "locale": "en", "phone": "+33612345679"},
    )
    messages = await sent(
        service,
        ids(found),
        personalised=True,
        title="((first_name)), see",
        body="Room ((attributes.room|to be announced)) for ((first_name)).",
        texts={"en": {"title": "Dear ((first_name))", "body": "((attributes.room|Somewhere))"}},
        locale="fr",
        channels=["email", "sms"],
    )
    ada, bob = messages["p0@univ.example"], messages["p1@univ.example"]
    assert ada["subject"] == "[ALG-2] Ada, see"
    assert "Room <B&204> for Ada." in ada["text"]
    assert "Room &lt;B&amp;204&gt; for Ada." in ada["html"]
    assert bob["subject"] == "[ALG-2] Dear Bob Bcc: x@evil.example"
    assert "Somewhere" in bob["text"]
    assert "Room <B&204> for Ada." in messages["+33612345678"]["text"]
    assert "Somewhere" in messages["+33612345679"]["text"]


async def test_a_text_is_cut_after_it_was_filled(service: Running) -> None:
    """The preview of an email has 150 characters, an SMS two segments: as they are read."""
    [ada] = await people(
        service, {"attributes": {"note": "n" * 140, "x": "y" * 400}, "phone": "+33612345678"}
    )
    body = "((attributes.note)) and more ((attributes.x))"
    messages = await sent(
        service, ids([ada]), personalised=True, body=body, channels=["email", "sms"], locale="en"
    )
    preview = messages["p0@univ.example"]["html"].partition('mso-hide:all">')[2]
    assert preview.partition("</div>")[0] == "n" * 140 + " and…"
    assert len(messages["+33612345678"]["text"]) <= 306
    assert messages["+33612345678"]["text"].endswith("...")


async def test_who_lacks_a_value_is_skipped_with_the_reason(service: Running) -> None:
    found = await people(service, {"first_name": "Ada"}, {"first_name": None})
    id = await service.send(
        to=ids(found), personalised=True, title="Dear ((first_name))", channels=["email"]
    )
    await service.completed(id)
    deliveries = await service.get(f"/v1/notifications/{id}/deliveries")
    status = {each["to"]: (each["status"], each["reason"]) for each in deliveries["items"]}
    assert status == {
        "p0@univ.example": ("sent", None),
        "p1@univ.example": (
            "skipped",
            "the person has no value for ((first_name)), which has no default",
        ),
    }


async def test_without_the_flag_text_stays_as_it_is(service: Running) -> None:
    messages = await sent(
        service, ["mailto:a@univ.example"], title="((first_name)) ((x", body="((y))"
    )
    assert messages["a@univ.example"]["subject"] == "[ALG-2] ((first_name)) ((x"


async def test_addresses_get_the_defaults(service: Running) -> None:
    messages = await sent(
        service, ["mailto:a@univ.example"], title="Dear ((first_name|all))", personalised=True
    )
    assert messages["a@univ.example"]["subject"] == "[ALG-2] Dear all"


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"title": "Dear ((firstname))"}, "/title", "unknown_placeholder"),
        ({"body": "Dear ((first_name))"}, "/body", "no_default"),
        ({"body": "((first_name|a (b)))"}, "/body", "malformed_placeholder"),
        (
            {"texts": {"fr": {"title": "x", "body": "((attributes.room))"}}},
            "/texts/fr/body",
            "no_default",
        ),
        ({"personalised": "yes"}, "/personalised", "wrong_type"),
    ],
)
async def test_what_nobody_can_fill_is_refused(
    service: Running, changes: dict[str, Any], pointer: str, code: str
) -> None:
    document = ACADEMIC | {"personalised": True} | changes
    answer = await service.http.post("/v1/notifications", json=document)
    assert answer.status_code == 422, answer.text
    errors = answer.json()["errors"]
    assert [(error["pointer"], error["code"]) for error in errors] == [(pointer, code)]


async def test_two_hundred_texts_hold_up_nothing(clock: ManualClock) -> None:
    """Each is made in the turn of its message."""
    async with running(Service(ServiceConfig(), clock)) as service:
        values = ({"first_name": f"Ada {n}", "locale": f"fr-{n:03}"} for n in range(BATCH_SIZE))
        to = ids(await people(service, *values))
        body = "((first_name)): ((attributes.room|to be announced)). " * 20

        async def work() -> None:
            await sent(service, to, personalised=True, acknowledge=True, body=body)

        assert await longest_step(work) < BOUND
