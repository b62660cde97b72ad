"""The event loop of a process that serves, and threads that outlast it.

A plain function that answers a request runs in a thread, and a thread cannot be cancelled. Neither
the loop nor the interpreter would end before it does.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Final, TypeVar

T = TypeVar("T")

logger = logging.getLogger("blackbull.server")

NAME: Final = "blackbull-handler"
"""What the names of the threads begin with."""

END_SECONDS: Final = 1.0
"""How long functions may go on when the loop's work has ended."""

POOL: Final = ("threading", "concurrent.futures.thread")


def run_loop(
    work: Coroutine[object, object, T],
    *,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None,
) -> T:
    """Do *work* in an event loop of its own, and return what it returns.

    Functions that are still running in its threads then get a second. What goes on after that is
    named in a warning and left behind; :func:`leave` ends the process all the same.

    Args:
        work: The main task.
        loop_factory: How to make the event loop; None: as asyncio does.
    """
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        loop = runner.get_loop()
        pool = ThreadPoolExecutor(thread_name_prefix=NAME)
        loop.set_default_executor(pool)
        try:
            return runner.run(work)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for thread in running(within=END_SECONDS):
                logger.warning(
                    "%s still runs in a thread; the process ends without it", place(thread)
                )
            loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix=NAME))


def running(*, within: float = 0.0) -> list[threading.Thread]:
    """Return the threads of loops that have ended which do not end *within* so many seconds."""
    until = time.monotonic() + within
    ours = [each for each in threading.enumerate() if each.name.startswith(NAME)]
    for thread in ours:
        thread.join(max(0.0, until - time.monotonic()))
    return [each for each in ours if each.is_alive()]


def leave(status: int) -> None:
    """End the process with *status* if a thread would keep it alive; else do nothing.

    What runs apart from the main thread does not decide on the process.
    """
    if threading.current_thread() is threading.main_thread() and running():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def place(thread: threading.Thread) -> str:
    """Return what *thread* runs: the function that was handed to it, and where that is now."""
    frame = sys._current_frames().get(thread.ident or 0)
    frames: list[FrameType] = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    for each in reversed(frames):
        if each.f_globals.get("__name__") not in POOL:
            return f"{each.f_code.co_qualname} ({each.f_code.co_filename}:{each.f_lineno})"
    return thread.name
