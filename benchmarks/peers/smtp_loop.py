"""Send ready messages over aiosmtplib and nothing else: `… smtp_loop PORT MESSAGES CONNECTIONS`."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from email.message import EmailMessage

import uvloop
from aiosmtplib import SMTP

# A message of FlashNotify's has as many bytes.
BYTES = 3700
_SENDER = "flashnotify@campus.example"


def _message() -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = _SENDER, "SECURITY: Fire drill"
    message.set_content("This is only a drill.\n")
    message.add_alternative("<p>This is only a drill.</p>\n", subtype="html")
    missing = BYTES - len(message.as_bytes())
    html = "<p>This is only a drill.</p>\n" * (missing // 29)
    message = EmailMessage()
    message["From"], message["Subject"] = _SENDER, "SECURITY: Fire drill"
    message.set_content("This is only a drill.\n")
    message.add_alternative(html, subtype="html")
    return message.as_bytes()


async def _send(port: int, message: bytes, numbers: Iterator[int]) -> None:
    client = SMTP(hostname="127.0.0.1", port=port, start_tls=False)
    async with client:
        for number in numbers:
            await client.sendmail(_SENDER, f"p{number}@univ.example", message)


async def main(port: int, messages: int, connections: int) -> None:
    """Send, and print how long it took."""
    message, numbers = _message(), iter(range(messages))
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(_send(port, message, numbers) for _ in range(connections)))
    took = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    print(json.dumps(took))


if __name__ == "__main__":
    uvloop.run(main(*map(int, sys.argv[1:])))
