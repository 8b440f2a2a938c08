"""Look-ups of host names: those that no name server answers hold up few others."""

import asyncio
import socket
import threading
from collections import Counter
from typing import Any

import pytest

from flashnotify.channels.net import name_lookup
from flashnotify.channels.net.name_lookup import NameLookup
from flashnotify.errors import Unavailable
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue
from tests.support.eventually import eventually

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 443))]


async def test_a_silent_name_server_is_not_a_reason_to_restart() -> None:
    class Exhausted(ThreadPoolQueue):
        async def run(self, *_: object, **__: object) -> Any:
            raise Unavailable("All 8 threads are held by calls that do not end. Restart it.")

    with pytest.raises(Unavailable, match="name server") as refused:
        await NameLookup(Exhausted(1)).look_up("push.example", 443)
    assert "Restart" not in str(refused.value)
    assert refused.value.retry_after == 30


async def test_one_caller_holds_few_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: FOUND)
    found = socket.getaddrinfo

    def getaddrinfo(host: str, *arguments: Any, **more: Any) -> Any:
        if host == "slow.example":
            answered.wait(30)
        return found(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    threads = ThreadPoolQueue(4)
    names = NameLookup(threads)
    with monkeypatch.context() as soon:
        soon.setattr(name_lookup, "_WITHIN", 0.02)
        slow = (names.look_up("slow.example", 443, caller="mallory") for _ in range(8))
        ended = await asyncio.gather(*slow, return_exceptions=True)
    assert Counter(map(type, ended)) == {TimeoutError: 2, Unavailable: 6}
    assert threads.lost == 2
    assert await names.look_up("push.example", 443, caller="ada")
    answered.set()
    # The places are free again.
    for _ in range(3):
        assert await names.look_up("push.example", 443, caller="mallory")


async def test_all_domains_that_were_silent_hold_few_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = threading.Event()

    def getaddrinfo(host: str, *_: Any, **__: Any) -> Any:
        if host.endswith(".evil"):
            answered.wait(30)
        return FOUND

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    threads = ThreadPoolQueue(4, spare=8)
    names = NameLookup(threads)
    with monkeypatch.context() as soon:
        soon.setattr(name_lookup, "_WITHIN", 0.05)
        for number in range(6):
            with pytest.raises(TimeoutError):
                await names.look_up_again(f"a.domain{number}.evil", 443)
    assert threads.lost == 6
    answered.set()
    await eventually(lambda: not threads.lost)
    assert await names.look_up_again("a.domain0.evil", 443) == FOUND, "once is not enough"
    answered.clear()
    with monkeypatch.context() as soon:
        soon.setattr(name_lookup, "_WITHIN", 0.05)
        hosts = (f"{host}.domain{number}.evil" for number in range(6) for host in "bc")
        hanging = (names.look_up_again(host, 443) for host in hosts)
        ended = await asyncio.gather(*hanging, return_exceptions=True)
    assert Counter(map(type, ended)) == {TimeoutError: 2, Unavailable: 10}
    assert threads.lost == 2
    assert await names.look_up_again("push.good", 443) == FOUND
    answered.set()


async def test_a_host_keeps_its_last_addresses_while_its_name_server_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(name_lookup, "_RENEWAL", 0.01)
    monkeypatch.setattr(name_lookup, "_WITHIN", 0.02)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: FOUND)
    answering, answered = socket.getaddrinfo, threading.Event()

    def getaddrinfo(host: str, *arguments: Any, **more: Any) -> Any:
        if host != "good.example":
            answered.wait(30)
        return answering(host, *arguments, **more)

    threads = ThreadPoolQueue(4)
    names = NameLookup(threads)
    found = await names.look_up_again("push.example", 443)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    hosts = ("push.example", *(f"h{number}.evil.example" for number in range(8)))
    first, *slow = await asyncio.gather(
        *(names.look_up_again(host, 443) for host in hosts), return_exceptions=True
    )
    assert first == found
    # Hosts of one domain, however many, hold few threads.
    assert Counter(map(type, slow)) == {TimeoutError: 2, Unavailable: 6}
    assert await names.look_up_again("good.example", 443)
    answered.set()
