"""Addresses of people, as those see them who may not look people up."""

import re

from markupsafe import escape


def masked(address: str) -> str:
    """Return an email address or a phone number with its middle hidden.

    What is neither, such as the id of a device, tells nothing of a person and stays.
    """
    local, at, domain = address.rpartition("@")
    if at:
        return f"{local[:1]}***@{domain}"
    if address.startswith("+"):
        return f"{address[:4]}{'*' * (len(address) - 7)}{address[-3:]}"
    return address


def masked_in(text: str | None, address: str) -> str | None:
    """Return a text, such as a provider's answer, with an address in it masked."""
    if text is None or not address or (hidden := masked(address)) == address:
        return text
    # In HTML, an apostrophe is written differently.
    written = f"{re.escape(address)}|{re.escape(escape(address))}"
    return re.sub(written, lambda _: hidden, text, flags=re.IGNORECASE)
