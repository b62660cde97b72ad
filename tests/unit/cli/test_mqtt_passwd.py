"""``blackbull mqtt passwd``: two questions on a terminal, one line from a program."""

from __future__ import annotations

import getpass
import inspect
import io
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from blackbull.cli import command, mqtt_passwd
from blackbull.mqtt.auth import ConnectRequest, PasswordFile
from blackbull.mqtt.auth.password_file import parse_passwords

Typed = Callable[..., None]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Let a person at a terminal type these lines when asked."""

    def type_lines(*lines: str) -> None:
        left = list(lines)
        monkeypatch.setattr(sys, "stdin", Terminal())
        monkeypatch.setattr(getpass, "getpass", lambda prompt: left.pop(0))

    return type_lines


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Let a program write these bytes to our input."""

    def pipe(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return pipe


def passwd(*arguments: str) -> None:
    command.main(["mqtt", "passwd", *arguments])


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        passwd(*arguments)
    assert caught.value.code == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("blackbull: ")
    assert captured.err.count("\n") == 1
    return captured.err


async def is_let_in(path: Path, username: str, password: bytes) -> bool:
    request = ConnectRequest(client_id="c", username=username, password=password)
    answer = PasswordFile(path)(request)
    return bool(await answer if inspect.isawaitable(answer) else answer)


async def test_password_typed_twice_lets_the_user_in(tmp_path: Path, typed: Typed) -> None:
    path = tmp_path / "users"
    typed("w0nderland", "w0nderland")
    passwd(str(path), "alice")
    assert await is_let_in(path, "alice", b"w0nderland")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "w0nderland" not in path.read_text()


def test_password_mistyped_changes_nothing(
    tmp_path: Path, typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    typed("w0nderland", "wonderland")
    assert "the two passwords differ" in refused(capsys, str(tmp_path / "users"), "alice")
    assert not (tmp_path / "users").exists()


@pytest.mark.parametrize("error", [EOFError, KeyboardInterrupt])
def test_password_that_a_person_would_rather_not_give_changes_nothing(
    tmp_path: Path,
    typed: Typed,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
) -> None:
    def leave(prompt: str) -> str:
        raise error

    typed()
    monkeypatch.setattr(getpass, "getpass", leave)
    assert "no password was given" in refused(capsys, str(tmp_path / "users"), "alice")


@pytest.mark.parametrize("data", [b"w0nderland\n", b"w0nderland\r\nignored\n", b"w0nderland"])
async def test_password_from_a_program_is_its_first_line(
    tmp_path: Path, piped: Callable[[bytes], None], data: bytes
) -> None:
    path = tmp_path / "users"
    piped(data)
    passwd(str(path), "alice")
    assert await is_let_in(path, "alice", b"w0nderland")


async def test_password_need_not_be_text(tmp_path: Path, piped: Callable[[bytes], None]) -> None:
    path = tmp_path / "users"
    piped(b"\xff\xfe \n")
    passwd(str(path), "alice")
    assert await is_let_in(path, "alice", b"\xff\xfe ")


async def test_scram_password_is_good_for_both_ways_in(
    tmp_path: Path, piped: Callable[[bytes], None]
) -> None:
    path = tmp_path / "users"
    piped(b"w0nderland\n")
    passwd("--scram", str(path), "alice")
    assert await is_let_in(path, "alice", b"w0nderland")
    assert PasswordFile(path).scram().find("alice")[1]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "an empty password is none"),
        (b"\n", "an empty password is none"),
        (b"x" * 65536, "a password has at most 65535 bytes"),
    ],
)
def test_password_that_cannot_be_is_refused(
    tmp_path: Path,
    piped: Callable[[bytes], None],
    capsys: pytest.CaptureFixture[str],
    data: bytes,
    said: str,
) -> None:
    piped(data)
    assert said in refused(capsys, str(tmp_path / "users"), "alice")
    assert not (tmp_path / "users").exists()


@pytest.mark.parametrize("data", [b"\xff\n", "\ue000\n".encode()])
def test_password_that_scram_cannot_have_is_refused(
    tmp_path: Path, piped: Callable[[bytes], None], capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    piped(data)
    line = refused(capsys, "--scram", str(tmp_path / "users"), "alice")
    assert "SCRAM cannot have this password" in line


def test_delete_removes_the_user_and_asks_nothing(
    tmp_path: Path, piped: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "users"
    for name in ("alice", "bob"):
        piped(b"secret\n")
        passwd(str(path), name)
    passwd("--delete", str(path), "alice")
    assert list(parse_passwords(path.read_text())) == ["bob"]
    assert "there is no user 'alice'" in refused(capsys, "--delete", str(path), "alice")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "which file and user?"),
        (["users"], "which file and user?"),
        (["users", "a:b"], "'a:b' is no user name"),
        (["users", "alice", "secret"], "secret"),
        (["--batch", "users", "alice"], "--batch"),
        (["/nowhere/at/all", "alice"], "'/nowhere/at/all' cannot be written"),
    ],
)
def test_impossible_arguments_are_one_line(
    piped: Callable[[bytes], None],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    piped(b"secret\n")
    assert said in refused(capsys, *arguments)


def test_help_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    passwd("--help")
    out = capsys.readouterr().out
    assert [flag for flag in ("FILE", "USER", "--delete", "--scram") if flag not in out] == []
    assert mqtt_passwd.DESCRIPTION.split(",", maxsplit=1)[0] in out
