"""Telling the service manager how this process goes.

Spec:
    sd_notify(3), sd_watchdog_enabled(3)
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Final

from blackbull.config import Notifying

logger = logging.getLogger("blackbull.server")

PATIENCE: Final = 0.5
"""Seconds that a message may wait for the manager to read those before it."""


class ServiceManager:
    """Whoever started this process and wants to know how it goes.

    Args:
        notifying: Whom to tell; None: nobody, and every method does nothing.

    Attributes:
        interval: Seconds between two signs of life; infinite if none is waited for.
    """

    def __init__(self, notifying: Notifying | None) -> None:
        self._address = "" if notifying is None else notifying.address
        if self._address.startswith("@"):
            self._address = f"\0{self._address[1:]}"
        watchdog = 0.0 if notifying is None else notifying.watchdog
        self.interval = watchdog / 2 if watchdog else inf

    def __bool__(self) -> bool:
        return bool(self._address)

    def ready(self, status: str) -> None:
        """We serve, for the first time or after reloading; *status* is one line for people."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """We read our configuration anew, or take up new code; :meth:`ready` follows."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={microseconds}")

    def stopping(self) -> None:
        """We were told to stop, and let what is under way end."""
        self._tell("STOPPING=1", "STATUS=stopping")

    def alive(self) -> None:
        """Give a sign of life."""
        self._tell("WATCHDOG=1")

    @contextmanager
    def watched(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Give signs of life for as long as *loop* turns."""
        timer: asyncio.TimerHandle | None = None

        def beat() -> None:
            nonlocal timer
            self.alive()
            timer = loop.call_later(self.interval, beat)

        if self.interval < inf:
            beat()
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()

    def _tell(self, *assignments: str) -> None:
        if not self._address:
            return
        message = "\n".join(assignments).encode()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.settimeout(PATIENCE)
                sock.sendto(message, self._address)
        except OSError as error:
            logger.warning(
                "the service manager cannot be told %s: %s", assignments[0], error.strerror or error
            )
