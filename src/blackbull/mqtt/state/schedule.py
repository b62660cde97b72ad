"""What happens to sessions later: wills that are delayed, sessions that expire."""

from __future__ import annotations

import heapq
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .session import Session


class Schedule:
    """When to look at which session again; in vain if it came back meanwhile."""

    __slots__ = ("_count", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Session]] = []
        self._count = 0

    def __len__(self) -> int:
        """Entries, out-dated ones included."""
        return len(self._heap)

    @property
    def due(self) -> float:
        """When the next session is to be looked at; ``inf`` for never."""
        return self._heap[0][0] if self._heap else inf

    def add(self, session: Session) -> None:
        """Look at *session* when its will is due or it expires."""
        at = min(session.will_at, session.expires_at)
        if at != inf:
            self._count += 1
            heapq.heappush(self._heap, (at, self._count, session))

    def take(self, now: float) -> list[Session]:
        """Return the sessions whose time has come."""
        taken = []
        while self._heap and self._heap[0][0] <= now:
            taken.append(heapq.heappop(self._heap)[2])
        return taken

    def compact(self, most: int) -> None:
        """Forget out-dated entries once there are more than *most*."""
        if len(self._heap) > most:
            self._heap = [
                entry for entry in self._heap
                if entry[0] == min(entry[2].will_at, entry[2].expires_at)
            ]  # fmt: skip
            heapq.heapify(self._heap)
