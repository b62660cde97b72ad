"""Workers that were started together, from the same code and configuration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .channel import Message
from .process import Process, State

STEADY: Final = 10.0
"""A worker that has served for so many seconds starts with a clean record."""

FIRST_DELAY: Final = 0.1
LAST_DELAY: Final = 5.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What the supervisor has to know of the settings.

    Attributes:
        workers: How many serve.
        drain_timeout: Seconds that a worker gets to let its requests end.
        timeout: Seconds without a sign of life after which a worker is killed; 0: never.
        start_timeout: Seconds that a worker may take to start; 0: as long as it likes.
    """

    workers: int
    drain_timeout: float
    timeout: float = 0.0
    start_timeout: float = 0.0

    def encode(self) -> dict[str, object]:
        """Return what JSON can hold."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def decode(cls, message: Message) -> Terms:
        """Return the terms in a worker's message."""
        return cls(
            int(message.number("workers")),
            message.number("drain_timeout"),
            message.number("timeout"),
            message.number("start_timeout"),
        )


class Slot:
    """The place of one worker, whichever process fills it.

    Args:
        index: The worker's index.
        generation: Whose place it is.

    Attributes:
        serving: The process that serves.
        coming: The process that is to serve next.
        due: When the next process is to be started; None: not at all.
    """

    def __init__(self, index: int, generation: Generation) -> None:
        self.index = index
        self.generation = generation
        self.serving: Process | None = None
        self.coming: Process | None = None
        self.due: float | None = None
        self._failures = 0

    def lose(self, process: Process, *, now: float) -> float:
        """Take note that *process* is gone, and plan the next one.

        Returns:
            Seconds until it starts: none at first, ever more if they keep failing soon.
        """
        if process.state is State.SERVING and now - process.since >= STEADY:
            self._failures = 0
        if self.serving is process:
            self.serving = None
        if self.coming is process:
            self.coming = None
        return self.put_off(now=now)

    def put_off(self, *, now: float) -> float:
        """Plan the next process after a failure, unless it has started already.

        Returns:
            Seconds until it starts.
        """
        self._failures += 1
        delay = 0.0
        if self._failures > 1:
            delay = min(FIRST_DELAY * 2.0 ** (self._failures - 2), LAST_DELAY)
        self.due = None if self.coming is not None else now + delay
        return delay


class Generation:
    """All workers of one start.

    Args:
        terms: What is known of the settings before a worker tells.
        forked: They are copies of the supervisor's process; else fresh interpreters.

    Attributes:
        slots: Their places; one only until the first worker has told how many there are to be.
        told: It has.
    """

    def __init__(self, terms: Terms, *, forked: bool) -> None:
        self.terms = terms
        self.forked = forked
        self.slots = [Slot(0, self)]
        self.told = False

    def adopt(self, terms: Terms) -> list[Slot]:
        """Take over what the first worker has found; return the places of all others."""
        self.terms = terms
        self.told = True
        others = [Slot(index, self) for index in range(1, terms.workers)]
        self.slots.extend(others)
        return others

    @property
    def ready(self) -> bool:
        """Every worker could serve now."""
        return self.told and all(
            slot.coming is not None and slot.coming.state is State.READY for slot in self.slots
        )

    def processes(self) -> Iterator[Process]:
        """Yield every process that fills a place, or is to."""
        for slot in self.slots:
            for process in (slot.serving, slot.coming):
                if process is not None:
                    yield process
