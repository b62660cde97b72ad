"""The HTTP/2 server machine: bytes in, events out; commands in, bytes out.

:meth:`HTTP2Connection.receive` takes what arrived and reports what it means; commands queue what is
to be sent; :meth:`HTTP2Connection.data_to_send` returns it. Frames that carry no content leave in
the order of the commands. Content leaves as the peer's windows and the streams' priorities allow,
so whoever drives the machine takes more only when the transport can take it.

A peer that breaks a stream's rules loses the stream, one that breaks the connection's rules loses
the connection: the machine says so to the peer and reports it. It raises only on its caller's
mistakes. Commands for a stream that is gone do nothing: the peer may have reset it a moment ago.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, final

from blackbull.errors import LocalProtocolError, RemoteProtocolError
from blackbull.protocol.hpack import Decoder, Encoder, Field

from .abuse import UNKNOWN, FrameBudget
from .codes import (
    ACK,
    CANCEL,
    CONTINUATION,
    DATA,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    MAX_STREAM_ID,
    NO_ERROR,
    PING,
    PREFACE,
    PRIORITY,
    PRIORITY_UPDATE,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
)
from .content import Outflow
from .control import LEFT, Control
from .events import ConnectionFailed, Event, RequestReceived
from .flow import Buffer
from .frames import HEADER, HEADER_SIZE, render_goaway
from .head import HeadParser
from .requests import ANY, Requests
from .responses import Responses
from .settings import PeerSettings
from .stream import ENDED, ENDING, OWED
from .streams import Streams

MAX_DEBUG: Final = 128


@final
class HTTP2Connection:
    """One HTTP/2 connection, seen from the server.

    Args:
        parser: Makes heads under its limits; may be shared by many connections.

    Attributes:
        failed: The peer broke the connection's rules, or it was terminated.

    Spec:
        RFC 9113
    """

    __slots__ = (
        "_budget", "_buffer", "_control", "_events", "_greeted", "_max_frame_size", "_open", "_out",
        "_outflow", "_peer", "_requests", "_responses", "_streams", "failed",
    )  # fmt: skip

    def __init__(self, parser: HeadParser) -> None:
        limits = parser.limits
        out: list[Buffer] = []
        events: list[Event] = []
        peer = PeerSettings()
        budget = FrameBudget(limits)
        outflow = Outflow(out, budget, peer=peer, max_waiting=limits.max_send_buffer)
        streams = Streams(out, events, outflow=outflow, budget=budget)
        decoder = Decoder(
            max(limits.header_table_size, 4096),
            max_list_size=limits.max_header_total,
            max_fields=limits.max_fields,
        )
        encoder = Encoder()
        self._max_frame_size = limits.max_frame_size
        self._out = out
        self._events = events
        self._peer = peer
        self._budget = budget
        self._outflow = outflow
        self._streams = streams
        self._open = streams.open
        self._control = Control(
            limits,
            out=out,
            events=events,
            streams=streams,
            outflow=outflow,
            peer=peer,
            decoder=decoder,
            encoder=encoder,
            budget=budget,
            connect_protocol=parser.connect_protocol,
        )
        self._requests = Requests(
            parser,
            out=out,
            events=events,
            streams=streams,
            control=self._control,
            peer=peer,
            decoder=decoder,
            budget=budget,
        )
        self._responses = Responses(
            parser, out=out, streams=streams, outflow=outflow, peer=peer, encoder=encoder
        )
        self._buffer = b""
        self._greeted = False
        self.failed = False
        self.resize_window(0, limits.connection_window_size)

    # What can be seen

    @property
    def greeted(self) -> bool:
        """True once the client's preface has arrived, its SETTINGS frame included."""
        return self._greeted and self._requests.expected != SETTINGS

    @property
    def buffered(self) -> int:
        """Bytes that were received and not yet reported: parts of frames and of header blocks."""
        block = self._requests.block
        return len(self._buffer) + (block.size if block is not None else 0)

    @property
    def header_block_open(self) -> bool:
        """True between the first and the last frame of a header block: the client must go on."""
        return self._requests.block is not None

    @property
    def active(self) -> bool:
        """True while there is a stream that one side or the other has not ended."""
        return bool(self._open)

    @property
    def open_streams(self) -> int:
        """Requests whose response is not complete."""
        return sum([stream.sending != ENDED for stream in self._open.values()])

    @property
    def finished(self) -> bool:
        """True when the connection can be closed: it has failed, or we left and all was sent."""
        return self.failed or (self._control.leaving == LEFT and not self.open_streams)

    @property
    def send_window(self) -> int:
        """Bytes of content that the peer takes on all streams together."""
        return self._outflow.window

    @property
    def can_push(self) -> bool:
        """True when the peer takes pushed responses, and has room for one more."""
        pushed = sum([not stream_id & 1 for stream_id in self._open])
        return (
            self._peer.enable_push
            and pushed < self._peer.max_concurrent_streams
            and self._streams.last_pushed < MAX_STREAM_ID - 1
            and self._control.leaving != LEFT
            and not self.failed
        )

    def stream_window(self, stream_id: int) -> int:
        """Return how many bytes of content the peer takes on a stream; 0 if it is gone."""
        stream = self._open.get(stream_id)
        return stream.window if stream is not None else 0

    def queued(self, stream_id: int) -> int:
        """Return how many bytes of a stream's content wait to be sent."""
        stream = self._open.get(stream_id)
        return stream.queue.size if stream is not None and stream.queue is not None else 0

    def is_open(self, stream_id: int) -> bool:
        """Return True while a response is owed or under way: its end was not handed over."""
        stream = self._open.get(stream_id)
        return stream is not None and stream.sending < ENDING

    def is_receiving(self, stream_id: int) -> bool:
        """Return True while more of a request is to come."""
        stream = self._open.get(stream_id)
        return stream is not None and stream.receiving

    def response_started(self, stream_id: int) -> bool:
        """Return True once a final response was begun on a stream, or the stream is gone."""
        stream = self._open.get(stream_id)
        return stream is None or stream.sending != OWED

    # Receiving

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take bytes of the peer and return what they mean.

        Args:
            data: What arrived.
            now: Seconds, of any monotonic clock.

        Returns:
            What happened, in the order of the wire. :class:`ConnectionFailed` comes last, and once.

        Spec:
            RFC 9113 §3.4, §4, §5.4
        """
        if self.failed:
            return []
        events = self._events
        self._budget.tick(now)
        try:
            self._receive_frames(self._buffer + data if self._buffer else data)
        except RemoteProtocolError as error:
            self.terminate(error.code, debug=str(error).encode())
            events.append(ConnectionFailed(error))
        happened = events.copy()
        events.clear()
        return happened

    def _receive_frames(self, data: bytes) -> None:
        at = 0
        if not self._greeted:
            if not data.startswith(PREFACE):
                if not PREFACE.startswith(data):
                    raise _violation("the client's preface is none", "RFC 9113 §3.4")
                self._buffer = data
                return
            self._greeted = True
            at = len(PREFACE)
        have = len(data)
        max_frame_size = self._max_frame_size
        requests = self._requests
        streams = self._streams
        unpack = HEADER.unpack_from
        while have - at >= HEADER_SIZE:
            high, low, kind, flags, stream_id = unpack(data, at)
            size = high << 8 | low
            if size > max_frame_size:
                raise _frame_size("a frame larger than we take", "RFC 9113 §4.2")
            end = at + HEADER_SIZE + size
            if end > have:
                break
            payload = data[at + HEADER_SIZE : end]
            at = end
            stream_id &= MAX_STREAM_ID
            if requests.expected >= 0 and kind != requests.expected:
                raise _unexpected(requests.expected)
            if kind == HEADERS:
                requests.receive_headers(flags, stream_id, payload)
            elif kind == DATA:
                requests.receive_data(flags, stream_id, payload)
            elif kind == WINDOW_UPDATE:
                streams.receive_window_update(stream_id, payload)
            else:
                self._receive_other(kind, flags, stream_id, payload)
        self._buffer = data[at:] if at < have else b""

    def _receive_other(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        control = self._control
        if kind == CONTINUATION:
            self._requests.receive_continuation(flags, stream_id, payload)
        elif kind == RST_STREAM:
            self._streams.receive_reset(stream_id, payload)
        elif kind == SETTINGS:
            if self._requests.expected == SETTINGS:
                if flags & ACK:
                    raise _unexpected(SETTINGS)
                self._requests.expected = ANY
            control.receive_settings(flags, stream_id, payload)
        elif kind == PING:
            control.receive_ping(flags, stream_id, payload)
        elif kind == GOAWAY:
            control.receive_goaway(stream_id, payload)
        elif kind == PRIORITY_UPDATE:
            control.receive_priority_update(stream_id, payload)
        elif kind == PRIORITY:
            fault = control.receive_priority(stream_id, payload)
            if fault is not None:
                self._streams.fault(stream_id, fault)
        elif kind == PUSH_PROMISE:
            raise _violation("a client cannot push", "RFC 9113 §8.4")
        else:
            # RFC 9113 §4.1, §5.5: an unknown frame is ignored
            self._budget.spend(UNKNOWN)

    def acknowledge(self, stream_id: int, count: int) -> None:
        """Return credit for content that was consumed: the peer may send as much again.

        Args:
            stream_id: Where it came.
            count: Bytes of content.

        Spec:
            RFC 9113 §5.2.2, §6.9
        """
        self._requests.acknowledge(stream_id, count)

    def resize_window(self, stream_id: int, size: int) -> None:
        """Change how much the peer may send without waiting for credit.

        Args:
            stream_id: The stream; 0 for all streams together.
            size: Bytes. Less takes effect as the peer uses its credit up.

        Spec:
            RFC 9113 §6.9
        """
        self._requests.resize_window(stream_id, size)

    # Sending

    def data_to_send(self, max_content: int = 65536) -> bytes:
        """Return what is to be written now; ``b""`` for nothing.

        Args:
            max_content: Bytes of queued content to take, or little more. What does not fit is
                returned by the next call, in the order of the priorities of then.
        """
        if self._outflow.schedule.count:
            self._responses.release(max_content)
        out = self._out
        if not out:
            return b""
        data = b"".join(out)
        out.clear()
        return data

    def relieved(self) -> list[int]:
        """Return the streams that held more than ``max_send_buffer``, and no longer do.

        Each is reported once, after the :meth:`data_to_send` that took half of it or more.
        """
        relieved = self._outflow.relieved.copy()
        self._outflow.relieved.clear()
        return relieved

    def stalled(self, least: int = 1) -> list[int]:
        """Return the streams on which the peer has moved next to nothing since the last call.

        Either content waits for the peer's credit, or the response is complete and the rest of
        the request does not come. Called every so many seconds, while the transport takes what
        we have, it finds the streams to reset.

        Args:
            least: Bytes of content that are to be sent meanwhile, where some wait.
        """
        return self._streams.look_for_stalled(least)

    def send_response(
        self,
        stream_id: int,
        status: int,
        content_type: bytes,
        fields: Sequence[Field],
        content: bytes,
        date: bytes,
    ) -> None:
        """Send a complete response.

        Args:
            stream_id: The request.
            status: 200 to 999.
            content_type: The content-type field's value; ``b""`` for none.
            fields: The other fields: lower-case names; content-length is added here.
            content: The content; left out, but counted, in the answer to HEAD.
            date: The date field's value; ``b""`` for none.

        Raises:
            LocalProtocolError: no response is owed, or a field cannot be sent.

        Spec:
            RFC 9113 §8.1, §8.3.2
        """
        self._responses.send_response(stream_id, status, content_type, fields, content, date)

    def send_refusal(self, stream_id: int, error: RemoteProtocolError, *, date: bytes) -> None:
        """Answer a request with *error*'s status; reset it if a response was begun already.

        Args:
            stream_id: The request.
            error: A ``code`` of 400 or more is a status, any other the code of a reset.
            date: The date field's value; ``b""`` for none.

        Spec:
            RFC 9113 §8.1.1
        """
        self._responses.send_refusal(stream_id, error, date=date)

    def send_informational(self, stream_id: int, status: int, fields: Iterable[Field] = ()) -> None:
        """Send an interim response.

        Raises:
            LocalProtocolError: the final response was begun, or *status* is 101 or not 1xx.

        Spec:
            RFC 9113 §8.1; RFC 9110 §15.2
        """
        self._responses.send_informational(stream_id, status, fields=fields)

    def send_head(
        self,
        stream_id: int,
        status: int,
        fields: Iterable[Field],
        date: bytes,
        *,
        length: int = -1,
    ) -> None:
        """Send a response's head; its content follows with :meth:`send_data`.

        Args:
            stream_id: The request.
            status: 200 to 999.
            fields: Lower-case names; content-length says the length, and what HTTP/2 has no place
                for is left out.
            date: The date field's value; ``b""`` for none.
            length: Bytes of content to come; -1: what *fields* say, else unknown.

        Raises:
            LocalProtocolError: no response is owed, or a field cannot be sent.

        Spec:
            RFC 9113 §8.1, §8.2.2, §8.3.2
        """
        self._responses.send_head(stream_id, status, fields=fields, date=date, length=length)

    def send_data(self, stream_id: int, data: bytes, *, end: bool = False) -> int:
        """Queue a part of a response's content, or of a tunnel. Nothing is copied.

        Args:
            stream_id: The request.
            data: Possibly none.
            end: Nothing follows, no trailers either.

        Returns:
            How many bytes wait on the stream now. With more than ``max_send_buffer``, whoever sends
            should wait until :meth:`relieved` names the stream.

        Raises:
            LocalProtocolError: no content is due, or its length is not as announced.

        Spec:
            RFC 9113 §6.1, §6.9
        """
        return self._responses.send_data(stream_id, data, end=end)

    def send_trailers(self, stream_id: int, fields: Iterable[Field]) -> None:
        """End a response with trailer fields, once its content was sent.

        Raises:
            LocalProtocolError: no content is due, less came than announced, or a field is none
                for trailers.

        Spec:
            RFC 9113 §8.1; RFC 9110 §6.5
        """
        self._responses.send_trailers(stream_id, fields)

    def push(self, stream_id: int, fields: list[Field]) -> RequestReceived | None:
        """Promise the response to a request that the client has not sent.

        Args:
            stream_id: The request that it comes with; its response must not be complete.
            fields: The request: pseudo-header fields, then others, lower-case.

        Returns:
            The request, to be answered as if the client had sent it; None if the client takes no
            pushed responses, or not here.

        Raises:
            LocalProtocolError: no such request can be pushed.

        Spec:
            RFC 9113 §8.4
        """
        return self._responses.push(stream_id, fields) if self.can_push else None

    def stop_request(self, stream_id: int) -> None:
        """Tell the peer that the rest of a request is not wanted, if it was answered completely.

        Some peers miss the answer when this comes along with it: leave them the time to read.

        Spec:
            RFC 9113 §8.1
        """
        stream = self._open.get(stream_id)
        if stream is not None and stream.receiving and stream.sending == ENDED:
            self._streams.reset(stream, NO_ERROR)

    def reset_stream(self, stream_id: int, code: int = CANCEL) -> None:
        """End a stream at once; what was queued on it is forgotten (RFC 9113 §6.4)."""
        stream = self._open.get(stream_id)
        if stream is not None:
            self._streams.reset(stream, code)

    # The connection

    def send_ping(self, data: bytes) -> None:
        """Ask the peer for a sign of life: eight bytes, which :class:`PingAcknowledged` repeats.

        Raises:
            LocalProtocolError: they are not eight.

        Spec:
            RFC 9113 §6.7
        """
        if len(data) != 8:
            raise LocalProtocolError("a PING frame holds eight bytes", spec="RFC 9113 §6.7")
        if not self.failed:
            self._control.send_ping(data)

    def shutdown(self) -> None:
        """Announce that we leave; requests that are on their way are still served.

        Once the peer has seen it, the machine says by itself which request was the last; later ones
        are refused. :attr:`finished` tells when the connection can be closed.

        Spec:
            RFC 9113 §6.8
        """
        if not self.failed:
            self._control.announce_leaving()

    def finish_shutdown(self) -> None:
        """Take no more requests, whether the peer has seen that we leave or not."""
        if not self.failed:
            self._control.leave()

    def terminate(self, code: int = NO_ERROR, *, debug: bytes = b"") -> None:
        """End the connection: all that is left to send is why.

        Args:
            code: An :class:`ErrorCode`.
            debug: A sentence for people; ours, never the peer's text.

        Spec:
            RFC 9113 §5.4.1, §6.8
        """
        if self.failed:
            return
        self.failed = True
        self._buffer = b""
        self._requests.clear()
        self._open.clear()
        self._outflow.clear()
        self._out.append(render_goaway(max(self._streams.last_id, 0), code, debug[:MAX_DEBUG]))


def _violation(message: str, spec: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, code=PROTOCOL_ERROR, spec=spec)


def _frame_size(message: str, spec: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, code=FRAME_SIZE_ERROR, spec=spec)


def _unexpected(kind: int) -> RemoteProtocolError:
    if kind == SETTINGS:
        return _violation("the client's preface has no SETTINGS frame", "RFC 9113 §3.4")
    return _violation("a header block is interrupted", "RFC 9113 §4.3, §6.10")
