"""Mistakes in a request are explained by what the person typed."""

import json

import pytest

from flashnotify.cli.error_messages import explain

DOCUMENT = {"to": ["mailto:a@univ.example", "ada"], "data": {"floor": "2"}, "scopes": ["party"]}


@pytest.mark.parametrize(
    ("pointer", "typed"),
    [
        ("/priority", "--priority: "),
        ("/send_at", "--send-at: "),
        ("/to/1", "--to ada: "),
        ("/scopes/0", "--scope party: "),
        ("/channels", "--channel: "),
        ("/data/floor", "--data floor: "),
        ("/data/a~1b~0c", "--data a/b~c: "),
        ("/body", "BODY: "),
        ("/id", "ID: "),
        ("", ""),
    ],
)
def test_a_pointer_names_what_was_typed(pointer: str, typed: str) -> None:
    problem = {"errors": [{"pointer": pointer, "detail": "is wrong"}]}
    assert explain(422, json.dumps(problem).encode(), DOCUMENT) == f"{typed}is wrong"


def test_without_mistakes_the_detail_is_shown() -> None:
    assert explain(404, b'{"detail": "Not here."}') == "Not here."


@pytest.mark.parametrize("body", [b"", b"not JSON", b"[]", b"{}", b'{"errors": [{}]}'])
def test_an_answer_without_a_reason(body: bytes) -> None:
    shown = explain(502, body)
    assert shown == "serve answered 502 without a reason. Check its log."
