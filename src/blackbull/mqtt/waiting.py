"""Messages that wait for somebody who reads them one by one."""

from __future__ import annotations

import logging
from collections import deque
from typing import Final, Generic, TypeVar

from .application_message import Published
from .settings import Overflow
from .tally import Tally

logger = logging.getLogger("blackbull.mqtt.client")

MAX_QUEUED: Final = 256
"""Messages that wait by default for whoever follows topics."""
MAX_QUEUED_BYTES: Final = 16_777_216
"""Bytes that those messages hold together; a message alone may be longer."""

PublishedT = TypeVar("PublishedT", bound=Published)


class Waiting(Generic[PublishedT]):
    """A queue of messages that drops some when there are too many.

    Args:
        topic: What is followed, for the log.
        max_queued: Messages that may wait.
        overflow: Which one is dropped when one more comes.

    Raises:
        ValueError: *max_queued* is not positive, or there is no such *overflow*.
    """

    def __init__(self, topic: str, *, max_queued: int, overflow: Overflow | str) -> None:
        if max_queued < 1:
            raise ValueError(f"max_queued is a number of messages, not {max_queued}")
        self.topic = topic
        self.max_queued = max_queued
        self.overflow = Overflow(overflow)
        self._drop_oldest = self.overflow is Overflow.DROP_OLDEST
        self._messages: deque[PublishedT] = deque()
        self._bytes = 0
        self._drops = Tally()

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def dropped(self) -> int:
        """Messages that were dropped."""
        return self._drops.count

    def offer(self, message: PublishedT) -> bool:
        """Let *message* wait.

        Returns:
            False if it was dropped.
        """
        waiting = self._messages
        size = message.size
        while waiting and (
            len(waiting) >= self.max_queued or self._bytes + size > MAX_QUEUED_BYTES
        ):
            if self._drops.add():
                logger.warning(
                    "%r is read too slowly: %d messages dropped so far (%d may wait)",
                    self.topic, self._drops.count, self.max_queued,
                )  # fmt: skip
            if not self._drop_oldest:
                return False
            self._bytes -= waiting.popleft().size
        waiting.append(message)
        self._bytes += size
        return True

    def take(self) -> PublishedT:
        """Return the oldest message.

        Raises:
            IndexError: none waits.
        """
        message = self._messages.popleft()
        self._bytes -= message.size
        return message

    def clear(self) -> None:
        """Forget what waits."""
        self._messages.clear()
        self._bytes = 0
