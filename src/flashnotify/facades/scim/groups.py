"""`/Groups`: groups of people, as the campus directory fills them."""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from scim2_models import Context, PatchOp

from flashnotify.archive.people_records import Group as Record
from flashnotify.archive.provisioning_ports import Provisioning
from flashnotify.errors import InvalidValue, NotFound
from flashnotify.facades.scim.exchange import Answer, Caller
from flashnotify.facades.scim.failures import invalid, not_found
from flashnotify.facades.scim.mapping import uuid_of
from flashnotify.facades.scim.members import MemberChanges, ids_of, take_members
from flashnotify.facades.scim.membership import Membership
from flashnotify.facades.scim.patches import apply, operations_of
from flashnotify.facades.scim.queries import Query
from flashnotify.facades.scim.resources import is_among, meta_of, require_version, version_of
from flashnotify.facades.scim.schemas import CORE_GROUP, POLICY, Group
from flashnotify.facades.scim.selection import Selection
from flashnotify.keyed_locks import KeyedLocks
from flashnotify.meta.descriptors import Text
from flashnotify.people.groups import Groups
from flashnotify.time_slices import TimeSlices

_PATCH: Any = PatchOp[Group]
_NAME = Text(required=True, max_length=200)
# Members in one answer to a list, after which it ends: it may have fewer groups than were wanted.
_MAX_LISTED = 20_000
_NO_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class ScimGroups:
    """The groups of the service. Their slug, which audiences name, comes from their first name."""

    stored: Provisioning
    groups: Groups
    membership: Membership
    slices: TimeSlices
    _locks: KeyedLocks[UUID | str] = field(default_factory=KeyedLocks)

    async def create(self, caller: Caller, data: Mapping[str, Any]) -> Answer:
        """Create a group with its members."""
        document, changes = _validated(data, Context.RESOURCE_CREATION_REQUEST)
        await self.membership.check(changes)
        async with self._locks["slug"]:
            slug = await self._free_slug(document["displayName"])
            fields = {"slug": slug, **_fields(document)}
            group = await self.groups.create(caller.actor, fields)
        await self.membership.change(caller.actor, group.id, changes)
        return await self._answer(caller, group, 201)

    async def read(self, caller: Caller, id: str) -> Answer:
        """Return a group."""
        group = await self._find(id)
        version = await self._version(group)
        wanted = caller.headers.get("if-none-match")
        if wanted is not None and is_among(wanted, version):
            return Answer(304, version=version)
        return await self._answer(caller, group, 200)

    async def replace(self, caller: Caller, id: str, data: Mapping[str, Any]) -> Answer:
        """Replace the names and the members of a group."""
        document, changes = _validated(data, Context.RESOURCE_REPLACEMENT_REQUEST)
        changes.replaced = True
        async with self._locks[uuid_of(id) or id]:
            group = await self._unchanged(caller, id)
            group = await self._change(caller, group, document, changes)
        return await self._answer(caller, group, 200)

    async def patch(self, caller: Caller, id: str, data: Mapping[str, Any]) -> Answer:
        """Change a group (RFC 7644, section 3.5.2). Its members are shown only if asked for."""
        operations, changes = [], MemberChanges()
        for operation in operations_of(data):
            await self.slices.step()
            if take_members(operation, changes):
                operations.append(operation)
        async with self._locks[uuid_of(id) or id]:
            group = await self._unchanged(caller, id)
            resource: Any = Group.model_validate(_document_of(group), scim_policy=POLICY)
            for operation in operations:
                await self.slices.step()
                apply(resource, _PATCH, operation)
            group = await self._change(caller, group, resource.model_dump(), changes)
        if caller.selection.wanted:
            return await self._answer(caller, group, 200)
        return Answer(204, version=await self._version(group))

    async def remove(self, caller: Caller, id: str) -> Answer:
        """Remove a group; its people stay."""
        async with self._locks[uuid_of(id) or id]:
            group = await self._unchanged(caller, id)
            await self.groups.remove(caller.actor, group.id)
        return Answer(204)

    async def search(self, caller: Caller, query: Query) -> tuple[int, list[list[bytes]]]:
        """Return how many groups match, and the texts of those that a list shows."""
        total, groups = await self.stored.groups(query.wanted, query.part)
        shown: list[list[bytes]] = []
        listed = 0
        for group in groups:
            texts, number = await self._texts(caller.base, group, query.selection)
            listed += number
            if shown and listed > _MAX_LISTED:
                break
            shown.append(texts)
        return total, shown

    async def _change(
        self,
        caller: Caller,
        group: Record,
        document: Mapping[str, Any],
        changes: MemberChanges,
    ) -> Record:
        fields = _fields(document)
        await self.membership.check(changes)
        if any(getattr(group, name) != value for name, value in fields.items()):
            group = await self.groups.change(caller.actor, group.id, fields)
        await self.membership.change(caller.actor, group.id, changes)
        return group

    async def _find(self, id: str) -> Record:
        uuid = uuid_of(id)
        try:
            if uuid is not None:
                return await self.groups.find(uuid)
        except NotFound:
            pass
        raise not_found(id)

    async def _unchanged(self, caller: Caller, id: str) -> Record:
        """Return a group if it is of the version that the client wants to change."""
        group = await self._find(id)
        if "if-match" in caller.headers:
            require_version(caller.headers, await self._version(group))
        return group

    async def _version(self, group: Record) -> str:
        totals = await self.stored.totals(group.id)
        return version_of(group.name, group.external_id, totals)

    async def _free_slug(self, name: str) -> str:
        plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
        base = _NO_SLUG.sub("-", plain)[:50].strip("-") or "group"
        slug, number = base, 1
        while await self._is_taken(slug):
            number += 1
            slug = f"{base}-{number}"
        return slug

    async def _is_taken(self, slug: str) -> bool:
        try:
            await self.groups.find_named(slug)
        except NotFound:
            return False
        return True

    async def _answer(self, caller: Caller, group: Record, status: int) -> Answer:
        texts, _ = await self._texts(caller.base, group, caller.selection)
        version = await self._version(group)
        return Answer(status, None, f"{caller.base}/Groups/{group.id}", version, texts)

    async def _texts(
        self, base: str, group: Record, selection: Selection
    ) -> tuple[list[bytes], int]:
        """Return a group as the parts of a JSON text, and how many members are in it."""
        document = _document_of(group)
        location = f"{base}/Groups/{group.id}"
        version = await self._version(group)
        document["meta"] = meta_of("Group", location, group.created_at, version)
        text = json.dumps(selection.of_document(document), ensure_ascii=False).encode()
        if not selection.has("members"):
            return [text], 0
        members, number = await self.membership.texts(base, group.id, selection)
        if not number:
            return [text], 0
        return [text[:-1], b', "members": [', *members, b"]}"], number


def _document_of(group: Record) -> dict[str, Any]:
    external = {} if group.external_id is None else {"externalId": group.external_id}
    return {
        "schemas": [CORE_GROUP],
        "id": str(group.id),
        **external,
        "displayName": group.name,
    }


def _validated(data: Mapping[str, Any], context: Context) -> tuple[dict[str, Any], MemberChanges]:
    """Return the document of a client without its members, and these."""
    changes = MemberChanges()
    given: dict[str, Any] = {}
    for name, value in data.items():
        if name.lower() == "members":
            changes.add(ids_of(value))
        elif name.lower() != "schemas":
            given[name] = value
    given["schemas"] = [CORE_GROUP]
    found: Any = Group.model_validate(given, scim_ctx=context, scim_policy=POLICY)
    document: dict[str, Any] = found.model_dump()
    return document, changes


def _fields(document: Mapping[str, Any]) -> dict[str, Any]:
    fields = {}
    for column, name in (("name", "displayName"), ("external_id", "externalId")):
        value = document.get(name)
        try:
            fields[column] = None if value in (None, "") else _NAME.validate(value)
        except InvalidValue as error:
            raise invalid(f"{name}: {error}") from None
    if fields["name"] is None:
        raise invalid("displayName: is required")
    return fields
