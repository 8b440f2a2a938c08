"""The first admin, and a secret key that has changed."""

import json
import re
from collections.abc import Iterator

import pytest
import structlog

from flashnotify.domain import Role
from flashnotify.errors import SettingsError
from flashnotify.identity.audit import Audit
from flashnotify.identity.first_start import create_first_admin, note_secret_key
from flashnotify.identity.passwords import Passwords
from flashnotify.identity.secret import Secret
from flashnotify.identity.users import Users
from tests.support.archives import Archive
from tests.support.passwords import GOOD, cheap_passwords

EMAIL = "it@univ.example"


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    with cheap_passwords() as passwords:
        yield passwords


@pytest.fixture
def audit(archive: Archive) -> Audit:
    return Audit(archive.ports.audit, archive.clock)


@pytest.fixture
def users(archive: Archive, passwords: Passwords, audit: Audit) -> Users:
    return Users(archive.ports.users, passwords, audit, archive.clock, archive.ids)


async def test_the_first_admin_has_the_password_of_the_settings(
    archive: Archive, users: Users, passwords: Passwords
) -> None:
    assert await create_first_admin(users, passwords, EMAIL, GOOD) == (EMAIL, None)
    admin = await archive.ports.users.find_email(EMAIL)
    assert admin is not None
    assert (admin.role, admin.active) == (Role.admin, True)
    assert (await passwords.verify(GOOD, admin.password_hash)).right
    # Only the first start makes one.
    assert await create_first_admin(users, passwords, "eve@univ.example", None) is None
    assert archive.one("SELECT count(*) FROM users") == 1


async def test_a_password_is_made_without_one(
    archive: Archive, users: Users, passwords: Passwords
) -> None:
    first = await create_first_admin(users, passwords, EMAIL, None)
    assert first is not None
    assert re.fullmatch(r"[a-z]{5}(-[a-z]{5}){3}", str(first.password))
    admin = await archive.ports.users.find_email(EMAIL)
    assert admin is not None
    assert (await passwords.verify(str(first.password), admin.password_hash)).right
    await passwords.check(str(first.password))
    assert str(first.password) not in json.dumps(archive.rows("SELECT details FROM audit"))


@pytest.mark.parametrize("password", ["short", "password1234", EMAIL])
async def test_a_weak_password_prevents_the_start(
    archive: Archive, users: Users, passwords: Passwords, password: str
) -> None:
    with pytest.raises(SettingsError, match=r"^FLASHNOTIFY_ADMIN_PASSWORD: .*Example") as refused:
        await create_first_admin(users, passwords, EMAIL, password)
    assert password not in str(refused.value)
    assert archive.one("SELECT count(*) FROM users") == 0


async def test_a_secret_key_whose_previous_one_stays_valid_is_no_reason_to_warn(
    archive: Archive, audit: Audit
) -> None:
    old, new = b"a" * 32, b"b" * 32
    with structlog.testing.capture_logs() as logged:
        await note_secret_key(audit, Secret(lambda: old))
        await note_secret_key(audit, Secret(lambda: new, [b"c" * 32, old]))
    assert logged == []
    assert archive.one("SELECT count(*) FROM audit") == 2


async def test_a_secret_key_that_has_changed_is_warned_about(
    archive: Archive, audit: Audit
) -> None:
    first, second = Secret(lambda: b"a" * 32), Secret(lambda: b"b" * 32)
    for secret, warnings in ((first, 0), (first, 0), (second, 1), (second, 0)):
        with structlog.testing.capture_logs() as logged:
            await note_secret_key(audit, secret)
        assert [entry["event"] for entry in logged] == ["secret_key.changed"] * warnings
    found = archive.rows("SELECT action, details FROM audit")
    assert found == [
        ("secret_key.set", json.dumps({"fingerprint": secret.fingerprint}))
        for secret in (first, second)
    ]
    assert "a" * 8 not in first.fingerprint
