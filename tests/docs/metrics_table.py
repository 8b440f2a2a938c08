"""The table of docs/monitoring.md, as the metrics are declared."""

from collections.abc import Iterator

from flashnotify.meta.registry import NOTIFIERS
from flashnotify.telemetry.metrics import Metrics

__all__ = ["metrics_table"]


def metrics_table() -> str:
    """Return a table of every metric, with its labels."""
    lines = ["| metric | labels | what it shows |", "| --- | --- | --- |"]
    return "\n".join([*lines, *sorted(_rows(Metrics(NOTIFIERS.values())))]) + "\n"


def _rows(metrics: Metrics) -> Iterator[str]:
    for collector in vars(metrics).values():
        for family in getattr(collector, "describe", list)():
            name = family.name + ("_total" if family.type == "counter" else "")
            labels = ", ".join(f"`{label}`" for label in collector._labelnames)
            yield f"| `{name}` | {labels} | {family.documentation} |"
