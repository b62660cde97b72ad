"""Counts of what should not happen, told often enough to be seen and seldom enough to be read."""

from __future__ import annotations

import time
from collections.abc import Callable

TELL_INTERVAL = 1.0
"""Seconds between two log records of one tally."""


class Tally:
    """A running count: whoever adds to it learns whether it is time to write it down.

    Args:
        interval: Seconds between two times.
        clock: Returns monotonic seconds.

    Attributes:
        count: How often it happened.
    """

    __slots__ = ("_clock", "_due", "_interval", "_told", "count")

    def __init__(
        self, interval: float = TELL_INTERVAL, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = interval
        self._clock = clock
        self._due: float | None = None
        self._told = 0
        self.count = 0

    def add(self) -> bool:
        """Count one more.

        Returns:
            True for the first one, and then at most once per interval: log the count now.
        """
        self.count += 1
        now = self._clock()
        if self._due is not None and now < self._due:
            return False
        self._due = now + self._interval
        self._told = self.count
        return True

    @property
    def untold(self) -> int:
        """How often it happened since somebody was last asked to log it."""
        return self.count - self._told
