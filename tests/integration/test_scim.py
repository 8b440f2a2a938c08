"""What all SCIM endpoints have in common: who may use them, errors, bulk requests, the import."""

import asyncio
import json
import sys
from typing import Any

import pytest

from flashnotify.facades.scim.loading import LoadedOnDemand
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue
from tests.support.running import Running
from tests.support.scim import ADA, BULK, GROUP, USER, Scim, scim_of


@pytest.fixture
async def scim(service: Running) -> Scim:
    return await scim_of(service)


async def test_only_the_scope_people_opens_it(service: Running, scim: Scim) -> None:
    nobody = await service.anonymous.get("/scim/v2/Users")
    assert nobody.status_code == 401
    assert nobody.headers["www-authenticate"] == "Bearer"
    assert nobody.headers["content-type"] == "application/scim+json"
    every = ("read", "read:all", "devices", "notify:*")
    other = Scim(service, await service.key(*every))
    for path in ("/Users", "/Groups", "/ServiceProviderConfig", "/Schemas", "/nothing"):
        assert await other.refused("GET", path) == (403, None)
    for path in ("/Users", "/Bulk", "/Users/.search"):
        assert await other.refused("POST", path, {}) == (403, None)
    assert (await scim.call("GET", "/Users")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/nothing", (404, None)),
        ("GET", "/", (404, None)),
        ("GET", "/Users/nobody", (404, None)),
        ("GET", "/Users/01a204ab133f700095d366f8d33980d8", (404, None)),
        ("GET", "/Groups/01a204ab-133f-7000-95d3-66f8d33980d8", (404, None)),
        ("GET", "/Users/a/b", (404, None)),
        ("GET", "/Schemas/nothing", (404, None)),
        ("GET", "/Schemas?filter=id pr", (403, None)),
        ("GET", "/Me", (501, None)),
        ("PUT", "/Users", (405, None)),
        ("DELETE", "/Schemas", (405, None)),
        ("GET", "/Bulk", (404, None)),
        ("PUT", "/Bulk", (405, None)),
        ("POST", "/Users/01a204ab-133f-7000-95d3-66f8d33980d8", (405, None)),
    ],
)
async def test_errors_are_those_of_scim(
    scim: Scim, method: str, path: str, expected: tuple[int, str | None]
) -> None:
    body: Any = {} if method in ("POST", "PUT") else None
    assert await scim.refused(method, path, body) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{", 400),
        (b"", 400),
        (b'{"a": 1, "a": 2}', 400),
        (b'{"a":' * 500 + b"1" + b"}" * 500, 400),
        (b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", 400),
        (b'{"members": [' + b"{}," * 9000 + b"{}]}", 413),
        (b'{"userName": "' + b"x" * 2_000_000 + b'"}', 413),
    ],
)
async def test_bodies_are_limited(scim: Scim, content: bytes, expected: int) -> None:
    headers = scim.key | {"Content-Type": "application/scim+json"}
    for path in ("/Users", "/Groups", "/Bulk"):
        answer = await scim.service.anonymous.post(
            f"/scim/v2{path}", content=content, headers=headers
        )
        assert answer.status_code == expected, (path, answer.text)
        assert answer.headers["content-type"] == "application/scim+json"
    headers["Content-Type"] = "text/xml"
    answer = await scim.service.anonymous.post("/scim/v2/Users", content=b"<a/>", headers=headers)
    assert answer.status_code == 415


async def bulk(scim: Scim, *operations: dict[str, Any], **more: Any) -> list[Any]:
    body = {"schemas": [BULK], "Operations": list(operations), **more}
    answer = await scim.call("POST", "/Bulk", body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"]
    return list(found["Operations"])


def post(path: str, id: str, **data: Any) -> dict[str, Any]:
    return {"method": "POST", "path": path, "bulkId": id, "data": data}


async def test_operations_name_what_others_make(scim: Scim) -> None:
    # The group comes first, and names those who come after it.
    members = [{"value": "bulkId:ada"}, {"value": "bulkId:inner"}]
    results = await bulk(
        scim,
        post("/Groups", "outer", displayName="Outer", members=members),
        post("/Users", "ada", **ADA),
        post("/Groups", "inner", displayName="Inner", members=[{"value": "bulkId:ada"}]),
        {
            "method": "PATCH",
            "path": "/Users/bulkId:ada",
            "data": {"Operations": [{"op": "add", "path": "title", "value": "Dr"}]},
        },
        {"method": "DELETE", "path": "/Users/nobody"},
    )
    status = {result.get("bulkId", result["method"]): result["status"] for result in results}
    assert status == {
        "ada": "201",
        "inner": "201",
        "outer": "201",
        "PATCH": "200",
        "DELETE": "404",
    }
    [refused] = [result for result in results if result["status"] == "404"]
    assert refused["response"]["status"] == "404"
    [outer] = [result for result in results if result.get("bulkId") == "outer"]
    id = outer["location"].rpartition("/")[2]
    assert len((await scim.get(f"/Groups/{id}"))["members"]) == 2
    assert await scim.found("Users", 'title eq "dr"') == ["ada@univ.example"]


async def test_what_refers_to_nothing_or_to_itself_fails(scim: Scim) -> None:
    a, b = [{"value": "bulkId:b"}], [{"value": "bulkId:a"}]
    results = await bulk(
        scim,
        post("/Groups", "a", displayName="A", members=a),
        post("/Groups", "b", displayName="B", members=b),
        post("/Groups", "c", displayName="C", members=[{"value": "bulkId:nothing"}]),
        {"method": "POST", "path": "/Users", "data": ADA},
        {"method": "GET", "path": "/Users"},
        {"path": 5},
        {"method": "POST", "path": "/Users", "bulkId": "x", "data": [1]},
    )
    assert sorted(result["status"] for result in results) == ["400"] * 4 + ["409"] * 3


async def test_a_bulk_request_ends_after_so_many_errors(scim: Scim) -> None:
    wrong, right = {"method": "DELETE", "path": "/Users/nobody"}, post("/Users", "a", **ADA)
    results = await bulk(scim, wrong, wrong, right, failOnErrors=2)
    assert [result["status"] for result in results] == ["404", "404"]
    assert await scim.found("Users", "userName pr") == []
    too_many = {"Operations": [wrong] * 201}
    assert await scim.refused("POST", "/Bulk", too_many) == (413, "tooMany")
    assert await scim.refused("POST", "/Bulk", {"Operations": 1}) == (400, "invalidSyntax")
    never = {"Operations": [], "failOnErrors": 0}
    assert await scim.refused("POST", "/Bulk", never) == (400, "invalidValue")


async def test_it_says_what_it_supports(scim: Scim) -> None:
    config = await scim.get("/ServiceProviderConfig")
    assert config["bulk"] == {
        "supported": True,
        "maxOperations": 200,
        "maxPayloadSize": scim.service.service.config.max_request_bytes,
    }
    assert config["changePassword"] == {"supported": False}
    for name in ("Schemas", "ResourceTypes"):
        for each in (await scim.get(f"/{name}"))["Resources"]:
            path = each["meta"]["location"].partition("/scim/v2")[2]
            assert (await scim.get(path)) == each
    schema = await scim.get(f"/Schemas/{USER}")
    names = {attribute["name"] for attribute in schema["attributes"]}
    assert {"userName", "emails"} <= names
    assert {"password", "roles", "entitlements"}.isdisjoint(names)
    assert (await scim.get(f"/Schemas/{GROUP}"))["name"] == "Group"


async def test_it_is_imported_once_by_a_thread_with_the_first_requests() -> None:
    threads, made, answered = ThreadPoolQueue(2), [], []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        answered.append(scope)

    def make(*parts: Any) -> Any:
        made.append(parts)
        if len(made) == 1:
            raise RuntimeError("as the first time")
        return app

    lazy: Any = LoadedOnDemand(make, threads)
    with pytest.raises(RuntimeError):
        await lazy({}, None, None)
    await asyncio.gather(*(lazy({}, None, None) for _ in range(3)))
    assert (len(made), len(answered)) == (2, 3)
    threads.close()


async def test_serving_imports_none_of_it_before(tmp_path: Any) -> None:
    code = (
        "import sys, flashnotify.app, json;"
        "print(json.dumps([m for m in sys.modules if m.startswith(('scim2', 'lark'))]))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert json.loads(out) == []
