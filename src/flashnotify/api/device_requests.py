"""What requests about devices say."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from flashnotify.api.bodies import validated
from flashnotify.channels.push.message_encryption import auth_secret, public_key
from flashnotify.domain import Device, DeviceType
from flashnotify.errors import FieldError, InvalidInput
from flashnotify.intake.json_documents import parse
from flashnotify.meta.descriptors import Text
from flashnotify.meta.requests import field_type
from flashnotify.time_slices import TimeSlices

# The keys in the example of RFC 8291, section 5.
_P256DH = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
_AUTH = "BTBZMqHH6r4Tts7J_aSIgg"

_LABEL: Any = field_type(
    Text(max_length=100, help="A name to recognise it by.", example="Ada's phone")
)

_OWNER: Any = Annotated[
    UUID,
    Field(description="Whose it is; by default yours. For others it takes the scope `devices`."),
]


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
    user_id: _OWNER | None = None

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
    user_id: _OWNER | None = None

    def device(self, id: UUID) -> Device:
        """Return the topic as a device."""
        return Device(id, DeviceType.ntfy, self.topic)


DeviceIn = WebPushDeviceIn | NtfyDeviceIn
DEVICE_REQUESTS: Mapping[str, type[DeviceIn]] = {
    DeviceType.webpush: WebPushDeviceIn,
    DeviceType.ntfy: NtfyDeviceIn,
}


async def parse_device(body: bytes, slices: TimeSlices) -> DeviceIn:
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
