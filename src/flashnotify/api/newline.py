"""A newline after each JSON answer, for people who read it in a terminal."""

from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class FinalNewline:
    """Ends the body of every JSON answer with a newline, as text files end."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        is_json = False

        async def send_ended(message: Message) -> None:
            nonlocal is_json
            if message["type"] == "http.response.start":
                is_json = _is_json(dict(message["headers"]))
                if is_json:
                    message["headers"] = [*map(_one_longer, message["headers"])]
            elif is_json and not message.get("more_body", False):
                message["body"] = message.get("body", b"") + b"\n"
            await send(message)

        await self.app(scope, receive, send_ended)


def _is_json(headers: dict[bytes, bytes]) -> bool:
    # A 204 has a type, but no length and no body.
    return b"json" in headers.get(b"content-type", b"") and b"content-length" in headers


def _one_longer(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    name, value = header
    return (name, b"%d" % (int(value) + 1)) if name == b"content-length" else header
