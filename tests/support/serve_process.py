"""`flashnotify serve` and other commands as separate processes."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any, NamedTuple, Self

import httpx

from tests.support.eventually import eventually
from tests.support.processes import start_process

# Seconds for a process to start or to end on a busy machine.
PATIENCE = 60.0


class Finished(NamedTuple):
    """The result of a command."""

    code: int
    stdout: str
    stderr: str


class ServeProcess:
    """`python -m flashnotify serve` on a port of its own, with its archive under `folder`.

    `settings` are the `FLASHNOTIFY_…` variables without that prefix, such as `EMAIL_URL="…"`, for
    `serve` and for the commands of `cli`. `options` are more options of `serve`, such as
    `"--trial"`. It can be started again after it has ended: the archive stays, the port changes.

        async with ServeProcess(tmp_path) as serve:
            await serve.http.get("/healthz")
    """

    def __init__(self, folder: Path, *options: str, **settings: str) -> None:
        self.folder = folder
        self.options = options
        self.settings = {"LOG_FORMAT": "json"} | settings
        self.archive = folder / "var" / "flashnotify.db"
        self.port = 0
        self._log = folder / "serve.log"
        self._out = folder / "serve.out"
        self._read_from = 0
        self._process: asyncio.subprocess.Process | None = None
        self._clients: list[httpx.AsyncClient] = []

    @property
    def url(self) -> str:
        """The URL since its latest start."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def http(self) -> httpx.AsyncClient:
        """A client over TCP, without a key."""
        return self._clients[0]

    @property
    def admin(self) -> httpx.AsyncClient:
        """A client over the Unix socket, as an admin."""
        return self._clients[1]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code, or None while it runs. -9 after SIGKILL."""
        return None if self._process is None else self._process.returncode

    @property
    def stdout(self) -> str:
        """Its standard output since its first start."""
        return self._out.read_text() if self._out.exists() else ""

    @property
    def stderr(self) -> str:
        """Its standard error since its first start."""
        return self._log.read_text() if self._log.exists() else ""

    def log(self, *, whole: bool = False) -> list[dict[str, Any]]:
        """Return the entries of its log since its latest start, or the `whole` log."""
        lines = self.stderr[0 if whole else self._read_from :].splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    async def start(self, *, ready: bool = True) -> Self:
        """Start it and, if `ready`, wait until it serves."""
        assert self._process is None or self._process.returncode is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        self._read_from = len(self.stderr)
        port = () if "--port" in self.options else ("--port", "0")
        with self._out.open("ab") as out, self._log.open("ab") as log:
            self._process = await self._spawn("serve", *port, *self.options, stdout=out, stderr=log)
        if ready:
            await self._until_ready()
        return self

    async def terminate(self, within: float = PATIENCE) -> int:
        """Send SIGTERM and return the exit code."""
        self.signal(signal.SIGTERM)
        return await self.wait(within)

    async def kill(self) -> int:
        """Send SIGKILL and return the exit code."""
        self.signal(signal.SIGKILL)
        return await self.wait()

    def signal(self, number: int) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def wait(self, within: float = PATIENCE) -> int:
        """Wait until it ends, and return the exit code."""
        assert self._process is not None
        async with asyncio.timeout(within):
            code = await self._process.wait()
        await self._close_clients()
        return code

    async def cli(self, *arguments: str, stdin: str = "", **settings: str) -> Finished:
        """Run another command on the same archive to its end."""
        self.folder.mkdir(parents=True, exist_ok=True)
        process = await self._spawn(
            *arguments,
            settings=settings,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(PATIENCE):
                out, err = await process.communicate(stdin.encode())
        except BaseException:
            process.kill()
            await process.wait()
            raise
        assert process.returncode is not None
        return Finished(process.returncode, out.decode(), err.decode())

    async def key(self, *scopes: str, **more: Any) -> dict[str, str]:
        """Create an API key, and return its headers."""
        wanted = {"name": "test", "scopes": list(scopes), **more}
        answer = await self.admin.post("/v1/api-keys", json=wanted)
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['key']}"}

    async def __aenter__(self) -> Self:
        try:
            return await self.start()
        except BaseException:
            await self._end()
            raise

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    async def _end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.kill()
        await self._close_clients()

    async def _close_clients(self) -> None:
        while self._clients:
            await self._clients.pop().aclose()

    async def _spawn(
        self, *arguments: str, settings: dict[str, str] | None = None, **more: Any
    ) -> asyncio.subprocess.Process:
        return await start_process(
            self.folder,
            *arguments,
            settings=self.settings | (settings or {}),
            # Plain text of one width, whatever terminal the tests run in.
            environment={"COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"},
            **more,
        )

    def _started(self) -> list[dict[str, Any]]:
        """Return the log entries of its start."""
        assert self._process is not None
        if self._process.returncode is not None:
            raise AssertionError(f"serve ended at its start:\n{self.stderr}")
        return [entry for entry in self.log() if entry["event"] == "serve.started"]

    async def _until_ready(self) -> None:
        assert self._process is not None
        async with asyncio.timeout(PATIENCE):
            started = await eventually(self._started)
        self.port = int(started[-1]["port"])
        local = httpx.AsyncHTTPTransport(uds=str(self.archive) + ".sock")
        self._clients = [
            httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=PATIENCE),
            httpx.AsyncClient(transport=local, base_url="http://serve", timeout=PATIENCE),
        ]
