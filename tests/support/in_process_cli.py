"""Commands of `flashnotify` in the test's own process: no interpreter has to start."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sys
from unittest.mock import patch

from flashnotify.cli import main
from flashnotify.telemetry import logs
from tests.support.serve_process import Finished, ServeProcess


class InProcessCli(ServeProcess):
    """A `ServeProcess` whose `cli` runs every command but `serve` in this process, in a thread.

    The commands run one at a time and write no log. In `stdin`, a lone surrogate stands for a byte
    that is not UTF-8, as in arguments (PEP 383).
    """

    async def cli(self, *arguments: str, stdin: str = "", **settings: str) -> Finished:
        if arguments[0] == "serve":
            return await super().cli(*arguments, stdin=stdin, **settings)
        return await asyncio.to_thread(self._run, arguments, stdin, self.settings | settings)

    def _run(self, arguments: tuple[str, ...], stdin: str, settings: dict[str, str]) -> Finished:
        self.folder.mkdir(parents=True, exist_ok=True)
        out, err = io.StringIO(), io.StringIO()
        environment = {"COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"}
        environment |= {f"FLASHNOTIFY_{name}": value for name, value in settings.items()}
        umask = os.umask(0o077)
        try:
            with (
                contextlib.chdir(self.folder),
                patch.dict(os.environ, environment),
                patch.object(sys, "argv", ["flashnotify", *arguments]),
                patch.object(
                    sys,
                    "stdin",
                    io.TextIOWrapper(io.BytesIO(stdin.encode(errors="surrogateescape"))),
                ),
                patch.object(logs, "configure"),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
            ):
                main()
        except SystemExit as exited:
            code = int(exited.code or 0)
        else:
            code = 0
        finally:
            os.umask(umask)
        return Finished(code, out.getvalue(), err.getvalue())
