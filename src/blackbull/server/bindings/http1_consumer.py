"""HTTP/1.1 on a connection: arrivals into the machine, requests to the application, answers out.

Everything that arrived together is answered together: a request whose handler cannot wait is
answered in the callback that received it, and all answers of one arrival leave in one write.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from blackbull.abc import ConnectionView, Consumer
from blackbull.connection import Connection
from blackbull.errors import LocalProtocolError, RemoteProtocolError
from blackbull.headers import Fields
from blackbull.log.access import refusal_size
from blackbull.native import NativeHandler
from blackbull.protocol.http1 import (
    Data,
    EndOfMessage,
    HTTP1Connection,
    HTTP1RequestHead,
)
from blackbull.response import Response

from .carrier import HTTP1Carrier
from .complaints import Complaints
from .exchange import too_slow
from .http1_exchange import HTTP1Exchange
from .http1_output import Output
from .service import HTTPService
from .upgrade import Upgrade

logger = logging.getLogger("blackbull.server")

MAX_BUFFERED: Final = 65536
"""Bytes that wait for a busy handler before reading pauses."""

FAILED: Final = Response(b"", 500, "")
"""The last resort: an application answers its errors itself."""

LEAST_TAKEN: Final = 16384
"""Bytes that a client must take in the write timeout to be slow, not stuck."""


# What the connection waits for
_IDLE: Final = 0
_HEAD: Final = 1
_HANDLER: Final = 2
_BODY: Final = 3
_WRITE: Final = 4
_CLOSED: Final = 5


class HTTP1Consumer(Consumer):
    """One HTTP/1.1 connection.

    Args:
        view: The connection.
        service: What it shares with the others.

    Attributes:
        exchange: The request that a task is answering, or None.
        at_eof: The client will send nothing more.
        machine: The protocol.
        output: What is to be sent.
        service: As above.
        stopping: The server stops.
    """

    __slots__ = (
        "_begin", "_complaints", "_discarded", "_idle_timeout", "_log", "_phase", "_queued",
        "_view", "at_eof", "exchange", "machine", "output", "service", "stopping",
    )  # fmt: skip

    def __init__(self, view: ConnectionView, service: HTTPService) -> None:
        self._view = view
        self.service = service
        self._begin = service.begin
        self._log = service.access_log
        self._complaints = Complaints(service.limit_log, view, protocol="http1")
        self.machine = machine = HTTP1Connection(
            service.secure_parser if view.secure else service.parser
        )
        self.output = Output(view, machine, service=service)
        self.exchange: HTTP1Exchange | HTTP1Carrier | None = None
        self.at_eof = False
        self.stopping = False
        self._queued = 0
        self._discarded = 0
        self._phase: int = _HEAD
        self._idle_timeout = service.settings.keep_alive_timeout
        view.deadline.set(service.settings.header_timeout)

    # What the connection calls

    def data_received(self, data: bytes) -> None:
        """Answer what can be answered; keep the rest for the running handler."""
        machine = self.machine
        machine.receive(data)
        if self.exchange is None:
            self._serve()
            return
        if machine.buffered > MAX_BUFFERED:
            self._view.pause_reading()
        self.exchange.arrived()

    def eof_received(self) -> None:
        """Finish what is under way, then close."""
        self.at_eof = True
        if self.exchange is None:
            self._serve()
        else:
            self.exchange.half_closed()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the running handler."""
        self._phase = _CLOSED
        self.output.lose()
        if self.exchange is not None:
            self.exchange.disconnected()
        self._complaints.close()

    def writing_paused(self) -> None:
        """Answer no more until the client reads."""
        self.output.paused = True
        self._view.pause_reading()
        self._queued = self._view.queued
        self._enter(_WRITE, self.service.settings.write_timeout)

    def writing_resumed(self) -> None:
        """Go on."""
        self.output.resume()
        if self.machine.buffered <= MAX_BUFFERED:
            self._view.resume_reading()
        if self.exchange is None:
            self._serve()
        else:
            self.rearm()

    def deadline_expired(self) -> None:
        """The client was too slow, at whatever it was to do."""
        phase = self._phase
        settings = self.service.settings
        if phase == _IDLE:
            self._close_idle()
        elif phase == _WRITE and self._view.queued <= self._queued - LEAST_TAKEN:
            self._queued = self._view.queued
            self._enter(_WRITE, settings.write_timeout)
        elif phase in (_WRITE, _CLOSED):
            seconds = settings.write_timeout
            self._complaints.record(
                "write_timeout", requested=seconds, allowed=seconds, path=self._path
            )
            self._view.abort()
        elif phase == _HEAD:
            seconds = settings.header_timeout
            self.refuse(too_slow("header_timeout", allowed=seconds, seen=seconds))
        elif isinstance(self.exchange, HTTP1Exchange):
            self.exchange.refuse(self.exchange.out_of_patience())
        else:
            self._view.abort()

    def shutdown(self) -> None:
        """Answer what has begun or is on its way; the last answer says ``Connection: close``."""
        machine = self.machine
        exchange = self.exchange
        self.stopping = True
        self._begin = self._begin_leaving
        self._idle_timeout = self.service.leaving.grace
        if exchange is not None:
            if not machine.response_started and not (machine.request_complete and machine.buffered):
                machine.keep_alive = False
            if isinstance(exchange, HTTP1Exchange):
                exchange.end_events()
        elif self._phase != _CLOSED and not machine.buffered and machine.response_complete:
            if self._idle_timeout <= 0:
                self._close_idle()
            elif not machine.unread:
                self.rearm()

    # Serving

    def _serve(self) -> None:
        """Answer every request that has arrived, until one has to wait or the client has to."""
        output = self.output
        output.fed = True
        served = False
        machine = self.machine
        view = self._view
        log = self._log
        while not output.paused:
            try:
                event = machine.next_event()
            except RemoteProtocolError as error:
                self.refuse(error)
                break
            if event is None:
                break
            if event.__class__ is not HTTP1RequestHead:
                if self._discard(event):
                    continue
                break
            served = True
            conn = Connection(event, view)
            began = 0.0 if log is None else log.now()
            if event.plain:
                conn._content = b""
                outcome = self._begin(conn)
                if isinstance(outcome, Response):
                    answer = self._answer(outcome)
                    if log is not None:
                        log.answered(conn, answer, began)
                    continue
                self.exchange = exchange = HTTP1Exchange(self, conn, content=b"")
                exchange.began = began
                exchange.run(outcome)
            else:
                self._serve_unusual(conn, event, began)
            if self.exchange is not None:
                break
        output.fed = False
        output.flush()
        if served and self._phase == _HEAD:
            self._phase = _HANDLER
        if self.exchange is None:
            self._rest()
        else:
            self.rearm()

    def _serve_unusual(self, conn: Connection, head: HTTP1RequestHead, began: float) -> None:
        """Answer a request with content, an upgrade, HEAD, HTTP/1.0 or the last one."""
        machine = self.machine
        content = b""
        trailers: Fields = ()
        self._discarded = 0
        upgrades = self._find_upgrades(head) if head.framing.upgrade else ()
        try:
            for upgrade in upgrades:
                upgrade.check(conn, has_content=not machine.request_complete)
            if not machine.request_complete:
                content, trailers = self._arrived_content()
            if machine.request_complete:
                conn._content = content
                if upgrades and self._upgrade(conn, upgrades, began):
                    return
        except RemoteProtocolError as error:
            self.refuse(error, conn)
            return
        outcome = self._begin(conn)
        if isinstance(outcome, Response):
            answer = self._answer(outcome)
            if self._log is not None:
                self._log.answered(conn, answer, began)
            return
        self.exchange = exchange = HTTP1Exchange(self, conn, content=content, trailers=trailers)
        exchange.began = began
        exchange.run(outcome)

    def _arrived_content(self) -> tuple[bytes, Fields]:
        parts = []
        while isinstance(event := self.machine.next_event(), Data):
            parts.append(event.data)
        trailers = event.trailers if isinstance(event, EndOfMessage) else ()
        return parts[0] if len(parts) == 1 else b"".join(parts), trailers

    def _answer(self, response: Response) -> Response:
        """Send *response*, or what is sent instead if it cannot be; return which."""
        try:
            self.output.send_response(response)
        except LocalProtocolError:
            logger.exception("a response cannot be sent")
            response = FAILED
            self.output.send_response(response)
        return response

    def _discard(self, event: object) -> bool:
        """Read on past content that nobody wanted, unless it is too much."""
        if not isinstance(event, Data):
            return True
        self._discarded += len(event.data)
        if self._discarded <= self.service.parser.limits.max_drain:
            return True
        self.machine.keep_alive = False
        self.output.flush()
        self._linger()
        return False

    def _begin_leaving(self, conn: Connection) -> Response | NativeHandler:
        """As the application's ``begin``, when the server stops: the last request that has come."""
        if not self.machine.buffered:
            self.machine.keep_alive = False
        return self.service.begin(conn)

    def _find_upgrades(self, head: HTTP1RequestHead) -> list[Upgrade]:
        """Return what the client would switch to and we know, by its preference."""
        known = self.service.upgrades.get
        tokens = head.framing.upgrade.lower().split(b",")
        return [found for token in tokens if (found := known(token.strip(b" \t"))) is not None]

    def _upgrade(self, conn: Connection, upgrades: Sequence[Upgrade], began: float) -> bool:
        """Let one of *upgrades* have the request; False: none wants it."""
        for upgrade in upgrades:
            self.exchange = carrier = HTTP1Carrier(self, conn)
            outcome = upgrade.begin(conn, carrier)
            if outcome is True:
                return True
            self.exchange = None
            if isinstance(outcome, Response):
                answer = self._answer(outcome)
                if self._log is not None:
                    self._log.answered(conn, answer, began)
                return True
        return False

    def _rest(self) -> None:
        """Nothing can be answered now: decide what the connection waits for, and how long."""
        machine = self.machine
        if machine.switched or self._phase == _CLOSED or self.output.paused:
            return
        if not machine.keep_alive and machine.answered:
            self._close()
        elif self.at_eof:
            self._end()
        else:
            self.rearm()

    def _end(self) -> None:
        """The client will send nothing more, and everything was answered."""
        try:
            self.machine.receive_eof()
        except RemoteProtocolError as error:
            self.refuse(error)
        else:
            self._close()

    # What an exchange calls

    def await_content(self) -> None:
        """The handler waits for content: let it come, in time."""
        if not self.output.paused:
            self._view.resume_reading()
        self.rearm()

    def content_taken(self) -> None:
        """The handler took content: there is room for more."""
        if self.machine.buffered <= MAX_BUFFERED:
            self._view.resume_reading()
        self.rearm()

    def response_completed(self) -> None:
        """The exchange's response is complete: send it, and turn to the next request."""
        self.exchange = None
        if self.output.fed:
            return
        self.output.flush()
        self._view.resume_reading()
        if self.machine.buffered or self.at_eof:
            self.service.loop.call_soon(self._serve_next)
        else:
            self._rest()

    def _serve_next(self) -> None:
        if self.exchange is None and self._phase != _CLOSED:
            self._serve()

    def switch_protocols(self, fields: Fields) -> tuple[ConnectionView, bytes]:
        """Send 101 and leave HTTP; return the connection and what arrived after the request.

        Raises:
            LocalProtocolError: *fields* cannot be sent; nothing was.
        """
        response, rest = self.machine.switch_protocols(fields)
        self.exchange = None
        self._phase = _CLOSED
        self.output.send(response)
        self.output.flush()
        self._view.deadline.clear()
        self._view.resume_reading()
        return self._view, rest

    def hand_over(self, consumer: Consumer, rest: bytes) -> None:
        """Let *consumer* have the connection, and *rest* first."""
        self._view.unread(rest)
        self._view.attach(consumer)

    def abandon(self) -> None:
        """Nobody will answer the current request: reset the connection."""
        self.exchange = None
        self._phase = _CLOSED
        self._view.abort()

    def exchange_ended(self, exchange: HTTP1Exchange) -> None:
        """The handler is done; if it left its response unfinished, make the best of it."""
        if self.exchange is not exchange:
            return
        machine = self.machine
        if machine.response_started or exchange.lost:
            self.exchange = None
            self.output.flush()
            if exchange.lost and self.at_eof:
                self._linger()
            else:
                self._phase = _CLOSED
                self._view.abort()  # RFC 9112 §8: the client must see that content is missing
            return
        logger.error("%s: the handler sent no response", exchange.conn.method)
        self.output.send_response(FAILED)
        exchange.status = FAILED.status
        exchange.complete = True
        self.response_completed()

    def exchange_failed(self, exchange: HTTP1Exchange) -> None:
        """The handler's task was cancelled from outside: the server stops."""
        if self.exchange is exchange:
            self.exchange = None
            self._view.abort()

    def refuse(self, error: RemoteProtocolError, conn: Connection | None = None) -> None:
        """Answer *error* and close, so that the client can read why.

        Args:
            error: What the client did.
            conn: The request, if its head was good and no exchange has it.
        """
        self._complaints.report(error, path=self._path)
        data = self.machine.send_refusal(error, self.service.date)
        if data:
            exchange = self.exchange
            status = error.code or 400
            if isinstance(exchange, HTTP1Exchange):
                exchange.status = status
                exchange.sent = refusal_size(error)
            self.service.note_refusal(
                status, self._view, conn=conn if exchange is None else exchange.conn,
                error=error, begun=isinstance(exchange, HTTP1Exchange),
            )  # fmt: skip
        self.exchange = None
        self.output.send(data)
        self.output.flush()
        if data:
            self._linger()
        elif self.machine.answered:
            self._close()
        else:
            self._phase = _CLOSED
            self._view.abort()
        self.output.close()

    def rearm(self) -> None:
        """Set the deadline of whatever the connection waits for."""
        machine = self.machine
        settings = self.service.settings
        if self.output.paused:
            return
        exchange = self.exchange
        if exchange is not None:
            if isinstance(exchange, HTTP1Exchange) and exchange.awaits_content:
                self._enter(_BODY, exchange.patience)
            else:
                self._phase = _HANDLER
                self._view.deadline.clear()
        elif machine.request_complete or not machine.unread:
            if not machine.buffered:
                self._phase = _IDLE
                self._view.deadline.set(self._idle_timeout)
            elif self._phase != _HEAD:
                self._enter(_HEAD, settings.header_timeout)
        elif self._phase != _BODY:
            self._enter(_BODY, settings.body_timeout)

    # Inside

    def _enter(self, phase: int, seconds: float) -> None:
        self._phase = phase
        self._view.deadline.set(seconds)

    def _close(self) -> None:
        machine = self.machine
        if machine.buffered or machine.unread or (machine.may_get_more and not self.at_eof):
            self._linger()
        else:
            # What is queued has its time, too
            self._enter(_CLOSED, self.service.settings.write_timeout)
            self._view.close()

    def _close_idle(self) -> None:
        """Nothing is asked; whoever has left that open until the server stops may not look."""
        if self.stopping:
            self._enter(_CLOSED, self.service.settings.write_timeout)
            self._view.close()
        else:
            self._close()

    def _linger(self) -> None:
        self._phase = _CLOSED
        self._complaints.close()
        self._view.linger()

    @property
    def _path(self) -> str:
        """The path of the request that a task is answering."""
        exchange = self.exchange
        return exchange.conn.path if exchange is not None else ""
