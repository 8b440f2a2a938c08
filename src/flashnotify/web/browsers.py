"""The names of browsers, as people know them."""

import re

# In this order: most pretend to be one of those further down.
_BROWSERS = (
    ("Edge", r"Edg"),
    ("Opera", r"OPR/"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Firefox", r"Firefox/|FxiOS/"),
    ("Chrome", r"Chrome/|CriOS/"),
    ("Safari", r"Safari/"),
)
_SYSTEMS = (
    ("Android", r"Android"),
    ("iPhone", r"iPhone"),
    ("iPad", r"iPad"),
    ("Windows", r"Windows"),
    ("macOS", r"Mac OS X"),
    ("Linux", r"Linux|X11"),
)


def browser_name(user_agent: str | None) -> str | None:
    """Return the browser and system of a `User-Agent`, such as `Firefox, Linux`, if known."""
    found = (
        next((name for name, sign in signs if re.search(sign, user_agent or "")), None)
        for signs in (_BROWSERS, _SYSTEMS)
    )
    return ", ".join(filter(None, found)) or None
