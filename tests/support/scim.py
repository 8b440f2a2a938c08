"""A SCIM client, as Entra ID and Okta are."""

from typing import Any

import httpx

from tests.support.running import Running

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"

ADA: dict[str, Any] = {
    "schemas": [USER],
    "userName": "ada@univ.example",
    "externalId": "7f1c",
    "name": {"givenName": "Ada", "familyName": "Lovelace"},
    "emails": [{"value": "ada.lovelace@univ.example", "type": "work", "primary": True}],
}


class Scim:
    """Calls `/scim/v2` with a key."""

    def __init__(self, service: Running, key: dict[str, str]) -> None:
        self.service = service
        self.key = key

    async def call(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            named["Content-Type"] = "application/scim+json"
        return await self.service.anonymous.request(
            method, f"/scim/v2{path}", json=body, headers=self.key | named
        )

    async def get(self, path: str) -> Any:
        answer = await self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def create(self, path: str, body: Any) -> Any:
        answer = await self.call("POST", path, body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def patch(self, path: str, *operations: Any) -> Any:
        answer = await self.call("PATCH", path, {"schemas": [PATCH], "Operations": operations})
        assert answer.status_code in (200, 204), answer.text
        return answer.json() if answer.status_code == 200 else None

    async def refused(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, str | None]:
        """Return the status and the `scimType` of an error, which is one of SCIM's."""
        answer = await self.call(method, path, body, **headers)
        assert answer.status_code >= 400, answer.text
        assert answer.headers["content-type"] == "application/scim+json"
        error = answer.json()
        assert error["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        assert error["status"] == str(answer.status_code)
        assert error["detail"]
        return answer.status_code, error.get("scimType")

    async def found(self, kind: str, wanted: str, **more: Any) -> list[str]:
        """Return what users or groups that match are called."""
        params = httpx.QueryParams({"filter": wanted, **more})
        page = await self.get(f"/{kind}?{params}")
        assert page["totalResults"] >= page["itemsPerPage"] == len(page["Resources"])
        name = "userName" if kind == "Users" else "displayName"
        return [each[name] for each in page["Resources"]]


async def scim_of(service: Running) -> Scim:
    return Scim(service, await service.key("people"))
