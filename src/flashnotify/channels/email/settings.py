"""The settings of the email channel."""

import re
from collections.abc import Collection
from email.utils import getaddresses, parseaddr
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ValidationInfo
from pydantic_settings import NoDecode

from flashnotify.channels.email import headers
from flashnotify.channels.transport import ChannelConfig, transport_urls
from flashnotify.errors import InvalidValue
from flashnotify.meta import Email, check_text, is_special_domain, is_within, setting

_DOMAIN = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*")


def _special_domains(value: object) -> object:
    """Return the domains in a setting, each with or without a leading dot."""
    if not isinstance(value, str):
        return value
    found = frozenset(word.lstrip("*.") for word in value.lower().replace(",", " ").split())
    if not all(map(_DOMAIN.fullmatch, found)):
        raise ValueError("it must be domains, separated by spaces")
    return found


def _sender(value: str, info: ValidationInfo) -> str:
    check_text(value, multiline=False)
    if len(getaddresses([value])) > 1:
        raise ValueError("it must be a single sender; put a name that contains a comma in quotes")
    _, address = parseaddr(value)
    checked = Email(special=True).validate(address)
    check_domain(checked, info.data.get("special_domains", ()))
    sender = value.replace(address, checked)
    headers.mailbox_header("From", *parseaddr(sender))
    return sender


def check_domain(address: str, special_domains: Collection[str]) -> None:
    """Raise `InvalidValue` for a domain of a local network that is not in `special_domains`."""
    host = address.rpartition("@")[2]
    if is_special_domain(host) and not is_within(host, special_domains):
        raise InvalidValue(
            "not_an_email_address",
            f"the domain {host} is known in a local network only; if your mail server knows it, "
            f"set FLASHNOTIFY_EMAIL_SPECIAL_DOMAINS={host.rpartition('.')[2]}",
        )


class EmailConfig(ChannelConfig):
    """Settings for email."""

    url = transport_urls(
        "EMAIL_URL",
        of="email",
        example="smtp://user:password@mail.univ.example:587?starttls=require",
    )
    # Before the sender, which it may allow.
    special_domains: Annotated[frozenset[str], NoDecode, BeforeValidator(_special_domains)] = (
        setting(
            "",
            env="EMAIL_SPECIAL_DOMAINS",
            help="Domains of a local network that email may go to, separated by spaces; addresses "
            "at localhost and below .local and .test are refused otherwise.",
            example="localhost local test lan",
        )
    )
    sender: Annotated[str, AfterValidator(_sender)] = setting(
        "FlashNotify <flashnotify@campus.example>",
        env="EMAIL_FROM",
        help="Sender of email.",
        example="Campus <noreply@univ.example>",
    )
