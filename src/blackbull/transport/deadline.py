"""One timer per connection, re-armed only when it fires too early."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

from blackbull.abc import Deadline


class LoopDeadline(Deadline):
    """A deadline on the event loop's clock.

    Moving it further away, which happens with every request, costs one attribute: the armed timer
    fires, sees that nothing is due yet and arms itself again for the rest.

    Args:
        loop: The loop whose clock and timers are used.
        expired: Called once when the deadline passes; the deadline is clear by then.
    """

    __slots__ = ("_expired", "_loop", "_timer", "at")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self.at = inf
        self._loop = loop
        self._expired = expired
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """Expire *seconds* from now; 0 or less: never."""
        if seconds <= 0:
            self.at = inf
            return
        self.at = at = self._loop.time() + seconds
        timer = self._timer
        if timer is None:
            self._timer = self._loop.call_at(at, self._fire)
        elif timer.when() > at:
            timer.cancel()
            self._timer = self._loop.call_at(at, self._fire)

    def clear(self) -> None:
        """Nothing is due; the armed timer finds out by itself."""
        self.at = inf

    def cancel(self) -> None:
        """Nothing is due, ever again: the timer is released."""
        self.at = inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        at = self.at
        if at == inf:
            return
        if self._loop.time() < at:
            self._timer = self._loop.call_at(at, self._fire)
            return
        self.at = inf
        self._expired()
