"""Whose devices are whose: people manage their own, and the scope `devices` all of them."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import UUID

from flashnotify.archive import identity_ports, ports
from flashnotify.archive.records import Page, RegisteredDevice
from flashnotify.clock import Clock
from flashnotify.domain import Device
from flashnotify.errors import Conflict, FieldError, InvalidInput, NotFound
from flashnotify.identity.principal import DEVICES, Principal
from flashnotify.identity.roles import user_id
from flashnotify.keyed_locks import KeyedLocks


@dataclass(eq=False, slots=True)
class OwnedDevices:
    """The devices that a principal may see and manage."""

    stored: ports.Devices
    users: identity_ports.Users
    clock: Clock
    ids: Callable[[], UUID]
    _turns: KeyedLocks[str] = field(default_factory=KeyedLocks, init=False)

    async def register(
        self, caller: Principal, device: Device, label: str | None, owner: UUID | None
    ) -> tuple[RegisteredDevice, bool]:
        """Register or renew a device of `owner`, by default the caller's, and whether it is new.

        Raises:
            NotPermitted: it is to be somebody else's, which takes the scope `devices`.
            InvalidInput: there is no such owner.
            Conflict: it is somebody else's.
        """
        if owner is not None and owner != user_id(caller):
            caller.require(DEVICES)
            if await self.users.find(owner) is None:
                detail = "no user has this id; list them: flashnotify users list"
                raise InvalidInput([FieldError("/user_id", "unknown_user", detail)])
        async with self._turns[f"{device.type} {device.target}"]:
            known = await self.stored.find_target(device.type, device.target)
            if known is not None:
                _refuse_to_take(caller, known, device)
                device = replace(device, id=known.device.id)
                # Who renews it for somebody need not know whose it is.
                owner = owner or (known.user_id if caller.allows(DEVICES) else None)
            owner = owner or user_id(caller)
            since = self.clock.now() if known is None else known.created_at
            registered = RegisteredDevice(device, label, since, owner)
            await self.stored.register(registered)
        return registered, known is None

    async def page(
        self, caller: Principal, *, limit: int, cursor: str | None
    ) -> Page[RegisteredDevice]:
        """Return a page of the devices that the caller may see, newest first."""
        own = user_id(caller)
        if not _sees_all(caller) and own is None:
            return Page([], None)
        of = None if _sees_all(caller) else own
        found = await self.stored.page(limit=limit, cursor=cursor, user_id=of)
        return Page([_shown(caller, device) for device in found.items], found.next)

    async def find(self, caller: Principal, id: UUID) -> RegisteredDevice:
        """Return a device as the caller may see it. Raise `NotFound` unless they may."""
        found = await self.stored.find(id)
        if found is None or not (_sees_all(caller) or _owns(caller, found)):
            raise _not_found()
        return _shown(caller, found)

    async def remove(self, caller: Principal, id: UUID) -> None:
        """Remove a device that the caller may manage, or raise `NotFound`."""
        found = await self.stored.find(id)
        if found is None or not _manages(caller, found):
            raise _not_found()
        await self.stored.remove(id)


def _sees_all(caller: Principal) -> bool:
    return caller.sees_all or caller.allows(DEVICES)


def _owns(caller: Principal, device: RegisteredDevice) -> bool:
    return device.user_id is not None and device.user_id == user_id(caller)


def _manages(caller: Principal, device: RegisteredDevice) -> bool:
    return caller.allows(DEVICES) or _owns(caller, device)


def _refuse_to_take(caller: Principal, known: RegisteredDevice, device: Device) -> None:
    """Raise `Conflict` if a device is somebody else's.

    A browser that several people use has one subscription: whoever has its keys has the browser.
    """
    kept, given = known.device.auth or "", device.auth or ""
    has_keys = bool(kept) and hmac.compare_digest(kept.encode(), given.encode())
    if not (_manages(caller, known) or has_keys):
        raise Conflict(
            "This device is registered for somebody else. Use another topic, or ask an admin to "
            "remove the device.",
            code="device_taken",
        )


def _shown(caller: Principal, found: RegisteredDevice) -> RegisteredDevice:
    """Return a device without its target, which is a secret, unless the caller manages it."""
    if _manages(caller, found):
        return found
    return replace(found, device=replace(found.device, target=""))


def _not_found() -> NotFound:
    return NotFound("No device has this id.")
