"""Who may do what: every route, with every scope and role, on what one sent and what others sent.

docs/security.md has the result as a table, which DOCS=write in the environment writes.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from flashnotify.api.browser_sessions import SESSION
from flashnotify.app import Service
from flashnotify.archive.identity_records import User
from flashnotify.archive.records import Finish, OutboxMessage
from flashnotify.domain import DeliveryStatus, Role
from flashnotify.identity.roles import user_principal
from flashnotify.settings import ServiceConfig
from tests.docs.generated_text import DOCS, assert_generated
from tests.support.manual_clock import ManualClock
from tests.support.people import GOOD, add_user
from tests.support.records import Records
from tests.support.running import ACADEMIC, Running, running

PAGE = DOCS / "security.md"
BEGIN, END = "<!-- From here on: tests/integration/test_permissions.py -->\n\n", "\n<!-- To here"
SENT = Finish(DeliveryStatus.sent)
NOWHERE = UUID("01a204ab-133f-7000-95d3-66f8d33980d8")
# By the heading of its column in the table.
SCOPES = {
    f"`{scope}`": frozenset({scope})
    for scope in ("read", "read:all", "devices", "notify:academic", "notify:*", "admin")
}
ROLES = {
    str(role): user_principal(User(NOWHERE, "Ada", role, 0, kinds=frozenset({"academic"}))).scopes
    for role in (Role.sender, Role.viewer, Role.service, Role.admin)
}
COLUMNS = ("nobody", *SCOPES, *ROLES)
# Lists that have what belongs to notifications, and the paths about one of these.
LISTS = ("/v1/notifications", "/v1/deliveries", "/v1/outbox")
ABOUT_ONE = "/v1/notifications/{id}"


# The page has what keys get there.
FOR_PEOPLE = ("POST /v1/auth/password",)


class Caller(NamedTuple):
    """What proves who somebody is, and the id that their notifications are filed under."""

    headers: Mapping[str, str]
    id: str


Way = Callable[[Running, str], Awaitable[Caller]]


async def by_key(service: Running, column: str) -> Caller:
    headers = await service.key(*(SCOPES | ROLES)[column], max_priority="critical")
    return Caller(headers, headers["Authorization"].split("_")[1])


async def by_token(service: Running, column: str) -> Caller:
    email = f"{column}@univ.example"
    user = await add_user(service.service, Role(column), email=email)
    form = {"grant_type": "password", "username": email, "password": GOOD}
    answer = await service.anonymous.post("/v1/auth/token", data=form)
    assert answer.status_code == 200, answer.text
    return Caller({"Authorization": f"Bearer {answer.json()['access_token']}"}, f"user:{user.id}")


async def by_session(service: Running, column: str) -> Caller:
    user = await add_user(service.service, Role(column), email=f"{column}@univ.example")
    cookie = await service.service.identity.sessions.begin(user, None, None)
    headers = {"Cookie": f"{SESSION}={cookie}", "Sec-Fetch-Site": "same-origin"}
    return Caller(headers, f"user:{user.id}")


# The ways of proving who one is, and the columns that each can be tried with.
WAYS: dict[str, tuple[Way, tuple[str, ...]]] = {
    "key": (by_key, (*SCOPES, *ROLES)),
    "token": (by_token, tuple(ROLES)),
    "session": (by_session, tuple(ROLES)),
}


class Matrix:
    """The answers to each request of each caller."""

    def __init__(self, service: Running, clock: ManualClock) -> None:
        self.service = service
        self.records = Records(service.service.archive, clock.now)
        self.cells: dict[tuple[str, str], str] = {}

    async def fill(self, column: str, caller: Caller) -> None:
        document = (await self.service.anonymous.get("/openapi.json")).json()
        for path, operations in sorted(document["paths"].items()):
            for method in operations:
                if path in LISTS and method == "get":
                    await self.lists(column, caller, path)
                elif path.startswith(ABOUT_ONE):
                    await self.about_one(column, caller, method, path)
                else:
                    answer = await self.answer(caller, method, path)
                    self.cells[f"{method.upper()} {path}", column] = answer

    async def answer(self, caller: Caller, method: str, path: str) -> str:
        """Return how a request is refused, or that it is let in: then it may lack something."""
        headers: dict[str, str] = dict(caller.headers)
        body: Any = {} if method != "get" else None
        if path == "/v1/events":
            # Without an end, it could not be waited for.
            headers["Last-Event-ID"] = "x"
        if path in ("/v1/notifications", "/v1/notifications/batch"):
            body = ACADEMIC if path == "/v1/notifications" else [ACADEMIC]
        path = path.format(kind="academic", id=NOWHERE, delivery_id=NOWHERE, token="x")
        answer = await self.service.anonymous.request(method, path, headers=headers, json=body)
        assert answer.status_code < 500, (path, answer.text)
        return str(answer.status_code) if answer.status_code in (401, 403) else "yes"

    async def about_one(self, column: str, caller: Caller, method: str, path: str) -> None:
        for whose, sender in (("own", caller.id), ("foreign", "another")):
            one, _ = await self.records.fanned_out(1, sender=sender)
            answer = await self.service.anonymous.request(
                method, path.format(id=one.id), headers=caller.headers
            )
            status = answer.status_code
            shown = str(status) if status in (401, 403, 404) else "yes"
            self.cells[f"{method.upper()} {path}, {whose}", column] = shown

    async def lists(self, column: str, caller: Caller, path: str) -> None:
        for whose, sender in (("own", caller.id), ("foreign", "another")):
            one, [(_, [delivery])] = await self.records.fanned_out(1, sender=sender)
            message = OutboxMessage(
                *(self.records.id(), one.id, delivery.id, "email", delivery.address),
                *(None, "x", None, one.accepted_at),
            )
            await self.records.record(one, delivery, [], SENT, one.accepted_at, message)
            answer = await self.service.anonymous.get(path, headers=caller.headers)
            if answer.status_code == 200:
                found = [i.get("notification_id") or i["id"] for i in answer.json()["items"]]
                shown = "yes" if str(one.id) in found else "no"
            else:
                shown = str(answer.status_code)
            self.cells[f"GET {path}, {whose}", column] = shown

    def table(self) -> str:
        """Return the table of the page."""
        lines = [f"| request | {' | '.join(COLUMNS)} |", "| --- " * (len(COLUMNS) + 1) + "|"]
        for row in dict.fromkeys(row for row, _ in self.cells):
            cells = [self.cells[row, column] for column in COLUMNS]
            path, _, whose = row.partition(", ")
            lines.append(f"| `{path}`{whose and f', {whose}'} | {' | '.join(cells)} |")
        return "\n".join(lines) + "\n"


@pytest.mark.parametrize("way", WAYS)
async def test_each_request_is_answered_as_the_page_says(way: str, clock: ManualClock) -> None:
    prove, columns = WAYS[way]
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        matrix = Matrix(service, clock)
        await matrix.fill("nobody", Caller({}, "nobody"))
        for column in columns:
            await matrix.fill(column, await prove(service, column))
    if columns == COLUMNS[1:]:
        assert_generated(PAGE, BEGIN, matrix.table(), END)
    else:
        written = _cells(PAGE.read_text())
        written |= {(row, column): "yes" for row in FOR_PEOPLE for column in columns}
        assert {at: written[at] for at in matrix.cells} == matrix.cells


def _cells(page: str) -> dict[tuple[str, str], str]:
    """Return the cells of the table of a page."""
    cells: dict[tuple[str, str], str] = {}
    for line in page.partition(BEGIN)[2].partition(END)[0].splitlines()[2:]:
        row, *values = (cell.strip() for cell in line.strip("|").split(" | "))
        path, _, whose = row.partition("`, ")
        name = path.strip("`") + (whose and f", {whose}")
        cells |= {(name, column): v for column, v in zip(COLUMNS, values, strict=True)}
    return cells
