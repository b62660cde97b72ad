"""Frames that cost us more than their sender: how many are too many (RFC 9113 §10.5)."""

from __future__ import annotations

from typing import Final, final

from blackbull.errors import LimitExceeded

from .codes import ENHANCE_YOUR_CALM
from .limits import HTTP2Limits

# What is counted
PINGS: Final = 0
SETTINGS_FRAMES: Final = 1
EMPTY_DATA: Final = 2
OTHERS: Final = 3
PRIORITIES: Final = 4
WINDOW_UPDATES: Final = 5
RESETS: Final = 6
REFUSED: Final = 7
UNKNOWN: Final = 8
_KINDS: Final = 9

# What our own sending explains: a client may probe, reprioritise and give credit as it reads.
_EXPLAINED: Final = frozenset({PINGS, PRIORITIES, UNKNOWN, WINDOW_UPDATES, RESETS})


@final
class FrameBudget:
    """Counts, within a window of time, what a peer may do only so often.

    Args:
        limits: How often, and how long a window is.

    Attributes:
        work: Responses and frames of content that were sent within the window.
    """

    __slots__ = ("_allowed", "_counts", "_ends", "_names", "_seconds", "work")

    def __init__(self, limits: HTTP2Limits) -> None:
        control = limits.max_control_frames
        self._allowed = [
            control, control, control, control, limits.max_priority_frames,
            limits.max_window_updates, limits.max_resets, limits.max_refused_streams,
            limits.max_priority_frames,
        ]  # fmt: skip
        self._names = [
            "frame_rate", "frame_rate", "frame_rate", "frame_rate",
            "h2_max_priority_frames", "h2_max_window_updates", "h2_max_resets",
            "h2_max_refused_streams", "h2_max_priority_frames",
        ]  # fmt: skip
        self._seconds = limits.frame_rate_window
        self._ends = 0.0
        self._counts = [0] * _KINDS
        self.work = 0

    def tick(self, now: float) -> None:
        """Begin a new window if the last one is over.

        Args:
            now: Seconds, of any monotonic clock.
        """
        if now >= self._ends:
            self._ends = now + self._seconds
            self._counts = [0] * _KINDS
            self.work = 0

    def spend(self, kind: int) -> None:
        """Count one more of *kind*.

        Raises:
            LimitExceeded: there were too many within the window (ENHANCE_YOUR_CALM).

        Spec:
            RFC 9113 §10.5
        """
        count = self._counts[kind] + 1
        self._counts[kind] = count
        allowed = self._allowed[kind]
        if count <= allowed:
            return
        if kind in _EXPLAINED:
            allowed += 2 * self.work
            if count <= allowed:
                return
        raise LimitExceeded(
            self._names[kind],
            allowed=allowed,
            seen=count,
            code=ENHANCE_YOUR_CALM,
            spec="RFC 9113 §10.5",
        )
