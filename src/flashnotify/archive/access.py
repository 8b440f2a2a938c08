"""What the parts of the archive read and write through."""

from __future__ import annotations

from flashnotify.archive.reads.reading import Reading
from flashnotify.archive.writer import Writer


class Access:
    """Connections: `reader` for the work itself, `lists` for people who look at it, `writer`.

    Lists have connections of their own, so that many people looking never delay a delivery.
    """

    def __init__(self, reader: Reading, lists: Reading, writer: Writer) -> None:
        self._reader = reader
        self._lists = lists
        self._writer = writer
