"""`/v1/devices`: Web Push subscriptions and ntfy topics; `/v1/vapid-key` to subscribe with."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, BeforeValidator

from flashnotify.api.auth import AnyKey, DeviceManager, DeviceReader
from flashnotify.api.bodies import body_of_one, read_json
from flashnotify.api.device_requests import DEVICE_REQUESTS, WebPushDeviceIn, parse_device
from flashnotify.api.fields import Cursor, Limit, Page, Time, read_from
from flashnotify.api.problems import problems
from flashnotify.archive import records
from flashnotify.archive.records import RegisteredDevice
from flashnotify.channels.net.address_guard import PublicAddresses
from flashnotify.channels.net.name_lookup import NameLookup
from flashnotify.channels.push.webpush import origin
from flashnotify.domain import Device, DeviceType
from flashnotify.errors import FieldError, InvalidInput, NotFound
from flashnotify.identity.devices import OwnedDevices
from flashnotify.time_slices import TimeSlices

# Enough for an endpoint of 2048 characters, its keys and a label.
_MAX_BYTES = 16 * 1024


class RegisteredOut(BaseModel):
    """A registered device. `address` is its entry for `to`."""

    id: Annotated[UUID, read_from("device", "id")]
    address: Annotated[str, read_from("device", "id"), BeforeValidator(lambda id: f"push:{id}")]


def _target(device: Device) -> str | None:
    is_shown = device.type is DeviceType.webpush and device.target
    return origin(device.target) if is_shown else device.target or None


class DeviceOut(RegisteredOut):
    """A device. `target` is its ntfy topic, or the origin of its push service, for its owner.

    The rest of the endpoint is a secret: it is enough to end the subscription.
    """

    type: Annotated[DeviceType, read_from("device", "type")]
    target: Annotated[str | None, read_from("device"), BeforeValidator(_target)]
    label: str | None
    user_id: UUID | None
    created_at: Time


class VapidKeyOut(BaseModel):
    """The `applicationServerKey` that browsers need to subscribe, in base64url."""

    key: str


def devices_router(
    devices: OwnedDevices,
    addresses: PublicAddresses,
    names: NameLookup,
    vapid_key: str | None,
    slices: TimeSlices,
) -> APIRouter:
    """Return the endpoints of devices.

    `addresses` are those that a push service may have, `names` resolves host names.
    """
    router = APIRouter(prefix="/v1", tags=["devices"])

    @router.post(
        "/devices",
        status_code=201,
        summary="Register or renew a device",
        description="A device is addressed as `push:<id>`. Registering the same subscription or "
        "topic again returns the same id, with a 200. People register their own devices, and the "
        "scope `devices` those of anybody.",
        openapi_extra={"requestBody": body_of_one(DEVICE_REQUESTS, "type")},
        responses={
            200: {"model": RegisteredOut, "description": "It was registered before."},
            **problems(409),
        },
        response_model=RegisteredOut,
    )
    async def register_device(
        request: Request, response: Response, caller: DeviceManager
    ) -> RegisteredDevice:
        wanted = await parse_device(await read_json(request, _MAX_BYTES), slices)
        if isinstance(wanted, WebPushDeviceIn):
            try:
                await addresses.check(wanted.endpoint, names, caller.id)
            except ValueError as error:
                raise InvalidInput([FieldError.of("/endpoint", error)]) from None
        device = wanted.device(devices.ids())
        kept, is_new = await devices.register(caller, device, wanted.label, wanted.user_id)
        if not is_new:
            response.status_code = 200
        return kept

    @router.get(
        "/devices",
        summary="List devices",
        description="Newest first: one's own, or all with the scope `devices`, or all without "
        "their `target` with `read:all`. The endpoints of subscriptions are secret, so only their "
        "origin is shown.",
        response_model=Page[DeviceOut],
        responses=problems(403),
    )
    async def list_devices(
        caller: DeviceReader, limit: Limit = 50, cursor: Cursor = None
    ) -> records.Page[RegisteredDevice]:
        return await devices.page(caller, limit=limit, cursor=cursor)

    @router.get(
        "/vapid-key",
        summary="Get the public key for Web Push",
        description="The `applicationServerKey` of `PushManager.subscribe()`.",
        responses=problems(404),
    )
    async def get_vapid_key(_: AnyKey) -> VapidKeyOut:
        if vapid_key is None:
            raise NotFound(
                "Web Push is not configured. Add webpush: to FLASHNOTIFY_PUSH_URL and restart.",
                code="web_push_not_configured",
            )
        return VapidKeyOut(key=vapid_key)

    @router.get(
        "/devices/{id}",
        summary="Get a device",
        description="The device as the list shows it.",
        response_model=DeviceOut,
        responses=problems(403),
    )
    async def get_device(id: UUID, caller: DeviceReader) -> RegisteredDevice:
        return await devices.find(caller, id)

    @router.delete(
        "/devices/{id}",
        status_code=204,
        summary="Remove a device",
        description="Nothing more is sent to it, and its `push:` address is refused. People remove "
        "their own devices, and the scope `devices` those of anybody.",
    )
    async def remove_device(id: UUID, caller: DeviceManager) -> None:
        await devices.remove(caller, id)

    return router
