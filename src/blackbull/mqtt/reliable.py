"""Reliable taps: a message is done with when the callback has returned, and not before.

Each has a task of its own. A message whose callback raised is tried again, after a pause that
doubles from time to time, until the callback returns. Meanwhile the messages behind it have their
turn; when too many are waiting for another try, no more are taken, and the broker keeps them as it
keeps a client's that is away: as many as the settings say, and what is lost beyond that is logged.
Of the messages that are due, the oldest comes first.
"""

from __future__ import annotations

import asyncio
import logging
import time
from bisect import insort
from collections import deque
from collections.abc import Callable
from typing import Final

from .client import EXACTLY_ONCE, LocalBroker, LocalSubscription
from .tap import Message, Published, Tap

logger = logging.getLogger("blackbull.mqtt.tap")

MAX_HELD: Final = 64
"""Messages that one reliable tap holds: those that wait for their turn or for another try."""
FIRST_PAUSE: Final = 0.1
"""Seconds until a message is tried for the second time."""
LONGEST_PAUSE: Final = 30.0
"""Seconds between two tries at most."""


class Held:
    """A message that is not done with.

    Attributes:
        number: Counts the messages of a tap.
        publication: The message.
        tries: How often the callback raised.
        due: When it is tried again, by the clock.
    """

    __slots__ = ("due", "number", "publication", "tries")

    def __init__(self, number: int, publication: Published) -> None:
        self.number = number
        self.publication = publication
        self.tries = 0
        self.due = 0.0


class ReliableTap:
    """Hands messages to one callback, each until it returns.

    Args:
        tap: The callback.
        max_held: Messages that are taken from the broker and not done with.
        first_pause: Seconds until the second try; they double with each further one.
        longest_pause: Seconds between two tries at most.
        clock: Returns monotonic seconds.
    """

    def __init__(
        self,
        tap: Tap,
        *,
        max_held: int = MAX_HELD,
        first_pause: float = FIRST_PAUSE,
        longest_pause: float = LONGEST_PAUSE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tap = tap
        self._max_held = max_held
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._clock = clock
        self._fresh: deque[Held] = deque()
        self._failed: list[Held] = []
        self._busy = 0
        self._taken = 0
        self._refused = False
        self._lost = 0
        self._news = asyncio.Event()
        self._stopping = False
        self._local: LocalSubscription | None = None

    @property
    def held(self) -> int:
        """Messages that were taken and are not done with."""
        return len(self._fresh) + len(self._failed) + self._busy

    def attach(self, broker: LocalBroker) -> None:
        """Subscribe at *broker*.

        Raises:
            ValueError: it does not accept the filter.
        """
        self._local = broker.add_local(
            self.tap.match_filter, self._receive, qos=EXACTLY_ONCE, reliable=True
        )

    def stop(self) -> None:
        """Take no more; :meth:`run` returns when every message it has was tried once more."""
        self._stopping = True
        self._fresh.extendleft(reversed(self._failed))
        self._failed.clear()
        self._news.set()
        if self._local is not None:
            local, self._local = self._local, None
            local.close()

    async def run(self) -> None:
        """Hand messages over until :meth:`stop`. Cancelled, it forgets those it holds."""
        while True:
            held = self._take()
            if held is not None:
                await self._hand_over(held)
            elif self._stopping:
                break
            else:
                await self._wait()
        if self._failed:
            logger.error("%s() did not get %d messages", self.tap.name, len(self._failed))

    def _receive(self, publication: Published) -> bool:
        if self._stopping or self.held >= self._max_held:
            self._refused = True
            return False
        self._taken += 1
        self._fresh.append(Held(self._taken, publication))
        self._news.set()
        return True

    def _take(self) -> Held | None:
        """Return the oldest message that is due; what failed is older than what is fresh."""
        if not self._stopping and self._failed:
            now = self._clock()
            for at, held in enumerate(self._failed):
                if held.due <= now:
                    return self._failed.pop(at)
        return self._fresh.popleft() if self._fresh else None

    async def _hand_over(self, held: Held) -> None:
        self._busy = 1
        message = Message.of(held.publication)
        try:
            done = await self.tap.call_isolated(message, self.tap.bind(message.topic))
        finally:
            self._busy = 0
        if not done:
            held.due = self._clock() + self._pause(held.tries)
            held.tries += 1
            insort(self._failed, held, key=_number)
        elif self._refused and self._local is not None:
            self._refused = False
            self._local.resume()
            self._tell_lost(self._local.dropped)

    def _tell_lost(self, lost: int) -> None:
        if lost > self._lost:
            self._lost = lost
            logger.error(
                "%s() is too slow: the broker could not keep %d messages for it",
                self.tap.name,
                lost,
            )

    def _pause(self, tries: int) -> float:
        # Beyond 2**32 times the first pause, longer than any longest one, it stays.
        return min(self._first_pause * 2.0 ** min(tries, 32), self._longest_pause)

    async def _wait(self) -> None:
        self._news.clear()
        if not self._failed:
            await self._news.wait()
            return
        pause = min(held.due for held in self._failed) - self._clock()
        try:
            async with asyncio.timeout(max(pause, 0.0)):
                await self._news.wait()
        except TimeoutError:
            pass


def _number(held: Held) -> int:
    return held.number
