"""Closing without destroying what the peer has not read yet (RFC 9112 §9.6)."""

from __future__ import annotations

from typing import Final

from blackbull.abc import ConnectionView, Consumer


class Linger(Consumer):
    """Discards what still arrives until the peer closes, or enough bytes or time have gone.

    Closing with unread bytes would reset the connection, and the reset may overtake the answer:
    a client that is busy with an upload reads only when it is done.

    Attributes:
        seconds: A peer that is silent for so long is not waited for.
        rounds: How many times that a peer is waited for which goes on sending.
        max_bytes: How much of it.
    """

    __slots__ = ("_left", "_rounds", "_sending", "_view")

    seconds: Final = 2.0
    rounds: Final = 8
    max_bytes: Final = 67108864

    def __init__(self, view: ConnectionView) -> None:
        self._view = view
        self._left: int = self.max_bytes
        self._rounds: int = self.rounds
        self._sending = False

    def data_received(self, data: bytes) -> None:
        """Throw *data* away."""
        self._sending = True
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
        """The peer had its time, unless it is still sending."""
        self._rounds -= 1
        if self._sending and self._rounds > 0:
            self._sending = False
            self._view.deadline.set(self.seconds)
        else:
            self._view.abort()

    def shutdown(self) -> None:
        """The deadline bounds it."""
