"""The tables of what is counted, kept by the writes themselves."""

from sqlalchemy.orm import Mapped, mapped_column

from flashnotify.archive.models import Base


class Total(Base):
    """The number of accepted notifications and ended deliveries, by ten minutes."""

    __tablename__ = "totals"

    since: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)  # empty for notifications
    status: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]


class Waiting(Base):
    """The number of queued deliveries by lane and the reason of their jobs, kept by the writes.

    Of fan-outs, whose channel is empty: the number of notifications.
    """

    __tablename__ = "waiting"

    channel: Mapped[str] = mapped_column(primary_key=True)
    priority: Mapped[int] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]


class Latency(Base):
    """The durations of attempts, by the minute: a row for each bucket of the histogram."""

    __tablename__ = "latencies"

    since: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    transport: Mapped[str] = mapped_column(primary_key=True)
    bucket: Mapped[int] = mapped_column(primary_key=True)
    attempts: Mapped[int]
    failures: Mapped[int]
