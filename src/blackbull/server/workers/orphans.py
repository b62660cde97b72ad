"""What the first process of a container has to do: wait for processes that are left to it.

When a process ends, its children become those of process 1, which must wait for them when they
have ended: else they stay as zombies, and each holds a process number.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path


def is_first() -> bool:
    """Return True in process 1."""
    return os.getpid() == 1


class Orphans:
    """Waits for children that are nobody's; where this is not process 1, for none.

    Children that were there before are left to the program, which has started them.
    """

    def __init__(self) -> None:
        self._first = is_first()
        self._before = {pid for pid, _ in _children()} if self._first else set()

    def reap(self, workers: Collection[int]) -> None:
        """Wait for all that have ended, but for *workers*."""
        if not self._first:
            return
        for pid, state in _children():
            if state == b"Z" and pid not in workers and pid not in self._before:
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)


def _children() -> Iterator[tuple[int, bytes]]:
    """Yield the numbers of this process's children, and their states (proc(5))."""
    us = b"%d" % os.getpid()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it is gone by now
            state, parent = path.read_bytes().rpartition(b")")[2].split()[:2]
            if parent == us:
                yield int(path.parent.name), state
