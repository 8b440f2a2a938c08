"""Whoever has neither `read:all` nor `admin` sees and cancels only what it sent."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.running import ACADEMIC, Running

SENDING = ("notify:academic", "read")
Headers = dict[str, str]


class Two:
    """Two senders, each with a notification that was sent, and whoever sees both."""

    def __init__(self, service: Running) -> None:
        self.service = service

    async def prepare(self) -> None:
        self.one, self.other = [await self.service.key(*SENDING) for _ in range(2)]
        self.reader = await self.service.key("read:all", *SENDING)
        self.ids = [await self.send(key) for key in (self.one, self.other)]
        for id in self.ids:
            await self.service.completed(id)

    async def send(self, key: Headers, **changes: Any) -> str:
        answer = await self.service.anonymous.post(
            "/v1/notifications", json=ACADEMIC | changes, headers=key
        )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def listed(self, path: str, key: Headers, **params: Any) -> Sequence[str]:
        """Return the notifications of the items of a list, oldest first."""
        answer = await self.service.anonymous.get(path, headers=key, params=params)
        assert answer.status_code == 200, answer.text
        items = answer.json()["items"]
        return [item.get("notification_id") or item["id"] for item in reversed(items)]

    async def status(self, method: str, path: str, key: Headers) -> int:
        answer = await self.service.anonymous.request(method, path, headers=key)
        if answer.status_code == 404:
            assert answer.json()["detail"] == "No notification has this id."
        return answer.status_code


@pytest.fixture
async def two(service: Running) -> Two:
    made = Two(service)
    await made.prepare()
    return made


@pytest.mark.parametrize("path", ["/v1/notifications", "/v1/deliveries", "/v1/outbox"])
async def test_a_list_has_only_what_its_reader_sent(two: Two, path: str) -> None:
    assert await two.listed(path, two.one) == two.ids[:1]
    assert await two.listed(path, two.other) == two.ids[1:]
    assert await two.listed(path, two.reader) == two.ids
    nobody = await two.service.key("read")
    assert await two.listed(path, nobody) == []


async def test_filters_keep_to_what_their_reader_sent(two: Two) -> None:
    two.ids.append(await two.send(two.one, reference="exam", priority="high"))
    await two.send(two.other, reference="exam", priority="high")
    await two.service.completed(two.ids[-1])
    own = [two.ids[0], two.ids[2]]
    for given, found in (
        ({"kind": "academic"}, own),
        ({"kind": "weather"}, []),
        ({"status": "completed", "outcome": "all_sent"}, own),
        ({"reference": "exam"}, own[1:]),
        ({"reference": "exam", "priority": "low"}, []),
        ({"priority": "high"}, own[1:]),
        ({"until": "2000-01-01T00:00:00Z"}, []),
    ):
        assert await two.listed("/v1/notifications", two.one, **given) == found, given
    for given, found in (
        ({"to": "ada@univ.example"}, own),
        ({"channel": "email", "status": "sent", "kind": "academic"}, own),
        ({"channel": "sms"}, []),
        ({"status": "sending"}, []),
    ):
        assert await two.listed("/v1/deliveries", two.one, **given) == found, given
    assert await two.listed("/v1/outbox", two.one, channel="email") == own


@pytest.mark.parametrize(
    ("method", "path", "seen"),
    [
        ("GET", "/v1/notifications/{id}", 200),
        ("GET", "/v1/notifications/{id}?wait=60", 200),
        ("GET", "/v1/notifications/{id}?include=to", 200),
        ("GET", "/v1/notifications/{id}/deliveries", 200),
        ("GET", "/v1/outbox?notification={id}", 200),
        ("GET", "/v1/outbox?notification={id}&wait=60", 200),
        ("POST", "/v1/notifications/{id}/retry", 404),
        ("POST", "/v1/notifications/{id}/cancel", 404),
    ],
)
async def test_what_others_sent_is_as_if_it_were_not_there(
    two: Two, method: str, path: str, seen: int
) -> None:
    own, foreign = (path.format(id=id) for id in two.ids)
    # Completed ones cannot be cancelled any more.
    assert await two.status(method, own, two.one) == (409 if "cancel" in path else 200)
    assert await two.status(method, foreign, two.one) == 404
    assert await two.status(method, foreign, two.reader) == seen


async def test_an_admin_cancels_what_others_sent(two: Two) -> None:
    id = await two.send(two.one, delay="1h")
    assert await two.status("POST", f"/v1/notifications/{id}/cancel", two.other) == 404
    admin = await two.service.key("admin")
    assert await two.status("POST", f"/v1/notifications/{id}/cancel", admin) == 200
    actors = two.service.service.archive.audit
    entry = await actors.last()
    assert entry is not None
    assert (entry.action, entry.target) == ("notification.cancelled", f"notification:{id}")
    assert admin["Authorization"].startswith(f"Bearer fn_{entry.actor}_")


async def test_a_sender_without_the_scope_to_read_cancels_its_own(two: Two) -> None:
    sender = await two.service.key("notify:academic")
    id = await two.send(sender, delay="1h")
    assert await two.status("POST", f"/v1/notifications/{id}/cancel", sender) == 200
    assert await two.status("GET", f"/v1/notifications/{id}", sender) == 403
