"""The content of responses on its way out: who may send how much next (RFC 9113 §5.2, §6.9)."""

from __future__ import annotations

from typing import Final, final

from blackbull.errors import LocalProtocolError, RemoteProtocolError

from .abuse import FrameBudget
from .codes import DATA, DEFAULT_WINDOW, END_STREAM, FLOW_CONTROL_ERROR, MAX_WINDOW
from .flow import Buffer, SendQueue
from .frames import frame_header
from .priority import Priority, Schedule
from .settings import PeerSettings
from .stream import ENDING, Stream

FULL: Final = 1024
"""Bytes from which on a frame that credit has cut short counts as work done."""


@final
class Outflow:
    """Sends what the streams' queues hold, within the peer's windows, in the order of urgency.

    Args:
        out: Takes the frames.
        budget: Learns of the work done.
        peer: What the peer has announced.
        max_waiting: Bytes that may wait on a stream before whoever sends should wait as well.

    Attributes:
        window: Bytes of content that the peer takes on all streams together.
        moved: Bytes that were sent since the last look; before the first, plenty.
        schedule: The streams that could send.
        relieved: Streams that held more than *max_waiting*, and hold at most half of it now.
    """

    __slots__ = (
        "_budget", "_max_waiting", "_out", "_peer", "moved", "relieved", "schedule", "window",
    )  # fmt: skip

    def __init__(
        self, out: list[Buffer], budget: FrameBudget, *, peer: PeerSettings, max_waiting: int
    ) -> None:
        self._out = out
        self._budget = budget
        self._peer = peer
        self._max_waiting = max_waiting
        self.window = DEFAULT_WINDOW
        self.moved = MAX_WINDOW
        self.schedule = Schedule()
        self.relieved: list[int] = []

    def add(self, stream: Stream, data: bytes) -> None:
        """Queue *data* as the next part of *stream*'s content.

        Raises:
            LocalProtocolError: it is more than content-length announced.

        Spec:
            RFC 9110 §8.6
        """
        queue = require_queue(stream)
        size = len(data)
        if queue.announced >= 0:
            if size > queue.announced:
                raise LocalProtocolError(
                    "more content than content-length announced", spec="RFC 9110 §8.6"
                )
            queue.announced -= size
        if not size:
            return
        queue.add(data)
        if queue.size > self._max_waiting:
            queue.crowded = True
        if stream.window > 0:
            self.schedule.add(stream)

    def credit(self, increment: int) -> None:
        """Take credit for all streams together.

        Raises:
            RemoteProtocolError: the window grows past the largest possible.

        Spec:
            RFC 9113 §6.9.1
        """
        if self.window + increment > MAX_WINDOW:
            raise window_overflow()
        self.window += increment

    def credit_stream(self, stream: Stream, change: int) -> None:
        """Take credit for *stream*, or lose it after the peer changed its initial window.

        Raises:
            RemoteProtocolError: the window grows past the largest possible.

        Spec:
            RFC 9113 §6.9.1, §6.9.2
        """
        if stream.window + change > MAX_WINDOW:
            raise window_overflow()
        stream.window += change
        if stream.window <= 0:
            self.schedule.remove(stream)
        elif stream.queue is not None and stream.queue.size:
            self.schedule.add(stream)

    def prioritise(self, stream: Stream, priority: Priority) -> None:
        """Give *stream* another priority."""
        self.schedule.change(stream, priority)

    def drop(self, stream: Stream) -> None:
        """Forget what *stream* had to send."""
        self.schedule.remove(stream)
        stream.queue = None

    def clear(self) -> None:
        """Forget everything."""
        self.schedule = Schedule()
        self.relieved.clear()

    def release(self, count: int) -> list[Stream]:
        """Send what may be sent now, *count* bytes of content or little more.

        Returns:
            The streams whose queues have run empty.

        Spec:
            RFC 9113 §5.2.1; RFC 9218 §10
        """
        emptied: list[Stream] = []
        schedule = self.schedule
        while count > 0 and self.window > 0:
            stream = schedule.first()
            if stream is None:
                break
            queue = require_queue(stream)
            count -= self._send_turn(stream, queue, count)
            if not queue.size:
                schedule.remove(stream)
                emptied.append(stream)
            elif stream.window <= 0:
                schedule.remove(stream)
            else:
                schedule.turn(stream)
        return emptied

    def _send_turn(self, stream: Stream, queue: SendQueue, count: int) -> int:
        """Send what *stream* may send now: a frame, or several where nobody takes turns.

        Returns:
            Bytes of content that were sent: *count*, little more, or what there is.
        """
        out = self._out
        most = self._peer.max_frame_size
        had = queue.size
        waiting = had if had < most or not stream.incremental else most
        allowed = min(waiting, stream.window, self.window)
        number = stream.id
        sent = 0
        while sent < allowed and sent < count:
            size = allowed - sent
            size = min(size, most)
            parts = queue.take(size)
            sent += size
            ended = sent == had and stream.sending == ENDING and queue.trailers is None
            out.append(frame_header(size, DATA, END_STREAM if ended else 0, number))
            out += parts
            if size == most or sent == waiting or size >= FULL:
                self._budget.work += 1
        stream.window -= sent
        self.window -= sent
        self.moved += sent
        if queue.crowded and 2 * queue.size <= self._max_waiting:
            queue.crowded = False
            self.relieved.append(number)
        return sent


def require_queue(stream: Stream) -> SendQueue:
    """Return *stream*'s queue.

    Raises:
        LocalProtocolError: no response was begun.
    """
    if stream.queue is None:
        raise LocalProtocolError("no response was begun", spec="RFC 9113 §8.1")
    return stream.queue


def window_overflow() -> RemoteProtocolError:
    """Return the error for credit that no window can hold."""
    return RemoteProtocolError(
        "a window larger than any can be", code=FLOW_CONTROL_ERROR, spec="RFC 9113 §6.9.1"
    )
