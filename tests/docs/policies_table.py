"""The table of docs/transports.md: when each channel tries again."""

from flashnotify import app
from flashnotify.meta.registry import CHANNELS

__all__ = ["policies_table"]


def policies_table() -> str:
    """Return a table of the retry and breaker policies of every channel."""
    assert app.DECLARATIONS  # importing the composition root declares every channel
    lines = [
        "| channel | first wait | longest wait | retried for | `critical`: longest wait "
        "| breaker opens after | for (`critical`) |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for channel in CHANNELS.values():
        spec = channel.__channel__
        retry, breaker = spec.retry, spec.breaker
        cells = (
            spec.name,
            f"{retry.base:g} s",
            f"{retry.cap / 60:g} min",
            f"{retry.lifetime / 3600:g} h",
            f"{min(retry.cap, retry.urgent_cap):g} s",
            f"{breaker.failures} failures in a row",
            f"{breaker.recovery:g} s ({min(breaker.recovery, breaker.urgent_recovery):g} s)",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
