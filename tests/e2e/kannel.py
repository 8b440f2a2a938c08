"""Kannel as a campus runs it, with its fake SMSC in the place of a mobile operator."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote_to_bytes

import httpx

from tests.support.eventually import eventually

FAKESMSC = "/usr/lib/kannel/test/fakesmsc"
USER = "campus"
PASSWORD = "pass: word/ü"
# Numbers that start so cannot be reached: no SMSC takes them.
NO_ROUTE = "+49"

_CONFIG = """
group = core
admin-port = {admin}
admin-interface = "127.0.0.1"
admin-password = admin
smsbox-port = {smsbox}
smsbox-interface = "127.0.0.1"
box-allow-ip = "127.0.0.1"

group = smsc
smsc = fake
smsc-id = FAKE
port = {smsc}
connect-allow-ip = "127.0.0.1"
denied-prefix = "{no_route}"

group = smsbox
bearerbox-host = "127.0.0.1"
sendsms-port = {sendsms}
sendsms-interface = "127.0.0.1"

group = sendsms-user
username = "{user}"
password = "{password}"
max-messages = 3
concatenation = true
"""


@dataclass(frozen=True, slots=True)
class Texted:
    """An SMS, or a part of a long one, that the fake SMSC received."""

    sender: str
    to: str
    text: str


class Kannel:
    """bearerbox, smsbox and fakesmsc on free ports, with their files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports = dict(zip(("admin", "smsbox", "smsc", "sendsms"), free_ports(4), strict=True))
        self._running = AsyncExitStack()

    def url(self, password: str = PASSWORD) -> str:
        """The transport URL."""
        return f"kannel://{USER}:{quote(password, safe='')}@127.0.0.1:{self._ports['sendsms']}"

    @property
    def texted(self) -> list[Texted]:
        """The messages that the fake SMSC has received."""
        log = self.folder / "fakesmsc.log"
        got: list[Texted] = []
        for entry in _ENTRY.findall(log.read_text()):
            message = _MESSAGE.fullmatch(entry)
            if message is not None:
                sender, to, form, data = message.groups()
                got.append(Texted(sender, to, _text(form, data)))
            else:
                # It takes each line of a text for a message.
                got[-1] = replace(got[-1], text=f"{got[-1].text}\n{entry}")
        return got

    async def __aenter__(self) -> Self:
        self.folder.mkdir()
        config = self.folder / "kannel.conf"
        config.write_text(
            _CONFIG.format(user=USER, password=PASSWORD, no_route=NO_ROUTE, **self._ports)
        )
        async with self._running:
            await self._run("bearerbox", str(config))
            await self._until("Status: running")
            await self._run("smsbox", str(config))
            smsc = ("-H", "127.0.0.1", "-r", str(self._ports["smsc"]), "-m", "0")
            await self._run(FAKESMSC, *smsc, "1 2 text never sent")
            await self._until("smsbox:", "(online")
            self._running = self._running.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    async def _run(self, program: str, *arguments: str) -> None:
        with (self.folder / f"{Path(program).name}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                program, *arguments, cwd=self.folder, stdout=log, stderr=log
            )

        async def end() -> None:
            # Its own way of stopping waits for its neighbours.
            process.kill()
            await process.wait()

        self._running.push_async_callback(end)

    async def _until(self, *words: str) -> None:
        """Wait until the status page says these words: the tests' time-out bounds it."""
        status = f"http://127.0.0.1:{self._ports['admin']}/status.txt?password=admin"
        async with httpx.AsyncClient(trust_env=False) as http:

            async def says_so() -> bool:
                try:
                    shown = (await http.get(status)).text
                except httpx.TransportError:
                    return False
                return all(word in shown for word in words)

            await eventually(says_so)


_ENTRY = re.compile(r"Got message \d+: <(.*)>\n")
_MESSAGE = re.compile(r"(\S+) (\+\d+) (text|ucs-2|udh) (.*)")


def _text(form: str, data: str) -> str:
    """Return the text of a message in the format of fakesmsc."""
    if form == "text":
        return data
    # In parts of a long one their header comes first.
    octets = unquote_to_bytes(data.rpartition(" ")[2].replace("+", " "))
    # It doesn't say how parts are encoded. In UTF-16, spaces have a zero octet.
    return octets.decode("utf-16-be" if b"\0" in octets else "utf-8")


def free_ports(number: int) -> list[int]:
    """Return free ports of 127.0.0.1."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports
