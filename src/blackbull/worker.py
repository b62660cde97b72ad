"""One of the processes that serve an application together, as the application sees it.

Work that must be done once, whoever does it, is done by the *owner*: the worker with index 0. It
serves the stateful protocols and runs what has to run on exactly one worker. When it dies, the
worker that takes its place is the owner.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from .abc import Address, Reader, Writer


@dataclass(frozen=True, slots=True)
class Figures:
    """What one worker has counted.

    Attributes:
        counters: What only grows, by name; those of a worker that has ended are kept.
        gauges: What goes up and down, by name; those of a worker that has ended are dropped.
        index: The worker's index; None for the counters of all that have ended.
    """

    counters: Mapping[str, float] = field(default_factory=dict)
    gauges: Mapping[str, float] = field(default_factory=dict)
    index: int | None = None


class Worker(ABC):
    """The process that this code runs in.

    Attributes:
        index: From 0 on; a worker that replaces another one has its index.
        count: How many serve.
    """

    index: int = 0
    count: int = 1

    @property
    def owner(self) -> bool:
        """This is the worker that does what must be done once, or that is about to."""
        return self.index == 0

    @asynccontextmanager
    async def owning(self) -> AsyncIterator[None]:
        """Do what must be done once: ``async with worker.owning(): ...``.

        When workers are replaced, the old owner and the new one run side by side for a moment:
        entering waits until nobody in the old one is in such a block any more. In a worker that
        is no owner it never ends. Who is cancelled must leave soon: the next owner waits.
        """
        if not self.owner:
            await asyncio.Event().wait()
        yield

    @abstractmethod
    def post(self, figures: Figures) -> None:
        """Let the other workers see *figures* instead of what was posted before; never waits."""

    @abstractmethod
    async def collect(self) -> list[Figures]:
        """Return what the *other* workers posted last, and the counters of those that ended."""

    @abstractmethod
    async def open_owner(
        self, protocol: str, *, peername: Address | None = None, sockname: Address | None = None
    ) -> tuple[Reader, Writer]:
        """Open a stream to a protocol of the owner, which serves it as one more connection.

        Args:
            protocol: The name of the protocol's binding.
            peername: The address of the peer that the stream is for; the owner takes it for the
                peer's.
            sockname: The address that the peer has connected to.

        Raises:
            ConnectionLost: the owner is not to be reached now; try again.
            LookupError: the owner has no such protocol.
        """


class OnlyWorker(Worker):
    """The process that serves alone."""

    def post(self, figures: Figures) -> None:
        """Nobody else looks."""

    async def collect(self) -> list[Figures]:
        """Nobody else counts."""
        return []

    async def open_owner(
        self, protocol: str, *, peername: Address | None = None, sockname: Address | None = None
    ) -> tuple[Reader, Writer]:
        """The owner is here.

        Raises:
            LookupError: always.
        """
        raise LookupError(f"{protocol!r} is served by this very process: there is no other")
