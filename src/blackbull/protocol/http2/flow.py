"""Flow control (RFC 9113 §5.2, §6.9): credit that we give, content that waits for the peer's."""

from __future__ import annotations

from collections import deque
from typing import TypeAlias, final

from .codes import MAX_WINDOW

Buffer: TypeAlias = bytes | memoryview


@final
class ReceiveWindow:
    """What the peer may send on a stream, or on all of them.

    Credit is returned for what was consumed, in portions of half a window, or of all that the peer
    has left: content that nobody takes must not keep back the credit for the rest.

    Args:
        size: Bytes that may be on their way or wait for their consumer.

    Attributes:
        size: As above.
        available: Bytes that the peer may still send.
    """

    __slots__ = ("_consumed", "available", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.available = size
        self._consumed = 0

    def consume(self, count: int) -> int:
        """Note that *count* bytes were consumed; return the credit to announce, or 0."""
        consumed = self._consumed + count
        if 2 * consumed < self.size and consumed < self.available:
            self._consumed = consumed
            return 0
        self._consumed = 0
        self.available += consumed
        return consumed

    def resize(self, size: int) -> int:
        """Change the size; return the credit to announce, or 0.

        A smaller size takes effect as the peer uses its credit up.
        """
        size = min(size, MAX_WINDOW)
        change = size - self.size
        self.size = size
        if change <= 0:
            self._consumed += change
            return 0
        increment = min(change + self._consumed, MAX_WINDOW - self.available)
        if increment <= 0:
            self._consumed += change
            return 0
        self._consumed += change - increment
        self.available += increment
        return increment


@final
class SendQueue:
    """The content of a stream that waits for its turn and for credit. Nothing is copied.

    Args:
        announced: What content-length says; -1 if nothing does.

    Attributes:
        size: Bytes that wait.
        announced: Bytes of announced content that were not handed over yet, or -1.
        trailers: The fields that follow the content.
        crowded: More waited than should; whoever sends was told.
        moved: Bytes that were sent since the last look; before the first, plenty.
    """

    __slots__ = ("_parts", "announced", "crowded", "moved", "size", "trailers")

    def __init__(self, announced: int) -> None:
        self._parts: deque[Buffer] = deque()
        self.size = 0
        self.announced = announced
        self.trailers: list[tuple[bytes, bytes]] | None = None
        self.crowded = False
        self.moved = MAX_WINDOW

    def add(self, data: bytes) -> None:
        """Append *data*."""
        self._parts.append(data)
        self.size += len(data)

    def take(self, count: int) -> list[Buffer]:
        """Remove the first *count* bytes, of those that wait."""
        parts = self._parts
        self.size -= count
        self.moved += count
        part = parts[0]
        if len(part) > count:
            # What is cut once is cut again: a view is made of the rest, not of the piece.
            view = part if isinstance(part, memoryview) else memoryview(part)
            parts[0] = view[count:]
            return [view[:count]]
        taken: list[Buffer] = []
        while count > 0:
            part = parts[0]
            length = len(part)
            if length <= count:
                taken.append(part)
                parts.popleft()
                count -= length
            else:
                view = part if isinstance(part, memoryview) else memoryview(part)
                taken.append(view[:count])
                parts[0] = view[count:]
                count = 0
        return taken
