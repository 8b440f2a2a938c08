"""`/v1/devices`: Web Push subscriptions and ntfy topics; `/v1/vapid-key` to subscribe with."""

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, BeforeValidator

from flashnotify.api.auth import AnyKey, DeviceManager, Reader
from flashnotify.api.bodies import body_of_one, read_json
from flashnotify.api.device_requests import DEVICE_REQUESTS, WebPushDeviceIn, parse_device
from flashnotify.api.fields import Cursor, Limit, Page, Time, read_from
from flashnotify.api.problems import problems
from flashnotify.archive import records
from flashnotify.archive.ports import Devices
from flashnotify.archive.records import RegisteredDevice
from flashnotify.channels.net.address_guard import PublicAddresses
from flashnotify.channels.net.resolver import NameLookup
from flashnotify.channels.push.webpush import origin
from flashnotify.clock import Clock
from flashnotify.domain import Device, DeviceType
from flashnotify.errors import FieldError, InvalidInput, NotFound, Unavailable

# Enough for an endpoint of 2048 characters, its keys and a label.
_MAX_BYTES = 16 * 1024


class RegisteredOut(BaseModel):
    """A registered device. `address` is its entry for `to`."""

    id: Annotated[UUID, read_from("device", "id")]
    address: Annotated[str, read_from("device", "id"), BeforeValidator("push:{}".format)]


def _target(device: Device) -> str:
    return origin(device.target) if device.type is DeviceType.webpush else device.target


class DeviceOut(RegisteredOut):
    """A device. `target` is its ntfy topic, or the origin of its push service.

    The rest of the endpoint is a secret: it is enough to end the subscription.
    """

    type: Annotated[DeviceType, read_from("device", "type")]
    target: Annotated[str, read_from("device"), BeforeValidator(_target)]
    label: str | None
    created_at: Time


class VapidKeyOut(BaseModel):
    """The `applicationServerKey` that browsers need to subscribe, in base64url."""

    key: str


def devices_router(
    devices: Devices,
    clock: Clock,
    ids: Callable[[], UUID],
    addresses: PublicAddresses,
    names: NameLookup,
    vapid_key: str | None,
) -> APIRouter:
    """Return the endpoints of devices.

    `addresses` are those that a push service may have, `names` resolves host names.
    """
    router = APIRouter(prefix="/v1", tags=["devices"])

    @router.post(
        "/devices",
        status_code=201,
        summary="Register or renew a device",
        response_model=RegisteredOut,
        responses={200: {"model": RegisteredOut, "description": "It was registered before."}},
        openapi_extra={"requestBody": body_of_one(DEVICE_REQUESTS, "type")},
    )
    async def register(request: Request, response: Response, _: DeviceManager) -> RegisteredDevice:
        device = parse_device(await read_json(request, _MAX_BYTES))
        if isinstance(device, WebPushDeviceIn):
            try:
                await addresses.check(device.endpoint, names)
            except ValueError as error:
                raise InvalidInput([FieldError.of("/endpoint", error)]) from None
        registered = RegisteredDevice(device.device(ids()), device.label, clock.now())
        # One statement for new and known ones, so that two at once make one device.
        await devices.register(registered)
        kept = await devices.find_target(device.type, registered.device.target)
        if kept is None:
            raise Unavailable("The device was removed at the same moment. Register it again.")
        if kept.device.id != registered.device.id:
            response.status_code = 200
        return kept

    @router.get("/devices", summary="List devices", response_model=Page[DeviceOut])
    async def index(
        _: Reader, limit: Limit = 50, cursor: Cursor = None
    ) -> records.Page[RegisteredDevice]:
        return await devices.page(limit=limit, cursor=cursor)

    @router.get("/vapid-key", summary="Get the public key for Web Push", responses=problems(404))
    async def show_vapid_key(_: AnyKey) -> VapidKeyOut:
        if vapid_key is None:
            raise NotFound(
                "Web Push is not configured. Add webpush: to FLASHNOTIFY_PUSH_URL and restart.",
                code="web_push_not_configured",
            )
        return VapidKeyOut(key=vapid_key)

    @router.get("/devices/{id}", summary="Get a device", response_model=DeviceOut)
    async def show(id: UUID, _: Reader) -> RegisteredDevice:
        return await _find(id)

    @router.delete("/devices/{id}", status_code=204, summary="Remove a device")
    async def remove(id: UUID, _: DeviceManager) -> None:
        await _find(id)
        await devices.remove(id)

    async def _find(id: UUID) -> RegisteredDevice:
        device = await devices.find(id)
        if device is None:
            raise NotFound("No device has this id.")
        return device

    return router
