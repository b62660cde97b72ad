"""Peek and replay on top of any reader."""

from __future__ import annotations

from typing import Final

from blackbull.abc import Reader
from blackbull.errors import IncompleteRead, LimitExceeded

CHUNK: Final = 65536


class PrefixReader(Reader):
    """Reads *prefix* first, then what *reader* reads; peeking makes the prefix longer.

    Args:
        prefix: Bytes that were taken from the stream already.
        reader: The rest of the stream.
    """

    __slots__ = ("_prefix", "_reader")

    def __init__(self, prefix: bytes, reader: Reader) -> None:
        self._prefix = bytearray(prefix)
        self._reader = reader

    async def peek(self, n: int) -> bytes:
        """Return the next *n* bytes, fewer only at the end, without consuming them."""
        await self._fill(n)
        return bytes(self._prefix[:n])

    async def read(self, n: int = -1) -> bytes:
        """Return 1 to *n* bytes as soon as any are there; all that has arrived if *n* is -1."""
        if not self._prefix:
            return await self._reader.read(n)
        return self._take(n if n >= 0 else len(self._prefix))

    async def readexactly(self, n: int) -> bytes:
        """Return exactly *n* bytes."""
        if not self._prefix:
            return await self._reader.readexactly(n)
        await self._fill(n)
        if len(self._prefix) < n:
            partial = self._take(n)
            raise IncompleteRead(
                f"the stream ended after {len(partial)} of {n} bytes", partial=partial
            )
        return self._take(n)

    async def readuntil(self, separator: bytes = b"\n", *, limit: int = 65536) -> bytes:
        """Return the bytes up to and including *separator*."""
        if not self._prefix:
            return await self._reader.readuntil(separator, limit=limit)
        searched = 0
        while True:
            at = self._prefix.find(separator, searched, limit)
            if at >= 0:
                return self._take(at + len(separator))
            size = len(self._prefix)
            if size >= limit:
                raise LimitExceeded("readuntil", allowed=limit, seen=size)
            searched = max(0, size - len(separator) + 1)
            await self._fill(size + 1)
            if len(self._prefix) == size:
                partial = self._take(size)
                raise IncompleteRead("the stream ended before the separator", partial=partial)

    def at_eof(self) -> bool:
        """Return True when the stream has ended and everything was read."""
        return not self._prefix and self._reader.at_eof()

    async def _fill(self, n: int) -> None:
        # Taking at most what is missing keeps the back-pressure of the reader below.
        while (missing := n - len(self._prefix)) > 0:
            data = await self._reader.read(min(missing, CHUNK))
            if not data:
                return
            self._prefix += data

    def _take(self, n: int) -> bytes:
        data = bytes(memoryview(self._prefix)[:n])
        del self._prefix[:n]
        return data
