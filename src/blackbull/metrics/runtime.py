"""The process and its event loop: what no request tells."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from blackbull.worker import Worker

from .family import Across, Family, Sample
from .latency import Histogram

LAG: Final = Family(
    "blackbull_event_loop_lag_seconds", "histogram", "How late the event loop calls what is due."
)
WORKERS: Final = Family("blackbull_workers", "gauge", "Workers that are to serve.", Across.MAX)
UP: Final = Family("blackbull_workers_up", "gauge", "Workers that have shown their figures.")
BUILD: Final = Family("blackbull_build_info", "gauge", "What serves; always 1.", Across.MAX)

LOOK_SECONDS: Final = 0.5


class LagProbe:
    """Asks the loop, twice a second, to call it, and looks how late the call comes.

    Args:
        interval: Seconds between two calls.
    """

    def __init__(self, interval: float = LOOK_SECONDS) -> None:
        self.histogram = Histogram()
        self._interval = interval
        self._timer: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look from now on, until :meth:`stop`."""
        due = loop.time() + self._interval

        def look() -> None:
            nonlocal due
            now = loop.time()
            self.histogram.add(max(now - due, 0.0))
            due = now + self._interval
            self._timer = loop.call_at(due, look)

        self._timer = loop.call_at(due, look)

    def stop(self) -> None:
        """Look no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def samples(self) -> Iterator[Sample]:
        """Yield how late calls came."""
        yield from self.histogram.samples(LAG, ())


def worker_samples(worker: Worker) -> Iterator[Sample]:
    """Yield that *worker* is up, and what it runs."""
    yield Sample(WORKERS, "", (), worker.count)
    yield Sample(UP, "", (), 1)
    labels = (
        ("implementation", platform.python_implementation()),
        ("python", platform.python_version()),
        ("version", _version()),
    )
    yield Sample(BUILD, "", labels, 1)


def _version() -> str:
    try:
        return version("blackbull")
    except PackageNotFoundError:  # run from a checkout
        return "unknown"
