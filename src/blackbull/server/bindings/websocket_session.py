"""One WebSocket: frames into the machine, messages to the handler's task, answers out.

What arrives together is handled together: the handler is resumed in the callback that received
its messages, takes them one after the other without a turn of the loop in between, and what it
answers meanwhile leaves in one write.

::

    asked ── accept ──> open ── our close ──> closing ── the peer's, or no time left ──> closed
      │                   └── the peer's close, a violation, an end of the stream ──────────┘
      └── refused ───────────────────────────────────────────────────────────────────────────┘
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, cast

from blackbull.abc import Consumer
from blackbull.connection import Connection
from blackbull.errors import (
    Disconnect,
    LimitExceeded,
    LocalProtocolError,
    RemoteProtocolError,
    WebSocketDisconnect,
)
from blackbull.log.access import AccessLog
from blackbull.messages import (
    PreparedMessage,
    Receive,
    WebSocketAccept,
    WebSocketClose,
    WebSocketDisconnected,
    WebSocketMessage,
)
from blackbull.native import NativeHandler, Send
from blackbull.protocol.websocket import (
    Agreement,
    CloseReceived,
    ControlEvent,
    ControlRate,
    Handshake,
    PermessageDeflate,
    PingReceived,
    PongReceived,
    ViolationReceived,
    WebSocketConnection,
)
from blackbull.response import Response
from blackbull.websocket import WebSocketCommand

from .complaints import Complaints
from .upgrade import ByteStream, Carrier
from .websocket_inbox import Inbox
from .websocket_outbox import Outbox
from .websocket_service import WebSocketService
from .websocket_watch import CUT, LATE, LEAVE, PING, SILENCE, STUCK, Watch

logger = logging.getLogger("blackbull.server")

FORBIDDEN: Final = Response(b"", 403, "")
FAILED: Final = Response(b"", 500, "")

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
RESTART: Final = 1012
NO_STATUS: Final = 1005
ABNORMAL: Final = 1006
INTERNAL_ERROR: Final = 1011

# How far the WebSocket is
_ASKED: Final = 0
_OPEN: Final = 1
_CLOSING: Final = 2
_CLOSED: Final = 3


class WebSocketSession(Consumer):
    """One WebSocket, from the handshake to the end.

    Args:
        service: What it shares with the others.
        conn: The handshake.
        carrier: The request, until it is accepted or refused.
        handshake: What the client asks for.
    """

    __slots__ = (
        "_agreement", "_began", "_carrier", "_complaints", "_handshake", "_heard_at", "_inbox",
        "_log", "_machine", "_outbox", "_rate", "_service", "_state", "_status", "_stopping",
        "_stream", "_time", "_watch", "conn", "task",
    )  # fmt: skip

    def __init__(
        self,
        service: WebSocketService,
        conn: Connection,
        *,
        carrier: Carrier,
        handshake: Handshake,
    ) -> None:
        http = service.http
        self._service = service
        self._carrier: Carrier | None = carrier
        self._handshake: Handshake | None = handshake
        self._stream: ByteStream | None = None
        self._machine = machine = WebSocketConnection(service.limits)
        self._agreement: Agreement | None = None
        self._rate: ControlRate | None = None
        self._state: int = _ASKED
        self._watch: Watch | None = None
        self._outbox = Outbox(service.turn, machine)
        self._inbox = Inbox(service, machine, outbox=self._outbox, on_control=self._on_control)
        self._time = http.loop.time
        self._heard_at = 0.0
        self._stopping = False
        self._complaints: Complaints | None = None  # from when it is open
        self._log = log = http.access_log  # until it has been told
        self._began = 0.0 if log is None else log.now()
        self._status = 0
        self.conn = conn
        self.task: asyncio.Task[None] | None = None

    # The handler

    def run(self, handler: NativeHandler) -> None:
        """Start *handler* in a task."""
        self.conn.offer = self.offer
        self.conn.inbox = self._inbox
        # A WebSocket's messages go the way of a request's: see blackbull.messages.
        receive = self.conn.receive = cast(Receive, self._inbox.receive)
        running = self._run(handler, receive, cast(Send, self.send))
        self.task = self._service.http.spawn(running)

    async def _run(self, handler: NativeHandler, receive: Receive, send: Send) -> None:
        conn = self.conn
        refusal, code = FORBIDDEN, NORMAL
        try:
            await handler(conn, receive, send)
        except Disconnect:
            pass
        except asyncio.CancelledError:
            self._handler_ended(None, self._leaving_code)
            raise
        except Exception:
            logger.exception("the WebSocket %s failed", conn.head.raw_path)
            refusal, code = FAILED, INTERNAL_ERROR
        finally:
            conn.receive = None  # nothing may keep the session alive but its connection
            conn.offer = conn.inbox = None
        self._handler_ended(refusal, code)

    def _handler_ended(self, refusal: Response | None, code: int) -> None:
        """Do what the handler left undone."""
        if self._state == _OPEN:
            if code == NORMAL and self._stopping:
                code = self._leaving_code
            self._close(code)
        elif self._state == _ASKED:
            carrier = self._carrier
            if refusal is not None:
                self._status = refusal.status
            self._finish(ABNORMAL)
            if carrier is not None and refusal is not None:
                carrier.refuse(refusal)
            elif carrier is not None:
                carrier.abandon()

    # What the handler calls

    async def send(self, message: WebSocketCommand) -> None:
        """Send *message*; wait while the client does not read. Closing again does nothing.

        Raises:
            LocalProtocolError: *message* is not due, or cannot be sent.
            UnicodeEncodeError: text with a lone surrogate.
            WebSocketDisconnect: the WebSocket is closed.
        """
        if message.__class__ is WebSocketMessage or message.__class__ is PreparedMessage:
            if self._state != _OPEN:
                raise self._not_open()
            payload = message.data if message.text is None else message.text
            if payload is None:
                raise LocalProtocolError("a message has text or data", spec="RFC 6455 §5.6")
            outbox = self._outbox
            outbox.put(payload, getattr(message, "frames", None))
            if outbox.paused:
                await self._drain()
        elif isinstance(message, WebSocketAccept):
            self._accept(message)
        elif isinstance(message, WebSocketClose):
            if self._state == _ASKED:
                self._refuse(FORBIDDEN)
            elif self._state == _OPEN:
                self._close(message.code, message.reason)
        elif isinstance(message, Response):
            self._refuse(message)
        else:
            raise LocalProtocolError(f"{type(message).__name__} has no place on a WebSocket")

    def offer(self, message: str | bytes | PreparedMessage) -> bool:
        """Send *message* unless that had to wait; return whether it is on its way.

        Raises:
            UnicodeEncodeError: text with a lone surrogate.
        """
        outbox = self._outbox
        if self._state != _OPEN or outbox.paused:
            return False
        if not isinstance(message, PreparedMessage):
            outbox.put(message)
            return True
        payload = message.data if message.text is None else message.text
        if payload is None:
            return False
        outbox.put(payload, message.frames)
        return True

    def _accept(self, message: WebSocketAccept) -> None:
        carrier = self._carrier
        handshake = self._handshake
        if self._state != _ASKED or carrier is None or handshake is None:
            raise self._not_asked("an accept")
        service = self._service
        agreement = service.negotiate(handshake)
        try:
            fields = handshake.answer(
                subprotocol=message.subprotocol, agreement=agreement, fields=message.fields
            )
            stream = carrier.accept(fields)
        except BaseException:
            if agreement is not None:
                service.release(agreement)
            raise
        if agreement is not None:
            self._agreement = agreement
            deflate = PermessageDeflate(agreement, service.compressor)
            self._machine = WebSocketConnection(service.limits, deflate)
            self._inbox.machine = self._outbox.machine = self._machine
        if message.max_message_size is not None:
            self._machine.limit_messages(message.max_message_size)
        self._stream = self._outbox.stream = stream
        self._inbox.open(stream, compressed=agreement is not None)
        self._state = _OPEN
        self._status = 200 if self.conn.head.http_version == "2" else 101
        self._carrier = self._handshake = None
        self._heard_at = self._time()
        self._watch = Watch(stream.deadline, service.http.settings)
        self._complaints = Complaints(service.http.limit_log, stream, protocol="websocket")
        carrier.give_way()

    def _refuse(self, response: Response) -> None:
        carrier = self._carrier
        if self._state != _ASKED or carrier is None:
            raise self._not_asked("a refusal")
        carrier.refuse(response)
        self._status = response.status
        self._finish(ABNORMAL)

    def _close(self, code: int, reason: str = "") -> None:
        """Begin the closing handshake (RFC 6455 §7.1.2)."""
        self._write(self._machine.send_close(code, reason))
        self._state = _CLOSING
        self._inbox.discard()
        if self._watch is not None:
            self._watch.wait_for_close()
        # Only the peer's close is awaited now: whatever stands before it must not stop it.
        if self._inbox.paused:
            self._inbox.read_on()

    # What the connection calls

    def data_received(self, data: bytes) -> None:
        """Queue messages, answer pings, and let the handler go on."""
        self._heard_at = self._time()
        self._inbox.feed(data)

    def eof_received(self) -> None:
        """The client is gone: a WebSocket is never half open (RFC 6455 §7.1.5)."""
        if self._state == _ASKED:
            carrier = self._carrier
            self._finish(ABNORMAL)
            if carrier is not None:
                carrier.abandon()
        elif self._state != _CLOSED:
            self._end_stream(ABNORMAL)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the handler."""
        self._outbox.parts.clear()
        if self._state != _CLOSED:
            self._finish(ABNORMAL)

    def writing_paused(self) -> None:
        """Let senders wait, but not for ever."""
        self._outbox.paused = True
        watch, stream = self._watch, self._stream
        if watch is not None and stream is not None and self._state in (_OPEN, _CLOSING):
            watch.wait_for_writing(stream.queued)

    def writing_resumed(self) -> None:
        """Let senders go on."""
        self._outbox.paused = False
        self._outbox.wake()
        self._rearm()

    def deadline_expired(self) -> None:
        """The client was silent, or did not read, or did not close, for too long."""
        stream, watch, complaints = self._stream, self._watch, self._complaints
        if stream is None or watch is None or complaints is None:
            return
        now = self._time()
        reading = not self._inbox.paused
        due = watch.expire(
            now,
            heard_at=self._heard_at,
            reading=reading,
            queued=stream.queued,
            unfinished=self._machine.unfinished,
        )
        settings = self._service.http.settings
        if due == PING:
            self._write(self._machine.send_ping())
        elif due == SILENCE:
            seconds = settings.ws_pong_timeout
            silent = now - self._heard_at
            complaints.record(
                "ws_pong_timeout", requested=silent, allowed=seconds, path=self.conn.path
            )
            self._write(self._machine.send_close(GOING_AWAY))
            self._end_stream(GOING_AWAY)
        elif due == LATE:
            seconds = settings.ws_message_timeout
            self._fail(
                LimitExceeded(
                    "ws_message_timeout", allowed=seconds, seen=seconds, code=1008,
                    spec="RFC 6455 §7.4.1",
                )
            )  # fmt: skip
        elif due == STUCK:
            seconds = settings.write_timeout
            complaints.record(
                "write_timeout", requested=seconds, allowed=seconds, path=self.conn.path
            )
            self._finish(ABNORMAL)
            stream.abort()
        elif due == LEAVE and self._state == _OPEN:
            self._close(self._leaving_code)
        elif due in (LEAVE, CUT):
            stream.abort()

    def shutdown(self) -> None:
        """Tell the handler, give it time to say something, then close.

        Spec:
            RFC 6455 §7.4.1: 1001; §11.7: 1012, for a service that is back at once
        """
        self._stopping = True
        if self._state != _OPEN or self._inbox.end is not None:
            return
        self._inbox.discard(WebSocketDisconnected(self._leaving_code, ""))
        grace = self._service.http.leaving.grace
        if self._watch is not None and grace > 0:
            self._watch.wait_for_farewell(grace)
        self._inbox.wake()
        if grace <= 0:
            self._close(self._leaving_code)

    @property
    def _leaving_code(self) -> int:
        return RESTART if self._service.http.leaving.restarting else GOING_AWAY

    # Control frames

    def _on_control(self, event: ControlEvent) -> None:
        if isinstance(event, PingReceived | PongReceived):
            self._count_control()
            if isinstance(event, PingReceived) and not self._outbox.paused:
                self._write(self._machine.send_pong(event.payload))
        elif self._inbox.messages and asyncio.current_task(self._service.http.loop) is not None:
            # A handler is reading on: it gets to answer what came before.
            self._service.http.loop.call_soon(self._on_last, event)
        else:
            self._inbox.wake()
            self._on_last(event)

    def _on_last(self, event: CloseReceived | ViolationReceived) -> None:
        """The client closes, or broke the protocol; what it sent before was handed over."""
        if self._state == _CLOSED:
            return
        if isinstance(event, CloseReceived):
            if self._state == _OPEN:
                self._write(self._machine.send_close(event.code))
            self._end_stream(event.code, event.reason)
        else:
            self._fail(event.error)

    def _count_control(self) -> None:
        if self._machine.finished:
            return
        if self._rate is None:
            self._rate = ControlRate(self._service.limits)
        try:
            self._rate.count(self._heard_at)
        except LimitExceeded as error:
            self._machine.forget()
            self._on_control(ViolationReceived(error))

    def _rearm(self) -> None:
        """Wait for whatever is to come, now that the client reads again."""
        watch = self._watch
        if watch is None:
            return
        if self._state == _OPEN and self._inbox.end is None:
            watch.wait_for_messages()
        elif self._state == _OPEN:
            watch.wait_for_farewell(self._service.http.leaving.grace)
        else:
            watch.wait_for_close()

    # The end

    def _fail(self, error: RemoteProtocolError) -> None:
        """Close because of what the client did (RFC 6455 §7.1.7)."""
        stream = self._stream
        if self._complaints is not None:
            self._complaints.report(error, path=self.conn.path)
        self._write(self._machine.send_close(error.code, str(error)))
        self._outbox.flush()
        self._finish(error.code)
        if stream is not None:
            stream.linger()

    def _end_stream(self, code: int, reason: str = "") -> None:
        """Both sides are done, or one of them is gone: close the connection below."""
        self._outbox.flush()
        self._finish(code, reason)
        if self._watch is not None:
            self._watch.wait_for_close()
        if self._stream is not None:
            self._stream.close()

    def _finish(self, code: int, reason: str = "") -> None:
        """Nothing more is sent or received: tell the handler."""
        if self._log is not None:
            self._report(self._log, code, reason)
        self._state = _CLOSED
        self._carrier = self._handshake = None
        self.conn.disconnected = True
        if self._agreement is not None:
            self._service.release(self._agreement)
            self._agreement = None
        if self._complaints is not None:
            self._complaints.close()
        self._outbox.wake()
        self._inbox.finish(WebSocketDisconnected(code, reason))

    def _report(self, log: AccessLog, code: int, reason: str) -> None:
        """Tell the access log: the WebSocket is closed, or will not be opened."""
        self._log = None
        inbox, outbox = self._inbox, self._outbox
        details: dict[str, object] = {"protocol": "websocket"}
        if self._stream is not None:
            details["close_code"] = code
            if reason:
                details["close_reason"] = reason
            details["messages_received"] = inbox.count
            details["messages_sent"] = outbox.messages
        if code == ABNORMAL and (self._stream is not None or not self._status):
            details["disconnected"] = True
        log.ended(
            self.conn, self._status, sent=outbox.bytes, received=inbox.bytes, began=self._began,
            details=details,
        )  # fmt: skip

    def _not_open(self) -> Exception:
        if self._state == _ASKED:
            return LocalProtocolError(
                "a message before the WebSocket was accepted", spec="RFC 6455 §4.2.2"
            )
        end = self._inbox.end
        if end is None:
            return WebSocketDisconnect(NO_STATUS)
        return WebSocketDisconnect(end.code, end.reason)

    def _not_asked(self, what: str) -> Exception:
        end = self._inbox.end
        if end is not None and self._stream is None:
            return WebSocketDisconnect(end.code, end.reason)
        return LocalProtocolError(
            f"{what} after the WebSocket was accepted", spec="RFC 6455 §4.2.2"
        )

    # Writing

    def _write(self, frame: bytes) -> None:
        self._outbox.put_frame(frame)

    async def _drain(self) -> None:
        while self._outbox.paused and self._state == _OPEN:
            await self._outbox.wait()
        if self._state != _OPEN:
            raise self._not_open()
