"""Processes of a server that are killed or stopped while it is busy: each of the roles there is."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.program import Program
from tests.scenario.test_workers import APP, RUN, Load, alive, ask_kept, everyone, until

THREADS = 4


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "main.py"
    path.write_text(APP + RUN)
    return str(path)


def lost(load: Load) -> int:
    """Return how many requests were lost, each by a connection that was cut after it was open."""
    reasons = [repr(failure).lower() for failure in load.failures]
    assert all("reset" in reason or "without response" in reason for reason in reasons), reasons
    return len(reasons)


class Asking:
    """A connection that is kept, and asks one request after the other.

    Attributes:
        answered: How many were answered.
        cut: The connection was lost.
    """

    def __init__(self, port: int) -> None:
        self.answered = 0
        self.cut = False
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        with self._sock:
            while not self._over.is_set():
                try:
                    self._sock.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                    answer = self._sock.recv(65536)
                except ConnectionError:
                    answer = b""
                if not answer.startswith(b"HTTP/1.1 200 "):
                    self.cut = True
                    return
                self.answered += 1

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


@contextmanager
def asking(port: int, count: int) -> Iterator[list[Asking]]:
    made = [Asking(port) for _ in range(count)]
    try:
        yield made
    finally:
        for each in made:
            each.stop()


def test_worker_killed_under_load_costs_what_it_was_doing(script: str) -> None:
    """Whoever had connected and was not accepted yet is served by another one."""
    with Program([script, "--workers", "3"]) as program:
        ports = program.serving()
        pids = everyone(ports["http"], 3)
        owner = ask_kept(ports["kept"])
        with Load(ports["http"], threads=THREADS) as load, asking(ports["http"], 9) as kept:
            victims = [min(pids - {owner}), owner]
            for victim in victims:
                load.more()
                os.kill(int(victim), signal.SIGKILL)
                program.said(rf"\(pid {victim}\) died of SIGKILL")
            load.more()
            assert ask_kept(ports["kept"]) not in victims
            survivors = [each for each in kept if not each.cut]
            counts = [each.answered for each in survivors]
            until(lambda: all(s.answered > c for s, c in zip(survivors, counts, strict=True)))
        assert lost(load) <= THREADS * len(victims)
        assert len(everyone(ports["http"], 3, but=frozenset(victims))) == 3


def test_worker_stopped_under_load_is_replaced_and_the_others_serve(script: str) -> None:
    environ = {"BB_WORKER_TIMEOUT": "1"}
    with Program([script, "--workers", "2"], environ=environ) as program:
        port = program.serving()["http"]
        victim, other = sorted(everyone(port, 2))
        with Load(port, threads=THREADS) as load:
            load.more()
            os.kill(int(victim), signal.SIGSTOP)
            program.said(rf"\(pid {victim}\) gave no sign of life for 1 s and was killed")
            load.more(100)
            assert other in load.answers[-50:]
        assert lost(load) <= THREADS
        assert len(everyone(port, 2, but=frozenset({victim}))) == 2


def test_supervisor_that_is_stopped_keeps_nobody_from_serving(script: str) -> None:
    with Program([script, "--workers", "2"]) as program:
        port = program.serving()["http"]
        victim, _ = sorted(everyone(port, 2))
        with Load(port, threads=THREADS) as load:
            program.signal(signal.SIGSTOP)
            try:
                load.more(300)
                assert load.failures == []
                os.kill(int(victim), signal.SIGKILL)
            finally:
                program.signal(signal.SIGCONT)
            program.said(rf"\(pid {victim}\) died of SIGKILL")
            load.more()
        assert lost(load) <= THREADS
        assert len(everyone(port, 2, but=frozenset({victim}))) == 2
    assert program.wait() == 0


@pytest.mark.parametrize("flags", [["--workers", "2"], ["--reload"]], ids=["workers", "reload"])
def test_supervisor_killed_under_load_leaves_no_process_and_no_port(
    script: str, flags: list[str], tmp_path: Path
) -> None:
    with Program([script, *flags], cwd=tmp_path) as program:
        port = program.serving()["http"]
        pids = everyone(port, 2 if "--workers" in flags else 1)
        with Load(port, threads=THREADS) as load:
            load.more()
            program.signal(signal.SIGKILL)
            for pid in pids:
                until(lambda pid=pid: not alive(int(pid)))
        with socket.create_server(("127.0.0.1", port)):
            pass
        assert program.wait() == -signal.SIGKILL
    assert not [line for line in program.lines if "Traceback" in line]
