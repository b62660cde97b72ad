"""Responses: heads, content, trailers, interim and pushed ones (RFC 9113 §8.1, §8.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias, final

from blackbull.errors import LocalProtocolError, RemoteProtocolError
from blackbull.protocol.hpack import Encoder, Field

from .codes import DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS
from .content import Outflow, require_queue
from .events import RequestReceived
from .flow import Buffer, SendQueue
from .frames import frame_header, render_headers, render_push_promise
from .head import HeadParser
from .header_block import announced_length, response_fields, trailer_fields
from .settings import PeerSettings
from .stream import ENDED, ENDING, OWED, STARTED, Stream
from .streams import Streams

MAX_RENDERED: Final = 256

MAX_WHOLE: Final = 16384
"""Bytes of content from which on a response is not in one frame, whatever the peer takes."""

WITHOUT_CONTENT: Final = frozenset({204, 205, 304})
"""RFC 9110 §6.4.1, §15.3.6: statuses whose responses have no content."""

Rendered: TypeAlias = tuple[bytes, bytes, bytes]
"""How a HEADERS frame begins, its block, how a DATA frame begins."""


@final
class Responses:
    """Sends responses on the streams of a connection.

    Args:
        parser: Makes the heads of pushed requests.
        out: Takes the frames.
        streams: The connection's streams.
        outflow: Sends their content.
        peer: What the peer has announced.
        encoder: Encodes header blocks.

    Attributes:
        rendered: Response heads by status, content type and length, under the current date and
            dynamic table.
    """

    __slots__ = (
        "_changes", "_date", "_encoder", "_open", "_out", "_outflow", "_parser", "_peer",
        "_streams", "rendered",
    )  # fmt: skip

    def __init__(
        self,
        parser: HeadParser,
        *,
        out: list[Buffer],
        streams: Streams,
        outflow: Outflow,
        peer: PeerSettings,
        encoder: Encoder,
    ) -> None:
        self._parser = parser
        self._out = out
        self._streams = streams
        self._open = streams.open
        self._outflow = outflow
        self._peer = peer
        self._encoder = encoder
        self.rendered: dict[tuple[int, bytes, int], Rendered] = {}
        self._date = b""
        self._changes = 0

    def send_response(
        self,
        stream_id: int,
        status: int,
        content_type: bytes,
        fields: Sequence[Field],
        content: bytes,
        date: bytes,
    ) -> None:
        """See :meth:`HTTP2Connection.send_response`."""
        stream = self._open.get(stream_id)
        if stream is None:
            return
        size = len(content)
        if stream.sending == OWED and size and not fields and not stream.bodiless:
            rendered = self._plain(status, content_type, size, date)
            if rendered is not None:
                self._send_plain(stream, rendered, content)
                return
        if content_type:
            fields = [(b"content-type", content_type), *fields]
        ended = not size or status in WITHOUT_CONTENT
        # RFC 9110 §8.6: a 304 says the length of what is not sent, or nothing
        length = -1 if status == 304 else size
        self._send_head(stream, status, fields, date=date, length=length, ended=ended)
        if stream.sending == STARTED:
            self._send_data(stream, content, end=True)

    def _plain(self, status: int, content_type: bytes, size: int, date: bytes) -> Rendered | None:
        """Return how a plain response begins, or None if it is not plain."""
        if date != self._date or self._changes != self._encoder.table.changes:
            self.rendered.clear()
            self._date = date
            self._changes = self._encoder.table.changes
        rendered = self.rendered.get((status, content_type, size))
        if rendered is not None:
            return rendered
        if status < 200 or status in WITHOUT_CONTENT:
            return None
        own = [(b"content-type", content_type)] if content_type else []
        made = response_fields(status, own, date=date)
        made.append((b"content-length", b"%d" % size))
        block = self._encoder.encode(made)
        begin = frame_header(len(block), HEADERS, END_HEADERS, 0)[:5]
        whole = size <= MAX_WHOLE
        rendered = (begin, block, frame_header(size, DATA, END_STREAM, 0)[:5] if whole else b"")
        if self._changes == self._encoder.table.changes and len(self.rendered) < MAX_RENDERED:
            self.rendered[status, content_type, size] = rendered
        return rendered

    def _send_plain(self, stream: Stream, rendered: Rendered, content: bytes) -> None:
        """Send a response whose head was rendered: in one piece if nothing is in its way."""
        number = stream.id.to_bytes(4, "big")
        outflow = self._outflow
        size = len(content)
        if (
            rendered[2]
            and size <= self._peer.max_frame_size
            and size <= stream.window
            and size <= outflow.window
            and not outflow.schedule.count
        ):
            self._out += (rendered[0], number, rendered[1], rendered[2], number, content)
            outflow.window -= size
            self._streams.end_sending(stream)
        else:
            self._out += (rendered[0], number, rendered[1])
            stream.queue = SendQueue(-1)
            stream.sending = ENDING
            outflow.add(stream, content)

    def send_refusal(self, stream_id: int, error: RemoteProtocolError, *, date: bytes) -> None:
        """See :meth:`HTTP2Connection.send_refusal`."""
        stream = self._open.get(stream_id)
        if stream is None:
            return
        self._streams.discard(stream)
        if stream.sending != OWED or error.code < 400:
            self._streams.reset(stream, error.code if error.code < 400 else ENHANCE_YOUR_CALM)
            return
        self.send_response(
            stream_id,
            error.code,
            b"text/plain; charset=utf-8",
            (),
            str(error).encode() + b"\n",
            date,
        )

    def send_informational(self, stream_id: int, status: int, *, fields: Iterable[Field]) -> None:
        """See :meth:`HTTP2Connection.send_informational`."""
        stream = self._open.get(stream_id)
        if stream is None:
            return
        if stream.sending != OWED or not 100 <= status <= 199 or status == 101:
            raise LocalProtocolError("no interim response can be sent now", spec="RFC 9113 §8.1")
        self._send_block(stream, response_fields(status, fields, date=b""), ended=False)

    def send_head(
        self, stream_id: int, status: int, *, fields: Iterable[Field], date: bytes, length: int
    ) -> None:
        """See :meth:`HTTP2Connection.send_head`."""
        stream = self._open.get(stream_id)
        if stream is not None:
            self._send_head(
                stream,
                status,
                list(fields),
                date=date,
                length=length,
                ended=status in WITHOUT_CONTENT,
            )

    def _send_head(
        self,
        stream: Stream,
        status: int,
        fields: Sequence[Field],
        *,
        date: bytes,
        length: int,
        ended: bool,
    ) -> None:
        if stream.sending != OWED:
            raise LocalProtocolError("no response is owed", spec="RFC 9113 §8.1")
        if status < 200:
            raise LocalProtocolError("a final status is 200 or more", spec="RFC 9110 §15")
        made = response_fields(status, fields, date=date)
        if length < 0:
            length = announced_length(fields)
        if status == 205:
            length = 0  # RFC 9110 §15.3.6: a 205 has no content, and says so
        if stream.tunnel and status < 300:
            length = -1
        else:
            stream.tunnel = False
        if length >= 0 and status != 204:
            made.append((b"content-length", b"%d" % length))
        stream.bodiless = stream.bodiless or ended
        stream.queue = SendQueue(length)
        self._send_block(stream, made, ended=stream.bodiless)
        if stream.bodiless:
            self._streams.end_sending(stream)
        else:
            stream.sending = STARTED

    def _send_block(self, stream: Stream, fields: list[Field], *, ended: bool) -> None:
        self._out += render_headers(
            stream.id,
            self._encoder.encode(fields),
            ended=ended,
            max_frame_size=self._peer.max_frame_size,
        )

    def send_data(self, stream_id: int, data: bytes, *, end: bool) -> int:
        """See :meth:`HTTP2Connection.send_data`."""
        stream = self._open.get(stream_id)
        if stream is None or (stream.bodiless and stream.sending == ENDED):
            return 0
        return self._send_data(stream, data, end=end)

    def _send_data(self, stream: Stream, data: bytes, *, end: bool) -> int:
        queue = require_queue(stream)
        if stream.sending != STARTED:
            raise LocalProtocolError("the response was ended", spec="RFC 9113 §8.1")
        if end and queue.announced > len(data):
            raise _too_little(queue.announced - len(data))
        self._outflow.add(stream, data)
        if end:
            stream.sending = ENDING
            if not queue.size:
                self._out.append(frame_header(0, DATA, END_STREAM, stream.id))
                self._streams.end_sending(stream)
        return queue.size

    def send_trailers(self, stream_id: int, fields: Iterable[Field]) -> None:
        """See :meth:`HTTP2Connection.send_trailers`."""
        stream = self._open.get(stream_id)
        if stream is None or (stream.bodiless and stream.sending == ENDED):
            return
        queue = require_queue(stream)
        made = trailer_fields(fields)
        if not made:
            self._send_data(stream, b"", end=True)
            return
        if stream.sending != STARTED:
            raise LocalProtocolError("the response was ended", spec="RFC 9113 §8.1")
        if queue.announced > 0:
            raise _too_little(queue.announced)
        stream.sending = ENDING
        queue.trailers = made
        if not queue.size:
            self._end(stream)

    def release(self, count: int) -> None:
        """Send what may be sent of all streams' content, *count* bytes or little more."""
        for stream in self._outflow.release(count):
            if stream.sending == ENDING:
                self._end(stream)

    def _end(self, stream: Stream) -> None:
        """All content was sent, and so was the end of the stream, but for trailers."""
        trailers = require_queue(stream).trailers
        if trailers is not None:
            self._send_block(stream, trailers, ended=True)
        self._streams.end_sending(stream)

    def push(self, stream_id: int, fields: list[Field]) -> RequestReceived | None:
        """See :meth:`HTTP2Connection.push`."""
        parent = self._open.get(stream_id)
        if parent is None or parent.sending >= ENDING:
            return None
        try:
            head = self._parser.parse(fields)
        except RemoteProtocolError as error:
            raise LocalProtocolError(f"no such request can be pushed: {error}") from None
        if head.method not in {"GET", "HEAD"} or head.content_length > 0:
            raise LocalProtocolError(
                "only safe requests without content can be pushed", spec="RFC 9113 §8.4"
            )
        promised_id = self._streams.last_pushed + 2
        self._streams.last_pushed = promised_id
        self._out += render_push_promise(
            stream_id,
            promised_id,
            self._encoder.encode(fields),
            max_frame_size=self._peer.max_frame_size,
        )
        stream = Stream(promised_id, self._peer.initial_window_size)
        stream.bodiless = head.method == "HEAD"
        stream.urgency = head.priority.urgency
        stream.incremental = head.priority.incremental
        self._open[promised_id] = stream
        return RequestReceived(promised_id, head, True, head.priority)


def _too_little(missing: int) -> LocalProtocolError:
    return LocalProtocolError(
        f"{missing} bytes less content than content-length announced", spec="RFC 9110 §8.6"
    )
