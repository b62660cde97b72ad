"""What runs before the first connection and after the last one."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from blackbull.event import Event
from blackbull.event_aggregator import EventAggregator

if TYPE_CHECKING:
    from .application import BlackBull

logger = logging.getLogger("blackbull.app")

Hook = Callable[[], Awaitable[object]]


class Lifespan:
    """Starts extensions in the order they were added, and ends them in reverse.

    Extensions come before the ``app_startup`` hooks and go after the ``app_shutdown`` hooks, so
    that a hook can use them.

    Args:
        events: Where ``app_startup`` and ``app_shutdown`` are announced.
    """

    def __init__(self, events: EventAggregator) -> None:
        self._events = events
        self._extensions: list[object] = []
        self._started: list[object] = []

    def add(self, extension: object) -> None:
        """Run *extension*'s ``startup``, ``stopping`` and ``shutdown``, as far as it has them."""
        self._extensions.append(extension)

    async def startup(self, app: BlackBull) -> None:
        """Start everything; if something fails, end what had started.

        Raises:
            Exception: whatever an extension or a startup hook raises.
        """
        try:
            for extension in self._extensions:
                await _call(extension, "startup", app)
                self._started.append(extension)
            await self._events.on_app_startup()
        except BaseException:
            await self._end_extensions(app)
            raise

    async def stopping(self, app: BlackBull) -> None:
        """Tell the extensions that have started, the last one first."""
        for extension in reversed(self._started):
            try:
                await _call(extension, "stopping", app)
            except Exception:
                logger.exception("%s failed to end its work", type(extension).__qualname__)

    async def shutdown(self, app: BlackBull) -> None:
        """End everything, whatever fails on the way.

        Raises:
            Exception: the first error, after everything had its turn; the others are logged.
        """
        first: Exception | None = None
        try:
            await self._events.on_app_shutdown()
        except Exception as error:
            first = error
        failed = await self._end_extensions(app)
        await self._events.dispatcher.aclose()
        if first is None:
            first = failed
        if first is not None:
            raise first

    async def _end_extensions(self, app: BlackBull) -> Exception | None:
        first: Exception | None = None
        while self._started:
            extension = self._started.pop()
            try:
                await _call(extension, "shutdown", app)
            except Exception as error:
                logger.exception("%s failed to shut down", type(extension).__qualname__)
                first = first or error
        return first


async def _call(extension: object, method: str, app: BlackBull) -> None:
    hook = getattr(extension, method, None)
    if hook is None:
        return
    result = hook(app)
    if inspect.isawaitable(result):
        await result


def event_hook(hook: Hook) -> Callable[[Event], Awaitable[object]]:
    """Return *hook*, which takes nothing, as a listener of an event."""

    async def on_event(event: Event) -> None:
        result = hook()
        if inspect.isawaitable(result):
            await result

    return on_event
