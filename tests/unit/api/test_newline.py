"""JSON answers end with a newline, and their length says so."""

import pytest

from tests.support.running import ACADEMIC, Running


@pytest.mark.parametrize(
    ("method", "path", "document"),
    [
        ("GET", "/v1/kinds", None),
        ("GET", "/openapi.json", None),
        ("GET", "/v1/nowhere", None),
        ("POST", "/v1/notifications", ACADEMIC),
        ("POST", "/v1/notifications", {}),
        ("POST", "/v1/notifications/batch", [ACADEMIC]),
    ],
)
async def test_a_json_answer_ends_with_a_newline(
    service: Running, method: str, path: str, document: object
) -> None:
    answer = await service.http.request(method, path, json=document)
    assert answer.content.endswith((b"}\n", b"]\n"))
    assert answer.headers["content-length"] == str(len(answer.content))


async def test_another_answer_stays_as_it_is(service: Running) -> None:
    key = (await service.http.post("/v1/api-keys", json={"name": "x", "scopes": ["read"]})).json()
    removed = await service.http.delete(f"/v1/api-keys/{key['id']}")
    assert (removed.status_code, removed.content) == (204, b"")
    metrics = await service.http.get("/metrics")
    assert metrics.text.endswith("\n")
    assert not metrics.text.endswith("\n\n")
