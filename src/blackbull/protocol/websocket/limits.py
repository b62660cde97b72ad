"""How much of anything a peer may send over a WebSocket."""

from __future__ import annotations

from dataclasses import dataclass

from blackbull.errors import LimitExceeded


@dataclass(frozen=True, slots=True)
class WebSocketLimits:
    """Bounds on what one WebSocket accepts. Sizes are bytes.

    Attributes:
        max_frame_payload: The payload of one frame, judged from its header (1009).
        max_message_size: One message, after reassembly and inflation (1009).
        max_control_frames: Pings and pongs within ``control_window`` (1008); 0 for no limit.
        control_window: Seconds.
    """

    max_frame_payload: int = 67108864
    max_message_size: int = 16777216
    max_control_frames: int = 20
    control_window: float = 1.0


def too_big(limit: str, allowed: int, seen: int) -> LimitExceeded:
    """Return the error for a frame or a message that is too big: 1009."""
    return LimitExceeded(limit, allowed=allowed, seen=seen, code=1009, spec="RFC 6455 §7.4.1")


class ControlRate:
    """Counts one peer's pings and pongs.

    Args:
        limits: ``max_control_frames`` within ``control_window``.
    """

    __slots__ = ("_count", "_limits", "_until")

    def __init__(self, limits: WebSocketLimits) -> None:
        self._limits = limits
        self._count = 0
        self._until = 0.0

    def count(self, now: float) -> None:
        """Count one frame.

        Args:
            now: Monotonic seconds.

        Raises:
            LimitExceeded: ``frame_rate`` (1008).

        Spec:
            RFC 6455 §7.4.1, §10.4
        """
        limits = self._limits
        if now >= self._until:
            self._until = now + limits.control_window
            self._count = 0
        self._count += 1
        if self._count > limits.max_control_frames > 0:
            raise LimitExceeded(
                "frame_rate",
                allowed=limits.max_control_frames,
                seen=self._count,
                code=1008,
                spec="RFC 6455 §10.4",
            )
