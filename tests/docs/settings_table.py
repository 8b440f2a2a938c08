"""The table of docs/settings.md, as the declarations have it."""

import sys

from flashnotify import app
from flashnotify.meta.registry import CONFIGS

__all__ = ["settings_table"]


def settings_table() -> str:
    """Return the table in Markdown."""
    assert app.DECLARATIONS  # importing the composition root declares every config
    lines = [
        "| variable | type | default | what it sets | example |",
        "| --- | --- | --- | --- | --- |",
    ]
    for config in CONFIGS.values():
        for setting in config.settings:
            default = "" if setting.default is None else f"`{setting.default}`"
            name = f"`{setting.env}`" + (" (secret)" if setting.secret else "")
            lines.append(
                f"| {name} | {setting.type} | {default} | {setting.help} | `{setting.example}` |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(settings_table())
