"""A transport's URL and its connections."""

import asyncio
import traceback
from contextlib import AsyncExitStack
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from flashnotify.channels.transport import Connections, TransportURL, words
from flashnotify.errors import SettingsError

# --- TransportURL ----------------------------------------------------------------------------


def test_a_url_is_taken_apart() -> None:
    url = TransportURL(SecretStr("smtp://a%40b:p%3A%2F@mail.univ.example:587?starttls=require"))
    assert (url.scheme, url.host, url.port) == ("smtp", "mail.univ.example", 587)
    assert (url.username, url.password) == ("a@b", "p:/")
    assert url.options == {"starttls": "require"}
    assert str(url) == "smtp://mail.univ.example:587"


def test_what_is_not_there_is_none() -> None:
    url = TransportURL(SecretStr("capture://"))
    assert (url.host, url.port, url.username, url.password) == ("", None, None, None)
    assert url.options == {}
    assert str(url) == "capture://"


def test_an_ipv6_host_keeps_its_brackets() -> None:
    url = TransportURL(SecretStr("smtp://me:hunter2@[::1]:25"))
    assert url.host == "::1"
    assert str(url) == "smtp://[::1]:25"


PASSWORDS = st.text(
    st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=6, max_size=20
)


@settings(max_examples=300)
@given(PASSWORDS, st.booleans())
@example("hunter2#1", False)
@example("123456#7", False)
@example("123456/7", False)
@example("123456?7", False)
@example("1234[56", False)
@example("x:123456", False)
@example("p@ssword", False)
def test_the_password_is_never_shown(password: str, encoded: bool) -> None:
    """Not even that of a URL that is wrong because its password was not percent-encoded."""
    written = quote(password, safe="") if encoded else password
    setting = SecretStr(f"smtp://someone:{written}@mail.univ.example:2525")
    try:
        url = TransportURL(setting)
    except SettingsError:
        assert not encoded
        with pytest.raises(SettingsError) as failure:
            TransportURL(setting)
        assert password not in "".join(traceback.format_exception(failure.value))
        return
    assert f"{url} {url!r}" == "smtp://mail.univ.example:2525 smtp://mail.univ.example:2525"
    if encoded:
        assert url.password == password


def test_the_reason_why_it_is_no_url_does_not_quote_the_password() -> None:
    """urlsplit takes what follows the colon for a port, and says so."""
    setting = SecretStr("smtp://me:hunter2/1@mail.univ.example")
    with pytest.raises(SettingsError) as failure:
        TransportURL(setting)
    assert "hunter2" not in "".join(traceback.format_exception(failure.value))


@pytest.mark.parametrize("url", ["smtp://h:port", "smtp://h:99999", "smtp://[::1", "smtp://h?a"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="is not a URL"):
        TransportURL(SecretStr(url))


# --- Connections -----------------------------------------------------------------------------


async def settle() -> None:
    """Let everything that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


class Users:
    """Tasks that hold a connection until they are let go."""

    def __init__(self, connections: Connections) -> None:
        self.connections = connections
        self.tasks: list[asyncio.Task[None]] = []
        self.using: dict[bool, list[asyncio.Event]] = {True: [], False: []}
        self.order: list[bool] = []

    def come(self, *, urgent: bool) -> asyncio.Task[None]:
        task = asyncio.create_task(self._use(urgent))
        self.tasks.append(task)
        return task

    async def _use(self, urgent: bool) -> None:
        async with self.connections.use(urgent=urgent):
            leave = asyncio.Event()
            self.using[urgent].append(leave)
            self.order.append(urgent)
            try:
                await leave.wait()
            finally:
                self.using[urgent].remove(leave)

    def count(self) -> tuple[int, int]:
        """How many use a connection: urgent ones, others."""
        return len(self.using[True]), len(self.using[False])

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("total", "for_all"), [(1, 1), (2, 1), (3, 2), (4, 3), (8, 6), (16, 12), (100, 75)]
)
async def test_a_quarter_is_kept_for_urgent_ones(total: int, for_all: int) -> None:
    users = Users(Connections(total))
    for _ in range(total + 5):
        users.come(urgent=False)
    await settle()
    assert users.count() == (0, for_all)
    assert users.connections.capacity(urgent=False) == for_all
    for _ in range(total):
        users.come(urgent=True)
    await settle()
    assert users.count() == (total - for_all, for_all)
    await users.end()


async def test_urgent_ones_go_first() -> None:
    users = Users(Connections(1))
    users.come(urgent=False)
    await settle()
    for urgent in (False, True, False, True):
        users.come(urgent=urgent)
        await settle()
    for _ in range(4):
        (leave,) = users.using[True] + users.using[False]
        leave.set()
        await settle()
    assert users.order == [False, True, True, False, False]
    await users.end()


async def test_one_that_fails_gives_its_place_back() -> None:
    connections = Connections(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with connections.use(urgent=False):
                raise ZeroDivisionError
    async with asyncio.timeout(1), connections.use(urgent=True):
        pass


async def test_one_cancelled_when_its_place_has_come_gives_it_back() -> None:
    users = Users(Connections(1))
    users.come(urgent=False)
    await settle()
    second, third = users.come(urgent=False), users.come(urgent=False)
    await settle()
    users.using[False][0].set()
    # Until the first has left and the second has been given the place, not until it knows.
    while users.using[False]:  # noqa: ASYNC110  # to the very step
        await asyncio.sleep(0)
    second.cancel()
    await settle()
    assert second.cancelled()
    assert users.count() == (0, 1)
    assert not third.done()
    await users.end()


@settings(max_examples=200)
@given(
    st.integers(1, 9),
    st.lists(
        st.one_of(
            st.tuples(st.just("come"), st.booleans(), st.booleans()),
            st.tuples(st.just("leave"), st.integers(0, 30), st.booleans()),
            st.tuples(st.just("cancel"), st.integers(0, 30), st.booleans()),
        ),
        max_size=60,
    ),
)
async def test_places_are_never_exceeded_nor_lost(
    total: int, operations: list[tuple[str, int, bool]]
) -> None:
    connections = Connections(total)
    users = Users(connections)
    for what, which, settled in operations:
        if what == "come":
            users.come(urgent=bool(which))
        elif what == "cancel" and users.tasks:
            users.tasks[which % len(users.tasks)].cancel()
        elif using := users.using[True] + users.using[False]:
            using[which % len(using)].set()
        if settled:
            await settle()
        urgent, others = users.count()
        assert urgent + others <= total
        assert others <= connections.capacity(urgent=False)
    await settle()
    urgent, others = users.count()
    waiting = sum(not task.done() for task in users.tasks) - urgent - others
    if waiting:
        assert urgent + others >= connections.capacity(urgent=False)
    await users.end()
    # Everything has been given back: all places can be had at once.
    async with AsyncExitStack() as stack, asyncio.timeout(1):
        for _ in range(total):
            await stack.enter_async_context(connections.use(urgent=True))


# --- words -----------------------------------------------------------------------------------


@given(st.text(max_size=700))
def test_a_providers_words_are_one_line_that_can_be_kept(text: str) -> None:
    kept = words(text)
    assert len(kept) <= 500
    kept.encode()
    assert "\n" not in kept
    assert "\r" not in kept


def test_lone_surrogates_do_not_get_into_the_archive() -> None:
    assert words("550 \udcff no\r\nsuch user") == "550 ? no such user"
