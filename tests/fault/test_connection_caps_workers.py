"""Connections of one address are counted by all workers together."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.program import TIMEOUT, Program

APP = """
import os
from blackbull import BlackBull

app = BlackBull()


@app.raw_handler("pid", port=0, stateful=False)
async def pid(reader, writer, ctx):
    await writer.write(str(os.getpid()).encode() + b"\\n")
    await reader.read(1)


if __name__ == "__main__":
    app.run(port=0, workers=3)
"""
WORKERS = 3
LIMIT = 6
ATTEMPTS = 40
"""So many are refused one after the other only if no worker lets anybody in any more."""


class Client:
    """Somebody with an address of its own, who keeps whatever connection is let in."""

    def __init__(self, port: int, address: str, opened: ExitStack) -> None:
        self._port = port
        self._address = address
        self._opened = opened
        self.kept: list[tuple[socket.socket, int]] = []

    def try_once(self) -> bool:
        """Connect; return whether a worker has let us in."""
        peer = self._opened.enter_context(
            socket.create_connection(
                ("127.0.0.1", self._port), timeout=TIMEOUT, source_address=(self._address, 0)
            )
        )
        line = peer.makefile("rb").readline().strip()
        if line.isdigit():
            self.kept.append((peer, int(line)))
            return True
        peer.close()
        return False

    def take(self, count: int) -> None:
        """Connect until there are *count* connections; what was closed may count for a moment."""
        end = time.monotonic() + TIMEOUT
        while len(self.kept) < count:
            self.try_once()
            assert time.monotonic() < end, f"only {len(self.kept)} connections were let in"

    def take_all(self) -> int:
        """Connect until nobody lets us in; return how many connections there are."""
        refused = 0
        while refused < ATTEMPTS:
            refused = 0 if self.try_once() else refused + 1
        return len(self.kept)

    def meet(self) -> int:
        """Return the worker that accepts one more connection, which does not stay."""
        self.take(1)
        pid = self.kept[0][1]
        self.drop()
        return pid

    def drop(self, pid: int | None = None) -> None:
        """Close the connections to one worker, or all."""
        for peer, worker in list(self.kept):
            if pid is None or worker == pid:
                peer.close()
                self.kept.remove((peer, worker))

    @property
    def workers(self) -> set[int]:
        """Who serves these connections."""
        return {pid for _, pid in self.kept}


def run(tmp_path: Path, *, start: str = "fork") -> Program:
    script = tmp_path / "main.py"
    script.write_text(APP)
    return Program(
        [str(script)],
        environ={
            "BB_WORKER_START": start,
            "BB_MAX_CONNECTIONS_PER_ADDRESS": str(LIMIT),
            "BB_WORKER_DRAIN_TIMEOUT": "3600",
        },
    )


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_address_has_no_more_connections_for_there_being_more_workers(
    tmp_path: Path, start: str
) -> None:
    with run(tmp_path, start=start) as program, ExitStack() as opened:
        port = program.serving()["pid"]
        first, second = (Client(port, f"127.0.0.{n}", opened) for n in (2, 3))
        assert first.take_all() == LIMIT
        assert second.take_all() == LIMIT
        first.drop()
        first.take(LIMIT)
        assert first.take_all() == LIMIT
        assert len(first.workers) > 1


def test_worker_that_is_killed_gives_its_share_back(tmp_path: Path) -> None:
    with run(tmp_path) as program, ExitStack() as opened:
        client = Client(program.serving()["pid"], "127.0.0.2", opened)
        assert client.take_all() == LIMIT
        victim = client.kept[0][1]
        os.kill(victim, signal.SIGKILL)
        program.said(rf"\(pid {victim}\) died of SIGKILL")
        client.drop(victim)
        assert len(client.kept) < LIMIT
        client.take(LIMIT)
        assert client.take_all() == LIMIT


def test_workers_that_are_being_replaced_count_as_well(tmp_path: Path) -> None:
    with run(tmp_path) as program, ExitStack() as opened:
        port = program.serving()["pid"]
        client, somebody = (Client(port, f"127.0.0.{n}", opened) for n in (2, 3))
        client.take(LIMIT - 2)
        old = client.workers
        while len(old) < WORKERS:
            old.add(somebody.meet())
        program.signal(signal.SIGHUP)
        program.serving(times=2)
        met = 0
        while met < ATTEMPTS:  # the old ones accept until they know
            met = 0 if somebody.meet() in old else met + 1
        assert client.take_all() == LIMIT, program.lines
        new = client.workers - old
        assert new
        for pid in old:
            client.drop(pid)
        client.take(LIMIT)
        assert client.take_all() == LIMIT
        assert not client.workers & old
        client.drop()
