"""`/Users`: people, as the campus directory fills in who they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from scim2_models import Context, PatchOp

from flashnotify.archive.directory_filters import Comparison, Operator, Slice
from flashnotify.archive.identity_records import User
from flashnotify.archive.people_records import Group
from flashnotify.archive.provisioning_ports import Provisioning
from flashnotify.clock import Clock
from flashnotify.domain import Role
from flashnotify.facades.scim.exchange import Answer, Caller
from flashnotify.facades.scim.failures import ScimError, not_found
from flashnotify.facades.scim.mapping import document_of, fields_of, user_name_of, uuid_of
from flashnotify.facades.scim.patches import apply, operations_of
from flashnotify.facades.scim.queries import Query
from flashnotify.facades.scim.resources import (
    is_among,
    meta_of,
    require_version,
    text_of,
    version_of,
)
from flashnotify.facades.scim.schemas import CORE_USER, ENTERPRISE_USER, POLICY, FullUser
from flashnotify.identity.users import Users
from flashnotify.keyed_locks import KeyedLocks
from flashnotify.people.groups import Groups
from flashnotify.time_slices import TimeSlices

_PATCH: Any = PatchOp[FullUser]
# What proves who signs in: an email address by a link to it, an external id by the campus sign-on.
_PROOFS = ("email", "external_id")
# What somebody deleted keeps of their names until somebody else needs it.
_NAMES = ("user_name", "external_id", "email")


@dataclass(frozen=True, slots=True)
class ScimUsers:
    """The users of the service. What SCIM clients create are members without a password."""

    stored: Provisioning
    users: Users
    groups: Groups
    clock: Clock
    slices: TimeSlices
    _locks: KeyedLocks[UUID | str] = field(default_factory=KeyedLocks)

    async def create(self, caller: Caller, data: Mapping[str, Any]) -> Answer:
        """Create a user, or bring back the one that had these names and was deleted."""
        document = _validated(data, Context.RESOURCE_CREATION_REQUEST)
        document.setdefault("active", True)
        fields = fields_of(document, {})
        async with self._locks[fields["user_name"].lower()]:
            await self._refuse_taken(fields["user_name"], None)
            deleted = await self._deleted(caller, fields, None)
            if deleted is None:
                created = {"role": Role.member, **fields}
                user = await self.users.create(caller.actor, created)
            else:
                # As new: what they might do before, an admin has to give them again.
                new: dict[str, Any] = {"role": Role.member, "kinds": frozenset()}
                new |= {"password_hash": None, "deleted_at": None}
                attributes = fields_of(document, deleted.attributes)["attributes"]
                fields = {**fields, **new, "attributes": attributes}
                user = await self.users.change(caller.actor, deleted.id, fields)
        return await self._answer(caller, user, 201)

    async def read(self, caller: Caller, id: str) -> Answer:
        """Return a user."""
        answer = await self._answer(caller, await self._find(id), 200)
        wanted = caller.headers.get("if-none-match")
        if wanted is not None and answer.version and is_among(wanted, answer.version):
            return Answer(304, version=answer.version)
        return answer

    async def replace(self, caller: Caller, id: str, data: Mapping[str, Any]) -> Answer:
        """Replace what SCIM knows of a user."""
        document = _validated(data, Context.RESOURCE_REPLACEMENT_REQUEST)
        async with self._locks[uuid_of(id) or id]:
            user = await self._find(id)
            # A user stays active unless the client says otherwise.
            document.setdefault("active", user.active)
            return await self._change(caller, user, document)

    async def patch(self, caller: Caller, id: str, data: Mapping[str, Any]) -> Answer:
        """Change some attributes of a user (RFC 7644, section 3.5.2)."""
        operations = operations_of(data)
        async with self._locks[uuid_of(id) or id]:
            user = await self._find(id)
            resource: Any = FullUser.model_validate(_whole(document_of(user)), scim_policy=POLICY)
            for operation in operations:
                # One by one: each may take milliseconds.
                await self.slices.step()
                apply(resource, _PATCH, operation)
            await self.slices.step()
            return await self._change(caller, user, resource.model_dump())

    async def remove(self, caller: Caller, id: str) -> Answer:
        """Deactivate a user and take them out of all groups; SCIM clients see them no more."""
        async with self._locks[uuid_of(id) or id]:
            user = await self._find(id)
            if "if-match" in caller.headers:
                require_version(caller.headers, (await self._shown(caller, [user]))[0][1])
            groups = (await self.stored.groups_of([user.id])).get(user.id, ())
            gone = {"active": False, "deleted_at": self.clock.now(), "user_name": None}
            await self.users.change(caller.actor, user.id, gone)
            for group in groups:
                await self.groups.remove_members(caller.actor, group.id, [user.id])
        return Answer(204)

    async def search(self, caller: Caller, query: Query) -> tuple[int, list[list[bytes]]]:
        """Return how many users match, and the texts of those that a list shows."""
        total, users = await self.stored.users(query.wanted, query.part)
        shown = await self._shown(caller, users)
        return total, [[text_of(query.selection.of_document(each))] for each, _ in shown]

    async def _change(self, caller: Caller, user: User, document: Mapping[str, Any]) -> Answer:
        if "if-match" in caller.headers:
            require_version(caller.headers, (await self._shown(caller, [user]))[0][1])
        fields = fields_of(document, user.attributes)
        if user.user_name is None and fields["user_name"] == user_name_of(user):
            # Still the name that it has by another one.
            fields["user_name"] = None
        changed = {name for name in fields if fields[name] != getattr(user, name)}
        if "user_name" in changed and fields["user_name"]:
            await self._refuse_taken(fields["user_name"], user.id)
        if not caller.admin and user.role is not Role.member and changed.intersection(_PROOFS):
            raise ScimError(
                f"This user is {user.role}: only an admin may change the email address and the "
                "externalId, with which they sign in",
                403,
            )
        if changed:
            await self._deleted(caller, fields, user.id)
            user = await self.users.change(caller.actor, user.id, fields)
        return await self._answer(caller, user, 200)

    async def _find(self, id: str) -> User:
        uuid = uuid_of(id)
        user = None if uuid is None else await self.stored.find_user(uuid)
        if user is None:
            raise not_found(id)
        return user

    async def _refuse_taken(self, user_name: str, own: UUID | None) -> None:
        equal = Comparison(("user_name",), Operator.equal, user_name)
        _, found = await self.stored.users(equal, Slice(0, 2))
        if any(user.id != own for user in found):
            raise ScimError(f"userName: {user_name} belongs to another user", 409, "uniqueness")

    async def _deleted(
        self, caller: Caller, fields: Mapping[str, Any], own: UUID | None
    ) -> User | None:
        """Return who had one of these names and was deleted, and release those of the others.

        Nobody comes back if a user who is there, `own`, gets the name.
        """
        names = (fields[name] for name in _NAMES)
        found = await self.stored.deleted_users(*names)
        for user in found[0 if own else 1 :]:
            taken = {name: None for name in _NAMES if getattr(user, name) is not None}
            await self.users.change(caller.actor, user.id, taken)
        back = found[0] if found and own is None else None
        if back is not None and back.role is Role.admin and not caller.admin:
            raise ScimError("This was an admin: only an admin brings them back, as a member", 403)
        return back

    async def _answer(self, caller: Caller, user: User, status: int) -> Answer:
        [(document, version)] = await self._shown(caller, [user])
        location = document["meta"]["location"]
        return Answer(status, caller.selection.of_document(document), location, version)

    async def _shown(
        self, caller: Caller, users: Sequence[User]
    ) -> list[tuple[dict[str, Any], str]]:
        """Return users as documents, each with its version."""
        groups = await self.stored.groups_of([user.id for user in users]) if users else {}
        shown = []
        for user in users:
            await self.slices.step()
            shown.append(_shown(caller.base, user, groups.get(user.id, ())))
        return shown


def _shown(base: str, user: User, groups: Sequence[Group]) -> tuple[dict[str, Any], str]:
    document = _whole(document_of(user))
    location = f"{base}/Users/{user.id}"
    if groups:
        document["groups"] = [
            {
                "value": str(group.id),
                "$ref": f"{base}/Groups/{group.id}",
                "display": group.name,
                "type": "direct",
            }
            for group in groups
        ]
    version = version_of(document)
    document["meta"] = meta_of("User", location, user.created_at, version)
    return document, version


def _whole(document: Mapping[str, Any]) -> dict[str, Any]:
    extensions = [ENTERPRISE_USER] if ENTERPRISE_USER in document else []
    return {"schemas": [CORE_USER, *extensions], **document}


def _validated(data: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return a document of a client with what this service knows of it, in its form."""
    given: dict[str, Any] = {
        # Some clients name only the core schema.
        **{name: value for name, value in data.items() if name.lower() != "schemas"},
        "schemas": [CORE_USER, ENTERPRISE_USER],
    }
    for name, value in given.items():
        if name.lower() == ENTERPRISE_USER.lower() and isinstance(value, Mapping):
            given[name] = _with_manager(value)
    found: Any = FullUser.model_validate(given, scim_ctx=context, scim_policy=POLICY)
    document: dict[str, Any] = found.model_dump()
    return {name: value for name, value in document.items() if value is not None}


def _with_manager(extension: Mapping[str, Any]) -> dict[str, Any]:
    """Return the extension with its manager as an object: Entra sends the id alone."""
    return {
        name: {"value": value} if name.lower() == "manager" and isinstance(value, str) else value
        for name, value in extension.items()
    }
