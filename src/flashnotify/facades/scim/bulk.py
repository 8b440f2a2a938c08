"""`/Bulk`: many operations in one request (RFC 7644, section 3.7)."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from flashnotify.facades.scim.exchange import Answer, Caller
from flashnotify.facades.scim.failures import ScimError, document_of, failure, invalid
from flashnotify.facades.scim.schemas import MAX_OPERATIONS
from flashnotify.time_slices import TimeSlices

BULK_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
_REFERENCE = "bulkId:"
_NAMED = re.compile(r'"bulkId:([^"]+)"')
_METHODS = ("POST", "PUT", "PATCH", "DELETE")

# Carries out one operation: its method, the steps of its path, and its data.
Execute: TypeAlias = Callable[[Caller, str, list[str], Mapping[str, Any]], Awaitable[Answer]]


async def bulk(
    caller: Caller, data: Mapping[str, Any], execute: Execute, slices: TimeSlices
) -> Answer:
    """Carry out the operations of a request in order, those that name others after these."""
    members = {name.lower(): value for name, value in data.items()}
    operations = members.get("operations")
    if not isinstance(operations, list) or not all(isinstance(o, Mapping) for o in operations):
        raise invalid("A bulk request has an array of objects, Operations", "invalidSyntax")
    if len(operations) > MAX_OPERATIONS:
        detail = f"A bulk request has at most {MAX_OPERATIONS} operations (maxOperations)"
        raise ScimError(detail, 413, "tooMany")
    limit = members.get("failonerrors")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise invalid("failOnErrors must be a whole number above zero")
    job = _Job(replace(caller, headers={}), execute)
    waiting = {number: _named_in(each) for number, each in enumerate(operations)}
    while waiting:
        await slices.step()
        # One that refers to what is never made is carried out nevertheless, and fails.
        ids = {str(operations[number].get("bulkId")): number for number in waiting}
        number = next((n for n in waiting if all(ids.get(id, n) == n for id in waiting[n])), None)
        number = next(iter(waiting)) if number is None else number
        del waiting[number]
        await job.run(operations[number])
        if limit is not None and job.errors >= limit:
            break
    document = {"schemas": [BULK_RESPONSE], "Operations": job.results}
    return Answer(200, document)


def _named_in(operation: Mapping[str, Any]) -> set[str]:
    """Return the ids of the operations that one refers to."""
    data = json.dumps([str(operation.get("path")).split("/"), operation.get("data")])
    return set(_NAMED.findall(data)) if _REFERENCE in data else set()


class _Job:
    """The operations of a request so far."""

    def __init__(self, caller: Caller, execute: Execute) -> None:
        self._caller = caller
        self._execute = execute
        self._made: dict[str, str] = {}
        self.results: list[dict[str, Any]] = []
        self.errors = 0

    async def run(self, operation: Mapping[str, Any]) -> None:
        """Carry out an operation, and keep its result."""
        method, bulk_id = str(operation.get("method")).upper(), operation.get("bulkId")
        result: dict[str, Any] = {"method": method}
        if bulk_id is not None:
            result["bulkId"] = bulk_id
        try:
            answer = await self._answer(method, operation)
        except Exception as error:
            found = failure(error)
            if found is None:
                raise
            self.errors += 1
            result |= {"status": str(found.status), "response": document_of(found)}
        else:
            result["status"] = str(answer.status)
            if answer.version is not None:
                result["version"] = answer.version
            if answer.location is not None:
                result["location"] = answer.location
                if bulk_id is not None:
                    self._made[str(bulk_id)] = answer.location.rpartition("/")[2]
        self.results.append(result)

    async def _answer(self, method: str, operation: Mapping[str, Any]) -> Answer:
        path = operation.get("path")
        if method not in _METHODS or not isinstance(path, str):
            raise invalid(f"An operation has a path, and as method one of {', '.join(_METHODS)}")
        if method == "POST" and not operation.get("bulkId"):
            raise invalid("An operation that is a POST has a bulkId")
        data = self._resolved(operation.get("data") or {})
        if not isinstance(data, Mapping):
            raise invalid("The data of an operation is an object", "invalidSyntax")
        version = operation.get("version")
        headers = {"if-match": str(version)} if version else {}
        steps = [str(self._resolved(step)) for step in path.strip("/").split("/")]
        return await self._execute(replace(self._caller, headers=headers), method, steps, data)

    def _resolved(self, value: Any) -> Any:
        """Return a value with the ids of what was made in the place of references."""
        if isinstance(value, str) and value.startswith(_REFERENCE):
            name = value.removeprefix(_REFERENCE)
            if name not in self._made:
                raise ScimError(f"No operation before this one made {value[:100]!r}", 409)
            return self._made[name]
        if isinstance(value, list):
            return [self._resolved(each) for each in value]
        if isinstance(value, Mapping):
            return {name: self._resolved(each) for name, each in value.items()}
        return value
