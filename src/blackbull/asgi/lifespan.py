"""The lifespan protocol, spoken to an application that we host."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from blackbull.errors import BlackBullError, ConfigurationError, LocalProtocolError

from .scope import LIFESPAN_SPEC_VERSION
from .types import ASGIApplication, ASGIReceiveEvent, ASGISendEvent, Scope

logger: Final = logging.getLogger("blackbull.asgi")

LEAVE_TIMEOUT: Final = 1.0
"""Seconds that the application gets to return once it said that its shutdown is complete."""


class HostedLifespan:
    """The one long call of an application with the ``lifespan`` scope, in a task of its own.

    An application that does not know the scope raises or returns at once; it is served without.

    Args:
        app: The application.
        state: What it may fill during startup.

    Spec:
        ASGI Lifespan 2.0
    """

    def __init__(self, app: ASGIApplication, state: dict[str, object]) -> None:
        self._app = app
        self._state = state
        self._task: asyncio.Task[None] | None = None
        self._events: asyncio.Queue[ASGIReceiveEvent] = asyncio.Queue()
        self._answer: asyncio.Future[ASGISendEvent] | None = None
        self._phase = ""
        self._heard = False

    async def startup(self) -> None:
        """Start the application. A cancelled call ends it.

        Raises:
            ConfigurationError: it answered ``lifespan.startup.failed``; the message is its own.
        """
        self._events = asyncio.Queue()
        self._heard = False
        self._task = task = asyncio.create_task(self._run(), name="lifespan")
        try:
            answer = await self._ask("lifespan.startup", task)
        except asyncio.CancelledError:
            await self._leave(0)
            raise
        if answer is None:
            self._task = None
            self._explain(task)
        elif answer["type"] == "lifespan.startup.failed":
            await self._leave(LEAVE_TIMEOUT)
            raise ConfigurationError(_reason(answer, default="the application's startup failed"))

    async def shutdown(self) -> None:
        """End the application. Does nothing unless it started.

        Raises:
            BlackBullError: it answered ``lifespan.shutdown.failed`` or raised.
        """
        task = self._task
        if task is None:
            return
        try:
            answer = await self._ask("lifespan.shutdown", task)
        finally:
            await self._leave(LEAVE_TIMEOUT)
        if answer is None:
            error = task.exception() if task.done() and not task.cancelled() else None
            if error is not None:
                raise BlackBullError("the application's lifespan raised") from error
        elif answer["type"] == "lifespan.shutdown.failed":
            raise BlackBullError(_reason(answer, default="the application's shutdown failed"))

    async def _run(self) -> None:
        scope: Scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": LIFESPAN_SPEC_VERSION},
            "state": self._state,
        }
        await self._app(scope, self._receive, self._send)

    async def _ask(self, event: str, task: asyncio.Task[None]) -> ASGISendEvent | None:
        """Return what the application answers to *event*; None if it ended without an answer."""
        self._phase = event
        self._answer = answer = asyncio.get_running_loop().create_future()
        self._events.put_nowait({"type": event})
        await asyncio.wait((task, answer), return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else None

    async def _receive(self) -> ASGIReceiveEvent:
        event = await self._events.get()
        self._heard = True
        return event

    async def _send(self, event: ASGISendEvent) -> None:
        answer = self._answer
        kind = event.get("type")
        if kind not in {f"{self._phase}.complete", f"{self._phase}.failed"}:
            raise LocalProtocolError(
                f"{kind!r} does not answer {self._phase!r}", spec="ASGI Lifespan"
            )
        if answer is None or answer.done():
            raise LocalProtocolError(
                f"{kind!r}: {self._phase!r} was answered already", spec="ASGI Lifespan"
            )
        answer.set_result(event)

    async def _leave(self, timeout: float) -> None:
        """Let the application's task end within *timeout* seconds; cancel it after that."""
        task, self._task = self._task, None
        if task is None:
            return
        done, _ = await asyncio.wait((task,), timeout=timeout)
        if not done:
            task.cancel()
            await asyncio.wait((task,))
        if not task.cancelled():
            # Frameworks send "failed" and raise the same error again; it was reported once.
            task.exception()

    def _explain(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is None or not self._heard:
            logger.info("the application has no lifespan")
        else:
            # ASGI Lifespan, "Scope": an exception means that the protocol is not supported.
            logger.warning("the application's lifespan raised; serving without it", exc_info=error)


def _reason(event: ASGISendEvent, *, default: str) -> str:
    """Return the event's message in one line; frameworks put a whole traceback there."""
    message = event.get("message")
    lines = message.strip().splitlines() if isinstance(message, str) else []
    if len(lines) > 1:
        logger.error("%s:\n%s", default, "\n".join(lines))
    return lines[-1] if lines else default
