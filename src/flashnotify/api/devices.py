"""`/v1/devices`: Web Push subscriptions and ntfy topics; `/v1/vapid-key` to subscribe with."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from flashnotify.api.auth import AnyKey, DeviceManager, Reader
from flashnotify.api.bodies import body_of_one, read_json, validated
from flashnotify.api.fields import Cursor, Limit, Page, Time, read_from
from flashnotify.api.problems import problems
from flashnotify.archive import records
from flashnotify.archive.ports import Devices
from flashnotify.archive.records import RegisteredDevice
from flashnotify.channels.net.address_guard import PublicAddresses
from flashnotify.channels.net.name_lookup import NameLookup
from flashnotify.channels.push.message_encryption import auth_secret, public_key
from flashnotify.channels.push.webpush import origin
from flashnotify.clock import Clock
from flashnotify.domain import Device, DeviceType
from flashnotify.errors import FieldError, InvalidInput, NotFound, Unavailable
from flashnotify.intake.json_documents import parse
from flashnotify.meta.descriptors import Text
from flashnotify.meta.requests import field_type
from flashnotify.time_slices import TimeSlices

# Enough for an endpoint of 2048 characters, its keys and a label.
_MAX_BYTES = 16 * 1024
# The keys in the example of RFC 8291, section 5.
_P256DH = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
_AUTH = "BTBZMqHH6r4Tts7J_aSIgg"

_LABEL: Any = field_type(
    Text(max_length=100, help="A name to recognise it by.", example="Ada's phone")
)


class SubscriptionKeys(BaseModel):
    """The keys of a Web Push subscription (RFC 8291, section 2), in base64url."""

    model_config = ConfigDict(extra="forbid")

    p256dh: Annotated[
        str,
        AfterValidator(public_key),
        WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_-]{87}=?$"}),
        Field(description="An uncompressed point on P-256.", examples=[_P256DH]),
    ]
    auth: Annotated[
        str,
        AfterValidator(auth_secret),
        WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_-]{22}={0,2}$"}),
        Field(description="16 bytes.", examples=[_AUTH]),
    ]


class WebPushDeviceIn(BaseModel):
    """A Web Push subscription, as a browser's `PushSubscription.toJSON()` returns it."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["webpush"]
    endpoint: str = Field(
        description="An https: URL with a public address.",
        max_length=2048,
        examples=["https://push.example.net/v2/4rlN0A"],
    )
    keys: SubscriptionKeys
    expirationTime: float | None = Field(None, description="Accepted and ignored.")  # noqa: N815  # as browsers write it
    label: _LABEL | None = None

    def device(self, id: UUID) -> Device:
        """Return the subscription as a device."""
        keys = self.keys
        return Device(id, DeviceType.webpush, self.endpoint, keys.p256dh, keys.auth)


class NtfyDeviceIn(BaseModel):
    """A topic on the ntfy server that the settings name."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["ntfy"]
    topic: Annotated[str, Field(pattern=r"^[-_A-Za-z0-9]{1,64}$", examples=["ada-5Hk2xQ"])]
    label: _LABEL | None = None

    def device(self, id: UUID) -> Device:
        """Return the topic as a device."""
        return Device(id, DeviceType.ntfy, self.topic)


DeviceIn = WebPushDeviceIn | NtfyDeviceIn
DEVICE_REQUESTS: Mapping[str, type[DeviceIn]] = {
    DeviceType.webpush: WebPushDeviceIn,
    DeviceType.ntfy: NtfyDeviceIn,
}


class RegisteredOut(BaseModel):
    """A registered device. `address` is its entry for `to`."""

    id: Annotated[UUID, read_from("device", "id")]
    address: Annotated[str, read_from("device", "id"), BeforeValidator(lambda id: f"push:{id}")]


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
        "topic again returns the same id, with a 200.",
        openapi_extra={"requestBody": body_of_one(DEVICE_REQUESTS, "type")},
        responses={200: {"model": RegisteredOut, "description": "It was registered before."}},
        response_model=RegisteredOut,
    )
    async def register_device(
        request: Request, response: Response, caller: DeviceManager
    ) -> RegisteredDevice:
        device = await _parse(await read_json(request, _MAX_BYTES), slices)
        if isinstance(device, WebPushDeviceIn):
            try:
                await addresses.check(device.endpoint, names, caller.id)
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

    @router.get(
        "/devices",
        summary="List devices",
        description="Newest first. The endpoints of subscriptions are secret, so only their "
        "origin is shown.",
        response_model=Page[DeviceOut],
    )
    async def list_devices(
        _: Reader, limit: Limit = 50, cursor: Cursor = None
    ) -> records.Page[RegisteredDevice]:
        return await devices.page(limit=limit, cursor=cursor)

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
    )
    async def get_device(id: UUID, _: Reader) -> RegisteredDevice:
        return await _find(id)

    @router.delete(
        "/devices/{id}",
        status_code=204,
        summary="Remove a device",
        description="Nothing more is sent to it, and its `push:` address is refused.",
    )
    async def remove_device(id: UUID, _: DeviceManager) -> None:
        await _find(id)
        await devices.remove(id)

    async def _find(id: UUID) -> RegisteredDevice:
        device = await devices.find(id)
        if device is None:
            raise NotFound("No device has this id.")
        return device

    return router


async def _parse(body: bytes, slices: TimeSlices) -> DeviceIn:
    """Return the device that a body describes.

    Raises:
        MalformedDocument: the body is not a JSON object.
        InvalidInput: it fails validation; lists its mistakes.
    """
    document = await parse(body, slices)
    given = document.get("type")
    model = DEVICE_REQUESTS.get(given) if isinstance(given, str) else None
    if model is None:
        code, detail = (
            ("missing", "is required") if given is None else ("unknown_value", "unknown value")
        )
        known = ", ".join(DEVICE_REQUESTS)
        raise InvalidInput([FieldError("/type", code, f"{detail}; expected one of {known}")])
    return validated(model, document)
