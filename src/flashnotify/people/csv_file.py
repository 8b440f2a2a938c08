"""CSV files (RFC 4180): decoded, and split into records, each with the number of its line."""

import codecs
import csv
from collections.abc import Iterator, Sequence
from mmap import mmap
from typing import NamedTuple

from flashnotify.errors import DocumentTooLarge, MalformedDocument

# By how often spreadsheets write them.
_DELIMITERS = (",", ";", "\t")
# Bytes of a line, and lines of a record: a line more would hold the event loop too long.
_MAX_LINE = 64 * 1024
_MAX_SPAN = 50
_MAX_LINES = 250_000
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CONVERT = "Save it as CSV UTF-8, or convert it: iconv -f {} -t UTF-8 FILE."


class Record(NamedTuple):
    """What stands on a line, or on several: its fields, or why they cannot be told apart."""

    line: int
    fields: Sequence[str]
    mistake: str | None = None


class CsvFile:
    """The records of a file in memory.

    A byte order mark is skipped. The delimiter is the one of comma, semicolon and tab that makes
    `column` a column of the header.

    Raises:
        MalformedDocument: the file as a whole cannot be read: it is not UTF-8, or quotes never end.
        DocumentTooLarge: it has too many lines, or one is too long.
    """

    def __init__(self, body: bytes | mmap, column: str) -> None:
        if body[:2] in _UTF_16 or b"\0" in body[:64]:
            raise _unreadable(f"The file is not UTF-8 but UTF-16. {_CONVERT.format('UTF-16')}")
        self._body = body
        self.bom = body[:3] == codecs.BOM_UTF8
        self._at = 3 if self.bom else 0
        # The last line read, and the last before the record.
        self._line = self._before = 0
        self._lines = self._decoded()
        self.delimiter, self.header = _header(next(self._lines, ""), column)

    @property
    def progress(self) -> float:
        """The part of the file that has been read, from 0 to 1."""
        return self._at / max(len(self._body), 1)

    def records(self) -> Iterator[Record]:
        """Yield the records behind the header, one for each empty line too."""
        reader = csv.reader(self._lines, delimiter=self.delimiter, strict=True)
        while True:
            self._before = self._line
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Record(self._before + 1, (), self._mistake(str(error)))
            else:
                yield Record(self._before + 1, fields)

    def _mistake(self, reason: str) -> str:
        """Return what is wrong with a record, or raise if it may go on to the end of the file."""
        if "limit" in reason or "end of data" in reason:
            raise self._never_ends()
        span = f", up to line {self._line}" if self._line > self._before + 1 else ""
        return f"its quotes cannot be understood{span}: inside of a field, write each twice"

    def _never_ends(self) -> MalformedDocument:
        return _unreadable(f"The quotes that begin on line {self._before + 1} never end.")

    def _decoded(self) -> Iterator[str]:
        while self._at < len(self._body):
            if self._line - self._before >= _MAX_SPAN:
                raise self._never_ends()
            end = self._body.find(b"\n", self._at) + 1 or len(self._body)
            self._line += 1
            if end - self._at > _MAX_LINE or self._line > _MAX_LINES:
                raise DocumentTooLarge(
                    f"Line {self._line} is one too many, or longer than {_MAX_LINE} bytes: import "
                    f"at most {_MAX_LINES} lines at once.",
                    code="too_many_lines",
                )
            try:
                line = self._body[self._at : end].decode()
            except UnicodeDecodeError:
                raise _unreadable(
                    f"Line {self._line} is not UTF-8. {_CONVERT.format('WINDOWS-1252')}"
                ) from None
            self._at = end
            yield line


def _header(line: str, column: str) -> tuple[str, Sequence[str]]:
    """Return the delimiter of a header, and its columns. Raise `MalformedDocument` if unknown."""
    for delimiter in _DELIMITERS:
        try:
            fields = next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error:
            continue
        columns = [field.strip() for field in fields]
        if column in columns:
            return delimiter, columns
    raise MalformedDocument(
        f"The first line must have the names of the columns, {column} among them, separated by "
        "commas, semicolons or tabs.",
        code="missing_column",
    )


def _unreadable(detail: str) -> MalformedDocument:
    return MalformedDocument(f"{detail} Nothing was imported.")
