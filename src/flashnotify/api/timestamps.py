"""Times in requests and responses: ISO 8601 with an offset."""

from datetime import datetime
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

from flashnotify.domain import moment
from flashnotify.meta import descriptors

# Pydantic's own datetime would also take numbers.
Timestamp = Annotated[
    datetime,
    PlainValidator(descriptors.Moment().validate, json_schema_input_type=str),
    WithJsonSchema(descriptors.Moment().schema()),
]


def timestamp(ms: int | None) -> datetime | None:
    """Return the UTC time of milliseconds since the epoch, if there is one."""
    return None if ms is None else moment(ms)
