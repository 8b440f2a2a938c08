"""Nothing that one request asks for holds the event loop over 10 ms of CPU time."""

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import bindparam, update

from flashnotify.api.middleware import LocalSocket
from flashnotify.archive.models import Delivery
from flashnotify.archive.records import OutboxMessage
from flashnotify.archive.sql.changes import Stage, Statement, row_of
from flashnotify.archive.sql.deliveries import ADD_ATTEMPT, ADD_OUTBOX_MESSAGE
from tests.support.loop_steps import BOUND, MEASUREMENTS, longest_step
from tests.support.running import ACADEMIC, Running

MANY = 16 * 1024 * 1024
BATCH = "/v1/notifications/batch"
LINES = {"content_type": "application/x-ndjson"}
ARRAY = {"content_type": "application/json"}
# Bytes of a body that a server receives at once.
_CHUNK = 64 * 1024
LATER = ACADEMIC | {"send_at": "2027-12-01T08:00:00+01:00"}


class Client:
    """Calls the app without an HTTP client, whose own work would count. Answers are not kept."""

    def __init__(self, service: Running) -> None:
        self._app = LocalSocket(service.service.app())

    async def request(
        self, method: str, path: str, body: bytes = b"", query: str = "", **headers: str
    ) -> int:
        """Return the status of the answer."""
        starts = iter(range(0, max(len(body), 1), _CHUNK))
        status = 0

        async def receive() -> dict[str, Any]:
            # Each chunk comes in a turn of its own.
            await asyncio.sleep(0)
            start = next(starts, -1)
            if start < 0:
                # Nobody leaves before the end of the answer.
                await asyncio.Event().wait()
            chunk = body[start : start + _CHUNK]
            return {
                "type": "http.request",
                "body": chunk,
                "more_body": start + _CHUNK < len(body),
            }

        async def send(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()],
        }
        await self._app(scope, receive, send)
        return status


@pytest.fixture
def client(service: Running) -> Client:
    return Client(service)


def lines(documents: Iterator[dict[str, Any]], number: int) -> bytes:
    return b"\n".join(json.dumps(each).encode() for each in itertools.islice(documents, number))


def with_unknown_domains() -> Iterator[dict[str, Any]]:
    for number in itertools.count():
        to = [f"mailto:a@{number}-{other}.univ.example" for other in range(55)]
        yield LATER | {"to": to}


DOMAINS = with_unknown_domains()
WRONG = itertools.repeat(ACADEMIC | {"to": ["mailto:a@"] * 100})
UNKNOWN = {f"a{number}": 1 for number in range(190)}
FIELDS = itertools.repeat(LATER | UNKNOWN | {"data": UNKNOWN})
LONG = itertools.repeat(LATER | {"body": "x" * (1024 * 1024 - 400)})
NESTED: Iterator[dict[str, Any]] = itertools.repeat({"x": [[]] * 3700})
PLAIN = itertools.repeat(LATER)
TWICE = json.dumps({f"a{number}": 1 for number in range(3000)})[:-1].encode() + b',"a2999":1}'


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (lambda: b'[{"x":[' + b"[]," * (MANY // 3 - 9) + b"[]]}]", ARRAY),
        (lambda: b"[{}" + b" " * (MANY - 4) + b"]", ARRAY),
        (lambda: b"[" + b"\n" * (MANY - 5) + b"{x}]", ARRAY),
        (lambda: b'[{"x":"' + b"\\n" * (MANY // 2 - 5) + b'"}]', ARRAY),
        (lambda: b"[" + b"1" * (MANY - 2) + b"]", ARRAY),
        (lambda: b"1" * MANY, LINES),
        (lambda: b"\n".join([TWICE] * 20), LINES),
        (lambda: b"\n" * MANY, LINES),
        (lambda: b"\r\n" * (MANY // 2), LINES),
        (lambda: lines(NESTED, 300), LINES),
        (lambda: lines(DOMAINS, 30), LINES),
        (lambda: lines(WRONG, 200), LINES),
        (lambda: lines(FIELDS, 200), LINES),
        (lambda: lines(LONG, 4), LINES | {"idempotency_key": "k"}),
        (lambda: lines(PLAIN, 1500), LINES),
    ],
    ids=[
        "nested lists",
        "space in an array",
        "a mistake after blank lines",
        "a long string",
        "a long number",
        "a long line",
        "a key twice",
        "blank lines",
        "blank lines with CR",
        "many nested lists",
        "unknown domains",
        "wrong addresses",
        "unknown fields",
        "a key and long documents",
        "many notifications",
    ],
)
async def test_a_batch(client: Client, body: Callable[[], bytes], headers: dict[str, str]) -> None:
    contents = iter([body() for _ in range(MEASUREMENTS)])

    async def send() -> None:
        status = await client.request("POST", BATCH, next(contents), **headers)
        assert status in (202, 400, 422)

    assert await longest_step(send) < BOUND


async def test_a_notification_to_ten_thousand(client: Client) -> None:
    to = [f"mailto:a{number}@univ.example" for number in range(10_000)]
    content = json.dumps(LATER | {"to": to}).encode()

    async def send() -> None:
        key = {"idempotency_key": "k"} | ARRAY
        assert await client.request("POST", "/v1/notifications", content, **key) == 202

    assert await longest_step(send) < BOUND


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/v1/notifications", next(FIELDS)),
        ("/v1/devices", {"type": "ntfy", **{f"a{number}": 1 for number in range(1200)}}),
        ("/v1/api-keys", {f"a{number}": 1 for number in range(4000)}),
    ],
)
async def test_unknown_fields(client: Client, path: str, document: dict[str, Any]) -> None:
    async def send() -> None:
        assert await client.request("POST", path, json.dumps(document).encode(), **ARRAY) == 422

    assert await longest_step(send) < BOUND


async def read(client: Client, path: str) -> None:
    assert await client.request("GET", path, query="limit=200") == 200


async def test_a_page_of_deliveries_with_many_attempts(service: Running, client: Client) -> None:
    id = await service.send(to=[f"mailto:a{number}@univ.example" for number in range(200)])
    await service.completed(id)
    path = f"/v1/notifications/{id}/deliveries"
    one = {"at": 0, "duration_ms": 1.5, "transport": "smtp", "outcome": "retryable"}
    texts = {"answer": "451 4.7.1 Greylisted, please come back later", "reference": "<a@b.example>"}
    attempts = [
        (ADD_ATTEMPT, {**one, **texts, "delivery_id": UUID(delivery["id"]), "number": number})
        for delivery in (await service.get(path, limit=200))["items"]
        for number in range(2, 8)
    ]
    made = Statement(update(Delivery).values(attempts=bindparam("made")), Stage.completions)
    await service.service.writer.write(*attempts, (made, {"made": 7}))
    assert await longest_step(lambda: read(client, path)) < BOUND
    assert await longest_step(lambda: read(client, "/v1/deliveries")) < BOUND
    found = await service.get(path, limit=1)
    assert [attempt["number"] for attempt in found["items"][0]["attempts"]] == [3, 4, 5, 6, 7]


async def test_a_page_of_long_captured_messages(service: Running, client: Client) -> None:
    id = await service.send(send_at="2027-12-01T08:00:00+01:00")
    text = "Déjà vu\n" * 7000
    messages = [
        OutboxMessage(
            id=service.service.ids(),
            notification_id=UUID(id),
            delivery_id=service.service.ids(),
            channel="email",
            address="ada@univ.example",
            subject=None,
            text=text,
            html=text,
            captured_at=0,
        )
        for _ in range(200)
    ]
    rows = [(ADD_OUTBOX_MESSAGE, row_of(message)) for message in messages]
    await service.service.writer.write(*rows)

    assert await longest_step(lambda: read(client, "/v1/outbox")) < BOUND


CSV, QUERY = {"content_type": "text/csv"}, "create_groups=true"


@pytest.mark.parametrize(
    ("line", "many", "status"),
    [
        ("etu{0},Ada {0},ada{0}@univ.example,+3361{0:07d},l{1};c{1},Nord\n", 1500, 200),
        ("etu{0},,a@,12,X X,\n", 1500, 422),
        ("\n", 40_000, 200),
        ('etu{0},"{2}",,,,\n', 300, 422),
    ],
    ids=["people", "bad lines", "blank lines", "long cells"],
)
async def test_an_import(client: Client, line: str, many: int, status: int) -> None:
    header, cell = "external_id,name,email,phone,groups,attributes.campus\n", "x" * 20_000

    def body(first: int) -> bytes:
        """Return a file of others each time."""
        people = range(first, first + many)
        return (header + "".join(line.format(n, n % 30, cell) for n in people)).encode()

    contents = iter([body(number * many) for number in range(MEASUREMENTS)])

    async def send() -> None:
        path = "/v1/users/import"
        assert await client.request("POST", path, next(contents), QUERY, **CSV) == status

    assert await longest_step(send) < BOUND
