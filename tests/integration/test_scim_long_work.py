"""Nothing that a SCIM client asks for holds the event loop over 10 ms of CPU time."""

import json
from typing import Any
from uuid import UUID

import pytest

from flashnotify.api.middleware import LocalSocket
from flashnotify.identity.audit import Actor
from tests.support.loop_steps import BOUND, longest_step
from tests.support.running import Running
from tests.support.scim import ADA, ENTERPRISE

PEOPLE = 1000


class Client:
    """Calls the app without an HTTP client, whose own work would count. Answers are not kept."""

    def __init__(self, service: Running) -> None:
        self._app = LocalSocket(service.service.app())

    async def request(self, method: str, path: str, document: Any = None, query: str = "") -> int:
        body = b"" if document is None else json.dumps(document).encode()
        status = 0

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)

        scope = {
            "type": "http",
            "method": method,
            "path": f"/scim/v2{path}",
            "query_string": query.encode(),
            "headers": [(b"content-type", b"application/scim+json")],
        }
        await self._app(scope, receive, send)
        return status


@pytest.fixture
async def client(service: Running) -> Client:
    client = Client(service)
    assert await client.request("GET", "/Schemas") == 200
    return client


async def a_thousand(service: Running) -> tuple[UUID, list[str]]:
    users, groups = service.service.identity.users, service.service.people.groups
    actor = Actor("local")
    group = await groups.create(actor, {"slug": "all", "name": "All"})
    fields: dict[str, Any] = {"role": "member", "first_name": "Ada", "attributes": {"title": "Dr"}}
    ids = [
        (await users.create(actor, fields | {"name": f"u{n}", "email": f"u{n}@univ.example"})).id
        for n in range(PEOPLE)
    ]
    await groups.add_members(actor, group.id, ids)
    return group.id, list(map(str, ids))


async def test_groups_and_lists_of_a_thousand(service: Running, client: Client) -> None:
    group, ids = await a_thousand(service)
    path = f"/Groups/{group}"
    members = [{"value": id} for id in ids]
    operations = [{"op": "remove", "path": f'members[value eq "{id}"]'} for id in ids]

    async def change() -> None:
        replaced = {"displayName": "All", "members": members}
        assert await client.request("PUT", path, replaced) == 200
        assert await client.request("PATCH", path, {"Operations": operations}) == 204
        added = {"op": "add", "path": "members", "value": members}
        assert await client.request("PATCH", path, {"Operations": [added]}) == 204

    async def read() -> None:
        assert await client.request("GET", path) == 200
        assert await client.request("GET", "/Groups") == 200
        assert await client.request("GET", "/Users", query="count=200") == 200

    assert await longest_step(change) < BOUND
    assert await longest_step(read) < BOUND


async def test_patches_and_bulk_requests(service: Running, client: Client) -> None:
    title = {"op": "replace", "path": "title", "value": "Dr"}
    value = {"name.givenName": "A", "active": "False", f"{ENTERPRISE}:department": "B"}
    mobile = {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "+33612345678"}
    assert await client.request("POST", "/Users", ADA) == 201
    user = await service.service.archive.users.find_external(ADA["externalId"])
    assert user is not None

    async def patch() -> None:
        operations = [title, mobile, {"op": "replace", "value": value}] * 20
        document = {"Operations": operations}
        assert await client.request("PATCH", f"/Users/{user.id}", document) == 200

    async def bulk() -> None:
        wrong = {"method": "POST", "path": "/Users", "bulkId": "b", "data": {"userName": ""}}
        named = {**wrong, "path": "/Groups", "data": {"members": [{"value": "bulkId:b"}] * 10}}
        document = {"Operations": [wrong, named] * 100}
        assert await client.request("POST", "/Bulk", document) == 200

    async def filters() -> None:
        for query in ("(" * 900 + "id%20pr" + ")" * 900, "%20or%20".join(["id%20pr"] * 49)):
            assert await client.request("GET", "/Users", query=f"filter={query}") == 200

    assert await longest_step(patch) < BOUND
    assert await longest_step(bulk) < BOUND
    assert await longest_step(filters) < BOUND
