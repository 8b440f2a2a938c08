"""Addresses, as those see them who may not see whose they are."""


def masked(uri: str) -> str:
    """Return a URI with most of its address hidden: `mailto:a…@univ.example`, `tel:…78`."""
    scheme, _, value = uri.partition(":")
    local, at, host = value.rpartition("@")
    if at:
        return f"{scheme}:{local[:1]}…@{host}"
    return f"{scheme}:…{value[-2:]}" if scheme == "tel" else uri
