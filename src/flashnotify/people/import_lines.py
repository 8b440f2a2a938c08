"""The lines of a file, each checked by itself and beside those before it."""

from bisect import insort
from collections.abc import Collection, Sequence

from flashnotify.errors import FieldError
from flashnotify.people.csv_file import Record
from flashnotify.people.import_columns import Columns, Line, mistake

# Mistakes that are listed.
_LISTED = 100


class Mistakes:
    """The `number` of bad lines, and the first mistakes in them, in the order of lines."""

    def __init__(self) -> None:
        self.number = 0
        self.listed: list[FieldError] = []

    def add(self, errors: Sequence[FieldError]) -> None:
        """Add the mistakes of a line, if it has any."""
        self.number += bool(errors)
        for error in errors[:_LISTED]:
            if len(self.listed) < _LISTED or line_of(error) < line_of(self.listed[-1]):
                insort(self.listed, error, key=line_of)
                del self.listed[_LISTED:]


def line_of(error: FieldError) -> int:
    """Return the number of the line that a mistake is in."""
    return int(error.pointer.split("/")[1])


class Lines:
    """The lines so far: those that are `good`, the `mistakes` in others, and who was `seen`.

    Of lines about the same person, or with the same email address, the first counts. `unreadable`
    are those of which nobody knows whom they are about.
    """

    def __init__(self, columns: Columns) -> None:
        self.good: list[Line] = []
        self.mistakes = Mistakes()
        self.seen: set[str] = set()
        self.number = self.unreadable = 0
        self._columns = columns
        self._email = columns.names.index("email") if "email" in columns.names else None
        self._emails: dict[str, int] = {}

    def add(self, record: Record) -> None:
        """Add what stands on a line, unless it is empty."""
        if not any(record.fields) and record.mistake is None:
            return
        self.number += 1
        if record.mistake is not None:
            self.unreadable += 1
            self.mistakes.add([mistake(record.line, "", "malformed", record.mistake)])
            return
        key = self._columns.key_of(record.fields)
        again = key is not None and key in self.seen
        if key is None:
            self.unreadable += 1
        else:
            self.seen.add(key)
        line = self._columns.line(record.line, record.fields)
        mistakes = self._repeated(line, again) if isinstance(line, Line) else line
        self.mistakes.add(mistakes)
        if isinstance(line, Line) and not mistakes:
            self.good.append(line)

    def drop(self, unchanged: Collection[int], bad: Sequence[FieldError]) -> None:
        """Take lines out that change nothing, and those that are bad, each with one mistake."""
        numbers = {line_of(error) for error in bad} | set(unchanged)
        for error in bad:
            self.mistakes.add([error])
        self.good = [line for line in self.good if line.number not in numbers]

    def _repeated(self, line: Line, again: bool) -> Sequence[FieldError]:
        if again:
            detail = "an earlier line is about this person too"
            return [mistake(line.number, "external_id", "duplicate", detail)]
        email = None if self._email is None else line.values[self._email]
        first = (
            line.number if email is None else self._emails.setdefault(email.lower(), line.number)
        )
        if first == line.number:
            return ()
        detail = f"line {first} has this email address too"
        return [mistake(line.number, "email", "duplicate", detail)]
