"""Requests: heads, content and trailers, as they arrive (RFC 9113 §8.1)."""

from __future__ import annotations

from typing import Final, final

from blackbull.errors import LimitExceeded, RemoteProtocolError
from blackbull.protocol.hpack import Decoder, Field

from .abuse import EMPTY_DATA, RESETS, FrameBudget
from .codes import (
    COMPRESSION_ERROR,
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    PADDED,
    SETTINGS,
    WITH_PRIORITY,
)
from .control import LEFT, Control
from .events import DataReceived, Event, RequestEnded, RequestReceived
from .flow import Buffer
from .frames import render_window_update, strip_padding, strip_priority
from .head import HeadParser, HTTP2RequestHead
from .header_block import HeaderBlock, check_trailers, malformed
from .priority import DEFAULT_PRIORITY
from .settings import PeerSettings
from .stream import Inbound, Stream
from .streams import SKIPPED, Streams, stream_closed, wrong_length

ANY: Final = -1
"""No particular frame is expected."""

MAX_KNOWN_BLOCKS: Final = 256
MAX_KNOWN_BLOCK: Final = 1024
MAX_KNOWN_LIST: Final = 4096
"""What the fields of a block that is remembered may count: few bytes can refer to large ones."""


@final
class Requests:
    """Takes the frames that requests are made of.

    Args:
        parser: Makes heads.
        out: Takes frames.
        events: Takes what is to be reported.
        streams: The connection's streams.
        control: What both sides have agreed on.
        peer: What the peer has announced.
        decoder: Decodes header blocks.
        budget: Counts what a peer may do only so often.

    Attributes:
        expected: The only type of frame that may come now, or ANY.
        block: The header block that has begun and not ended.
    """

    __slots__ = (
        "_budget", "_control", "_decoder", "_events", "_known", "_limits", "_open", "_out",
        "_parser", "_peer", "_streams", "_window", "block", "expected",
    )  # fmt: skip

    def __init__(
        self,
        parser: HeadParser,
        *,
        out: list[Buffer],
        events: list[Event],
        streams: Streams,
        control: Control,
        peer: PeerSettings,
        decoder: Decoder,
        budget: FrameBudget,
    ) -> None:
        self._parser = parser
        self._limits = parser.limits
        self._out = out
        self._events = events
        self._streams = streams
        self._open = streams.open
        self._window = streams.window
        self._control = control
        self._peer = peer
        self._decoder = decoder
        self._budget = budget
        # heads by their encoded blocks, under the current dynamic table
        self._known: dict[bytes, HTTP2RequestHead] = {}
        self.expected: int = SETTINGS
        self.block: HeaderBlock | None = None

    def clear(self) -> None:
        """Forget everything."""
        self.block = None
        self._known.clear()

    # Heads and trailers

    def receive_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        """Take a HEADERS frame.

        Raises:
            LimitExceeded: the peer passes a limit that costs it the connection.
            RemoteProtocolError: it breaks the connection's rules.

        Spec:
            RFC 9113 §6.2
        """
        fault: RemoteProtocolError | None = None
        if flags & (PADDED | WITH_PRIORITY):
            payload = strip_padding(payload, flags)
            payload, fault = strip_priority(payload, flags, stream_id=stream_id)
        ended = flags & END_STREAM != 0
        if flags & END_HEADERS:
            self._receive_block(stream_id, payload, ended, fault)
            return
        if not stream_id:
            raise malformed("a HEADERS frame for no stream", "RFC 9113 §6.2")
        self.block = HeaderBlock(stream_id, self._limits, ended=ended, fault=fault)
        self.block.add(payload)
        self.expected = CONTINUATION

    def receive_continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        """Take a CONTINUATION frame.

        Raises:
            LimitExceeded: the peer passes a limit that costs it the connection.
            RemoteProtocolError: it breaks the connection's rules.

        Spec:
            RFC 9113 §6.10
        """
        block = self.block
        if block is None or block.stream_id != stream_id:
            raise malformed("a CONTINUATION frame that continues nothing", "RFC 9113 §6.10")
        block.add(payload)
        if flags & END_HEADERS:
            self.block = None
            self.expected = ANY
            self._receive_block(stream_id, block.join(), block.ended, block.fault)

    def _receive_block(
        self, stream_id: int, block: bytes, ended: bool, fault: RemoteProtocolError | None
    ) -> None:
        streams = self._streams
        if stream_id <= streams.last_id or not stream_id & 1:
            self._receive_later_block(stream_id, block, ended)
            return
        head = self._known.get(block)
        if head is None or fault is not None:
            head = self._learn_head(stream_id, block, ended, fault)
            if head is None:
                return
        if stream_id == streams.last_id + 2:
            streams.last_id = stream_id
        else:
            streams.begin(stream_id)
        control = self._control
        if len(self._open) >= self._limits.max_concurrent_streams or control.leaving == LEFT:
            streams.refuse_stream(stream_id)
            return
        stream = Stream(stream_id, self._peer.initial_window_size)
        self._open[stream_id] = stream
        if head.method == "HEAD":
            stream.bodiless = True
        priority = control.priority_of(stream_id, head.priority)
        if priority is not DEFAULT_PRIORITY:
            stream.urgency = priority.urgency
            stream.incremental = priority.incremental
        if not ended:
            if not self._expect_content(stream, head):
                return
        elif head.content_length > 0:
            streams.fault(stream_id, wrong_length())
            return
        self._events.append(RequestReceived(stream_id, head, ended, priority))

    def _expect_content(self, stream: Stream, head: HTTP2RequestHead) -> bool:
        """Let content follow, unless it is announced to be more than the request may have."""
        stream.receiving = True
        stream.tunnel = head.protocol != b""
        window = self._control.new_stream_window
        if stream.tunnel:
            stream.inbound = Inbound(window, -1)
            return True
        allowed = self._parser.max_body(head)
        if head.content_length > allowed:
            stream.inbound = Inbound(window, -1)
            self._streams.refuse(stream, _too_large(allowed, head.content_length))
            return False
        stream.inbound = Inbound(window, head.content_length, allowed)
        return True

    def _learn_head(
        self, stream_id: int, block: bytes, ended: bool, fault: RemoteProtocolError | None
    ) -> HTTP2RequestHead | None:
        """Return the head that *block* holds, or None if it ended badly for the stream."""
        table = self._decoder.table
        changes = table.changes
        fields: list[Field] = []
        try:
            fields = self._decode(block)
            head = self._parser.parse(fields)
        except RemoteProtocolError as error:
            if error.code == COMPRESSION_ERROR:
                raise
            fault = fault or error
        if fault is not None:
            self._refuse_request(stream_id, fields, ended, fault)
            return None
        short = len(block) <= MAX_KNOWN_BLOCK and self._decoder.size <= MAX_KNOWN_LIST
        if short and table.changes == changes:
            if len(self._known) >= MAX_KNOWN_BLOCKS:
                self._known.clear()
            self._known[block] = head
        return head

    def _refuse_request(
        self, stream_id: int, fields: list[Field], ended: bool, fault: RemoteProtocolError
    ) -> None:
        streams = self._streams
        streams.begin(stream_id)
        if len(self._open) >= self._limits.max_concurrent_streams or self._control.leaving == LEFT:
            streams.refuse_stream(stream_id)
        elif fault.code < 400:
            streams.fault(stream_id, fault)
        else:
            stream = Stream(stream_id, self._peer.initial_window_size)
            stream.bodiless = (b":method", b"HEAD") in fields
            if not ended:
                stream.receiving = True
                stream.inbound = Inbound(self._control.new_stream_window, -1)
            self._open[stream_id] = stream
            streams.refuse(stream, fault)

    def _decode(self, block: bytes) -> list[Field]:
        table = self._decoder.table
        changes = table.changes
        try:
            return self._decoder.decode(block)
        finally:
            if table.changes != changes:
                self._known.clear()

    def _receive_later_block(self, stream_id: int, block: bytes, ended: bool) -> None:
        """Take a header block on a stream that is open, or closed, or cannot be."""
        streams = self._streams
        if not stream_id & 1 or (
            stream_id not in self._open and streams.fate(stream_id) == SKIPPED
        ):
            raise malformed("a HEADERS frame on a wrong stream", "RFC 9113 §5.1.1")
        stream = self._open.get(stream_id)
        try:
            fields = self._decode(block)
            if stream is None:
                self._budget.spend(RESETS)
                streams.receive_on_closed(stream_id)
                return
            if not stream.receiving:
                raise stream_closed()
            if not ended:
                raise malformed("trailers that do not end the stream", "RFC 9113 §8.1")
            trailers = check_trailers(fields, self._limits)
        except RemoteProtocolError as error:
            if error.code == COMPRESSION_ERROR or (stream is None and error.code < 400):
                raise
            if error.code >= 400:
                # trailers are no request that could be answered with a status
                error.code = ENHANCE_YOUR_CALM
            streams.fault(stream_id, error)
            return
        streams.end_receiving(stream, RequestEnded(stream_id, trailers))

    # Content

    def receive_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        """Take a DATA frame.

        Raises:
            LimitExceeded: the peer passes a limit that costs it the connection.
            RemoteProtocolError: it breaks the connection's rules.

        Spec:
            RFC 9113 §6.1, §6.9
        """
        streams = self._streams
        size = len(payload)
        if size > self._window.available:
            raise _too_much()
        self._window.available -= size
        data = strip_padding(payload, flags) if flags & PADDED else payload
        stream = self._open.get(stream_id)
        if stream is None:
            streams.require_begun(stream_id)
            streams.credit(size)
            if not size:
                self._budget.spend(EMPTY_DATA)
            streams.receive_on_closed(stream_id)
            return
        inbound = stream.inbound
        fault: RemoteProtocolError | None = None
        if inbound is None or not stream.receiving:
            fault = stream_closed()
        elif size > inbound.window.available:
            fault = _too_much()
        elif inbound.received + len(data) > inbound.expected >= 0:
            fault = wrong_length()
        if fault is not None or inbound is None:
            streams.credit(size)
            streams.fault(stream_id, fault or stream_closed())
            return
        inbound.window.available -= size
        self._take_data(stream, inbound, data, size, flags & END_STREAM != 0)

    def _take_data(
        self, stream: Stream, inbound: Inbound, data: bytes, size: int, ended: bool
    ) -> None:
        """Report content; *size* is what it took of the windows."""
        streams = self._streams
        count = len(data)
        inbound.received += count
        if not count and not ended:
            self._budget.spend(EMPTY_DATA)
        if inbound.received > inbound.max_body and not inbound.discarding:
            streams.refuse(stream, _too_large(inbound.max_body, inbound.received))
        if inbound.discarding:
            streams.credit(size)
        else:
            if count:
                inbound.unacknowledged += count
                self._events.append(DataReceived(stream.id, data))
            if size > count:
                streams.credit(size - count)
                if not ended:
                    streams.credit_stream(stream.id, inbound, count=size - count)
        if ended:
            streams.end_receiving(stream, RequestEnded(stream.id))

    def acknowledge(self, stream_id: int, count: int) -> None:
        """See :meth:`HTTP2Connection.acknowledge`."""
        stream = self._open.get(stream_id)
        inbound = stream.inbound if stream is not None else None
        if stream is None or inbound is None:
            return
        count = min(count, inbound.unacknowledged)
        if count <= 0:
            return
        inbound.unacknowledged -= count
        self._streams.credit(count)
        if stream.receiving:
            self._streams.credit_stream(stream_id, inbound, count=count)

    def resize_window(self, stream_id: int, size: int) -> None:
        """See :meth:`HTTP2Connection.resize_window`."""
        if not stream_id:
            window = self._window
        else:
            stream = self._open.get(stream_id)
            if stream is None or stream.inbound is None or not stream.receiving:
                return
            window = stream.inbound.window
        increment = window.resize(size)
        if increment:
            self._out.append(render_window_update(stream_id, increment))


def _too_much() -> RemoteProtocolError:
    return RemoteProtocolError(
        "more content than there was credit for", code=FLOW_CONTROL_ERROR, spec="RFC 9113 §6.9.1"
    )


def _too_large(allowed: int, seen: int) -> LimitExceeded:
    return LimitExceeded(
        "max_body_size", allowed=allowed, seen=seen, code=413, spec="RFC 9110 §15.5.14"
    )
