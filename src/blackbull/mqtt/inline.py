"""Inline taps for messages that no client has published: the application's, and wills."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable

from .state.broker import InlineTaps
from .state.publication import Publication
from .tally import Tally

logger = logging.getLogger("blackbull.mqtt")


class InlineRunner:
    """Lets taps see messages one after another, in a task that lives as long as there are some.

    Args:
        max_queued: Messages that wait; when that many do, the newest is dropped.
        max_bytes: What those that wait may hold together; one alone may be longer.
    """

    def __init__(self, *, max_queued: int, max_bytes: int) -> None:
        self._max_queued = max_queued
        self._max_bytes = max_bytes
        self._bytes = 0
        self._waiting: deque[Publication] = deque()
        self._task: asyncio.Task[None] | None = None
        self._drops = Tally()

    def offer(self, publications: Iterable[Publication], taps: InlineTaps) -> None:
        """Let *taps* see *publications*, without waiting."""
        waiting = self._waiting
        for publication in publications:
            held = self._bytes + publication.size
            if not waiting or (len(waiting) < self._max_queued and held <= self._max_bytes):
                waiting.append(publication)
                self._bytes = held
            elif self._drops.add():
                logger.warning("the taps are too slow: %d messages dropped", self._drops.count)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(taps))

    def cancel(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        self._bytes = 0
        if self._task is not None:
            self._task.cancel()

    async def _run(self, taps: InlineTaps) -> None:
        try:
            while self._waiting:
                publication = self._waiting.popleft()
                self._bytes -= publication.size
                try:
                    await taps([publication])
                except Exception:
                    logger.exception("a tap failed")
        finally:
            self._task = None
