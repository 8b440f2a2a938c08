"""Long-running commands as processes, with their output."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.support.processes import start_process

# Seconds for a line to come or the process to end, on a busy machine.
PATIENCE = 30.0
_ENVIRONMENT: Mapping[str, str | None] = {
    "COLUMNS": "200",
    "TERM": "xterm-256color",
    "PYTHONUNBUFFERED": "1",
    **dict.fromkeys(("NO_COLOR", "FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS")),
}


class CommandProcess:
    """`python -m flashnotify <arguments>` in `folder`.

    `settings` are the `FLASHNOTIFY_…` variables without that prefix. With `terminal` it writes to a
    pseudo-terminal, standard error included.

        async with CommandProcess(folder, "tail") as tail:
            await tail.until("completed")
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        terminal: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.arguments = arguments
        self.terminal = terminal
        self.settings = settings or {}
        self.seen = ""
        self._process: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()
        self._errors = ""

    @property
    def stderr(self) -> str:
        """Its standard error; on a terminal that goes into `seen` instead."""
        return self._errors

    async def until(self, text: str) -> str:
        """Wait until `text` is in its output, and return all of it.

        Raises:
            AssertionError: it ended or timed out first.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                while text not in self.seen:
                    if all(reader.done() for reader in self._readers):
                        break
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass
        assert text in self.seen, f"{text!r} did not come:\n{self.seen}\n{self._errors}"
        return self.seen

    def signal(self, number: int) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def ends(self) -> int:
        """Wait until it ends, and return the exit code."""
        assert self._process is not None
        async with asyncio.timeout(PATIENCE):
            code = await self._process.wait()
            await asyncio.gather(*self._readers)
        return code

    async def interrupt(self) -> int:
        """Send SIGINT, as Ctrl-C does, and return the exit code."""
        self.signal(signal.SIGINT)
        return await self.ends()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        ours, theirs = pty.openpty() if self.terminal else os.pipe()
        errors, their_errors = (ours, theirs) if self.terminal else os.pipe()
        try:
            self._process = await self._spawn(
                stdin=asyncio.subprocess.DEVNULL, stdout=theirs, stderr=their_errors
            )
        finally:
            for end in {theirs, their_errors}:
                os.close(end)
        self._readers = [loop.create_task(self._read(ours, to_errors=False))]
        if not self.terminal:
            self._readers.append(loop.create_task(self._read(errors, to_errors=True)))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self.signal(signal.SIGKILL)
        await self.ends()

    async def _spawn(self, **streams: Any) -> asyncio.subprocess.Process:
        return await start_process(
            self.folder,
            *self.arguments,
            settings=self.settings,
            environment=_ENVIRONMENT,
            **streams,
        )

    async def _read(self, file: int, *, to_errors: bool) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(file, "rb", buffering=0)
        )
        try:
            while data := await reader.read(65536):
                text = data.decode(errors="replace")
                if to_errors:
                    self._errors += text
                else:
                    self.seen += text
                self._news.set()
        except OSError:
            # A pseudo-terminal raises this when the other side has closed it.
            pass
        finally:
            transport.close()
            self._news.set()


class ShellProcess(CommandProcess):
    """A bash script in `folder`, with exactly this environment. It ends at the first failure.

    Its errors are in `seen` too. A signal goes to every process that it has started, as from a
    terminal.
    """

    def __init__(self, folder: Path, script: str, environment: Mapping[str, str]) -> None:
        super().__init__(folder, "-euo", "pipefail", "-c", f"exec 2>&1\n{script}")
        self._variables = environment

    def signal(self, number: int) -> None:
        """Send a signal."""
        assert self._process is not None
        os.killpg(self._process.pid, number)

    async def _spawn(self, **streams: Any) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            "bash",
            *self.arguments,
            cwd=self.folder,
            env=self._variables,
            start_new_session=True,
            **streams,
        )
