"""The HTTP/1.1 server machine: bytes in, events out; commands in, bytes out.

One request at a time: after a request's end the machine reports nothing until its response is
complete; pipelined requests wait in the buffer, so answers keep the order of the wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from blackbull.errors import LocalProtocolError, RemoteProtocolError
from blackbull.protocol.head import Fields

from .chunked import FORBIDDEN_TRAILERS, ChunkedDecoder, body_too_large
from .events import END_OF_MESSAGE, Data, EndOfMessage, Event, HTTP1RequestHead
from .head import HeadParser
from .render import (
    CONTINUE,
    FRAMING,
    LAST_CHUNK,
    prefix,
    render_fields,
    render_refusal,
    sort_fields,
    status_line,
)
from .request_line import malformed

# What is expected from the peer
_HEAD: Final = 0
_CONTENT: Final = 1
_CHUNKS: Final = 2
_COMPLETE: Final = 3
_SWITCHED: Final = 4

# How far our response is
_NONE: Final = 0
_OWED: Final = 1
_STARTED: Final = 2
_DONE: Final = 3

# How our content is framed where its length is not announced
_IN_CHUNKS: Final = -1
_UNTIL_CLOSE: Final = -2
_LEFT_OUT: Final = -3

BODILESS: Final = frozenset({204, 205, 304})


class HTTP1Connection:
    """One HTTP/1.1 connection, seen from the server.

    Args:
        parser: Parses heads under its limits; may be shared by many connections.

    Attributes:
        keep_alive: False once this response is to be the connection's last.

    Spec:
        RFC 9112
    """

    __slots__ = (
        "_at", "_buffer", "_chunks", "_continued", "_head", "_left", "_parser", "_receiving",
        "_scanned", "_sending", "_skipped", "_to_send", "keep_alive",
    )  # fmt: skip

    def __init__(self, parser: HeadParser) -> None:
        self._parser = parser
        self._buffer = b""
        self._at = 0
        self._scanned = 0
        self._skipped = False  # an empty line before this request
        self._receiving: int = _HEAD
        self._sending: int = _NONE
        self._head: HTTP1RequestHead | None = None
        self._left = 0  # bytes of announced content that have not arrived
        self._chunks: ChunkedDecoder | None = None
        self._to_send: int = _IN_CHUNKS  # bytes of announced content to come, or how it is framed
        self._continued = False  # nobody waits for a 100: it was sent, or the content comes
        self.keep_alive = True

    # Receiving

    @property
    def buffered(self) -> int:
        """Bytes that were received and not yet reported."""
        return len(self._buffer) - self._at

    @property
    def request_complete(self) -> bool:
        """True when the whole current request has been reported."""
        return self._receiving == _COMPLETE

    @property
    def switched(self) -> bool:
        """True once the connection speaks another protocol."""
        return self._receiving == _SWITCHED

    @property
    def response_started(self) -> bool:
        """True once a final response to the current request was begun."""
        return self._sending in (_STARTED, _DONE)

    @property
    def answered(self) -> bool:
        """True once the response to the current request was sent."""
        return self._sending == _DONE

    @property
    def response_complete(self) -> bool:
        """True once the response to the current request was sent, or when none is owed."""
        return self._sending in (_DONE, _NONE)

    @property
    def may_get_more(self) -> bool:
        """True when the client did not say that its latest request was to be its last."""
        head = self._head
        return head is not None and (head.plain or head.framing.keep_alive)

    @property
    def unread(self) -> int:
        """Bytes of announced content that have not arrived; for chunks 1 until they end."""
        return self._left if self._receiving == _CONTENT else int(self._receiving == _CHUNKS)

    @property
    def awaits_continue(self) -> bool:
        """True while the client holds its content back until we send 100 (RFC 9110 §10.1.1)."""
        head = self._head
        return (
            head is not None
            and head.framing.expects_continue
            and not self._continued
            and self._sending == _OWED
            and self._receiving in (_CONTENT, _CHUNKS)
        )

    def receive(self, data: bytes) -> None:
        """Take bytes of the peer; :meth:`next_event` reports what they mean."""
        if self._at >= len(self._buffer):
            self._buffer = data
        else:
            self._buffer = self._buffer[self._at :] + data
        self._at = 0

    def next_event(self) -> Event | None:
        """Report the next thing that was received.

        Returns:
            None when more bytes are needed, or when the current request is complete and its
            response is not.

        Raises:
            LimitExceeded: the peer passed a limit; ``code`` is the status to answer.
            RemoteProtocolError: the peer broke the protocol; ``code`` is the status to answer.
                Nothing more can be received in either case.

        Spec:
            RFC 9112 §2.2, §6, §7
        """
        receiving = self._receiving
        if receiving == _HEAD:
            return self._next_head()
        if receiving == _CONTENT:
            return self._next_content()
        if receiving == _CHUNKS:
            return self._next_chunks()
        if receiving == _COMPLETE and self._sending == _DONE and self.keep_alive:
            self._receiving = _HEAD
            self._sending = _NONE
            self._head = None
            return self._next_head()
        return None

    def _next_head(self) -> HTTP1RequestHead | None:
        buffer = self._buffer
        at = self._at
        end = buffer.find(b"\r\n\r\n", at + self._scanned)
        if end < 0 or buffer.startswith((b"\r", b"\n"), at):
            return self._incomplete_head()
        head = self._parser.parse(buffer[at:end])
        self._at = end + 4
        self._scanned = 0
        self._skipped = False
        self._head = head
        self._sending = _OWED
        if head.plain:
            self._receiving = _COMPLETE
            return head
        self.keep_alive = self.keep_alive and head.framing.keep_alive
        self._continued = False
        if head.framing.chunked:
            self._receiving = _CHUNKS
            self._chunks = ChunkedDecoder(self._parser, self._parser.max_body(head))
        elif head.framing.content_length > 0:
            self._receiving = _CONTENT
            self._left = head.framing.content_length
            allowed = self._parser.max_body(head)
            if self._left > allowed:
                raise body_too_large(allowed, self._left)
        else:
            self._receiving = _COMPLETE
        return head

    def _incomplete_head(self) -> HTTP1RequestHead | None:
        buffer = self._buffer
        if buffer.startswith(b"\r\n", self._at):
            self._skip_empty_line()
            return self._next_head()
        pending = buffer[self._at :] if self._at else buffer
        if not pending or pending == b"\r":
            return None
        self._parser.check_incomplete(pending, scanned=self._scanned)
        self._scanned = max(len(pending) - 3, 0)
        return None

    def _skip_empty_line(self) -> None:
        # RFC 9112 §2.2: an empty line before a request line is ignored; more are not a request
        if self._skipped:
            raise malformed("empty lines instead of a request", "RFC 9112 §2.2")
        self._skipped = True
        self._at += 2

    def _next_content(self) -> Data | EndOfMessage | None:
        if not self._left:
            self._receiving = _COMPLETE
            return END_OF_MESSAGE
        at = self._at
        data = self._buffer if not at else self._buffer[at:]
        if len(data) > self._left:
            data = data[: self._left]
        if not data:
            return None
        self._at = at + len(data)
        self._left -= len(data)
        self._continued = True
        return Data(data)

    def _next_chunks(self) -> Data | EndOfMessage | None:
        chunks = self._chunks
        if chunks is None:
            return None
        data, self._at = chunks.decode(self._buffer, self._at)
        if data:
            self._continued = True
            return Data(data)
        if chunks.trailers is None:
            return None
        self._receiving = _COMPLETE
        self._chunks = None
        return EndOfMessage(chunks.trailers) if chunks.trailers else END_OF_MESSAGE

    def receive_eof(self) -> None:
        """The peer will send nothing more: check that nothing is missing.

        Raises:
            RemoteProtocolError: a request is incomplete (400).

        Spec:
            RFC 9112 §8
        """
        if self._receiving in (_CONTENT, _CHUNKS) or (self._receiving == _HEAD and self.buffered):
            raise malformed("the request is incomplete", "RFC 9112 §8")

    # Sending

    def send_response(
        self,
        status: int,
        content_type: bytes,
        fields: Sequence[tuple[bytes, bytes]],
        content: bytes,
        date: bytes,
    ) -> bytes:
        """Return a complete response.

        Args:
            status: 200 to 999.
            content_type: The content-type field's value; ``b""`` for none.
            fields: The other fields: lower-case names; framing and connection are added here.
            content: The content; left out, but counted, in the answer to HEAD.
            date: The ``date`` field line and the empty line that ends the head.

        Raises:
            LocalProtocolError: no response is owed, or a field cannot be sent.

        Spec:
            RFC 9112 §6.1; RFC 9110 §6.4, §8.6
        """
        head = self._head
        if (
            not fields
            and self._sending == _OWED
            and self._receiving == _COMPLETE
            and head is not None
            and head.simple
            and status >= 200
            and status not in BODILESS
        ):
            self._sending = _DONE
            start = prefix(status, content_type, keep_alive=self.keep_alive)
            return b"".join((start, b"%d" % len(content), date, content))
        if content_type:
            fields = [(b"content-type", content_type), *fields]
        # RFC 9110 §8.6: a 304 says the length of what is not sent, or nothing
        length = -1 if status == 304 else len(content)
        out = self.send_head(status, fields, date, length=length)
        self._sending = _DONE
        return out if self._to_send == _LEFT_OUT else out + content

    def send_informational(self, status: int, fields: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
        """Return an interim response; ``b""`` to a client of HTTP/1.0, which has none.

        Raises:
            LocalProtocolError: the final response was begun, or *status* is not 100, 102 or 103.

        Spec:
            RFC 9110 §15.2
        """
        if self._sending != _OWED or status not in (100, 102, 103):
            raise LocalProtocolError("no interim response can be sent now", spec="RFC 9110 §15.2")
        if self._require_head().http_version == "1.0":
            return b""
        if status == 100:
            self._continued = True
            return CONTINUE
        # RFC 9110 §8.6, RFC 9112 §6.1: no framing where there is no content
        kept = [field for field in fields if field[0] not in FRAMING]
        return status_line(status) + render_fields(kept) + b"\r\n"

    def send_head(
        self,
        status: int,
        fields: Iterable[tuple[bytes, bytes]],
        date: bytes,
        *,
        length: int = -1,
        trailers: bool = False,
    ) -> bytes:
        """Return a response's head; its content follows with :meth:`send_data`.

        Args:
            status: 200 to 999.
            fields: Lower-case names; a content-length says the length, others on framing or the
                connection are left out.
            date: The ``date`` field line and the empty line that ends the head.
            length: Bytes of content to come; -1: what *fields* say, else unknown.
            trailers: Trailer fields will follow; needs chunks.

        Raises:
            LocalProtocolError: no response is owed, or a field cannot be sent.

        Spec:
            RFC 9112 §6.1, §6.3, §9.3; RFC 9110 §8.6, §15.3.5, §15.4.5
        """
        if self._sending != _OWED:
            raise LocalProtocolError("no response is owed", spec="RFC 9110 §3.4")
        if status < 200:
            raise LocalProtocolError("a final status is 200 or more", spec="RFC 9110 §15")
        head = self._require_head()
        kept, length, closes, dated, upgrade = sort_fields(fields, length)
        options = [b"upgrade"] if upgrade else []  # RFC 9110 §7.8
        if closes:
            self.keep_alive = False
        if dated:
            date = b"\r\n"
        bare = head.method == "HEAD" or status in (204, 304)
        # RFC 9110 §15.3.6: a 205 has no content, and says so
        length = 0 if status == 205 else length
        if trailers and not bare and head.http_version != "1.0":
            length = -1
        self._decide_persistence()
        if length >= 0 and status != 204:
            kept.append((b"content-length", b"%d" % length))
        elif not bare:
            if head.http_version == "1.0":
                self.keep_alive = False
            else:
                kept.append((b"transfer-encoding", b"chunked"))
        if not self.keep_alive:
            options.append(b"close")
        elif head.http_version == "1.0":
            options.append(b"keep-alive")
        if options:
            kept.append((b"connection", b", ".join(options)))
        out = status_line(status) + render_fields(kept) + (date if date == b"\r\n" else date[2:])
        self._sending = _STARTED
        if bare or status == 205:
            self._to_send = _LEFT_OUT
        elif length >= 0:
            self._to_send = length
        else:
            self._to_send = _UNTIL_CLOSE if head.http_version == "1.0" else _IN_CHUNKS
        return out

    def _decide_persistence(self) -> None:
        # RFC 9110 §10.1.1: without a 100 nobody knows whether the content will come
        # RFC 9112 §9.3: a connection can be reused only after all content was read
        if self.awaits_continue or self.unread > self._parser.limits.max_drain:
            self.keep_alive = False

    def send_data(self, data: bytes) -> bytes:
        """Return *data* framed as a part of the content.

        Raises:
            LocalProtocolError: no content is due, or more than was announced.

        Spec:
            RFC 9112 §6, §7.1
        """
        if self._sending != _STARTED:
            raise LocalProtocolError("no content is due", spec="RFC 9112 §6")
        if self._to_send == _LEFT_OUT:
            return b""
        if self._to_send == _IN_CHUNKS:
            return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        if self._to_send >= 0:
            if len(data) > self._to_send:
                raise LocalProtocolError(
                    "more content than content-length announced", spec="RFC 9110 §8.6"
                )
            self._to_send -= len(data)
        return data

    def send_end(self, trailers: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
        """Return what ends the content; trailer fields are left out where no chunks are sent.

        Raises:
            LocalProtocolError: less content than announced, or a field is no trailer field.

        Spec:
            RFC 9112 §7.1.2; RFC 9110 §6.5
        """
        if self._sending != _STARTED:
            raise LocalProtocolError("no response was begun", spec="RFC 9112 §6")
        if self._to_send > 0:
            raise LocalProtocolError(
                f"{self._to_send} bytes less content than content-length announced",
                spec="RFC 9110 §8.6",
            )
        self._sending = _DONE
        if self._to_send != _IN_CHUNKS:
            return b""
        if not trailers:
            return LAST_CHUNK
        for name, _ in trailers:
            if name in FORBIDDEN_TRAILERS:
                raise LocalProtocolError(
                    f"{name.decode()} is no trailer field", spec="RFC 9110 §6.5.1"
                )
        return b"0\r\n" + render_fields(trailers) + b"\r\n"

    def send_refusal(self, error: RemoteProtocolError, date: bytes) -> bytes:
        """Return the answer to *error*; the connection is to be closed after it.

        Returns:
            ``b""`` when a response was begun already: nothing may be spliced into it.

        Spec:
            RFC 9112 §2.2, §9.6
        """
        self.keep_alive = False
        self._receiving = _COMPLETE
        if self._sending in (_STARTED, _DONE):
            return b""
        bodiless = self._head is not None and self._head.method == "HEAD"
        self._sending = _DONE
        return render_refusal(error.code or 400, str(error), date, bodiless=bodiless)

    def switch_protocols(self, fields: Fields) -> tuple[bytes, bytes]:
        """Leave HTTP/1.1 for the protocol that *fields* name.

        Returns:
            The 101 response, and the received bytes that belong to the new protocol.

        Raises:
            LocalProtocolError: the current request did not ask for an upgrade, or was answered.

        Spec:
            RFC 9110 §7.8, §15.2.2
        """
        if (
            not self._require_head().framing.upgrade
            or self._sending != _OWED
            or not self.request_complete
        ):
            raise LocalProtocolError("no upgrade was asked for", spec="RFC 9110 §7.8")
        response = status_line(101) + render_fields(fields) + b"\r\n"
        self._sending = _DONE
        self._receiving = _SWITCHED
        rest = self._buffer[self._at :]
        self._buffer = b""
        self._at = 0
        return response, rest

    def _require_head(self) -> HTTP1RequestHead:
        if self._head is None:
            raise LocalProtocolError("there is no request", spec="RFC 9110 §3.4")
        return self._head
