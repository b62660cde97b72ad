"""The deadlines of all connections of a loop, kept in slots of time.

Connections come and go by the ten thousand, their deadlines move with every request, and hardly
one ever passes. So a connection owns no timer of the event loop: it is filed in the slot in which
it may have to be looked at, one timer per loop waits for the nearest slot, and moving a deadline
further away, which is what a request does, is an attribute: whoever is found in a slot too early
is filed again.

A process that was stopped, or whose handler has blocked it, wakes up with deadlines that passed
while nobody could read what would have moved them. So a turn that comes late looks at nothing yet:
the loop gets to read first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import Final

from blackbull.abc import Deadline

TOLERANCE: Final = 2
"""Slots that a turn may be behind its time before it counts as late."""

PORTION: Final = 32
"""Deadlines that expire in one callback, since each is work, and thousands may expire together."""


class Wheel:
    """Looks at the deadlines of one loop when their time may have come.

    Args:
        loop: The loop whose clock and timers are used.
        granularity: Seconds that one slot is wide: how late a deadline may be noticed.
    """

    __slots__ = ("_armed", "_late", "_slots", "_timer", "granularity", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, *, granularity: float = 0.05) -> None:
        self.loop = loop
        self.granularity = granularity
        self._slots: dict[int, set[WheelDeadline]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._armed = 0
        self._late = False

    def file(self, deadline: WheelDeadline, slot: int) -> None:
        """Look at *deadline* at the beginning of *slot*."""
        filed = self._slots.get(slot)
        if filed is None:
            self._slots[slot] = {deadline}
            if self._timer is None or slot < self._armed:
                self._arm(slot)
        else:
            filed.add(deadline)

    def remove(self, deadline: WheelDeadline, slot: int) -> None:
        """Do not look at *deadline* in *slot*."""
        filed = self._slots.get(slot)
        if filed is not None:
            filed.discard(deadline)

    def _arm(self, slot: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed = slot
        self._timer = self.loop.call_at(slot * self.granularity, self._turn)

    def _turn(self) -> None:
        now = self.loop.time()
        width = self.granularity
        if not self._late and now > (self._armed + TOLERANCE) * width:
            self._late = True
            self._timer = self.loop.call_later(width, self._turn)
            return
        self._timer = None
        self._late = False
        current = int(now / width)
        expired = 0
        for slot in sorted(slot for slot in self._slots if slot <= max(current, self._armed)):
            filed = self._slots.pop(slot)
            while filed:
                expired += filed.pop().look(now)
                if expired == PORTION:
                    self._slots.setdefault(slot, set()).update(filed)
                    self._go_on(slot)
                    return
        self._arm_nearest()

    def _go_on(self, slot: int) -> None:
        """Look at the rest once the loop has seen to the others."""
        if self._timer is not None:  # whoever has expired has filed something
            self._timer.cancel()
        self._late = True
        self._armed = slot
        self._timer = self.loop.call_later(0.0, self._turn)

    def _arm_nearest(self) -> None:
        self._slots = {slot: filed for slot, filed in self._slots.items() if filed}
        if self._slots:
            self._arm(min(self._slots))

    def close(self) -> None:
        """Forget every deadline and release the timer."""
        self._slots.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class WheelDeadline(Deadline):
    """One connection's deadline.

    Args:
        wheel: Looks at it.
        expired: Called once when the deadline has passed; the deadline is clear by then.
    """

    __slots__ = ("_expired", "_slot", "_wheel", "at")

    def __init__(self, wheel: Wheel, expired: Callable[[], None]) -> None:
        self.at = inf
        self._wheel = wheel
        self._expired = expired
        self._slot = 0  # where it is filed; 0: nowhere

    def set(self, seconds: float) -> None:
        """Expire *seconds* from now; 0 or less: never."""
        if seconds <= 0:
            self.at = inf
            return
        wheel = self._wheel
        self.at = at = wheel.loop.time() + seconds
        slot = int(at / wheel.granularity) + 1
        filed = self._slot
        if not filed or slot < filed:
            if filed:
                wheel.remove(self, filed)
            self._slot = slot
            wheel.file(self, slot)

    def clear(self) -> None:
        """Nothing is due; the wheel finds out by itself."""
        self.at = inf

    def cancel(self) -> None:
        """Nothing is due, ever again: the wheel lets go, and so does the deadline."""
        self.at = inf
        if self._slot:
            self._wheel.remove(self, self._slot)
            self._slot = 0
        self._expired = _nothing

    def look(self, now: float) -> bool:
        """Expire if it is time, and return True; else be filed again."""
        self._slot = 0
        if self.at == inf:
            return False
        if self.at <= now:
            self.at = inf
            self._expired()
            return True
        self._slot = int(self.at / self._wheel.granularity) + 1
        self._wheel.file(self, self._slot)
        return False


def _nothing() -> None:
    return None
