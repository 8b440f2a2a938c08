"""Follow the walkthroughs of CONTRIBUTING.md on a copy of the source."""

import asyncio
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from tests.support.running import SECURITY

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A code block of a section, and the file that it belongs to."""

    language: str
    path: str
    code: str


def blocks(heading: str) -> list[Block]:
    section = (ROOT / "CONTRIBUTING.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [Block(*match.groups(default="")) for match in BLOCK.finditer(section)]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the source that can be edited."""
    for folder in ("src", "migrations"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path


def edit(copy: Path, block: Block) -> None:
    """Apply a block: write a new file, append to one, or change its lines."""
    path = copy / block.path
    if block.language == "python":
        before = path.read_text() + "\n\n" if path.exists() else ""
        path.write_text(before + block.code)
        return
    lines = block.code.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] in " -")
    new = "".join(line[1:] for line in lines if line[0] in " +")
    source = path.read_text()
    assert source.count(old) == 1, f"{block.path} does not have these lines, once:\n{old}"
    path.write_text(source.replace(old, new))


async def send(copy: Path, *documents: dict[str, Any], **settings: str) -> list[dict[str, Any]]:
    """Send notifications through a service that runs from the copy."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "tests/docs/walkthrough.py"),
        cwd=copy,
        env={
            **os.environ,
            "PYTHONPATH": f"{copy / 'src'}{os.pathsep}{ROOT}",
            **settings,
        },
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate(json.dumps(documents).encode())
    assert process.returncode == 0, errors.decode()
    found: list[dict[str, Any]] = json.loads(out.splitlines()[-1])
    return found


async def test_the_walkthrough_for_a_kind_works(copy: Path) -> None:
    *code, request = (block for block in blocks("Add a kind") if block.language != "sh")
    for block in code:
        edit(copy, block)
    document = json.loads(request.code)
    sent, refused = await send(copy, document, document | {"data": {}})

    (delivery,) = sent["deliveries"]
    assert (delivery["channel"], delivery["status"]) == ("email", "sent")
    (message,) = sent["outbox"]
    assert message["subject"] == "[Bibliothèque] Votre livre est à rendre vendredi"
    for part in ("text", "html"):
        assert "Lovelace, Notes" in message[part]
        assert "vendredi 18 décembre 2026 à\N{NO-BREAK SPACE}18h00" in message[part]
    (kind,) = (kind for kind in sent["kinds"] if kind["kind"] == "library")
    assert kind["channels"] == ["email", "push"]
    assert kind["scope"] == "notify:library"
    assert [error["pointer"] for error in refused["refused"]["errors"]] == ["/data/book"]


async def test_the_walkthrough_for_a_transport_works(copy: Path) -> None:
    for block in blocks("Add a transport"):
        if block.language in ("python", "diff"):
            edit(copy, block)
    (command,) = (block.code for block in blocks("Add a transport") if block.language == "sh")
    (urls,) = re.findall(r'FLASHNOTIFY_SMS_URL="([^"]+)"', command)
    async with ModemBox("OK 17", "NO such number", "BUSY 60") as box:
        urls = urls.replace("192.0.2.7:7000", f"127.0.0.1:{box.port}")
        found = await send(copy, SECURITY, SECURITY, SECURITY, FLASHNOTIFY_SMS_URL=urls)
    deliveries = [delivery for one in found for delivery in one["deliveries"]]
    assert [delivery["status"] for delivery in deliveries] == ["sent", "failed", "sent"]
    tried = [
        [(attempt["outcome"], attempt["answer"]) for attempt in delivery["attempts"]]
        for delivery in deliveries
    ]
    # The channel's other transport takes over from one that refuses for now.
    assert tried == [
        [("sent", "OK 17")],
        [("rejected", "NO such number")],
        [("retryable", "BUSY 60"), ("sent", "kept in the outbox")],
    ]
    assert [len(one["outbox"]) for one in found] == [0, 0, 1]
    for delivery, line in zip(deliveries, box.lines, strict=True):
        assert delivery["attempts"][0]["transport"] == f"modem://127.0.0.1:{box.port}"
        assert line.startswith(f"SEND {delivery['id']} +33612345678 SECURITY ALERT")
        assert "Leave the building. Where: Building B" in line


class ModemBox:
    """A modem box that gives each connection the next answer."""

    def __init__(self, *answers: str) -> None:
        self.lines: list[str] = []
        self._answers = iter(answers)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines.append((await reader.readline()).decode().strip())
        writer.write(f"{next(self._answers)}\n".encode())
        await writer.drain()
        writer.close()
