"""Mail domains that only a local network knows, such as `localhost` and `mail.local`."""

from collections.abc import Collection

from email_validator import SPECIAL_USE_DOMAIN_NAMES


def is_special_domain(host: str) -> bool:
    """Return whether a domain is reserved for other uses (RFC 6761), or has a single label."""
    return "." not in host or host.rpartition(".")[2] in SPECIAL_USE_DOMAIN_NAMES


def is_within(host: str, domains: Collection[str]) -> bool:
    """Return whether a domain is one of `domains` or below one."""
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)
