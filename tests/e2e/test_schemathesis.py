"""Schemathesis makes requests up from the OpenAPI document: no crash, nothing undocumented."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.support.examples import EXAMPLES
from tests.support.serve_process import ServeProcess

CONFIG = Path(__file__).with_name("schemathesis.toml")
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
STORM = EXAMPLES["weather"]["en"] | {"kind": "weather", "to": ["mailto:ada@univ.example"]}
OPTIONS = (
    "--checks=all",
    # A moment in the past, an address that nobody can have: no schema says all that is refused.
    "--exclude-checks=positive_data_acceptance",
    "--max-examples=12",
    "--generation-deterministic",
    # With a key that works: without one, every answer would be a 401.
    "--generation-with-security-parameters=false",
    "--request-timeout=10",
    "--continue-on-failure",
    "--no-color",
)


@pytest.mark.timeout(300)
async def test_the_api_conforms_to_its_document(tmp_path: Path) -> None:
    async with ServeProcess(tmp_path / "serve") as serve:
        key = await serve.key("admin", max_priority="critical")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "schemathesis.cli", "--config-file", str(CONFIG)),
            *("run", f"{serve.url}/openapi.json"),
            *("--header", f"Authorization: {key['Authorization']}"),
            *OPTIONS,
            cwd=tmp_path,
            env=os.environ
            | {"SCHEMATHESIS_HOOKS": str(HOOKS), "OWN_KEY": key["Authorization"].split("_")[1]},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        reporting = asyncio.create_task(process.communicate())
        # Whoever streams events or waits for some gets them.
        while not (await asyncio.wait({reporting}, timeout=0.2))[0]:
            await serve.admin.post("/v1/notifications", json=STORM)
        report = (await reporting)[0].decode()
        assert process.returncode == 0, report
        assert (await serve.http.get("/readyz")).json()["status"] == "ok"
        assert "request.crashed" not in [entry["event"] for entry in serve.log()]
        # It got past the checks of the input, for every kind.
        for kind in ("academic", "security"):
            page = await serve.admin.get("/v1/notifications", params={"kind": kind})
            assert page.json()["items"], report
