"""The command's own arguments; what it does with them is in tests/scenario."""

from __future__ import annotations

import pytest

from blackbull.cli import command
from blackbull.cli.flags import Flags, parse_flags


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, Flags]]:
    """What the command would have served."""
    calls: list[tuple[object, Flags]] = []
    monkeypatch.setattr(command, "run", lambda app, *, argv: calls.append((app, parse_flags(argv))))
    monkeypatch.setattr(command, "load_app", lambda target: target)
    return calls


def test_command_passes_its_flags_on(served: list[tuple[object, Flags]]) -> None:
    command.main(["main:app", "--host=a", "--port=1", "--cert=c", "--key=k", "--workers=2",
                  "--reload"])  # fmt: skip
    assert served == [("main:app", Flags("a", 1, "c", "k", 2, True))]


def test_command_without_flags_says_nothing(served: list[tuple[object, Flags]]) -> None:
    command.main(["main:app"])
    assert served == [("main:app", Flags())]


def test_command_bind_may_be_repeated(served: list[tuple[object, Flags]]) -> None:
    command.main(["--bind", "a:1", "main:app", "--bind=unix:/run/x"])
    assert served == [("main:app", Flags(bind=("a:1", "unix:/run/x")))]


def test_command_version_needs_no_target(capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["--version"])
    assert capsys.readouterr().out == "blackbull 0.1.0\n"
