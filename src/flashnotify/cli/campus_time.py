"""Times as commands show and take them: in the time zone of the campus."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flashnotify.archive.sqlite.location import configured
from flashnotify.errors import SettingsError

_VARIABLE = "FLASHNOTIFY_TIMEZONE"


@dataclass(frozen=True, slots=True)
class CampusTime:
    """The campus's time zone, or this machine's if there is none."""

    zone: ZoneInfo | None

    @property
    def name(self) -> str:
        """The zone's name, to stand beside times."""
        return str(self.zone or datetime.now().astimezone().tzname())

    def show(self, moment: str) -> str:
        """Return a time of the API to the second, without an offset."""
        return f"{datetime.fromisoformat(moment).astimezone(self.zone):%Y-%m-%d %H:%M:%S}"

    def readable(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Return an item of the API with its times as `show` returns them."""
        return {
            name: self.show(value) if (name.endswith("_at") or name == "since") and value else value
            for name, value in item.items()
        }

    def parse(self, text: str | None, option: str) -> str | None:
        """Return a time as the API takes it. `text` may be `today`, or lack an offset.

        Raise `SettingsError` if it is not a time; the message names the option it was given to.
        """
        if text is None:
            return None
        try:
            moment = datetime.now(self.zone) if text == "today" else datetime.fromisoformat(text)
        except ValueError:
            example = "must be a date and time such as 2026-12-01T08:00, a date, or today"
            raise SettingsError(f"{option}: {example}") from None
        if text == "today":
            moment = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self.zone)
        return moment.astimezone(self.zone).isoformat()


def campus_time() -> CampusTime:
    """Return the times of the campus of these settings."""
    name = configured(_VARIABLE)
    try:
        return CampusTime(ZoneInfo(name) if name else None)
    except (ValueError, OSError, LookupError):
        raise SettingsError(
            f"{_VARIABLE}={name}: there is no such time zone. Example: {_VARIABLE}=Europe/Paris"
        ) from None
