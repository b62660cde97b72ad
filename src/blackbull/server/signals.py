"""What a signal means to a process that serves."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Final, TypeAlias

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Handler: TypeAlias = Callable[[int, FrameType | None], object] | int | None


class Signals:
    """The first signal asks to stop, the second ends the process.

    Args:
        loop: The loop that serves.
        stop: Set by the first signal; an event of its own if None.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, stop: asyncio.Event | None = None
    ) -> None:
        self.stop = stop or asyncio.Event()
        self._loop = loop
        self._before: dict[signal.Signals, Handler] = {}

    def __enter__(self) -> Signals:
        # Only the main thread may have handlers; elsewhere whoever started the thread ends it.
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                before = signal.getsignal(number)
                if number == signal.SIGHUP and before is not signal.SIG_DFL:
                    continue  # nohup, or the program's own
                self._before[number] = before
                self._loop.add_signal_handler(number, self._first)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            self._loop.remove_signal_handler(number)
            signal.signal(number, handler)

    async def unless_stopped(self, work: Coroutine[object, object, None]) -> bool:
        """Do *work*, but cancel it when a signal comes first; return True if it was done."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self.stop.wait())
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not task.done():
            task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return False
        return True

    def on_hangup(self, call: Callable[[], object]) -> None:
        """Let SIGHUP mean *call*, unless there is a terminal whose end it would tell."""
        if self._before and not os.isatty(0):
            self._before.setdefault(signal.SIGHUP, signal.getsignal(signal.SIGHUP))
            self._loop.add_signal_handler(signal.SIGHUP, call)

    def _first(self) -> None:
        for number in self._before:
            self._loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        self.stop.set()
