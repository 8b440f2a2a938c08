"""Which title and body a recipient reads."""

from dataclasses import replace
from uuid import UUID

import pytest

from flashnotify.archive.records import Notification
from flashnotify.domain import NotificationStatus, Priority
from flashnotify.meta.language_lookup import lookup
from flashnotify.people.wording import words_for

ONE = UUID(int=1)
TEXTS = {
    "fr": {"title": "Salle", "body": "En B204."},
    "en-GB": {"title": "Room", "body": "In B204, please."},
    "pt_BR": {"title": "Sala", "body": "Em B204."},
}
PLAIN = Notification(
    ONE, "academic", "Raum", "In B204.", {}, (), Priority.low, None, "de", None, None, None,
    "local", NotificationStatus.sending, 0, 0, texts=TEXTS,
)  # fmt: skip


@pytest.mark.parametrize(
    ("locale", "title"),
    [
        ("fr", "Salle"),
        ("fr-CA", "Salle"),
        ("FR_ca", "Salle"),
        ("en-gb-oxendict", "Room"),
        ("pt-BR", "Sala"),
        # RFC 4647, section 3.4: a lookup only shortens what is wanted.
        ("en", "Raum"),
        ("pt", "Raum"),
        ("it", "Raum"),
    ],
)
def test_the_nearest_text_is_read(locale: str, title: str) -> None:
    assert words_for(PLAIN, locale).title == title


def test_without_a_text_for_them_people_read_that_of_the_notifications_language() -> None:
    assert words_for(replace(PLAIN, locale="fr-BE"), "it").title == "Salle"


def test_without_texts_everybody_reads_title_and_body() -> None:
    assert words_for(replace(PLAIN, texts=None), "fr") == ("Raum", "In B204.")


def test_text_that_is_not_personalised_stays_as_it_is() -> None:
    title = "f((first_name))"
    assert words_for(replace(PLAIN, title=title), "it").title == title


@pytest.mark.parametrize(
    ("locale", "title"),
    [
        ("fr", "Rappel\N{NO-BREAK SPACE}: Salle"),
        ("en-GB", "Reminder: Room"),
        ("it", "Reminder: Raum"),
    ],
)
def test_the_title_of_a_reminder_says_so(locale: str, title: str) -> None:
    assert words_for(replace(PLAIN, reminds_of=ONE), locale).title == title


def test_lookup_takes_the_first_that_falls_back_to_a_known_one() -> None:
    assert lookup(("en", "fr"), "de-CH", "fr-CH") == "fr"
    assert lookup(("en", "fr"), "de") is None
