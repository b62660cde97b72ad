"""The application's side of the broker: all that runs for it, started and stopped as one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Final

from .client import Client, LocalBroker
from .hooks import HookActor
from .registration import Registration
from .reliable import ReliableTap
from .tap import DEFAULT_QUEUE_BYTES, DEFAULT_QUEUE_SIZE, Published, Tap, TapActor, TapTable

logger = logging.getLogger("blackbull.mqtt")

TAP_MODES: Final = ("actor", "inline")
STOP_TIMEOUT: Final = 5.0
"""Seconds that callbacks get to finish when the application stops."""


class Application:
    """Taps, reliable taps, hooks and the client of one extension.

    Args:
        tap_mode: ``"actor"``: taps run in a :class:`TapActor`. ``"inline"``: whoever receives a
            message runs them; :attr:`inline` finds them.
        tap_queue_size: Messages that wait for the taps; None: as the broker's settings say.

    Attributes:
        registration: What was registered.
        client: Publishes and subscribes.
        inline: The taps, for whoever runs them; None with an actor.
        taps: The actor that runs them; None inline, and while the application does not serve.

    Raises:
        ValueError: there is no such *tap_mode*, or *tap_queue_size* is not positive.
    """

    def __init__(self, *, tap_mode: str = "actor", tap_queue_size: int | None = None) -> None:
        if tap_mode not in TAP_MODES:
            raise ValueError(f"tap_mode is 'actor' or 'inline', not {tap_mode!r}")
        if tap_queue_size is not None and tap_queue_size < 1:
            raise ValueError(f"tap_queue_size is a number of messages, not {tap_queue_size}")
        self.registration = Registration()
        self.client = Client()
        self.inline = TapTable(self.registration.taps) if tap_mode == "inline" else None
        self.taps: TapActor | None = None
        self._queue_size = tap_queue_size
        self._hooks: HookActor | None = None
        self._reliable: list[ReliableTap] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._see: Callable[[str], None] | None = None

    async def start(
        self,
        broker: LocalBroker,
        *,
        see: Callable[[str], None],
        tap_queue_size: int = DEFAULT_QUEUE_SIZE,
        tap_queue_bytes: int = DEFAULT_QUEUE_BYTES,
    ) -> None:
        """Run everything that is registered, and what will be.

        Args:
            broker: The broker, which runs.
            tap_queue_size: Messages that wait for the taps, unless the constructor was told.
            tap_queue_bytes: What they may hold together.
            see: Called with each filter whose messages :meth:`observe` is to be given.
        """
        self.client.attach(broker)
        self._see = see
        self._hooks = HookActor(self.registration.hooks)
        self._spawn(self._hooks.run())
        if self.inline is None:
            self.taps = TapActor(
                self.registration.taps,
                queue_size=self._queue_size or tap_queue_size,
                queue_bytes=tap_queue_bytes,
            )
            self._spawn(self.taps.run())
        for tap in self.registration.iter_taps():
            self._serve(tap)
        self.registration.watch(self._serve)

    async def stop(self) -> None:
        """Let callbacks finish what they have, for a while; then end everything."""
        self.registration.watch(None)
        for actor in (self.taps, self._hooks, *self._reliable):
            if actor is not None:
                actor.stop()
        if self._tasks:
            _, late = await asyncio.wait(tuple(self._tasks), timeout=STOP_TIMEOUT)
            for task in late:
                task.cancel()
            if late:
                logger.error("%d callbacks did not end and were cancelled", len(late))
                await asyncio.wait(late)
        self._reliable.clear()
        self.taps = self._hooks = self._see = None
        self.client.detach()

    def observe(self, publication: Published) -> None:
        """Hand a message to the taps, without waiting."""
        if self.taps is not None:
            self.taps.offer(publication)

    def tell(self, kind: str, *arguments: object) -> None:
        """Let the hooks know of something that a client did, without waiting."""
        if self._hooks is not None:
            self._hooks.tell(kind, *arguments)

    def _serve(self, tap: Tap) -> None:
        if tap.reliable:
            reliable = ReliableTap(tap)
            reliable.attach(self.client.broker)
            self._reliable.append(reliable)
            self._spawn(reliable.run())
        elif self._see is not None:
            self._see(tap.match_filter)

    def _spawn(self, running: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(running)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
