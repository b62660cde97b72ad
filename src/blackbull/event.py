"""Named events: who listens, in which of three ways, and who waits for whom.

=====================================  ===================  ====================================
Registered with                        The emitter          An exception of the handler
=====================================  ===================  ====================================
``intercept(name, handler)``           waits                goes to the emitter; nobody else is told
``on(name, handler, blocking=True)``   waits                is logged
``on(name, handler)``                  goes on              is logged
=====================================  ===================  ====================================

Interceptors come first, in the order of their registration; then every detached observer is
started, then the blocking ones are awaited.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import TypeAlias

from .log.caps import LimitLog

logger = logging.getLogger("blackbull.event")

CANCEL_GRACE = 1.0
"""Seconds that a cancelled observer gets to clean up before it is left to itself."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        name: For example ``"request_completed"``.
        detail: What is known about it; the keys belong to the name.
    """

    name: str
    detail: dict[str, object] = field(default_factory=dict)


EventHandler: TypeAlias = Callable[[Event], Awaitable[object]]


class _Listeners:
    """Who listens to one name. The tuples are replaced, never changed, so that emitting is safe."""

    __slots__ = ("blocking", "detached", "interceptors")

    def __init__(self) -> None:
        self.interceptors: tuple[EventHandler, ...] = ()
        self.blocking: tuple[EventHandler, ...] = ()
        self.detached: tuple[EventHandler, ...] = ()


class EventDispatcher:
    """Tells listeners about events. One per application; used on one event loop.

    Args:
        shutdown_timeout: Seconds that :meth:`aclose` gives detached observers to finish.
        max_pending: Detached observers that may run, and events that may wait in
            :meth:`emit_soon`, at a time. Past it they are not told, and ``blackbull.caps`` says so.

    Attributes:
        on_change: Called, each without arguments, whenever a listener was added.
    """

    def __init__(self, shutdown_timeout: float = 5.0, *, max_pending: int = 10_000) -> None:
        self.shutdown_timeout = shutdown_timeout
        self.max_pending = max_pending
        self.on_change: list[Callable[[], None]] = []
        self._listeners: dict[str, _Listeners] = {}
        # The value names the task: the handler, or the event queue.
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._queue: deque[Event] = deque()
        self._emitter: asyncio.Task[None] | None = None
        self._limits = LimitLog()

    def on(self, name: str, handler: EventHandler, *, blocking: bool = False) -> None:
        """Observe *name*. An observer's exception is logged to ``blackbull.event``.

        Args:
            name: The event's name.
            handler: An ``async def`` that takes the :class:`Event`.
            blocking: True: the emitter waits for it. False: it runs in a task of its own.

        Raises:
            TypeError: *handler* cannot be called.
        """
        listeners = self._listeners_of(name, handler)
        if blocking:
            listeners.blocking += (handler,)
        else:
            listeners.detached += (handler,)
        self._changed()

    def intercept(self, name: str, handler: EventHandler) -> None:
        """Let *handler* run before whatever *name* announces; what it raises reaches the emitter.

        Raises:
            TypeError: *handler* cannot be called.
        """
        self._listeners_of(name, handler).interceptors += (handler,)
        self._changed()

    def has_listeners(self, name: str) -> bool:
        """Return True when somebody listens to *name*. Ask before building an event."""
        return name in self._listeners

    async def emit(
        self,
        event: Event,
        *,
        timeout: float | None = None,
    ) -> None:
        """Tell everybody who listens to *event*.

        Cancelling it cancels the handler that it waits for; detached observers go on.

        Args:
            event: What happened.
            timeout: Seconds to wait for interceptors and blocking observers together; an observer
                that is cut short is logged. None: as long as they take.

        Raises:
            TimeoutError: the interceptors took longer than *timeout*.
            Exception: whatever an interceptor raises.
        """
        listeners = self._listeners.get(event.name)
        if listeners is None:
            return
        deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout
        if listeners.interceptors:
            async with asyncio.timeout_at(deadline):
                for handler in listeners.interceptors:
                    await _call(handler, event)
        for handler in listeners.detached:
            self._start_observer(handler, event)
        for handler in listeners.blocking:
            await _observe(handler, event, deadline)

    def emit_soon(self, name: str, detail: Callable[[], dict[str, object]]) -> None:
        """Emit from a callback that cannot wait; events of this kind keep their order.

        An interceptor's exception has no one to go to and is logged.

        Args:
            name: The event's name.
            detail: Makes the event's detail; not called when nobody listens.
        """
        listeners = self._listeners.get(name)
        if listeners is None:
            return
        event = Event(name, detail())
        idle = self._emitter is None or self._emitter.done()
        if idle and not (listeners.interceptors or listeners.blocking):
            for handler in listeners.detached:
                self._start_observer(handler, event)
            return
        if idle:
            self._queue.clear()  # what a cancelled emitter left
            self._emitter = self._start(self._emit_queued(), "the event queue")
        if len(self._queue) < self.max_pending:
            self._queue.append(event)
        else:
            self._dropped(len(self._queue))

    async def drain(self, timeout: float = 5.0) -> bool:
        """Wait until no detached observer runs, not counting the caller. Cancels nothing.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            True when all is quiet, False when *timeout* passed first.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while pending := self._pending():
            remaining = deadline - loop.time()
            if remaining <= 0:
                return False
            await asyncio.wait(pending, timeout=remaining)
        return True

    async def aclose(self) -> None:
        """Wait ``shutdown_timeout`` for detached observers, then cancel them and say which.

        Cancelling it cancels them at once. The dispatcher can be used again afterwards.
        """
        try:
            quiet = await self.drain(self.shutdown_timeout)
        except asyncio.CancelledError:
            for task in self._pending():
                task.cancel()
            raise
        self._limits.flush()
        if quiet:
            return
        pending = self._pending()
        for task in pending:
            logger.warning(
                "%s did not finish within %g s of the shutdown and is cancelled",
                self._tasks[task],
                self.shutdown_timeout,
            )
            task.cancel()
        await asyncio.wait(pending, timeout=CANCEL_GRACE)

    def _listeners_of(self, name: str, handler: EventHandler) -> _Listeners:
        if not callable(handler):
            raise TypeError(f"a listener of {name!r} is called with the event: pass an async def")
        return self._listeners.setdefault(name, _Listeners())

    def _changed(self) -> None:
        for callback in self.on_change:
            callback()

    def _pending(self) -> list[asyncio.Task[None]]:
        current = asyncio.current_task()
        return [task for task in self._tasks if task is not current]

    def _start_observer(self, handler: EventHandler, event: Event) -> None:
        if len(self._tasks) >= self.max_pending:
            self._dropped(len(self._tasks))
        else:
            self._start(_observe(handler, event, None), _name(handler))

    def _start(self, work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
        # Not through a task factory: an eager task would run in the emitter's turn.
        task = asyncio.Task(work, loop=asyncio.get_running_loop())
        self._tasks[task] = name
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not self._tasks:
            self._limits.close(self)

    async def _emit_queued(self) -> None:
        while self._queue:
            event = self._queue.popleft()
            try:
                await self.emit(event)
            except Exception:
                logger.exception("an interceptor of %s failed", event.name)

    def _dropped(self, pending: int) -> None:
        self._limits.record(
            "max_pending_observers", requested=pending + 1, allowed=self.max_pending, key=self
        )


async def _call(handler: EventHandler, event: Event) -> None:
    result = handler(event)
    if not inspect.isawaitable(result):
        name = _name(handler)
        raise TypeError(f"{name} listens to {event.name} and cannot be awaited: make it async")
    await result


async def _observe(handler: EventHandler, event: Event, deadline: float | None) -> None:
    try:
        async with asyncio.timeout_at(deadline) as limit:
            await _call(handler, event)
    except Exception as error:
        if isinstance(error, TimeoutError) and limit.expired():
            logger.warning("%s took too long to observe %s", _name(handler), event.name)
        else:
            logger.exception("%s failed to observe %s", _name(handler), event.name)


def _name(handler: EventHandler) -> str:
    return getattr(handler, "__qualname__", None) or repr(handler)
