"""The memory for the bodies of all requests together."""

from collections.abc import Callable

from starlette.types import Message, Receive

from flashnotify.errors import Unavailable

# Bytes of each request that are not counted, so that large bodies do not keep small ones out.
_FREE = 16 * 1024


class BodyMemory:
    """Limits the bytes of all bodies that are held at once to `limit`."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def counted(self, receive: Receive) -> tuple[Receive, Callable[[], None]]:
        """Return `receive` with the bodies counted, and what to call at the end of the request.

        `receive` raises `Unavailable` when there is no memory left.
        """
        size = taken = 0

        async def receive_counted() -> Message:
            nonlocal size, taken
            message = await receive()
            size += len(message.get("body", b""))
            more = max(size - _FREE, 0) - taken
            if more > self._left:
                raise Unavailable(
                    "The service is reading too many large requests. Send it again later.",
                    code="too_many_bodies",
                )
            taken += more
            self._left -= more
            return message

        def release() -> None:
            self._left += taken

        return receive_counted, release
