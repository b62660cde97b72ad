"""What the supervisor tells those who started it."""

from __future__ import annotations

import time
from collections.abc import Callable

from blackbull.transport.service_manager import ServiceManager


class Notices:
    """Lines for people; and the service manager hears how it goes, if there is one.

    Args:
        say: Prints a line.
        manager: The service manager.

    Attributes:
        due: When :meth:`beat` is to be called next, by the monotonic clock.
    """

    def __init__(self, say: Callable[[str], None], *, manager: ServiceManager) -> None:
        self.say = say
        self._manager = manager
        self._restarting = False
        self.due = time.monotonic() + manager.interval

    def serving(self, where: str, workers: int) -> None:
        """All workers serve, for the first time or anew."""
        line = f"{where} ({workers} workers)" if workers > 1 else where
        self.say(line)
        self._manager.ready(line)
        self._restarting = False

    def restarting(self, why: str) -> None:
        """New workers are being started, to take the place of those that serve."""
        self.say(why)
        self._manager.reloading()
        self._restarting = True

    def failed(self, why: str) -> None:
        """New workers do not start: the old ones go on, or nobody serves until a file changes."""
        self.say(why)
        if self._restarting:
            self._manager.ready(why)
            self._restarting = False

    def beat(self) -> None:
        """Let the service manager know that we are alive, if it is time."""
        if time.monotonic() >= self.due:
            self._manager.alive()
            self.due = time.monotonic() + self._manager.interval

    def stopping(self) -> None:
        """The workers are told to stop."""
        self.say("stopping; another signal ends it at once")
        self._manager.stopping()
