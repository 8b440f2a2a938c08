"""The log of a real process with failures: events, but no personal data."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Authority
from tests.support.eventually import eventually
from tests.support.running import ACADEMIC
from tests.support.serve_process import ServeProcess
from tests.support.smtp_server import DROP, HANG, SmtpServer

PASSWORD = "hunter2-password"
ADDRESS = "augusta.ada@univ.example"
NOTICE: dict[str, Any] = ACADEMIC | {
    "title": "Titelgeheim",
    "body": "Bodygeheim",
    "to": [f"mailto:{ADDRESS}"],
    "data": {"course": "Coursegeheim", "teacher": "Teachergeheim"},
    "reference": "Referencegeheim",
    "priority": "critical",
}
SECRETS = (
    "hunter2", "augusta", "univ.example", "Titelgeheim", "Bodygeheim", "Coursegeheim",
    "Teachergeheim", "Referencegeheim", "fn_", "Idempotencygeheim", "querygeheim",
)  # fmt: skip


async def outcomes_of(serve: ServeProcess, id: str) -> list[tuple[str, str]]:
    """Return the outcome and answer of each attempt at the only delivery, once there is one."""

    async def tried() -> list[tuple[str, str]]:
        page = (await serve.admin.get(f"/v1/notifications/{id}/deliveries")).json()
        attempts = [attempt for delivery in page["items"] for attempt in delivery["attempts"]]
        return [(attempt["outcome"], attempt["answer"]) for attempt in attempts]

    return await eventually(tried)


@pytest.mark.timeout(120)
async def test_the_log_contains_no_personal_data_or_secrets(tmp_path: Path) -> None:
    async with SmtpServer(accounts={"campus": PASSWORD}) as smtp:
        smtp.always("RCPT", f"550 5.1.1 <{ADDRESS}>: no such user")
        url = smtp.url.replace("://", f"://campus:{PASSWORD}@") + "?starttls=never"
        # A delivery hangs when the service stops.
        settings = {"EMAIL_URL": url, "SMTP_TIMEOUT": "0.5", "DRAIN_SECONDS": "0.5"}
        async with ServeProcess(tmp_path, "--trial", **settings) as serve:
            sender = await serve.key("notify:*", "read", max_priority="critical")
            sender["Idempotency-Key"] = "Idempotencygeheim"

            async def send() -> str:
                sender["Idempotency-Key"] += "+"
                answer = await serve.http.post("/v1/notifications", json=NOTICE, headers=sender)
                assert answer.status_code == 202
                return str(answer.json()["id"])

            assert await outcomes_of(serve, await send()) == [
                ("rejected", f"550 5.1.1 <{ADDRESS}>: no such user")
            ]
            for misbehaviour in (DROP, HANG, "451 4.3.0 Bodygeheim later"):
                smtp.always("RCPT", misbehaviour)
                ((outcome, _),) = (await outcomes_of(serve, await send()))[:1]
                assert outcome == "retryable"
            smtp.always("RCPT", None)
            smtp.accounts = {}
            smtp.disconnect()
            ((outcome, answer),) = (await outcomes_of(serve, await send()))[:1]
            assert (outcome, answer[:3]) == ("misconfigured", "535")
            # And what senders do wrong.
            for request in (
                {"json": NOTICE | {"title": "Titelgeheim\n", "to": [ADDRESS]}, "headers": sender},
                {"content": b'{"title": "Titelgeheim', "headers": sender},
                {"json": NOTICE, "headers": {"X-API-Key": "fn_wrong_key"}},
                {"json": NOTICE, "params": {"q": "querygeheim"}},
            ):
                refused = await serve.http.post("/v1/notifications", **request)
                assert 400 <= refused.status_code < 500
            reader, writer = await asyncio.open_connection("127.0.0.1", serve.port)
            writer.write(b"Bodygeheim nonsense \x00\r\n\r\n")
            await reader.read()
            writer.close()
            for path in ("/readyz", "/metrics"):
                shown = (await serve.http.get(path)).text
                assert not [secret for secret in SECRETS if secret in shown]
            assert await serve.terminate() == 0
        for line in serve.stderr.splitlines():
            assert {"event", "level", "timestamp"} <= set(json.loads(line)), "all is JSON"
        assert [secret for secret in SECRETS if secret in serve.stderr] == []
        events = [entry["event"] for entry in serve.log()]
        assert next(event for event in events if event != "channel.captured") == "serve.started"
        assert events[-2:] == ["serve.stopping", "http.refused"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("way", ["smtps", "starttls"])
async def test_tls_works_on_uvloop(tmp_path: Path, authority: Authority, way: str) -> None:
    """`serve` runs on uvloop, whose TLS is not asyncio's."""
    tls = authority.server()
    async with (
        SmtpServer(
            tls=tls if way == "smtps" else None,
            starttls=tls if way == "starttls" else None,
            accounts={"campus": PASSWORD},
        ) as smtp,
    ):
        url = smtp.url.replace("://", f"://campus:{PASSWORD}@")
        serve = ServeProcess(tmp_path, EMAIL_URL=url)
        async with serve:
            answer = await serve.admin.post("/v1/notifications", json=NOTICE)
            ((outcome, words),) = (await outcomes_of(serve, answer.json()["id"]))[:1]
            assert outcome == "misconfigured", words
            assert "certificate verify failed" in words.lower()
            assert (await serve.http.get("/readyz")).json()["status"] == "degraded"
            await serve.terminate()
            serve.settings["SMTP_CA_FILE"] = str(authority.ca_file)
            await serve.start()
            answer = await serve.admin.post("/v1/notifications", json=NOTICE)
            ((outcome, words),) = await outcomes_of(serve, answer.json()["id"])
            assert outcome == "sent", words
            assert await serve.terminate() == 0
        assert {(mail.login, mail.encrypted) for mail in smtp.mails} == {("campus", True)}
