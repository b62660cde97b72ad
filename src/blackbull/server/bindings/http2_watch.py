"""What an HTTP/2 connection waits for, and until when.

Many things can be due at a time and a connection has one deadline: it is set to whatever is due
first. What is put off, as most things are with every arrival, is noticed when it would have been
due, so that an arrival costs no timer.
"""

from __future__ import annotations

from math import inf
from typing import Final

from blackbull.abc import Deadline
from blackbull.config import Settings
from blackbull.protocol.http2 import HTTP2Connection

LEAST_TAKEN: Final = 16384
"""Bytes that a client must take in the write timeout to be slow, not stuck."""

LOOKS: Final = 4
"""How often a stream is looked at within the time that it is given."""

# What can be due
HEAD: Final = 0
"""The rest of the preface or of a header block did not come."""
WRITE: Final = 1
"""The peer's system has taken no bytes, or next to none, for the write timeout."""
STREAMS: Final = 2
"""The streams are to be looked at."""
SILENCE: Final = 3
"""The peer is to be asked for a sign of life."""
PONG: Final = 4
"""It gave none."""
LEAVE: Final = 5
"""The peer had its time to see that we leave: the last request is to be named."""
ANNOUNCE: Final = 6
"""The peer, which was busy, has asked for nothing since: it is told that we leave."""

LULL: Final = 0.25
"""Seconds for which a peer may say nothing that is busy."""


class Watch:
    """The due times of one connection.

    Args:
        deadline: The connection's.
        settings: How long the peer is given for what.
        now: Seconds of the loop's clock: the connection begins.
    """

    __slots__ = (
        "_armed", "_deadline", "_due", "_heard", "_queued", "_settings", "_streams_interval",
    )  # fmt: skip

    def __init__(self, deadline: Deadline, settings: Settings, *, now: float) -> None:
        self._deadline = deadline
        self._settings = settings
        waits = (settings.write_timeout, settings.body_timeout, settings.body_total_timeout)
        times = [seconds for seconds in waits if seconds > 0]
        self._streams_interval = min(times) / LOOKS if times else inf
        self._due = [inf] * 7
        self._armed = inf
        self._heard = -inf
        self._queued = 0
        self._set(HEAD, settings.header_timeout, now)
        self._set(SILENCE, settings.h2_idle_timeout, now)

    @property
    def write_looks(self) -> int:
        """How many looks at a stream that does not move make the write timeout."""
        return max(round(self._settings.write_timeout / self._streams_interval), 1)

    def hear(self, now: float, *, head: bool, busy: bool) -> None:
        """Something arrived.

        Args:
            now: Seconds of the loop's clock.
            head: The preface or a header block is incomplete.
            busy: There are streams.
        """
        due = self._due
        self._heard = now
        timeout = self._settings.h2_idle_timeout
        due[SILENCE] = now + timeout if timeout > 0 else inf
        due[PONG] = inf
        if not head:
            due[HEAD] = inf
        elif due[HEAD] == inf:
            self._set(HEAD, self._settings.header_timeout, now)
        if busy and due[STREAMS] == inf:
            self._set(STREAMS, self._streams_interval, now)

    def pause(self, now: float, *, queued: int) -> None:
        """The peer's system takes no more bytes: *queued* wait."""
        self._queued = queued
        self._set(WRITE, self._settings.write_timeout, now)

    def resume(self) -> None:
        """It does again."""
        self._due[WRITE] = inf

    def leave(self, now: float, *, within: float) -> bool:
        """We leave: the peer may take *within* seconds to see it.

        Returns:
            False if it is told later, when it asks next or :data:`ANNOUNCE` is due.
        """
        self._set(LEAVE, within, now)
        if now >= self._heard + LULL:
            return True
        self._set(ANNOUNCE, LULL, now)
        return False

    def expire(self, now: float, *, busy: bool, queued: int) -> list[int]:
        """The deadline has passed: return what is due, and see to the rest.

        Args:
            now: Seconds of the loop's clock.
            busy: There are streams.
            queued: Bytes that wait for the peer's system.
        """
        due = self._due
        found = [what for what, at in enumerate(due) if at <= now]
        for what in found:
            due[what] = inf
        self._armed = inf
        if not busy:
            due[STREAMS] = inf
        elif STREAMS in found:
            due[STREAMS] = now + self._streams_interval
        if SILENCE in found and self._settings.h2_ping_timeout > 0:
            due[PONG] = now + self._settings.h2_ping_timeout
        if WRITE in found and queued <= self._queued - LEAST_TAKEN:
            found.remove(WRITE)  # it is slow, not stuck
            self._queued = queued
            due[WRITE] = now + self._settings.write_timeout
        self._arm(min(due), now)
        return found

    def _set(self, what: int, seconds: float, now: float) -> None:
        if seconds > 0:
            self._due[what] = now + seconds
            self._arm(now + seconds, now)

    def _arm(self, at: float, now: float) -> None:
        if at < self._armed:
            self._armed = at
            self._deadline.set(at - now)


class Stalls:
    """Finds the streams on which the peer has hardly moved for the write timeout.

    Args:
        machine: Knows how much moved.
        looks: How many looks make that time.
    """

    __slots__ = ("_counts", "_least", "_looks", "_machine")

    def __init__(self, machine: HTTP2Connection, *, looks: int) -> None:
        self._machine = machine
        self._looks = looks
        self._least = LEAST_TAKEN // looks
        self._counts: dict[int, int] = {}

    def look(self) -> list[int]:
        """Look at all streams; return those that the peer has had its time for."""
        before = self._counts
        found = self._machine.stalled(self._least)
        self._counts = counts = {stream_id: before.get(stream_id, 0) + 1 for stream_id in found}
        return [stream_id for stream_id, count in counts.items() if count >= self._looks]

    def clear(self) -> None:
        """It was not the streams that held everything up."""
        self._counts = {}
