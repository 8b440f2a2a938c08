"""Places in a queue: a few networks leave room for others."""

from contextlib import ExitStack

import pytest

from flashnotify.errors import Unavailable
from flashnotify.identity.places import Places


def take(places: Places, held: ExitStack, network: str) -> int:
    """Take all places that a network gets, and return how many."""
    number = 0
    while True:
        try:
            held.enter_context(places.held(network))
        except Unavailable:
            return number
        number += 1


def test_networks_share_the_places() -> None:
    places = Places(200)
    with ExitStack() as held:
        assert take(places, held, "a") == 100
        assert take(places, held, "b") == 50
        assert [take(places, held, str(number)) for number in range(6)] == [25, 13, 6, 3, 2, 1]
        # The last one is refused, as there is none left.
        assert take(places, held, "late") == 0
    with ExitStack() as held:
        assert take(places, held, "late") == 100


def test_many_networks_take_one_place_each() -> None:
    places = Places(200)
    with ExitStack() as held:
        for number in range(200):
            held.enter_context(places.held(str(number)))
        with pytest.raises(Unavailable) as refused, places.held("late"):
            pass
    assert refused.value.retry_after == 5
