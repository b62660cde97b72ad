"""What a handler's task waits on for the next message of its connection.

An ``asyncio.Future`` wakes its task in the loop's next turn. What arrives is already being handled
in a callback of the loop, so this wakes the task there and then: what it sends can leave in the
same write as everybody else's answers of this arrival.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context


class Wakeup:
    """A future for one waiter, used again and again.

    To tasks it is a future like any other: they can be cancelled while they wait, and time out.

    Args:
        loop: The loop that the waiting task runs on.
    """

    __slots__ = ("_asyncio_future_blocking", "_callback", "_cancelled", "_context", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._asyncio_future_blocking = False
        self._loop = loop
        self._callback: Callable[[Wakeup], object] | None = None
        self._context: Context | None = None
        self._cancelled = False

    def wake(self) -> None:
        """Let the waiting task go on: at once if no task is running, else in the next turn."""
        callback = self._callback
        context = self._context
        if callback is None or context is None:
            return
        self._callback = None
        if asyncio.current_task(self._loop) is None:
            context.run(callback, self)
        else:
            self._loop.call_soon(callback, self, context=context)

    # What a task asks of a future

    def __await__(self) -> Generator[Wakeup, None, None]:
        """Wait for :meth:`wake`.

        Raises:
            RuntimeError: another task waits already.
        """
        if self._callback is not None:
            raise RuntimeError("another task is waiting for this WebSocket's messages already")
        self._asyncio_future_blocking = True
        yield self

    def add_done_callback(
        self, callback: Callable[[Wakeup], object], *, context: Context | None = None
    ) -> None:
        """Call *callback*, which resumes the task, when it is woken."""
        self._callback = callback
        self._context = context

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop that it belongs to."""
        return self._loop

    def done(self) -> bool:
        """Return True unless a task waits."""
        return self._callback is None

    def cancel(self, msg: object = None) -> bool:
        """Wake the task with a cancellation; return False if none waits."""
        callback = self._callback
        if callback is None or self._context is None:
            return False
        self._callback = None
        self._cancelled = True
        self._loop.call_soon(callback, self, context=self._context)
        return True

    def result(self) -> None:
        """Return if the task was woken.

        Raises:
            asyncio.CancelledError: it was cancelled.
        """
        if self._cancelled:
            self._cancelled = False
            raise asyncio.CancelledError
