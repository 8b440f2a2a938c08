"""Errors of the operating system in words that a person on call reads."""

import errno
import socket
import ssl

import pytest

from flashnotify.errors import why_not_connected


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"), "Connection refused"),
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            "Name or service not known",
        ),
        (OSError("Multiple exceptions: a, b"), "Multiple exceptions: a, b"),
        # Its number is not one of the system's.
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"), "[SSL: WRONG_VERSION_NUMBER]"),
    ],
)
def test_why_a_connection_was_not_made(error: OSError, words: str) -> None:
    assert why_not_connected(error) == words
