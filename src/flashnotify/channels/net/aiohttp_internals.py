"""The code that relies on private parts of aiohttp (docs/adr/0008).

`tests/unit/channels/net/test_aiohttp_internals.py` fails if an upgrade changes one of them.
"""

import asyncio
from functools import partial

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader

from flashnotify.channels.net.answers import TooManyInterimAnswers

_MAX_INTERIM_ANSWERS = 20


def limit_interim_answers(connector: aiohttp.BaseConnector) -> None:
    """Make requests over `connector` fail after 20 interim answers.

    By default aiohttp reads any number of them without yielding to the event loop.
    """
    made = partial(_Connection, loop=asyncio.get_running_loop())
    connector._factory = made  # type: ignore[assignment]  # partial is invariant


def never_repeat_requests(session: aiohttp.ClientSession) -> None:
    """Make a request without an answer fail.

    By default aiohttp sends a GET a second time, and Kannel would send two SMS.
    """
    session._retry_connection = False


class _Connection(ResponseHandler):
    """A connection with a limit on interim answers (RFC 9110, section 15.2)."""

    _interim = 0

    async def read(self) -> tuple[RawResponseMessage, StreamReader]:
        """Return the next answer, interim or final."""
        message, payload = await super().read()
        self._interim = self._interim + 1 if message.code < 200 else 0
        if self._interim > _MAX_INTERIM_ANSWERS:
            raise TooManyInterimAnswers
        return message, payload
