"""HTTP/2 on a connection: arrivals into the machine, requests to the application, frames out.

Everything that arrived together is answered together: a request whose handler cannot wait is
answered in the callback that received it, the others by tasks, of which so many run at a time. All
frames of one turn of the loop leave in one write; content leaves as the client takes it.
"""

from __future__ import annotations

import logging
from typing import Final

from blackbull.abc import ConnectionView, Consumer
from blackbull.connection import Connection
from blackbull.errors import LocalProtocolError, RemoteProtocolError
from blackbull.headers import Fields
from blackbull.log.access import refusal_size
from blackbull.native import ResponsePush
from blackbull.protocol.http2 import (
    ConnectionFailed,
    DataReceived,
    ErrorCode,
    Event,
    GoAwayReceived,
    HeadParser,
    HTTP2Connection,
    PingAcknowledged,
    PriorityUpdated,
    RequestEnded,
    RequestReceived,
    RequestRefused,
    StreamFailed,
    StreamReset,
)
from blackbull.response import Response

from .complaints import Complaints
from .http2_exchange import HTTP2Exchange, HTTP2Request
from .http2_handlers import Handlers
from .http2_tunnel import HTTP2Tunnel
from .http2_tunnels import Tunnels
from .http2_watch import (
    ANNOUNCE,
    HEAD,
    LEAVE,
    PONG,
    SILENCE,
    STREAMS,
    WRITE,
    Stalls,
    Watch,
)
from .http2_windows import PROBE, Windows
from .service import HTTPService

logger = logging.getLogger("blackbull.server")

MAX_BATCH: Final = 65536
"""Bytes of content that are gathered before they are written."""

STOP_SECONDS: Final = 1.0
"""How long a client that was answered may go on with its request, so that it sees the answer."""

LIFE: Final = b"alive?\0\0"
"""The PING that asks for a sign of life."""

FAILED: Final = Response(b"", 500, "")
"""The last resort: an application answers its errors itself."""


# How the peer is told that we leave
SAID: Final = 0
DUE: Final = 1
"""It is busy: when it asks for something, or is silent for a moment."""
BEHIND: Final = 2
"""When that is answered."""


class Arrival:
    """A request whose content is arriving in the current batch of bytes.

    Attributes:
        conn: The request.
        parts: Its content so far.
    """

    __slots__ = ("conn", "parts")

    def __init__(self, conn: HTTP2Request) -> None:
        self.conn = conn
        self.parts: list[bytes] = []


class HTTP2Consumer(Consumer):
    """One HTTP/2 connection.

    Args:
        view: The connection.
        service: What it shares with the others.
        parser: Makes the requests' heads.

    Attributes:
        at_eof: The client will send nothing more.
        handlers: The requests that tasks answer.
        machine: The protocol.
        send_buffer: Bytes of content that wait on a stream before its handler does.
        service: As above.
        stopping: The server stops.
        tunnels: The streams that carry other protocols.
        view: As above.
        write_paused: The client does not read what we sent.
    """

    __slots__ = (
        "_arriving",
        "_begin",
        "_closed",
        "_complaints",
        "_farewell",
        "_log",
        "_scheduled",
        "_serving",
        "_stalls",
        "_time",
        "_watch",
        "_windows",
        "at_eof",
        "handlers",
        "machine",
        "send_buffer",
        "service",
        "stopping",
        "tunnels",
        "view",
        "write_paused",
    )  # fmt: skip

    def __init__(self, view: ConnectionView, service: HTTPService, *, parser: HeadParser) -> None:
        settings = service.settings
        self.view = view
        self.service = service
        self._begin = service.begin
        self._log = service.access_log
        self._time = service.loop.time
        self.machine = HTTP2Connection(parser)
        self.send_buffer = settings.h2_send_buffer
        self.at_eof = False
        self.stopping = False
        self.write_paused = False
        self._farewell = SAID  # or there is none to be said
        self._arriving: dict[int, Arrival] = {}
        self._scheduled = False
        self._serving = False
        self._complaints = Complaints(service.limit_log, view, protocol="http2")
        self._closed = False
        self._windows = Windows(self.machine, settings)
        self._watch = Watch(view.deadline, settings, now=self._time())
        self._stalls = Stalls(self.machine, looks=self._watch.write_looks)
        self.handlers = Handlers(service, self._windows)
        self.tunnels = Tunnels(service)

    def greet(self) -> None:
        """Say our preface at once: a client whose TLS has chosen HTTP/2 may wait for it."""
        self._flush()

    # What the connection calls

    def data_received(self, data: bytes) -> None:
        """Answer what can be answered at once; start tasks for the rest."""
        now = self._time()
        machine = self.machine
        events = machine.receive(data, now)
        if self._closed:
            return
        if self._farewell:
            self._choose_farewell()
        self._serving = True
        begin = self._begin
        log = self._log
        view = self.view
        for event in events:
            if event.__class__ is RequestReceived and event.ended and not event.head.protocol:
                conn = HTTP2Request(event.head, view)
                conn.machine = machine
                conn.stream_id = event.stream_id
                conn.priority = event.priority
                conn._content = b""
                if log is not None:
                    conn.began = log.now()
                outcome = begin(conn)
                if isinstance(outcome, Response):
                    self._answer(conn, outcome)
                else:
                    exchange = HTTP2Exchange(self, conn, parts=[], whole=True)
                    self.handlers.start(exchange, outcome)
            else:
                self._take(event, now)
        if self._arriving:
            self._begin_incomplete()
        self._serving = False
        self._flush()
        head = machine.header_block_open or not machine.greeted
        self._watch.hear(now, head=head, busy=machine.active)

    def eof_received(self) -> None:
        """Finish what is under way, then close."""
        self.at_eof = True
        for exchange in list(self.handlers.open.values()):
            if exchange.whole:
                exchange.half_closed()
            else:
                self.machine.reset_stream(exchange.stream_id)
                self._lose_stream(exchange.stream_id)
        self.tunnels.take_ends()
        if self.machine.open_streams:
            self.machine.finish_shutdown()
            self._flush()
        else:
            self._flush()
            self._close()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the running handlers."""
        self._closed = True
        self.write_paused = False
        self._lose_streams()
        self._complaints.close()

    def writing_paused(self) -> None:
        """Take and answer no more until the client reads."""
        self.write_paused = True
        self.view.pause_reading()
        self._stalls.clear()
        self._watch.pause(self._time(), queued=self.view.queued)

    def writing_resumed(self) -> None:
        """Go on."""
        self.write_paused = False
        self._watch.resume()
        self.view.resume_reading()
        self._flush()

    def deadline_expired(self) -> None:
        """The client was too slow, at whatever it was to do."""
        if self._closed:
            self.view.abort()
            return
        now = self._time()
        settings = self.service.settings
        for what in self._watch.expire(now, busy=self.machine.active, queued=self.view.queued):
            if self._closed:
                break
            if what == WRITE:
                seconds = settings.write_timeout
                self._complaints.record("write_timeout", requested=seconds, allowed=seconds)
                self._closed = True
                self.view.abort()
            elif what == STREAMS:
                self._check_streams(now)
            elif what == SILENCE:
                self.machine.send_ping(LIFE)
            elif what == PONG:
                self._fail("h2_ping_timeout", settings.h2_ping_timeout, ErrorCode.NO_ERROR)
            elif what == ANNOUNCE:
                self._announce()
            elif what == LEAVE:
                self.machine.finish_shutdown()
            elif what == HEAD and self.machine.greeted:
                self._fail("header_timeout", settings.header_timeout, ErrorCode.ENHANCE_YOUR_CALM)
            elif what == HEAD:
                self._fail("header_timeout", settings.header_timeout, ErrorCode.SETTINGS_TIMEOUT)
        self._flush()

    def shutdown(self) -> None:
        """Say that we leave, and answer what has begun (RFC 9113 §6.8)."""
        self.stopping = True
        grace = self.service.leaving.grace
        at_once = grace <= 0 or self._watch.leave(self._time(), within=grace)
        if at_once:
            self.machine.shutdown()
        if grace <= 0:
            self.machine.finish_shutdown()
        self.tunnels.shutdown()
        for exchange in list(self.handlers.open.values()):
            exchange.end_events()
        self._flush()
        self._farewell = SAID if at_once else DUE

    def _choose_farewell(self) -> None:
        """The client, which is to be told that we leave, asks for something.

        One with many streams prepares requests while it reads answers, and loses what it has not
        sent if GOAWAY is behind these: it goes before the next ones. One with a single stream may
        lose the answer behind GOAWAY, as the Python library h2 does: there it goes last.
        """
        if self.machine.open_streams > 1:
            self._announce()
        else:
            self._farewell = BEHIND

    def _announce(self) -> None:
        if self._farewell:
            self._farewell = SAID
            self.machine.shutdown()

    # Events

    def _take(self, event: Event, now: float) -> None:
        """Take what is no request that is complete with its head."""
        if isinstance(event, RequestReceived):
            self._take_request(event)
        elif isinstance(event, DataReceived):
            self._take_data(event)
        elif isinstance(event, RequestEnded):
            self._take_end(event)
        elif isinstance(event, StreamReset):
            self._lose_stream(event.stream_id)
        elif isinstance(event, StreamFailed):
            self._complaints.report(event.error)
            self._lose_stream(event.stream_id)
        elif isinstance(event, RequestRefused):
            self._take_refusal(event)
        elif isinstance(event, PriorityUpdated):
            exchange = self.handlers.open.get(event.stream_id)
            if exchange is not None:
                exchange.conn.prioritise(event.priority)
        elif isinstance(event, PingAcknowledged):
            if event.data == PROBE:
                self._windows.measure(now)
        elif isinstance(event, GoAwayReceived):
            if event.code:
                logger.info("%s: it leaves with error %d", self.view.peername, event.code)
            self.machine.finish_shutdown()
        elif isinstance(event, ConnectionFailed):
            self._complaints.report(event.error)
            self._lose_streams()

    def _take_request(self, event: RequestReceived) -> None:
        conn = self._request(event)
        if event.head.protocol:
            self._connect(conn, ended=event.ended)
        else:
            self._arriving[event.stream_id] = Arrival(conn)

    def _request(self, event: RequestReceived) -> HTTP2Request:
        conn = HTTP2Request(event.head, self.view)
        conn.machine = self.machine
        conn.stream_id = event.stream_id
        conn.priority = event.priority
        if self._log is not None:
            conn.began = self._log.now()
        return conn

    def _connect(self, conn: HTTP2Request, *, ended: bool) -> None:
        """Let another protocol have a stream (RFC 8441 §4)."""
        try:
            response = self.tunnels.connect(conn, HTTP2Tunnel(self, conn), ended=ended)
        except RemoteProtocolError as error:
            self._complaints.report(error)
            self._send_refusal(conn.stream_id, error, conn=conn)
            return
        if response is not None:
            self._answer(conn, response)

    def _take_data(self, event: DataReceived) -> None:
        stream_id = event.stream_id
        arrival = self._arriving.get(stream_id)
        if arrival is not None:
            arrival.parts.append(event.data)
            return
        waiting = self.handlers.open.get(stream_id) or self.tunnels.open.get(stream_id)
        if waiting is not None:
            waiting.take_data(event.data)
        else:
            self.machine.acknowledge(stream_id, len(event.data))

    def _take_end(self, event: RequestEnded) -> None:
        stream_id = event.stream_id
        arrival = self._arriving.pop(stream_id, None)
        if arrival is not None:
            parts = arrival.parts
            content = parts[0] if len(parts) == 1 else b"".join(parts)
            arrival.conn._content = content
            self._begin_whole(arrival.conn, [content], event.trailers)
            return
        self._windows.close(stream_id)
        known = self.handlers.open.get(stream_id)
        if known is not None:
            known.take_end(event.trailers)
        elif stream_id in self.tunnels.open:
            self.tunnels.open[stream_id].take_end()

    def _begin_whole(self, conn: HTTP2Request, parts: list[bytes], trailers: Fields = ()) -> None:
        """Begin a request that is complete."""
        outcome = self._begin(conn)
        if isinstance(outcome, Response):
            self._answer(conn, outcome)
        else:
            exchange = HTTP2Exchange(self, conn, parts=parts, whole=True, trailers=trailers)
            self.handlers.start(exchange, outcome)

    def _take_refusal(self, event: RequestRefused) -> None:
        stream_id = event.stream_id
        arrival = self._arriving.pop(stream_id, None)
        exchange = self.handlers.open.get(stream_id)
        if exchange is not None:
            exchange.refuse(event.error)
        else:
            self._complaints.report(event.error)
            conn = None if arrival is None else arrival.conn
            self._send_refusal(stream_id, event.error, conn=conn)

    def _begin_incomplete(self) -> None:
        """Begin the requests whose content is still on its way."""
        arriving = self._arriving
        self._arriving = {}
        for stream_id, arrival in arriving.items():
            outcome = self._begin(arrival.conn)
            if isinstance(outcome, Response):
                self._answer(arrival.conn, outcome)
                self._stop_later(stream_id)
                continue
            self._windows.open(stream_id)
            parts = [b"".join(arrival.parts)] if arrival.parts else []
            exchange = HTTP2Exchange(self, arrival.conn, parts=parts, whole=False)
            self.handlers.start(exchange, outcome)

    def _answer(self, conn: HTTP2Request, response: Response) -> None:
        try:
            self.send_response(conn.stream_id, response)
        except LocalProtocolError:
            logger.exception("a response cannot be sent")
            response = FAILED
            self.send_response(conn.stream_id, response)
        if self._log is not None:
            self._log.answered(conn, response, conn.began)

    def _send_refusal(
        self,
        stream_id: int,
        error: RemoteProtocolError,
        *,
        conn: Connection | None = None,
        begun: bool = False,
    ) -> None:
        if error.code >= 400 and not self.machine.response_started(stream_id):
            self.service.note_refusal(error.code, self.view, conn=conn, error=error, begun=begun)
        self.machine.send_refusal(stream_id, error, date=self.service.date_value)
        self._stop_later(stream_id)

    def _stop_later(self, stream_id: int) -> None:
        """The request was answered: if it goes on, stop it (RFC 9113 §8.1)."""
        if self.machine.is_receiving(stream_id):
            self.service.loop.call_later(STOP_SECONDS, self._stop, stream_id)

    def _stop(self, stream_id: int) -> None:
        if not self._closed:
            self.machine.stop_request(stream_id)
            self.flush_soon()
            self._stop_later(stream_id)

    def _lose_stream(self, stream_id: int) -> None:
        """The stream is gone, whoever has reset it."""
        self._arriving.pop(stream_id, None)
        exchange = self.handlers.forget(stream_id)
        if exchange is not None:
            exchange.disconnected()
        self.tunnels.lose(stream_id)

    def _lose_streams(self) -> None:
        """No stream is left."""
        self._arriving.clear()
        for exchange in self.handlers.forget_all():
            exchange.disconnected()
        self.tunnels.lose_all()

    # What exchanges and tunnels call

    def send_response(self, stream_id: int, response: Response) -> None:
        """Queue a complete response.

        Raises:
            LocalProtocolError: it cannot be sent.
        """
        self.machine.send_response(
            stream_id,
            response.status,
            response.content_type,
            response.fields,
            response.body,
            self.service.date_value,
        )

    def flush_soon(self) -> None:
        """Send what is queued at the end of this turn of the loop, with what is still to come."""
        if not self._scheduled and not self._serving:
            self._scheduled = True
            self.service.loop.call_soon(self._flush)

    def content_taken(self, stream_id: int, count: int) -> None:
        """The application took content: the client may send as much again."""
        self.machine.acknowledge(stream_id, count)
        self._windows.take(stream_id, count, now=self._time())
        self.flush_soon()

    def push(self, conn: HTTP2Request, message: ResponsePush) -> None:
        """Answer another request, along with *conn*, if the client takes it.

        Raises:
            LocalProtocolError: no such request can be pushed.
        """
        if not conn.stream_id & 1:
            return
        fields = [
            (b":method", b"GET"),
            (b":scheme", conn.scheme.encode()),
            (b":authority", conn.head.authority),
            (b":path", message.path.encode("latin-1", "replace")),
            *message.fields,
        ]
        event = self.machine.push(conn.stream_id, fields)
        if event is None:
            return
        pushed = self._request(event)
        pushed._content = b""
        self._begin_whole(pushed, [])

    def refuse(self, exchange: HTTP2Exchange, error: RemoteProtocolError) -> None:
        """Answer *error* instead of whatever the application has in mind."""
        self.handlers.forget(exchange.stream_id)
        self._complaints.report(error, path=exchange.conn.path)
        if error.code >= 400 and not self.machine.response_started(exchange.stream_id):
            exchange.status = error.code
            exchange.sent = refusal_size(error)
        self._send_refusal(exchange.stream_id, error, conn=exchange.conn, begun=True)
        self.flush_soon()

    def response_completed(self, exchange: HTTP2Exchange) -> None:
        """The response was handed over to its end."""
        self.handlers.forget(exchange.stream_id)
        if not exchange.whole:
            self._stop_later(exchange.stream_id)
        self.flush_soon()

    def exchange_ended(
        self, exchange: HTTP2Exchange, code: ErrorCode = ErrorCode.INTERNAL_ERROR
    ) -> None:
        """The handler is done; if it left its response unfinished, make the best of it."""
        stream_id = exchange.stream_id
        if self.handlers.forget(stream_id) is not None:
            if exchange.lost:
                code = ErrorCode.CANCEL
            if code == ErrorCode.CANCEL or self.machine.response_started(stream_id):
                self.machine.reset_stream(stream_id, code)
            else:
                logger.error("%s: the handler sent no response", exchange.conn.method)
                self.send_response(stream_id, FAILED)
                exchange.status = FAILED.status
                exchange.complete = True
            self.flush_soon()
        self.handlers.ended()

    # Time

    def _check_streams(self, now: float) -> None:
        """End the requests whose client does not go on with them."""
        for exchange in list(self.handlers.open.values()):
            if exchange.awaits_content and 0 < exchange.patience <= now - exchange.waits_since:
                exchange.refuse(exchange.out_of_patience())
        if self.service.settings.write_timeout > 0 and not self.write_paused:
            for stream_id in self._stalls.look():
                self._end_stalled(stream_id)

    def _end_stalled(self, stream_id: int) -> None:
        """The client takes nothing of a response, or sends nothing of what nobody wants."""
        if not self.machine.queued(stream_id):
            self.machine.reset_stream(stream_id, ErrorCode.NO_ERROR)
            return
        timeout = self.service.settings.write_timeout
        self._complaints.record("write_timeout", requested=timeout, allowed=timeout)
        self.machine.reset_stream(stream_id, ErrorCode.CANCEL)
        self._lose_stream(stream_id)

    def _fail(self, limit: str, seconds: float, code: ErrorCode) -> None:
        """End the connection: the client was too slow."""
        self._complaints.record(limit, requested=seconds, allowed=seconds)
        self.machine.terminate(code, debug=limit.encode())
        self._lose_streams()

    # Inside

    def _flush(self) -> None:
        """Write what can be written."""
        self._scheduled = False
        if self._closed:
            return
        machine = self.machine
        view = self.view
        while not self.write_paused:
            data = machine.data_to_send(MAX_BATCH)
            if not data:
                break
            view.send(data)
            if len(data) < MAX_BATCH:
                break
        if self._farewell == BEHIND and not machine.open_streams:
            self._announce()
            view.send(machine.data_to_send(MAX_BATCH))
        for stream_id in machine.relieved():
            waiting = self.handlers.open.get(stream_id) or self.tunnels.open.get(stream_id)
            if waiting is not None:
                waiting.relieve()
        if machine.finished:
            self._finish()

    def _finish(self) -> None:
        """All was answered, or the connection failed: close it."""
        if self.write_paused:
            if not self.machine.failed:
                return
            self.view.send(self.machine.data_to_send(0))
        self._close()

    def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._lose_streams()
        self._complaints.close()
        if self.at_eof or not (self.machine.failed or self.machine.active):
            # What is queued has its time, too
            self.view.deadline.set(self.service.settings.write_timeout)
            self.view.close()
        else:
            self.view.linger()
