"""Closing without destroying what the peer has not read yet (RFC 9112 §9.6)."""

from __future__ import annotations

from typing import Final

from blackbull.abc import ConnectionView, Consumer


class Linger(Consumer):
    """Discards what still arrives until the peer closes, or enough bytes or time have gone.

    Closing with unread bytes would reset the connection, and the reset may overtake the answer.
    """

    __slots__ = ("_left", "_view")

    seconds: Final = 2.0
    max_bytes: Final = 1048576

    def __init__(self, view: ConnectionView) -> None:
        self._view = view
        self._left: int = self.max_bytes

    def data_received(self, data: bytes) -> None:
        """Throw *data* away."""
        self._left -= len(data)
        if self._left < 0:
            self._view.abort()

    def eof_received(self) -> None:
        """The peer has read everything."""
        self._view.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Nothing is left to do."""

    def writing_paused(self) -> None:
        """The deadline bounds it."""

    def writing_resumed(self) -> None:
        """The deadline bounds it."""

    def deadline_expired(self) -> None:
        """The peer had its time."""
        self._view.abort()

    def shutdown(self) -> None:
        """The deadline bounds it."""
