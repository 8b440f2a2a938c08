"""``requires_program``: a missing program is told, never passed over."""

import pytest

from tests.support.system import pytest_runtest_setup, requires_program


class Marked:
    """As much of a test as the hook looks at."""

    def __init__(self, program: str) -> None:
        self.mark = requires_program(program).mark

    def iter_markers(self, name: str) -> list[pytest.Mark]:
        return [self.mark] if self.mark.name == name else []


def set_up(program: str) -> None:
    pytest_runtest_setup(Marked(program))  # type: ignore[arg-type]


def test_nothing_happens_when_the_program_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUIRE_SYSTEM_TESTS", "1")
    set_up("sh")


def test_a_missing_program_skips_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUIRE_SYSTEM_TESTS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs no-such-program in PATH: run scripts/"):
        set_up("no-such-program")


def test_a_missing_program_fails_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUIRE_SYSTEM_TESTS", "1")
    with pytest.raises(pytest.fail.Exception, match="REQUIRE_SYSTEM_TESTS=1"):
        set_up("no-such-program")


def test_the_hook_is_in_force(request: pytest.FixtureRequest) -> None:
    hooks = request.config.hook.pytest_runtest_setup.get_hookimpls()
    assert pytest_runtest_setup in [hook.function for hook in hooks]
