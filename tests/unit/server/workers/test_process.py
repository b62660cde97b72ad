"""Which processes can be copied, and signals that are read."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest

from blackbull.errors import ConfigurationError
from blackbull.server.workers.process import (
    OPTION,
    can_fork,
    fork,
    inherited,
    is_worker,
)
from blackbull.server.workers.wakeups import SIGNALS, Wakeups
from tests.program import run_to_end


def test_signals_are_read_while_entered_and_do_nothing() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Wakeups() as wakeups:
        assert wakeups.received() == []
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
        select.select([wakeups], [], [], 10.0)
        assert wakeups.received() == [signal.SIGHUP, signal.SIGTERM]
        threading.Thread(target=wakeups.wake).start()
        assert select.select([wakeups], [], [], 10.0)[0] == [wakeups]
        assert wakeups.received() == []
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_wakeup_that_nobody_reads_is_not_in_the_way() -> None:
    with Wakeups() as wakeups:
        for _ in range(10_000):
            wakeups.wake()
        assert select.select([wakeups], [], [], 10.0)[0] == [wakeups]


def test_signal_of_a_copy_is_not_read_by_the_original() -> None:
    with Wakeups() as wakeups:

        def copy() -> int:
            os.kill(os.getpid(), signal.SIGTERM)  # before it could leave them
            wakeups.__exit__()
            wakeups.unblock()
            return 0

        with wakeups.blocked():
            pid = fork(copy)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM
        assert set(wakeups.received()) <= {signal.SIGCHLD}


def test_signals_outside_the_main_thread_are_one_line() -> None:
    caught: list[Exception] = []

    def enter() -> None:
        try:
            with Wakeups():
                pass
        except ConfigurationError as error:
            caught.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert "need the main thread" in str(caught[0])


def test_process_with_a_thread_or_a_loop_is_not_copied(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(
        "import asyncio, threading\n"
        "from blackbull.server.workers.process import can_fork\n"
        "async def main(): return can_fork()\n"
        "print(can_fork(), asyncio.run(main()))\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "print(can_fork())\n"
    )
    assert run_to_end([str(script)]) == (0, "True False\nFalse\n", "")


async def test_loop_is_not_copied() -> None:
    await asyncio.sleep(0)
    assert not can_fork()


def test_worker_finds_what_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_worker()
    assert inherited() is None
    ours, theirs = socket.socketpair()
    with ours:
        monkeypatch.setitem(sys._xoptions, OPTION, f"{theirs.detach()},3")
        found = inherited()
        assert is_worker()
        assert found is not None
        with found[0] as channel:
            assert found[1] == 3
            assert not channel.get_inheritable()
            ours.sendall(b"hello")
            assert channel.recv(9) == b"hello"
