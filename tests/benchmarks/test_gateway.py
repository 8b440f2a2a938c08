"""The gateway of the benchmarks counts messages however they are cut into pieces."""

import asyncio
import json
from unittest.mock import Mock

import pytest

from benchmarks.peers.gateway import Gateway, Taken


def post(to: str) -> bytes:
    body = json.dumps({"to": to}).encode()
    return b"POST / HTTP/1.1\r\nHost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_each_message_is_counted_once(size: int) -> None:
    taken, transport = Taken(), Mock(asyncio.Transport)
    gateway = Gateway(taken)
    gateway.connection_made(transport)
    sent = post("+33612345678") + post("+33771234567") + b"GET / HTTP/1.1\r\n\r\n"
    for start in range(0, len(sent), size):
        gateway.data_received(sent[start : start + size])
    assert taken.number == 2
    assert [*taken.urgent] == ["+33771234567"]
    answered = b"".join(call.args[0] for call in transport.write.call_args_list)
    assert answered.count(b" 201 Created") == 2
    assert json.loads(answered.rpartition(b"\r\n\r\n")[2])["number"] == 2
