"""What the supervisor tells those who started it."""

from __future__ import annotations

from collections.abc import Callable


class Notices:
    """Lines for people. A service manager is told by overriding the three happenings.

    Args:
        say: Prints a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    def serving(self, where: str, workers: int) -> None:
        """All workers serve, for the first time or anew."""
        self.say(f"{where} ({workers} workers)" if workers > 1 else where)

    def restarting(self, why: str) -> None:
        """New workers are being started, to take the place of those that serve."""
        self.say(why)

    def stopping(self) -> None:
        """The workers are told to stop."""
        self.say("stopping; another signal ends it at once")
