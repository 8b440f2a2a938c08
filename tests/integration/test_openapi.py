"""The OpenAPI document, from which clients are generated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from flashnotify.meta.registry import NOTIFIERS
from tests.support.running import ACADEMIC, Running

SECURITY = ACADEMIC | {
    "kind": "security",
    "data": {"location": "Building B", "instructions": "Leave it."},
}


@pytest.fixture
async def document(service: Running) -> dict[str, Any]:
    """Return the public document."""
    answer = await service.anonymous.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in the document."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from nodes(value)


def resolve(document: dict[str, Any], ref: str) -> Any:
    found: Any = document
    assert ref.startswith("#/")
    for step in ref[2:].split("/"):
        found = found[step]
    return found


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    refs = [node["$ref"] for node in nodes(document) if "$ref" in node]
    assert refs
    for ref in refs:
        assert resolve(document, ref)
    used = {ref.rpartition("/")[2] for ref in refs}
    assert used == set(document["components"]["schemas"]), "nothing is left over"


def test_every_schema_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    for name, schema in document["components"]["schemas"].items():
        assert jsonschema_rs.meta.is_valid(schema | {"$schema": DIALECT}), name


DIALECT = "https://json-schema.org/draft/2020-12/schema"


def test_every_operation_is_described(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(names) == len(set(names))
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["tags"], name
        templated = {part[1:-1] for part in name.split("/") if part.startswith("{")}
        in_path = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert in_path == templated, name
        for status, response in operation["responses"].items():
            assert response["description"], (name, status)


def test_every_error_is_a_problem(document: dict[str, Any]) -> None:
    schemes = {
        next(iter(entry)) for _, o in operations(document) for entry in o.get("security", [])
    }
    schemes_there = set(document["components"]["securitySchemes"])
    assert schemes == schemes_there == {"bearer", "apiKey", "password", "session"}
    for name, operation in operations(document):
        if name in ("GET /healthz", "GET /readyz", "GET /metrics"):
            assert "security" not in operation
            continue
        # Kannel has no key: the token in the path is what it proves itself with.
        refusals = {"404"} if "/receipts/" in name else {"401", "403"}
        anyone = ("/v1/kinds", "/v1/vapid-key", "/v1/auth/me", "/v1/auth/sessions")
        if name in {f"GET {path}" for path in anyone}:  # any key will do
            refusals = {"401"}
        # Who signs in, or out, has no key: what they send is in the body.
        if name in ("POST /v1/auth/token", "POST /v1/auth/revoke"):
            refusals = {"400"}
        if "/password-reset" in name:  # for those who cannot sign in
            assert "security" not in operation
            refusals = {"429"}
        assert refusals | {"503"} <= set(operation["responses"]), name
        body = operation.get("requestBody", {"content": {}})["content"]
        if "application/json" in body:
            assert {"400", "413", "415", "422"} <= set(operation["responses"]), name
        for status, response in operation["responses"].items():
            if status >= "400":
                (media_type,) = response["content"]
                assert media_type == "application/problem+json", (name, status)
                schema = response["content"][media_type]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}


def test_the_required_scope_is_documented(document: dict[str, Any]) -> None:
    for name, scope, requires in (
        ("GET /v1/outbox", ["read"], "the scope `read`"),
        ("GET /v1/events", ["read"], "the scope `read`"),
        ("POST /v1/devices", ["devices"], "the scope `devices`"),
        ("DELETE /v1/api-keys/{id}", ["admin"], "the scope `admin`"),
        ("POST /v1/notifications", ["notify:{kind}"], "the scope `notify:{kind}`"),
        ("POST /v1/notifications/{id}/retry", ["notify:{kind}"], "the scope `notify:{kind}`"),
        ("GET /v1/kinds", [], "authentication"),
    ):
        operation = dict(operations(document))[name]
        ways = ("bearer", "apiKey", "password", "session")
        assert operation["security"] == [{way: scope} for way in ways], name
        assert operation["description"].endswith(f"Requires {requires}."), name
        assert ("403" in operation["responses"]) is bool(scope), name
        assert {"401", "422", "429", "503"} <= set(operation["responses"]), name


def test_every_operation_says_what_it_does_and_what_it_requires(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        *said, requires = operation["description"].split("\n\n")
        assert said, f"{name} has no description"
        assert requires.startswith("Requires "), name
        if "security" not in operation:
            assert requires == "Requires no authentication.", name


def test_a_batch_has_the_bodies_of_single_requests(document: dict[str, Any]) -> None:
    one = document["paths"]["/v1/notifications"]["post"]["requestBody"]["content"]
    many = document["paths"]["/v1/notifications/batch"]["post"]["requestBody"]
    assert many["required"]
    assert many["content"]["application/json"]["schema"] == {
        "type": "array",
        "items": one["application/json"]["schema"],
    }
    # Generators of clients take the first media type that they know.
    assert list(many["content"]) == ["application/json", "application/x-ndjson"]


async def test_the_examples_are_harmless_and_accepted(
    service: Running, document: dict[str, Any]
) -> None:
    one = document["paths"]["/v1/notifications"]["post"]["requestBody"]["content"]
    examples = one["application/json"]["examples"]
    assert list(examples) == list(NOTIFIERS)
    for kind, example in examples.items():
        request = example["value"]
        assert (request["kind"], request["priority"]) == (kind, "low")
        assert set(request["data"]) == set(NOTIFIERS[kind].fields)
        assert all(entry.endswith(".example") for entry in request["to"])
        answer = await service.http.post("/v1/notifications", json=request)
        assert answer.status_code == 202, answer.text
    path = "/v1/notifications/batch"
    many = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    answer = await service.http.post(path, json=many["example"])
    assert answer.json()["accepted"] == len(NOTIFIERS)


async def test_the_text_endpoint_has_the_fields_of_every_kind(
    service: Running, document: dict[str, Any]
) -> None:
    operation = document["paths"]["/v1/notify/{kind}"]["post"]
    parameters = {(p["in"], p["name"]): p for p in operation["parameters"]}
    assert parameters["path", "kind"]["schema"]["enum"] == list(NOTIFIERS)
    for spec in NOTIFIERS.values():
        for name, field in spec.fields.items():
            found = parameters["query", name]
            assert found["schema"] == field.schema(), (spec.kind, name)
            needed = ", required" if field.required else ""
            assert f"{field.help} (`{spec.kind}`{needed})" in found["description"]
    assert {"title", "priority", "to", "delay"} <= {
        n for where, n in parameters if where == "query"
    }
    assert {"Title", "Priority", "To"} <= {n for where, n in parameters if where == "header"}
    # Everything that it documents is accepted, with its example.
    for spec in NOTIFIERS.values():
        own = (*spec.fields, "to", "title", "priority", "reference", "locale", "delay")
        params = {name: parameters["query", name]["example"] for name in own}
        answer = await service.http.post(f"/v1/notify/{spec.kind}", params=params, content="x")
        assert answer.status_code == 202, answer.text


def test_each_kind_is_a_branch(document: dict[str, Any]) -> None:
    body = document["paths"]["/v1/notifications"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert set(body["content"]) == {"application/json"}
    assert schema["discriminator"]["propertyName"] == "kind"
    mapping = schema["discriminator"]["mapping"]
    assert set(mapping) == set(NOTIFIERS)
    assert [branch["$ref"] for branch in schema["oneOf"]] == list(mapping.values())
    for kind, ref in mapping.items():
        branch = resolve(document, ref)
        assert branch["properties"]["kind"]["const"] == kind
        assert branch["additionalProperties"] is False
        needs_data = any(field.required for field in NOTIFIERS[kind].fields.values())
        assert ("data" in branch["required"]) is needs_data
        assert {"kind", "title", "body", "to"} == set(branch["required"]) - {"data"}
        data = resolve(document, branch["properties"]["data"]["$ref"])
        assert data["additionalProperties"] is False
        assert all("description" in field for field in data["properties"].values())
    course = document["components"]["schemas"]["AcademicData"]
    assert course["required"] == ["course"]
    assert set(course["properties"]) == {"course", "room", "starts_at", "teacher"}


@pytest.mark.parametrize("example", [ACADEMIC, SECURITY])
async def test_the_document_matches_validation(
    service: Running, document: dict[str, Any], example: dict[str, Any]
) -> None:
    body = document["paths"]["/v1/notifications"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    validator = jsonschema_rs.validator_for(
        {"$schema": DIALECT, **schema, "components": document["components"]}
    )
    for changes, right in (
        ({}, True),
        ({"priority": "high", "locale": "fr", "reference": "r", "channels": ["email"]}, True),
        ({"send_at": "2027-12-01T08:00:00+01:00", "expires_at": None}, True),
        ({"kind": "weather"}, False),
        ({"title": ""}, False),
        ({"to": []}, False),
        ({"priority": "urgent"}, False),
        ({"channels": ["fax"]}, False),
        ({"data": {}}, False),
        ({"data": {**example["data"], "unknown": "x"}}, False),
        ({"data": dict.fromkeys(example["data"], "x" * 2001)}, False),
        ({"unknown": 1}, False),
        ({"send_at": 3}, False),
    ):
        wanted = example | changes
        assert validator.is_valid(wanted) is right, changes
        answer = await service.http.post("/v1/notifications", json=wanted)
        assert answer.status_code == (202 if right else 422), changes


def test_each_operation_has_a_short_name_for_generated_clients(document: dict[str, Any]) -> None:
    verbs = (
        "acknowledge|activate|add|cancel|change|clear|confirm|count|create|deactivate|delete|end|"
        "erase|export|get|import|issue|join|leave|list|mark|preview|register|remind|remove|report|"
        "request|retry|revoke|rotate|send|set|stream|verify"
    )
    for _, operation in operations(document):
        assert re.fullmatch(rf"({verbs})(_[a-z]+){{1,3}}", operation["operationId"])
