"""docs/transports.md has every transport with its URL forms, and says what it posts.

After an intended change: `DOCS=write make test ARGS=tests/docs/test_transports.py`.
"""

import json
import re
from typing import Any
from uuid import UUID

import pytest

from flashnotify.app import TRANSPORTS
from flashnotify.channels.push.channel import PushToOne
from flashnotify.channels.push.ntfy import _document
from flashnotify.channels.push.webpush import payload
from flashnotify.channels.transport import Transport
from flashnotify.domain import Device, DeviceType, Message, Priority, Rendering
from flashnotify.meta.registry import CHANNELS
from tests.docs.generated_text import DOCS, assert_generated
from tests.docs.policies_table import policies_table

PAGE = DOCS / "transports.md"
BEGIN = "<!-- policies: tests/docs/test_transports.py -->\n"
END = "<!-- end of policies -->"
CLASSES = list(dict.fromkeys(cls for classes in TRANSPORTS.values() for cls in classes))
ID = UUID("01a204ab-133f-7000-95d3-66f8d33980d8")


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_form_of_a_url_is_there(cls: type[Transport[Any]]) -> None:
    page = PAGE.read_text()
    for scheme in cls.schemes:
        assert f"`{'name=URL' if scheme == '*' else f'{scheme}:'}" in page
    # The first form in the docstring, as it stands there.
    form = re.match(r"`([^`]+)`", cls.__doc__ or "")
    assert form is None or form[1] in page


def test_every_channel_is_there_with_its_setting() -> None:
    page = PAGE.read_text()
    for channel in CHANNELS.values():
        spec = channel.__channel__
        if spec.url_setting is None:
            assert f"| {spec.name} | none | `{spec.scheme}:" in page
            continue
        default = f"`{spec.url_setting.default}`" if spec.url_setting.default else "no destination"
        row = rf"^\| {spec.name} \| `{spec.url_setting.env}` \| `{spec.scheme}:.+ \| {default} \|$"
        assert re.search(row, page, re.MULTILINE), spec.name


def test_the_policies_are_those_of_the_code() -> None:
    assert_generated(PAGE, BEGIN, policies_table(), END)


def test_what_is_posted_is_shown_as_it_is() -> None:
    blocks = re.findall(r"^```json\n(.*?)```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    _, webpush, ntfy = map(json.loads, blocks)
    device = Device(ID, DeviceType.ntfy, "ada-5Hk2xQ")
    rendering = Rendering("en", {"push_title": "Room changed", "push": "B204"})
    message = Message(ID, "x", rendering, 0, priority=Priority.low, device=device)
    push = PushToOne(message, device)
    assert json.loads(payload(push)) == webpush
    assert _document(push) == ntfy
