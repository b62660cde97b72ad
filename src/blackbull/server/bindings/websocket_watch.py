"""What a WebSocket waits for, and until when."""

from __future__ import annotations

from typing import Final

from blackbull.abc import Deadline
from blackbull.config import Settings

LEAST_TAKEN: Final = 16384
"""Bytes that a client must take in the write timeout to be slow, not stuck."""

# What can be due
NOTHING: Final = 0
PING: Final = 1
"""The client was silent: ask it for a sign of life."""
SILENCE: Final = 2
"""It gave none."""
STUCK: Final = 3
"""It does not take what it is sent."""
LEAVE: Final = 4
"""The handler had its time: close."""
CUT: Final = 5
"""It does not close: drop the connection."""
LATE: Final = 6
"""A message of its has begun long ago and does not end."""

LOOKS: Final = 4
"""How often the client's message is looked at within the time that it may take."""

# What the deadline is for
_IDLE: Final = 0
_PONG: Final = 1
_WRITE: Final = 2
_CLOSE: Final = 3
_FAREWELL: Final = 4


class Watch:
    """The deadline of one open WebSocket.

    Args:
        deadline: The connection's.
        settings: How long the client is given for what.
    """

    __slots__ = (
        "_begun_at", "_deadline", "_look", "_message", "_phase", "_pinged_at", "_queued",
        "_settings",
    )  # fmt: skip

    def __init__(self, deadline: Deadline, settings: Settings) -> None:
        self._deadline = deadline
        self._settings = settings
        self._pinged_at = 0.0
        self._queued = 0
        self._message = 0
        self._begun_at = 0.0
        self._look = settings.ws_message_timeout / LOOKS
        self._phase: int = _IDLE
        self.wait_for_messages()

    def wait_for_messages(self) -> None:
        """The WebSocket is open: a client that is silent for too long is asked."""
        self._phase = _IDLE
        self._wait(self._settings.ws_idle_timeout)

    def wait_for_writing(self, queued: int) -> None:
        """The client does not take the *queued* bytes."""
        self._queued = queued
        self._phase = _WRITE
        self._deadline.set(self._settings.write_timeout)

    def wait_for_close(self) -> None:
        """We closed, or are done: the client's part is to follow."""
        self._phase = _CLOSE
        self._deadline.set(self._settings.ws_close_timeout)

    def wait_for_farewell(self, seconds: float) -> None:
        """The handler was told that the server stops: so long it may go on sending."""
        self._phase = _FAREWELL
        self._deadline.set(seconds)

    def _wait(self, seconds: float) -> None:
        """Wait for *seconds*, or until it is time to look at the message that is arriving."""
        look = self._look
        self._deadline.set(min(seconds, look) if seconds > 0 and look > 0 else seconds or look)

    def expire(
        self, now: float, *, heard_at: float, reading: bool, queued: int, unfinished: int = 0
    ) -> int:
        """The deadline has passed: return what is due, and see to what is not.

        Args:
            now: Seconds of the loop's clock.
            heard_at: When something arrived last.
            reading: It is not we who do not read.
            queued: Bytes that the client has not taken.
            unfinished: The number of the message that has begun and not ended, or 0.
        """
        if not unfinished or unfinished != self._message or not reading:
            self._message = unfinished
            self._begun_at = now
        elif self._phase <= _WRITE and 0 < self._settings.ws_message_timeout <= (
            now - self._begun_at
        ):
            return LATE
        if self._phase == _IDLE:
            return self._ask(now, silent=now - heard_at if reading else 0.0)
        if self._phase == _PONG:
            # RFC 6455 §5.5.2: a client that answers no ping is gone.
            if heard_at < self._pinged_at and reading:
                return SILENCE
            self.wait_for_messages()
            return NOTHING
        if self._phase == _WRITE:
            if queued > self._queued - LEAST_TAKEN:
                return STUCK
            self.wait_for_writing(queued)
            return NOTHING
        return LEAVE if self._phase == _FAREWELL else CUT

    def _ask(self, now: float, *, silent: float) -> int:
        settings = self._settings
        if silent < settings.ws_idle_timeout or settings.ws_idle_timeout <= 0:
            self._wait(max(settings.ws_idle_timeout - silent, 0.0))
            return NOTHING
        self._pinged_at = now
        self._phase = _PONG
        self._deadline.set(settings.ws_pong_timeout)
        return PING
