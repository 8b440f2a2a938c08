"""The demo shows what there is."""

from datetime import datetime
from zoneinfo import ZoneInfo

from flashnotify.app import DECLARATIONS
from flashnotify.cli.demo.examples import examples
from flashnotify.domain import USER
from flashnotify.meta.registry import CHANNELS, NOTIFIERS, TEMPLATES

DEVICE = "push:01890a5d-ac96-774b-bcce-b302099a8057"


def test_there_is_one_of_each_kind_in_each_language_and_every_channel() -> None:
    assert DECLARATIONS
    shown = examples(datetime(2026, 12, 1, 9, tzinfo=ZoneInfo("Europe/Paris")), DEVICE)
    locales = {locale for templates in TEMPLATES.values() for locale in templates.locales}
    assert {(example["kind"], example["locale"]) for example in shown} == {
        (kind.kind, locale) for kind in NOTIFIERS.values() for locale in locales
    }
    schemes = {address.partition(":")[0] for example in shown for address in example["to"]}
    # The demo has no people, who alone have an inbox.
    assert schemes == {channel.__channel__.scheme for channel in CHANNELS.values()} - {USER}
