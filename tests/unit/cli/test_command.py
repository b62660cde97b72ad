"""The command's own arguments; what it does with them is in tests/scenario."""

from __future__ import annotations

import pytest

from blackbull.cli import command
from blackbull.cli.flags import Flags, split_bind
from blackbull.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("[::1]:8080", ("::1", 8080)),
        ("localhost:0", ("localhost", 0)),
        (":8080", (None, 8080)),
        ("8080", (None, 8080)),
    ],
)
def test_bind_names_host_and_port(text: str, expected: tuple[str | None, int]) -> None:
    assert split_bind(text) == expected


@pytest.mark.parametrize("text", ["", "localhost", "::1:8080", "host:", "host:port", "a:99999"])
def test_bind_malformed_raises(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--bind"):
        split_bind(text)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, Flags]]:
    """What the command would have served."""
    calls: list[tuple[object, Flags]] = []
    monkeypatch.setattr(command, "serve", lambda app, flags: calls.append((app, flags)))
    monkeypatch.setattr(command, "load_app", lambda target: target)
    return calls


def test_command_passes_its_flags_on(served: list[tuple[object, Flags]]) -> None:
    command.main(["main:app", "--host=a", "--port=1", "--cert=c", "--key=k", "--workers=2",
                  "--reload"])  # fmt: skip
    assert served == [("main:app", Flags("a", 1, "c", "k", 2, True))]


def test_command_without_flags_says_nothing(served: list[tuple[object, Flags]]) -> None:
    command.main(["main:app"])
    assert served == [("main:app", Flags())]


def test_command_host_and_port_win_over_bind(served: list[tuple[object, Flags]]) -> None:
    command.main(["--bind", "a:1", "main:app", "--port", "2"])
    assert served == [("main:app", Flags(host="a", port=2))]


def test_command_version_needs_no_target(capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["--version"])
    assert capsys.readouterr().out == "blackbull 0.1.0\n"
