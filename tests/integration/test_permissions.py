"""Who may do what: every route, with every scope and role, on what one sent and what others sent.

docs/security.md has the result as a table, which DOCS=write in the environment writes.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from flashnotify.app import Service
from flashnotify.archive.identity_records import User
from flashnotify.archive.records import Finish, OutboxMessage
from flashnotify.domain import DeliveryStatus
from flashnotify.settings import ServiceConfig
from tests.docs.generated_text import DOCS, assert_generated
from tests.support.callers import ROLES, SCOPES, WAYS, Caller, by_key, by_session, by_token, person
from tests.support.manual_clock import ManualClock
from tests.support.records import Records
from tests.support.running import ACADEMIC, Running, running

PAGE = DOCS / "security.md"
BEGIN, END = "<!-- From here on: tests/integration/test_permissions.py -->\n\n", "\n<!-- To here"
SENT = Finish(DeliveryStatus.sent)
NOWHERE = UUID("01a204ab-133f-7000-95d3-66f8d33980d8")
# What stands in a path for a name: nobody has these.
NAMES = {"user": "nobody", "slug": "nothing"}
# These describe themselves, and are not in the OpenAPI document.
SCIM = (
    *((method, "/scim/v2/Users/{id}") for method in ("GET", "PUT", "PATCH", "DELETE")),
    *((method, "/scim/v2/Groups/{id}") for method in ("GET", "PUT", "PATCH", "DELETE")),
    *(("GET", f"/scim/v2/{name}") for name in ("Users", "Groups", "Schemas", "ResourceTypes")),
    ("GET", "/scim/v2/ServiceProviderConfig"),
    *(("POST", f"/scim/v2/{name}") for name in ("Users", "Users/.search", "Groups", "Bulk")),
    ("POST", "/scim/v2/Groups/.search"),
)
COLUMNS = ("nobody", *SCOPES, *ROLES)
# Lists that have what belongs to notifications, and the paths about one of these.
LISTS = ("/v1/notifications", "/v1/deliveries", "/v1/outbox")
ABOUT_ONE = "/v1/notifications/{id}"
ABOUT_SESSION = "/v1/auth/sessions/{id}"
ABOUT_DEVICE = "/v1/devices/{id}"
# The page has what keys get there.
OWN = (" /v1/me/", " /v1/inbox")
FOR_PEOPLE = ("POST /v1/auth/password", f"DELETE {ABOUT_SESSION}, own")
# The same, if they may read.
FOR_READERS = ("POST /v1/devices", f"GET {ABOUT_DEVICE}, own", f"DELETE {ABOUT_DEVICE}, own")


class Matrix:
    """The answers to each request of each caller."""

    def __init__(self, service: Running, records: Records) -> None:
        self.service = service
        self.records = records
        self.cells: dict[tuple[str, str], str] = {}
        # Other people, by what is done to them.
        self.people: dict[str, User] = {}

    async def fill(self, column: str, caller: Caller) -> None:
        document = (await self.service.anonymous.get("/openapi.json")).json()
        for path, operations in sorted(document["paths"].items()):
            for method in operations:
                if path in LISTS and method == "get":
                    await self.lists(column, caller, path)
                elif path.startswith(ABOUT_ONE):
                    await self.about_one(column, caller, method, path)
                elif path == ABOUT_SESSION:
                    await self.about_session(column, caller, method)
                elif path == ABOUT_DEVICE:
                    await self.about_device(column, caller, method)
                else:
                    id = await self.others(path)
                    answer = await self.answer(caller, method, path, id)
                    self.cells[f"{method.upper()} {path}", column] = answer
                    if caller.user is not None and path.startswith("/v1/users/{id}"):
                        await self.about_oneself(caller, method, path, answer)
        for method, path in SCIM:
            answer = await self.answer(caller, method.lower(), path, NOWHERE)
            self.cells[f"{method} {path}", column] = answer

    async def others(self, path: str) -> UUID | str:
        """Return the id of a user or key of somebody else, that a path is about."""
        if path.startswith("/v1/users/{id}"):
            return (await self.other("users")).id
        if path.startswith("/v1/api-keys/{id}"):
            return (await by_key(self.service, "`read`")).id
        return NOWHERE

    async def other(self, what: str) -> User:
        if what not in self.people:
            self.people[what] = await person(self.service, "member")
        return self.people[what]

    async def about_oneself(self, caller: Caller, method: str, path: str, others: str) -> None:
        """Nobody gets more of themselves by these paths than of others."""
        assert caller.user is not None
        if others != "yes":
            assert await self.answer(caller, method, path, caller.user.id) == others, path

    async def about_session(self, column: str, caller: Caller, method: str) -> None:
        other = await self.other("sessions")
        for whose, user in (("own", caller.user or other), ("foreign", other)):
            sessions = self.service.service.identity.sessions
            await sessions.begin(user, None, None)
            [newest, *_] = await sessions.of_user(user.id)
            answer = await self.answer(caller, method, ABOUT_SESSION, newest.id)
            self.cells[f"{method.upper()} {ABOUT_SESSION}, {whose}", column] = answer

    async def about_device(self, column: str, caller: Caller, method: str) -> None:
        other = await self.other("devices")
        for whose, user in (("own", caller.user or other), ("foreign", other)):
            topic = f"t{self.records.id().hex}"
            device = {"type": "ntfy", "topic": topic, "user_id": str(user.id)}
            made = await self.service.http.post("/v1/devices", json=device)
            answer = await self.answer(caller, method, ABOUT_DEVICE, made.json()["id"])
            self.cells[f"{method.upper()} {ABOUT_DEVICE}, {whose}", column] = answer

    async def answer(self, caller: Caller, method: str, path: str, id: UUID | str) -> str:
        """Return how a request is refused, or that it is let in: then it may lack something."""
        refused = (401, 403) if id is NOWHERE else (401, 403, 404)
        headers: dict[str, str] = dict(caller.headers)
        body: Any = {} if method != "get" else None
        if path in ("/v1/events", "/v1/inbox/events"):
            # Without an end, it could not be waited for.
            headers["Last-Event-ID"] = "x"
        if path in ("/v1/notifications", "/v1/notifications/batch"):
            body = ACADEMIC if path == "/v1/notifications" else [ACADEMIC]
        path = path.format(kind="academic", id=id, delivery_id=NOWHERE, token="x", **NAMES)
        answer = await self.service.anonymous.request(method, path, headers=headers, json=body)
        assert answer.status_code < 500, (path, answer.text)
        return str(answer.status_code) if answer.status_code in refused else "yes"

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
        matrix = Matrix(service, Records(service.service.archive, clock.now))
        await matrix.fill("nobody", Caller({}, "nobody"))
        for column in columns:
            await matrix.fill(column, await prove(service, column))
    if way == "key":
        assert_generated(PAGE, BEGIN, matrix.table(), END)
    written = _cells(PAGE.read_text())
    if way in ("token", "session"):
        own = {row for row, _ in matrix.cells if row in FOR_PEOPLE or any(o in row for o in OWN)}
        written |= {(row, column): "yes" for row in own for column in columns}
        readers = [column for column in columns if written["GET /v1/devices", column] == "yes"]
        written |= {(row, column): "yes" for row in FOR_READERS for column in readers}
        others = f"DELETE {ABOUT_DEVICE}, foreign"
        written |= {(others, c): "404" for c in readers if written[others, c] == "403"}
    assert {at: written[at] for at in matrix.cells} == matrix.cells


async def _revoked_key(service: Running, clock: ManualClock) -> Caller:
    caller = await by_key(service, "admin")
    await service.http.delete(f"/v1/api-keys/{caller.id}")
    return caller


async def _expired_token(service: Running, clock: ManualClock) -> Caller:
    caller = await by_token(service, "admin")
    await clock.advance(15 * 60)
    return caller


async def _revoked_token(service: Running, clock: ManualClock) -> Caller:
    caller = await by_token(service, "admin")
    token = caller.headers["Authorization"].partition(" ")[2]
    await service.anonymous.post("/v1/auth/revoke", data={"token": token})
    return caller


async def _idle_session(service: Running, clock: ManualClock) -> Caller:
    caller = await by_session(service, "admin")
    await clock.skip(8 * 3600)
    return caller


async def _deactivated(service: Running, clock: ManualClock) -> Caller:
    caller = await by_session(service, "admin")
    assert caller.user is not None
    await person(service, "admin")
    answer = await service.http.post(f"/v1/users/{caller.user.id}/deactivate")
    assert answer.is_success, answer.text
    return caller


Ended = Callable[[Running, ManualClock], Awaitable[Caller]]
ENDED: tuple[Ended, ...] = (
    *(_revoked_key, _revoked_token, _deactivated),
    *(_expired_token, _idle_session),
)


async def test_what_has_ended_is_nobody(clock: ManualClock) -> None:
    written = _cells(PAGE.read_text())
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        # One maker of ids, so that the newest is first in lists.
        records = Records(service.service.archive, clock.now)
        for end in ENDED:
            matrix = Matrix(service, records)
            await matrix.fill("nobody", (await end(service, clock))._replace(user=None))
            assert {at: written[at] for at in matrix.cells} == matrix.cells, end.__name__


def _cells(page: str) -> dict[tuple[str, str], str]:
    """Return the cells of the table of a page."""
    cells: dict[tuple[str, str], str] = {}
    for line in page.partition(BEGIN)[2].partition(END)[0].splitlines()[2:]:
        row, *values = (cell.strip() for cell in line.strip("|").split(" | "))
        path, _, whose = row.partition("`, ")
        name = path.strip("`") + (whose and f", {whose}")
        cells |= {(name, column): v for column, v in zip(COLUMNS, values, strict=True)}
    return cells
