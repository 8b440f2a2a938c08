"""A name server that does not answer: names that strangers give hold up nobody else."""

import asyncio
import socket
import threading
from typing import Any

import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.support.browser import Browser
from tests.support.running import running
from tests.support.smtp_server import SmtpServer


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set it to resolve names below slow.example, which wait until then."""
    answered = threading.Event()
    look_up = socket.getaddrinfo

    def getaddrinfo(host: str, *arguments: Any, **more: Any) -> Any:
        if host.endswith(".slow.example"):
            answered.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return look_up(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return answered


async def test_mail_finds_its_server_while_devices_with_slow_names_are_registered(
    answered: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with SmtpServer() as smtp:
        port = smtp.url.rpartition(":")[2]
        monkeypatch.setenv("FLASHNOTIFY_EMAIL_URL", f"smtp://localhost:{port}")
        async with running(Service(ServiceConfig())) as service, asyncio.TaskGroup() as group:
            devices = [
                Browser().subscription(f"https://h{number}.slow.example/x") for number in range(40)
            ]
            registering = [
                group.create_task(service.http.post("/v1/devices", json=device))
                for device in devices
            ]
            await service.completed(await service.send(priority="critical"))
            assert not all(task.done() for task in registering)
            answered.set()
    assert len(smtp.mails) == 1
    answers = {task.result().status_code for task in registering}
    assert answers <= {422, 503}
    assert 422 in answers
