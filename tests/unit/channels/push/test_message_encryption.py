import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from flashnotify.channels.push.message_encryption import (
    MAX_BYTES,
    auth_secret,
    encrypt,
    public_key,
)
from flashnotify.errors import InvalidValue
from tests.support.browser import Browser, b64, unb64

# The browser's key in the example of RFC 8291.
PUBLIC = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"


def _key(private: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(unb64(private)), ec.SECP256R1())


def test_example_of_rfc_8291() -> None:
    # RFC 8291, section 5 and appendix A.
    encrypted = encrypt(
        b"When I grow up, I want to be a watermelon",
        PUBLIC,
        "BTBZMqHH6r4Tts7J_aSIgg",
        salt=unb64("DGv6ra1nlYgDCS1FRnbzlw"),
        private_key=_key("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
    )
    assert b64(encrypted) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml"
        "mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT"
        "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


def test_the_test_browser_decrypts_the_example_of_rfc_8291() -> None:
    browser = Browser(
        _key("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), unb64("BTBZMqHH6r4Tts7J_aSIgg")
    )
    body = unb64(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml"
        "mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT"
        "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    assert browser.decrypt(body) == b"When I grow up, I want to be a watermelon"


@given(st.binary(min_size=1, max_size=MAX_BYTES) | st.just(b"x" * MAX_BYTES))
@settings(max_examples=30)
def test_the_browser_decrypts_the_message(message: bytes) -> None:
    browser = Browser()
    body = encrypt(message, browser.p256dh, browser.auth)
    assert len(body) <= 4096
    assert browser.decrypt(body) == message


def test_equal_messages_are_encrypted_differently() -> None:
    browser = Browser()
    bodies = [encrypt(b"the same", browser.p256dh, browser.auth) for _ in range(3)]
    assert len({body[:16] for body in bodies}) == 3  # the salts
    assert len({body[21:86] for body in bodies}) == 3  # the sender's keys


def test_keys_may_have_padding() -> None:
    browser = Browser()
    assert public_key(browser.p256dh + "=") == browser.p256dh
    assert auth_secret(browser.auth + "==") == browser.auth


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not base64url!",
        "A",
        b64(b"\4" + b"\1" * 64),  # not on the curve
        b64(b"\4" * 64),  # too short
        b64(unb64(PUBLIC)[:33]),
        b64(b"\2" + unb64(PUBLIC)[1:33]),  # compressed
        b64(b"\0"),  # infinity
        b64(b"\6" + unb64(PUBLIC)[1:]),  # hybrid
    ],
)
def test_invalid_public_keys_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue) as failure:
        public_key(text)
    assert failure.value.code in ("not_a_public_key", "not_base64url")


@pytest.mark.parametrize("text", ["", "é", b64(b"1" * 15), b64(b"1" * 17), "+/" * 11])
def test_invalid_auth_secrets_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue) as failure:
        auth_secret(text)
    assert failure.value.code in ("not_an_auth_secret", "not_base64url")
