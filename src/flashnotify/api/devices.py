"""`/v1/devices`: what gets push, which is Web Push subscriptions and ntfy topics.

And `/v1/vapid-key`: what a browser needs to subscribe.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)
from sqlalchemy import Row
from starlette.responses import JSONResponse

from flashnotify.api.problems import problems
from flashnotify.api.requests import Authenticate, Cursor, Limit, read_json
from flashnotify.archive.reads.reader import Reader
from flashnotify.archive.writer import Writer
from flashnotify.archive.writes.statements import DROP_DEVICE, REGISTER_DEVICE
from flashnotify.channels.net.address_guard import PublicAddresses
from flashnotify.channels.net.resolver import NameLookup
from flashnotify.channels.push.message_encryption import auth_secret, public_key
from flashnotify.channels.push.webpush import origin
from flashnotify.clock import Clock
from flashnotify.domain import DeviceType, moment
from flashnotify.errors import FieldError, InvalidInput, NotFound, Unavailable
from flashnotify.identity.principal import DEVICES, READ, Caller
from flashnotify.intake.validation import parse
from flashnotify.meta.descriptors import Text
from flashnotify.meta.requests import field_type

# Bytes of a request: an endpoint of 2048, keys, a label, and room for their JSON.
_MOST_BYTES = 16 * 1024

# The keys in the example of RFC 8291, section 5.
_P256DH = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
_AUTH = "BTBZMqHH6r4Tts7J_aSIgg"

_LABEL: Any = field_type(
    Text(max_length=100, help="To tell it from others.", example="Ada's phone")
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
    """A Web Push subscription, as `PushSubscription.toJSON()` in a browser gives it."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["webpush"]
    endpoint: Annotated[
        str,
        Field(
            description="An https: URL with a public address.",
            max_length=2048,
            examples=["https://push.example.net/v2/4rlN0A"],
        ),
    ]
    keys: SubscriptionKeys
    expirationTime: float | None = Field(None, description="May be there, and is not used.")  # noqa: N815  # as browsers write it
    label: _LABEL | None = None

    def row(self) -> dict[str, Any]:
        """The subscription, as columns of a device."""
        return {"target": self.endpoint, "p256dh": self.keys.p256dh, "auth": self.keys.auth}


class NtfyDeviceIn(BaseModel):
    """A topic on the ntfy server that the settings name."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["ntfy"]
    topic: Annotated[str, Field(pattern=r"^[-_A-Za-z0-9]{1,64}$", examples=["ada-5Hk2xQ"])]
    label: _LABEL | None = None

    def row(self) -> dict[str, Any]:
        """The topic, as columns of a device."""
        return {"target": self.topic, "p256dh": None, "auth": None}


DEVICE_REQUESTS: Mapping[str, type[WebPushDeviceIn | NtfyDeviceIn]] = {
    DeviceType.webpush: WebPushDeviceIn,
    DeviceType.ntfy: NtfyDeviceIn,
}


class RegisteredOut(BaseModel):
    """A device that can be sent to. `address` is for `to`."""

    id: UUID
    address: str


class DeviceOut(RegisteredOut):
    """A device. `target` is its ntfy topic, or the push service that its browser uses.

    The rest of a subscription is nobody's business: whoever knows it can end it.
    """

    type: DeviceType
    target: str
    label: str | None
    created_at: datetime


class DevicePage(BaseModel):
    """One page of a list, newest first."""

    items: list[DeviceOut]
    next: str | None


class VapidKeyOut(BaseModel):
    """The `applicationServerKey` that browsers need to subscribe, in base64url."""

    key: str


def devices_router(
    reader: Reader,
    writer: Writer,
    clock: Clock,
    ids: Callable[[], UUID],
    addresses: PublicAddresses,
    names: NameLookup,
    vapid_key: str | None,
    authenticate: Authenticate,
) -> APIRouter:
    """The endpoints about devices.

    `addresses` are where push services may be, `names` finds those of a URL.
    """
    router = APIRouter(prefix="/v1", tags=["devices"])

    @router.post(
        "/devices",
        status_code=201,
        response_model=RegisteredOut,
        summary="Register a device, or renew it",
        responses={
            200: {"model": RegisteredOut, "description": "It was registered before."},
            **problems(400, 401, 403, 408, 413, 415, 422, 429, 503),
        },
        openapi_extra={"requestBody": _request_body()},
    )
    async def register(
        request: Request, caller: Annotated[Caller, Depends(authenticate)]
    ) -> JSONResponse:
        caller.require(DEVICES)
        device = _parse(await read_json(request, _MOST_BYTES))
        if isinstance(device, WebPushDeviceIn):
            await _check(device.endpoint)
        id, row = ids(), device.row()
        row |= {"id": id, "type": device.type, "label": device.label, "created_at": clock.now()}
        # One statement for new and known ones, so that two at once make one device.
        await writer.write((REGISTER_DEVICE, row))
        kept = await reader.device_of(device.type, row["target"])
        if kept is None:
            raise Unavailable("The device was removed at the same moment. Send it again.")
        content = RegisteredOut(id=kept.id, address=f"push:{kept.id}")
        return JSONResponse(content.model_dump(mode="json"), 201 if kept.id == id else 200)

    @router.get("/devices", summary="List devices", responses=problems(401, 403, 422, 429, 503))
    async def index(
        caller: Annotated[Caller, Depends(authenticate)], limit: Limit = 50, cursor: Cursor = None
    ) -> DevicePage:
        caller.require(READ)
        page = await reader.devices(limit=limit, cursor=cursor)
        return DevicePage(items=[_device(row) for row in page.items], next=page.next)

    @router.get(
        "/vapid-key",
        summary="The key that browsers need to subscribe",
        responses=problems(401, 404, 422, 429, 503),
    )
    async def show_vapid_key(_caller: Annotated[Caller, Depends(authenticate)]) -> VapidKeyOut:
        if vapid_key is None:
            raise NotFound(
                "Web Push is not set up here. An administrator adds webpush: to "
                "FLASHNOTIFY_PUSH_URL."
            )
        return VapidKeyOut(key=vapid_key)

    @router.get(
        "/devices/{id}",
        summary="Look at a device",
        responses=problems(401, 403, 404, 422, 429, 503),
    )
    async def show(id: UUID, caller: Annotated[Caller, Depends(authenticate)]) -> DeviceOut:
        caller.require(READ)
        return _device(await _find(id))

    @router.delete(
        "/devices/{id}",
        status_code=204,
        summary="Remove a device",
        responses=problems(401, 403, 404, 422, 429, 503),
    )
    async def remove(id: UUID, caller: Annotated[Caller, Depends(authenticate)]) -> None:
        caller.require(DEVICES)
        await _find(id)
        await writer.write((DROP_DEVICE, {"of": id}))

    async def _check(endpoint: str) -> None:
        try:
            await addresses.check(endpoint, names)
        except ValueError as error:
            raise InvalidInput([FieldError("/endpoint", str(error))]) from None

    async def _find(id: UUID) -> Row[Any]:
        row = await reader.device(id)
        if row is None:
            raise NotFound("There is no device with this id.")
        return row

    return router


def _parse(body: bytes) -> WebPushDeviceIn | NtfyDeviceIn:
    document = parse(body)
    given = document.get("type")
    model = DEVICE_REQUESTS.get(given) if isinstance(given, str) else None
    if model is None:
        detail = f"must be one of {', '.join(DEVICE_REQUESTS)}"
        raise InvalidInput([FieldError("/type", detail)])
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InvalidInput(
            [
                FieldError.at(fault["loc"], _explain(fault))
                for fault in error.errors(include_url=False, include_input=False)
            ]
        ) from None


def _explain(fault: Any) -> str:
    match fault["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is no field of such a device; remove it"
        case "string_pattern_mismatch":
            return "must be 1 to 64 letters, digits, '-' and '_'"
        case _:
            return str(fault["msg"]).removeprefix("Value error, ")


def _device(row: Row[Any]) -> DeviceOut:
    return DeviceOut(
        id=row.id,
        address=f"push:{row.id}",
        type=row.type,
        target=origin(row.target) if row.type == DeviceType.webpush else row.target,
        label=row.label,
        created_at=moment(row.created_at),
    )


def _request_body() -> dict[str, Any]:
    refs = {type: f"#/components/schemas/{m.__name__}" for type, m in DEVICE_REQUESTS.items()}
    schema = {
        "oneOf": [{"$ref": ref} for ref in refs.values()],
        "discriminator": {"propertyName": "type", "mapping": refs},
    }
    return {"required": True, "content": {"application/json": {"schema": schema}}}
