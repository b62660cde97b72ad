"""The watching process, with a child and changes of our own."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from blackbull.errors import MissingExtra
from blackbull.server.workers import reload


@pytest.fixture(autouse=True)
def signals_restored() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def child(log: Path, then: str) -> list[str]:
    """Return the command of a child that writes a line to *log*, then does something."""
    code = f"import sys, signal; print('up', file=open({str(log)!r}, 'a')); {then}"
    return [sys.executable, "-c", code]


def run(command: list[str], changes: Iterable[bool]) -> tuple[int, list[str]]:
    """Supervise *command* while *changes* come; return the status and what was said."""
    said: list[str] = []

    def watch(stop: threading.Event) -> Iterable[bool]:
        return changes

    status = reload.supervise(said.append, drain_timeout=5.0, command=command, watch=watch)
    return status, said


def lines(log: Path) -> int:
    return log.read_text().count("\n") if log.exists() else 0


def changes_after(log: Path, *counts: int) -> Iterator[bool]:
    """Report a change whenever *log* has as many lines as the next of *counts*; then end."""
    for count in counts:
        while lines(log) < count:
            yield False
        yield True
    while lines(log) <= counts[-1]:
        yield False


def test_change_ends_the_child_and_starts_the_next(tmp_path: Path) -> None:
    log = tmp_path / "log"
    status, said = run(child(log, "signal.pause()"), changes_after(log, 1, 2))
    assert (status, lines(log)) == (0, 3)
    assert said == ["a source file changed: serving anew"] * 2


def test_child_that_ends_well_ends_the_parent(tmp_path: Path) -> None:
    log = tmp_path / "log"
    status, said = run(child(log, "sys.exit(0)"), iter(lambda: False, True))
    assert (status, said, lines(log)) == (0, [], 1)


def test_child_that_fails_is_started_again_after_a_change(tmp_path: Path) -> None:
    log = tmp_path / "log"
    said: list[str] = []

    def watch(stop: threading.Event) -> Iterator[bool]:
        while not said:
            yield False
        yield True
        while lines(log) < 2:
            yield False

    command = child(log, "sys.exit(3)")
    assert reload.supervise(said.append, drain_timeout=5.0, command=command, watch=watch) == 0
    assert said[:2] == ["ended with status 3: waiting for a change",
                        "a source file changed: serving anew"]  # fmt: skip


def test_child_that_ignores_its_end_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = child(tmp_path / "log", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    command[-1] = command[-1].replace("; print", "; signal.signal(15, signal.SIG_IGN); print")
    command[-1] += "; signal.pause()"
    said: list[str] = []

    def watch(stop: threading.Event) -> Iterator[bool]:
        while lines(log) < 1:
            yield False

    assert reload.supervise(said.append, drain_timeout=-0.9, command=command, watch=watch) == 0


def test_child_command_is_this_program_marked() -> None:
    command = reload.child_command()
    assert command[:3] == [sys.executable, "-X", reload.CHILD_OPTION]
    assert command[3:] == sys.orig_argv[1:]
    assert not reload.is_child()


def test_watch_without_watchfiles_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(MissingExtra, match=r"pip install 'blackbull\[standard\]'"):
        reload.watch_sources(threading.Event())
