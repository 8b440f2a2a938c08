"""The table of docs/transports.md: when each channel tries again."""

from flashnotify import app
from flashnotify.delivery.retry import RetryConfig
from flashnotify.meta.registry import CHANNELS

__all__ = ["policies_table"]


def policies_table() -> str:
    """Return a table of the retry and breaker policies of every channel."""
    assert app.DECLARATIONS  # importing the composition root declares every channel
    lines = [
        "| channel | longest wait | retried for | `critical`: longest wait | retried for "
        "| breaker opens after | for (`critical`) |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for channel in CHANNELS.values():
        spec = channel.__channel__
        retry, breaker = RetryConfig().applied_to(spec.retry), spec.breaker
        hurried = f"{retry.urgent_cap:g} s for {retry.urgent_period / 3600:g} h, then as the others"
        cells = (
            spec.name,
            f"{retry.cap / 60:g} min",
            f"{retry.lifetime / 3600:g} h",
            hurried if retry.urgent_cap < retry.cap else "as the others",
            f"{max(retry.lifetime, retry.urgent_lifetime) / 3600:g} h",
            f"{breaker.failures} failures in a row",
            f"{breaker.recovery:g} s ({min(breaker.recovery, breaker.urgent_recovery):g} s)",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
