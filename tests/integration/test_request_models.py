"""The request model of a kind: every fault is named with a pointer into the caller's document."""

from typing import Any

import pytest

from tests.support.running import ACADEMIC, Running


async def faults(service: Running, **changes: Any) -> list[str]:
    """The pointers of a 422. What is None is left out of the document."""
    document = {k: v for k, v in (ACADEMIC | changes).items() if v is not None}
    answer = await service.http.post("/v1/notifications", json=document)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return [error["pointer"] for error in answer.json()["errors"]]


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"kind": None}, "/kind"),
    ({"kind": ["academic"]}, "/kind"),
    ({"kind": "nothing"}, "/kind"),
    ({"title": None}, "/title"),
    ({"title": "a\nb"}, "/title"),
    ({"title": "x" * 201}, "/title"),
    ({"title": 5}, "/title"),
    ({"body": ""}, "/body"),
    ({"body": "a\x00"}, "/body"),
    ({"body": "é" * 32_769}, "/body"),
    ({"to": None}, "/to"),
    ({"to": []}, "/to"),
    ({"to": "mailto:a@univ.example"}, "/to"),
    ({"to": ["mailto:a@univ.example", 5]}, "/to/1"),
    ({"to": ["mailto:a@univ.example", "b@univ.example"]}, "/to/1"),
    ({"to": ["mailto:a@univ.example"] * 10_001}, "/to"),
    ({"priority": "urgent"}, "/priority"),
    ({"priority": 3}, "/priority"),
    ({"channels": []}, "/channels"),
    ({"channels": "email"}, "/channels"),
    ({"channels": ["email", "pigeon"]}, "/channels/1"),
    ({"channels": [{}]}, "/channels/0"),
    ({"channels": [["email"], ["email"]]}, "/channels/0"),
    ({"data": None}, "/data/course"),
    ({"data": []}, "/data"),
    ({"data": {}}, "/data/course"),
    ({"data": {"course": "A", "colour": "red"}}, "/data/colour"),
    ({"data": {"course": "A", "starts_at": "soon"}}, "/data/starts_at"),
    ({"locale": "français"}, "/locale"),
    ({"locale": "fr\n"}, "/locale"),
    ({"send_at": "2026-12-01T08:00:00"}, "/send_at"),
    ({"send_at": "9999-12-31T23:59:59-01:00"}, "/send_at"),
    ({"expires_at": "soon"}, "/expires_at"),
    ({"expires_at": "2000-01-01T00:00:00Z"}, "/expires_at"),
    (
        {"send_at": "2030-01-01T00:00:00Z", "expires_at": "2030-01-01T00:00:00Z"},
        "/expires_at",
    ),
    ({"reference": "a\r\nb"}, "/reference"),
    ({"reference": "x" * 201}, "/reference"),
    ({"a/b~c": 1}, "/a~1b~0c"),
]


async def test_points_at_the_fault(service: Running) -> None:
    """All with one service: it takes longer to start than to refuse."""
    missed = [
        (changes, pointer, found)
        for changes, pointer in FAULTS
        if pointer not in (found := await faults(service, **changes))
    ]
    assert missed == []
    assert (await service.get("/v1/notifications"))["items"] == []


async def test_names_every_fault_at_once(service: Running) -> None:
    found = await faults(service, title="", to=[], priority="x", data={"room": 1})
    assert sorted(found) == ["/data/course", "/data/room", "/priority", "/title", "/to"]


async def test_a_channel_named_twice_counts_once(service: Running) -> None:
    id = await service.send(channels=["email", "email"])
    shown = await service.completed(id)
    assert shown["channels"] == ["email"]
    assert shown["counts"] == {"email": {"sent": 1}}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"kind": "\\ud800"}'])
async def test_a_body_that_is_not_a_json_object_is_a_400(service: Running, body: bytes) -> None:
    answer = await service.http.post(
        "/v1/notifications", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:flashnotify:problem:malformed-document"
