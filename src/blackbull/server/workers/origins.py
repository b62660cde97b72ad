"""How many connections of each address the workers have together, in memory that they share.

Each worker writes a row of its own, so nobody has to wait for anybody, and adds up those of all. A
row is a count-min sketch: an address is counted in two columns, which a keyed hash has chosen, and
the smaller sum is taken for its count. It is never too small, and too large only where both columns
are shared with other addresses. The supervisor clears the row of a worker that has ended.
"""

from __future__ import annotations

import mmap
import os
import secrets
import sys
import tempfile
from hashlib import blake2b
from typing import IO, Final

from blackbull.server.admission import Origin

COLUMNS: Final = 32768
"""Counters that the first hash of an address chooses from, and as many for the second."""

MAX_ROWS: Final = 255
"""Workers that may count together, those that are being replaced and their successors included."""

_WIDTH: Final = 2 * COLUMNS
_ROW: Final = 4 * _WIDTH
_SIZE: Final = _ROW * (1 + MAX_ROWS)


class OriginTable:
    """The supervisor's side: it gives rows to workers, and clears those that are given back.

    The row before those of workers holds one number: how many rows there are to add up.

    Attributes:
        key: The key of the hash.

    Raises:
        OSError: there is no memory to share.
    """

    def __init__(self) -> None:
        self.key = secrets.token_bytes(16)
        self._file = _open_memory()
        try:
            self._file.truncate(_SIZE)
            self._memory = mmap.mmap(self._file.fileno(), _SIZE)
        except BaseException:
            self._file.close()
            raise
        self._rows: dict[int, int] = {}

    def fileno(self) -> int:
        """Return the descriptor of the memory."""
        return self._file.fileno()

    def give(self, pid: int) -> int | None:
        """Return a row for the process, all zeros; None if there is none left."""
        taken = set(self._rows.values())
        row = next((row for row in range(1, MAX_ROWS + 1) if row not in taken), None)
        if row is not None:
            self._rows[pid] = row
            rows = max(taken | {row})
            self._memory[:4] = rows.to_bytes(4, sys.byteorder)
        return row

    def clear(self, pid: int) -> None:
        """Count no connection of the process, which has ended, any more."""
        row = self._rows.pop(pid, None)
        if row is not None:
            self._memory[row * _ROW : (row + 1) * _ROW] = bytes(_ROW)

    def close(self) -> None:
        """Let go of the memory; workers keep it."""
        self._memory.close()
        self._file.close()


class SharedOrigins:
    """A worker's side: it counts in its own row, and adds up those of all.

    Args:
        fd: The descriptor of the memory; it is not needed afterwards.
        row: The worker's own row.
        key: The key of the hash.
    """

    __slots__ = ("_counts", "_key", "_own")

    def __init__(self, fd: int, row: int, *, key: bytes) -> None:
        self._counts = memoryview(mmap.mmap(fd, _SIZE)).cast("I")
        self._own = row * _WIDTH
        self._key = key

    def add(self, origin: Origin) -> int:
        """Count one more of *origin*; return how many all workers have."""
        first, second = self._columns(origin)
        self._counts[self._own + first] += 1
        self._counts[self._own + second] += 1
        return min(self._sum(first), self._sum(second))

    def remove(self, origin: Origin) -> None:
        """Count one less of *origin*."""
        for column in self._columns(origin):
            self._counts[self._own + column] -= 1

    def _columns(self, origin: Origin) -> tuple[int, int]:
        name = origin.encode() if isinstance(origin, str) else origin
        number = int.from_bytes(blake2b(name, digest_size=4, key=self._key).digest(), "big")
        return number % COLUMNS, COLUMNS + (number >> 16) % COLUMNS

    def _sum(self, column: int) -> int:
        end = (self._counts[0] + 1) * _WIDTH
        return sum(self._counts[_WIDTH + column : end : _WIDTH])


def _open_memory() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("blackbull-origins"), "r+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
