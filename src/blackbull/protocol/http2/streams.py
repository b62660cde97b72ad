"""The streams of a connection: how they begin, how they end, what became of them (RFC 9113 §5)."""

from __future__ import annotations

from typing import Final, final

from blackbull.errors import RemoteProtocolError

from .abuse import REFUSED, RESETS, WINDOW_UPDATES, FrameBudget
from .codes import (
    DEFAULT_WINDOW,
    FRAME_SIZE_ERROR,
    MAX_STREAM_ID,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    STREAM_CLOSED,
)
from .content import Outflow
from .events import Event, RequestEnded, RequestRefused, StreamFailed, StreamReset
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

    def receive_window_update(self, stream_id: int, payload: bytes) -> None:
        """Take the peer's credit, for a stream or for all together.

        Raises:
            LimitExceeded: there are too many.
            RemoteProtocolError: it breaks the connection's rules.

        Spec:
            RFC 9113 §6.9
        """
        if len(payload) != 4:
            raise _wrong_size("a WINDOW_UPDATE frame that is not of 4 bytes", "RFC 9113 §6.9")
        self._budget.spend(WINDOW_UPDATES)
        increment = int.from_bytes(payload, "big") & MAX_STREAM_ID
        if not stream_id:
            if not increment:
                raise _no_credit()
            self._outflow.credit(increment)
            return
        stream = self.open.get(stream_id)
        if stream is None:
            self.require_begun(stream_id)
            return
        if not increment:
            self.fault(stream_id, _no_credit())
            return
        try:
            self._outflow.credit_stream(stream, increment)
        except RemoteProtocolError as error:
            self.fault(stream_id, error)

    def look_for_stalled(self, least: int) -> list[int]:
        """See :meth:`HTTP2Connection.stalled`."""
        found: list[int] = []
        outflow = self._outflow
        # Without credit for all streams none is to blame as long as others move.
        stuck = outflow.window <= 0 and outflow.moved < least
        outflow.moved = 0
        for stream in self.open.values():
            queue = stream.queue
            inbound = stream.inbound
            if queue is not None and queue.size:
                if queue.moved < least and (stuck or stream.window <= 0):
                    found.append(stream.id)
                queue.moved = 0
            elif stream.sending == ENDED and inbound is not None:
                if inbound.received == inbound.seen:
                    found.append(stream.id)
                inbound.seen = inbound.received
        return found

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

    def receive_reset(self, stream_id: int, payload: bytes) -> None:
        """Forget a stream that the peer ends, and report it unless our response was complete.

        Raises:
            LimitExceeded: there are too many.
            RemoteProtocolError: it breaks the connection's rules.

        Spec:
            RFC 9113 §6.4
        """
        if len(payload) != 4:
            raise _wrong_size("a RST_STREAM frame that is not of 4 bytes", "RFC 9113 §6.4")
        self._budget.spend(RESETS)
        stream = self.open.get(stream_id)
        if stream is None:
            self.require_begun(stream_id)
            return
        self.close(stream)
        self._note_reset(stream_id, RESET_BY_PEER)
        if stream.sending != ENDED:
            self._events.append(StreamReset(stream_id, int.from_bytes(payload, "big")))

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


def _wrong_size(message: str, spec: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, code=FRAME_SIZE_ERROR, spec=spec)


def _no_credit() -> RemoteProtocolError:
    return RemoteProtocolError(
        "a WINDOW_UPDATE frame without credit", code=PROTOCOL_ERROR, spec="RFC 9113 §6.9"
    )
