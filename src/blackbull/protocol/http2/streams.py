"""The streams of a connection: how they begin, how they end, what became of them (RFC 9113 §5)."""

from __future__ import annotations

from typing import Final, final

from blackbull.errors import RemoteProtocolError

from .abuse import REFUSED, RESETS, FrameBudget
from .codes import DEFAULT_WINDOW, PROTOCOL_ERROR, REFUSED_STREAM, STREAM_CLOSED
from .content import Outflow
from .events import Event, RequestEnded, RequestRefused, StreamFailed
from .flow import Buffer, ReceiveWindow
from .frames import render_reset, render_window_update
from .stream import ENDED, Inbound, Stream

# What became of a stream that is not open
IDLE: Final = 0
COMPLETE: Final = 1
RESET_BY_US: Final = 2
RESET_BY_PEER: Final = 3
SKIPPED: Final = 4

MAX_REMEMBERED: Final = 256
MAX_GAPS: Final = 32


@final
class Streams:
    """The open streams, and a bounded memory of those that are not.

    Args:
        out: Takes frames.
        events: Takes what is to be reported.
        outflow: Sends the streams' content.
        budget: Counts what a peer may do only so often.

    Attributes:
        open: Streams that one side or the other has not ended, by number.
        last_id: The highest number that the client has used; -1 before the first.
        last_pushed: The highest number that we have used.
        window: What the peer may send on all streams together.
    """

    __slots__ = (
        "_budget", "_events", "_gaps", "_out", "_outflow", "_reset", "last_id", "last_pushed",
        "open", "window",
    )  # fmt: skip

    def __init__(
        self, out: list[Buffer], events: list[Event], *, outflow: Outflow, budget: FrameBudget
    ) -> None:
        self._out = out
        self._events = events
        self._outflow = outflow
        self._budget = budget
        self.open: dict[int, Stream] = {}
        self.last_id = -1
        self.last_pushed = 0
        self.window = ReceiveWindow(DEFAULT_WINDOW)
        self._reset: dict[int, int] = {}
        self._gaps: list[tuple[int, int]] = []

    # Beginning

    def begin(self, stream_id: int) -> None:
        """Note that the client uses *stream_id* now: lower numbers never can be (§5.1.1)."""
        if stream_id > self.last_id + 2:
            self._gaps.append((self.last_id + 2, stream_id - 2))
            if len(self._gaps) > MAX_GAPS:
                del self._gaps[0]
        self.last_id = stream_id

    def refuse_stream(self, stream_id: int) -> None:
        """Take no more streams than there may be (RFC 9113 §5.1.2).

        Raises:
            LimitExceeded: the peer opens too many again and again.
        """
        self._budget.spend(REFUSED)
        self._note_reset(stream_id, RESET_BY_US)
        self._out.append(render_reset(stream_id, REFUSED_STREAM))

    def refuse(self, stream: Stream, error: RemoteProtocolError) -> None:
        """Have a request answered with an error status; its content is not wanted."""
        self.discard(stream)
        self._events.append(RequestRefused(stream.id, error))

    # Credit

    def credit(self, count: int) -> None:
        """Return credit for *count* bytes to the connection."""
        increment = self.window.consume(count)
        if increment:
            self._out.append(render_window_update(0, increment))

    def credit_stream(self, stream_id: int, inbound: Inbound, *, count: int) -> None:
        """Return credit for *count* bytes to a stream."""
        increment = inbound.window.consume(count)
        if increment:
            self._out.append(render_window_update(stream_id, increment))

    def discard(self, stream: Stream) -> None:
        """Nobody will consume *stream*'s content: it must not hold others up."""
        inbound = stream.inbound
        if inbound is not None and not inbound.discarding:
            inbound.discarding = True
            self.credit(inbound.unacknowledged)
            inbound.unacknowledged = 0

    # Ends

    def end_receiving(self, stream: Stream, event: RequestEnded) -> None:
        """The request is complete.

        Raises:
            LimitExceeded: it was not, and too many are not.
        """
        inbound = stream.inbound
        if inbound is None or 0 <= inbound.expected != inbound.received:
            self.fault(stream.id, wrong_length())
            return
        stream.receiving = False
        if stream.sending == ENDED:
            self.close(stream)
        elif not inbound.discarding:
            self._events.append(event)

    def end_sending(self, stream: Stream) -> None:
        """The last frame of the response was sent."""
        stream.sending = ENDED
        self._budget.work += 1
        inbound = stream.inbound
        if inbound is not None:
            self.discard(stream)
        if not stream.receiving or inbound is None:
            del self.open[stream.id]

    def reset(self, stream: Stream, code: int) -> None:
        """End *stream*, whatever it was about (RFC 9113 §6.4)."""
        self.close(stream)
        self._note_reset(stream.id, RESET_BY_US)
        self._out.append(render_reset(stream.id, code))

    def reset_by_peer(self, stream: Stream) -> None:
        """The peer has ended *stream*."""
        self.close(stream)
        self._note_reset(stream.id, RESET_BY_PEER)

    def fault(self, stream_id: int, error: RemoteProtocolError) -> None:
        """Reset a stream whose rules the peer broke.

        Raises:
            LimitExceeded: it breaks too many.
            RemoteProtocolError: *error*, as an idle stream cannot be reset.

        Spec:
            RFC 9113 §5.4.2
        """
        stream = self.open.get(stream_id)
        if stream is None and self.fate(stream_id) == IDLE:
            raise error
        self._budget.spend(RESETS)
        if stream is not None:
            self.close(stream)
        self._note_reset(stream_id, RESET_BY_US)
        self._out.append(render_reset(stream_id, error.code))
        self._events.append(StreamFailed(stream_id, error))

    def close(self, stream: Stream) -> None:
        """Forget *stream*."""
        del self.open[stream.id]
        self._outflow.drop(stream)
        self.discard(stream)

    def _note_reset(self, stream_id: int, how: int) -> None:
        reset = self._reset
        reset[stream_id] = how
        if len(reset) > MAX_REMEMBERED:
            del reset[next(iter(reset))]

    # Afterwards

    def fate(self, stream_id: int) -> int:
        """Return what became of *stream_id*, which is not open (RFC 9113 §5.1)."""
        if not stream_id or stream_id > (self.last_id if stream_id & 1 else self.last_pushed):
            return IDLE
        known = self._reset.get(stream_id)
        if known is not None:
            return known
        for low, high in self._gaps:
            if low <= stream_id <= high:
                return SKIPPED
        return COMPLETE

    def require_begun(self, stream_id: int) -> None:
        """A frame came on a stream that is not open: check that it could have been.

        Raises:
            RemoteProtocolError: the stream was never used.

        Spec:
            RFC 9113 §5.1
        """
        if self.fate(stream_id) in {IDLE, SKIPPED}:
            raise RemoteProtocolError(
                "a frame on an idle stream", code=PROTOCOL_ERROR, spec="RFC 9113 §5.1"
            )

    def receive_on_closed(self, stream_id: int) -> None:
        """HEADERS or DATA came on a stream that was open once.

        Raises:
            LimitExceeded: this happens too often.
            RemoteProtocolError: both sides had ended the stream.

        Spec:
            RFC 9113 §5.1
        """
        fate = self.fate(stream_id)
        if fate == RESET_BY_US:
            return  # it was on its way when we reset the stream
        if fate != RESET_BY_PEER:
            raise stream_closed()
        self._budget.spend(RESETS)
        self._out.append(render_reset(stream_id, STREAM_CLOSED))


def stream_closed() -> RemoteProtocolError:
    """Return the error for a frame on a stream that the peer has ended."""
    return RemoteProtocolError(
        "a frame on a closed stream", code=STREAM_CLOSED, spec="RFC 9113 §5.1"
    )


def wrong_length() -> RemoteProtocolError:
    """Return the error for content of another length than announced."""
    return RemoteProtocolError(
        "content of another length than announced", code=PROTOCOL_ERROR, spec="RFC 9113 §8.1.1"
    )
