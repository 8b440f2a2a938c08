"""`/scim/v2` as one ASGI app: its endpoints, and errors as SCIM has them."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from scim2_models import Context
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from flashnotify.archive.provisioning_ports import Provisioning
from flashnotify.clock import Clock
from flashnotify.errors import FlashNotifyError
from flashnotify.facades.scim.bulk import bulk
from flashnotify.facades.scim.exchange import Answer, Caller
from flashnotify.facades.scim.failures import (
    ScimError,
    document_of,
    failure,
    not_found,
)
from flashnotify.facades.scim.groups import ScimGroups
from flashnotify.facades.scim.membership import Membership
from flashnotify.facades.scim.queries import query_of, selection_of
from flashnotify.facades.scim.resources import text_of
from flashnotify.facades.scim.schemas import FullUser, Group, provider
from flashnotify.facades.scim.users import ScimUsers
from flashnotify.identity.audit import Actor
from flashnotify.identity.users import Users
from flashnotify.people.groups import Groups
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue
from flashnotify.time_slices import TimeSlices

MEDIA_TYPE = "application/scim+json"
LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_SEARCH = ".search"
# The methods of what has no id, and of what has one.
_OF_ALL, _OF_ONE = ("GET", "POST"), ("GET", "PUT", "PATCH", "DELETE")
_PART = 64 * 1024

# Authenticates a request, and returns who asks and whether they are an admin.
Authorize: TypeAlias = Callable[[Request], Awaitable[tuple[Actor, bool]]]
# Returns the JSON object in a body, of which a bulk request may have more.
ReadDocument: TypeAlias = Callable[[Request], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Http:
    """What the service does for requests: who sends them, and their body of `max_bytes`."""

    authorize: Authorize
    read: ReadDocument
    base: str
    max_bytes: int


def scim_app(
    http: Http,
    stored: Provisioning,
    users: Users,
    groups: Groups,
    clock: Clock,
    slices: TimeSlices,
    threads: ThreadPoolQueue,
) -> ASGIApp:
    """Return the app of the SCIM endpoints."""
    of_users = ScimUsers(stored, users, groups, clock, slices)
    of_groups = ScimGroups(stored, groups, Membership(stored, groups, slices), slices)
    return _Application(http, of_users, of_groups, slices, threads)


class _Application:
    def __init__(
        self,
        http: Http,
        users: ScimUsers,
        groups: ScimGroups,
        slices: TimeSlices,
        threads: ThreadPoolQueue,
    ) -> None:
        self._http = http
        self._users = users
        self._groups = groups
        self._slices = slices
        self._threads = threads
        self._described = _described(http.max_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        except Exception as error:
            found = failure(error)
            if found is None:
                raise
            await _failed(found, error)(scope, receive, send)
            return
        await self._send(answer, scope, receive, send)

    async def _answer(self, request: Request) -> Answer:
        actor, admin = await self._http.authorize(request)
        # What follows the path at which the app is mounted.
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        steps = path.strip("/").split("/")
        headers = {
            name: request.headers[name]
            for name in ("if-match", "if-none-match")
            if name in request.headers
        }
        query = request.query_params
        caller = Caller(actor, admin, self._http.base, headers, selection_of(query))
        if steps[0] in self._described:
            return _read_only(request, self._discovered(caller, steps))
        if steps == ["Me"]:
            raise ScimError("There is no /Me: a SCIM client is a program", 501)
        if request.method == "GET" and len(steps) == 1:
            return await self._search(caller, steps[0], query)
        data: Mapping[str, Any] = {}
        if request.method in ("POST", "PUT", "PATCH"):
            data = await self._http.read(request)
        if steps == ["Bulk"]:
            _require(request.method, ("POST",))
            return await bulk(caller, data, self._execute, self._slices)
        if steps[-1] == _SEARCH:
            return await self._searched(caller, request.method, steps, data)
        return await self._execute(caller, request.method, steps, data)

    async def _execute(
        self, caller: Caller, method: str, steps: list[str], data: Mapping[str, Any]
    ) -> Answer:
        """Carry out a request for one resource, or an operation of a bulk request."""
        resources = self._resources(steps[0])
        if len(steps) == 1:
            _require(method, _OF_ALL)
            return await resources.create(caller, data)
        if len(steps) > 2:
            raise not_found("/".join(steps))
        _require(method, _OF_ONE)
        if method == "GET":
            return await resources.read(caller, steps[1])
        if method == "DELETE":
            return await resources.remove(caller, steps[1])
        change = resources.replace if method == "PUT" else resources.patch
        return await change(caller, steps[1], data)

    async def _searched(
        self, caller: Caller, method: str, steps: list[str], data: Mapping[str, Any]
    ) -> Answer:
        _require(method, ("POST",))
        if len(steps) == 1:
            raise ScimError("Search in /Users/.search or /Groups/.search", 501)
        return await self._search(caller, "/".join(steps[:-1]), data)

    async def _search(self, caller: Caller, name: str, given: Mapping[str, Any]) -> Answer:
        resources = self._resources(name)
        model: Any = FullUser if resources is self._users else Group
        query = await query_of(given, model, self._threads)
        total, found = await resources.search(caller, query)
        head = {
            "schemas": [LIST_RESPONSE],
            "totalResults": total,
            "startIndex": query.start,
            "itemsPerPage": len(found),
        }
        texts = [json.dumps(head).encode()[:-1], b', "Resources": [']
        for number, each in enumerate(found):
            await self._slices.step()
            texts += [b", "] if number else []
            texts += each
        return Answer(200, texts=[*texts, b"]}"])

    def _resources(self, name: str) -> ScimUsers | ScimGroups:
        if name == "Users":
            return self._users
        if name == "Groups":
            return self._groups
        raise not_found(name)

    def _discovered(self, caller: Caller, steps: list[str]) -> Answer:
        """Return what this service says of itself (RFC 7644, section 4)."""
        known = self._described[steps[0]]
        if steps[0] == "ServiceProviderConfig":
            if len(steps) > 1:
                raise not_found("/".join(steps))
            return Answer(200, _located(known[""], caller.base, steps[0]))
        if len(steps) > 1:
            document = known.get("/".join(steps[1:]))
            if document is None:
                raise not_found("/".join(steps[1:]))
            return Answer(200, _located(document, caller.base, "/".join(steps)))
        found = [_located(each, caller.base, f"{steps[0]}/{id}") for id, each in known.items()]
        head = {"schemas": [LIST_RESPONSE], "totalResults": len(found), "startIndex": 1}
        return Answer(200, {**head, "itemsPerPage": len(found), "Resources": found})

    async def _send(self, answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
        texts = answer.texts or []
        if answer.document is not None:
            texts = [text_of(answer.document)]
        headers = {} if answer.version is None else {"ETag": answer.version}
        if answer.location is not None:
            headers["Location" if answer.status == 201 else "Content-Location"] = answer.location
        if answer.status in (204, 304):
            await Response(None, answer.status, headers)(scope, receive, send)
            return
        headers["Content-Length"] = str(sum(map(len, texts)))
        response = Response(None, answer.status, headers, MEDIA_TYPE)
        start = {"status": answer.status, "headers": response.raw_headers}
        await send({"type": "http.response.start", **start})
        part = bytearray()
        for text in texts:
            part += text
            if len(part) >= _PART:
                await self._slices.step()
                await send({"type": "http.response.body", "body": bytes(part), "more_body": True})
                part.clear()
        await send({"type": "http.response.body", "body": bytes(part)})


def _described(max_bytes: int) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Return the documents by endpoint and id: made once, since that takes long."""
    found, context = provider(max_bytes), Context.RESOURCE_QUERY_RESPONSE
    config = found.config
    assert config is not None
    return {
        "ServiceProviderConfig": {"": config.model_dump(scim_ctx=context)},
        "Schemas": _by_id(found.schemas),
        "ResourceTypes": _by_id(found.resource_types),
    }


def _by_id(resources: Iterable[Any]) -> dict[str, Mapping[str, Any]]:
    context = Context.RESOURCE_QUERY_RESPONSE
    return {str(each.id): each.model_dump(scim_ctx=context) for each in resources}


def _located(document: Mapping[str, Any], base: str, path: str) -> dict[str, Any]:
    kind = path.partition("/")[0].removesuffix("s")
    return {**document, "meta": {"resourceType": kind, "location": f"{base}/{path}"}}


def _read_only(request: Request, answer: Answer) -> Answer:
    _require(request.method, ("GET",))
    if "filter" in request.query_params:
        # RFC 7644, section 4.
        raise ScimError("What this service says of itself cannot be filtered", 403)
    return answer


def _require(method: str, allowed: tuple[str, ...]) -> None:
    if method not in allowed:
        raise ScimError(f"Use {' or '.join(allowed)} here, not {method}", 405)


def _failed(error: ScimError, cause: Exception) -> Response:
    headers = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    retry_after = getattr(cause, "retry_after", None)
    if isinstance(cause, FlashNotifyError) and retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if error.status == 405:
        headers["Allow"] = str(error).split(" here")[0].removeprefix("Use ").replace(" or ", ", ")
    return Response(text_of(document_of(error)), error.status, headers, MEDIA_TYPE)
