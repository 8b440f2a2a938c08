"""Tests that need a Debian package: skipped where it is missing, unless the run promises it."""

import os
import shutil

import pytest


def requires_program(name: str) -> pytest.MarkDecorator:
    """Mark a test, a class or a module (``pytestmark``) as needing ``name`` in PATH.

    Without the program the test is skipped, and the reason says what to do. With
    ``REQUIRE_SYSTEM_TESTS=1``, as in CI, it fails instead.

    Args:
        name: The program, as one would type it: ``"curl"``. Its package belongs in
            ``scripts/system-deps.txt``.
    """
    return pytest.mark.system(name)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip or fail a test whose program is missing, before any fixture is made for it.

    ``tests/conftest.py`` imports this hook, which is what makes it one.
    """
    names = {name for mark in item.iter_markers("system") for name in mark.args}
    missing = sorted(name for name in names if shutil.which(name) is None)
    if not missing:
        return
    reason = f"needs {', '.join(missing)} in PATH: run scripts/install-system-deps"
    if os.environ.get("REQUIRE_SYSTEM_TESTS") == "1":
        pytest.fail(f"{reason} (REQUIRE_SYSTEM_TESTS=1: not skipped)", pytrace=False)
    pytest.skip(reason)
