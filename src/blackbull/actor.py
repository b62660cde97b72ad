"""Actors: one owner of some state, and a bounded inbox through which everybody else talks to it.

Senders and the actor share an event loop. Whatever arrived since the actor last ran is taken as
one batch, so that a burst of messages costs one wake-up, and whoever overrides
:meth:`Actor._handle_batch` can answer the burst with one write.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from .errors import ActorStopped

DEFAULT_INBOX_MAXSIZE = 1024
"""Messages that wait in an inbox by default."""


@dataclass(slots=True)
class Message:
    """What actors send to each other; subclass it with the fields that a message carries.

    Attributes:
        sender: Whom to answer.
    """

    sender: Actor | None = field(default=None, kw_only=True, compare=False, repr=False)


class Actor:
    """Takes messages one after another, in the order in which they were sent.

    Subclasses override :meth:`_handle`.

    Args:
        inbox_maxsize: Messages that may wait; 0: :data:`DEFAULT_INBOX_MAXSIZE`.

    Raises:
        ValueError: *inbox_maxsize* is negative.
    """

    def __init__(self, *, inbox_maxsize: int = 0) -> None:
        if inbox_maxsize < 0:
            raise ValueError(f"inbox_maxsize must be 0 or more, not {inbox_maxsize}")
        self._inbox: list[Message] = []
        self._inbox_maxsize = inbox_maxsize or DEFAULT_INBOX_MAXSIZE
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._running = False
        self._closing = False

    async def run(self) -> None:
        """Handle messages until :meth:`stop` was called and the inbox is empty.

        What :meth:`_handle` raises ends the actor and is raised here. Cancelling it ends the
        actor, too. However it ends, what is left in the inbox is dropped and waiting senders get
        :class:`ActorStopped`.

        Raises:
            RuntimeError: it runs, or ran, already.
        """
        if self._running:
            raise RuntimeError("an actor runs once; make another one")
        self._running = True
        try:
            await self._drain()
        finally:
            self.stop()
            self._inbox.clear()

    async def send(self, message: Message) -> None:
        """Put *message* into the inbox; wait while it is full. Cancelled, it was not sent.

        An actor that writes to itself uses :meth:`offer`: waiting, it would never make room.

        Raises:
            ActorStopped: the actor has stopped.
        """
        while not self.offer(message):
            if self._closing:
                raise ActorStopped(f"{type(self).__name__} has stopped and takes no message")
            self._room.clear()
            await self._room.wait()

    def offer(self, message: Message) -> bool:
        """Put *message* into the inbox without waiting.

        Returns:
            False when the inbox is full or the actor has stopped: *message* was not taken.
        """
        inbox = self._inbox
        if self._closing or len(inbox) >= self._inbox_maxsize:
            return False
        inbox.append(message)
        if len(inbox) == 1:
            self._wake()
        return True

    def stop(self) -> None:
        """Take no more messages; :meth:`run` returns when it has handled those it has."""
        self._closing = True
        self._arrived.set()
        self._room.set()

    @property
    def stopped(self) -> bool:
        """True when no message is taken any more."""
        return self._closing

    def _wake(self) -> None:
        """Something has come into the empty inbox."""
        self._arrived.set()

    async def _handle(self, message: Message) -> None:
        """Handle one message; subclasses override it."""
        raise NotImplementedError(f"{type(self).__name__} must override _handle")

    async def _handle_batch(self, batch: list[Message]) -> None:
        """Handle what arrived since the last batch, oldest first; default: one by one."""
        for message in batch:
            await self._handle(message)

    async def _drain(self) -> None:
        while True:
            if self._inbox:
                # Messages that came while a batch was handled: others get their turn first.
                await asyncio.sleep(0)
            elif self._closing:
                return
            else:
                await self._arrived.wait()
            self._arrived.clear()
            batch, self._inbox = self._inbox, []
            self._room.set()
            if batch:
                await self._handle_batch(batch)
