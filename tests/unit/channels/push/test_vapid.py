import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from flashnotify.channels.push.vapid import Vapid, kept_key
from flashnotify.errors import SettingsError
from tests.support.browser import vapid_claims
from tests.support.manual_clock import ManualClock

CONTACT = "mailto:it@univ.example"


@pytest.fixture
def vapid(clock: ManualClock) -> Vapid:
    return Vapid(ec.generate_private_key(ec.SECP256R1()), CONTACT, clock)


def test_token_is_signed_for_the_push_service(vapid: Vapid, clock: ManualClock) -> None:
    claims, key = vapid_claims(vapid.authorization("https://push.example"))
    assert key == vapid.public_key
    assert claims.keys() == {"aud", "exp", "sub"}
    assert claims["aud"] == "https://push.example"
    assert claims["sub"] == CONTACT
    # RFC 8292, section 2: not more than 24 hours from the time of the request.
    assert 0 < claims["exp"] - clock.now() / 1000 <= 24 * 3600


@pytest.mark.parametrize("origin", ["https://[2001:db8::1]:8443", "http://127.0.0.1:9"])
def test_token_is_signed_for_any_origin(vapid: Vapid, origin: str) -> None:
    assert vapid_claims(vapid.authorization(origin))[0]["aud"] == origin


async def test_tokens_are_reused_until_shortly_before_they_expire(
    vapid: Vapid, clock: ManualClock
) -> None:
    first = vapid.authorization("https://a.example")
    assert vapid.authorization("https://b.example") != first
    await clock.advance(10 * 3600)
    assert vapid.authorization("https://a.example") == first
    await clock.advance(3600)
    again = vapid.authorization("https://a.example")
    assert again != first
    assert vapid_claims(again)[0]["exp"] > clock.now() / 1000 + 3600


def test_tokens_are_cached_for_a_bounded_number_of_services(vapid: Vapid) -> None:
    first = vapid.authorization("https://0.example")
    for number in range(1, 1001):
        vapid.authorization(f"https://{number}.example")
    # It is signed anew; ECDSA gives another signature each time.
    assert vapid.authorization("https://0.example") != first


def test_the_key_is_created_once_and_private(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "new" / "vapid.pem"
    first = Vapid(kept_key(path), CONTACT, clock).public_key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Vapid(kept_key(path), CONTACT, clock).public_key == first


def test_a_damaged_key_is_reported_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "vapid.pem"
    for damaged in (b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"):
        path.write_bytes(damaged)
        with pytest.raises(SettingsError, match="is damaged"):
            kept_key(path)
        assert path.read_bytes() == damaged
