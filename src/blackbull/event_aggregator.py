"""The one translator from happenings on the wire and in the application to named events.

Everybody who notices something calls a method here; nobody else spells an event's name or its
keys. An event that nobody listens to costs one look-up: its detail is not even built.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from .connection import Connection
from .event import Event, EventDispatcher
from .messages import WebSocketMessage

Address: TypeAlias = tuple[str, int | None]
Detail: TypeAlias = dict[str, object]

APP_STARTUP: Final = "app_startup"
APP_SHUTDOWN: Final = "app_shutdown"
REQUEST_RECEIVED: Final = "request_received"
BEFORE_HANDLER: Final = "before_handler"
AFTER_HANDLER: Final = "after_handler"
REQUEST_COMPLETED: Final = "request_completed"
REQUEST_DISCONNECTED: Final = "request_disconnected"
SCOPE_COMPLETED: Final = "scope_completed"
WEBSOCKET_CONNECTED: Final = "websocket_connected"
WEBSOCKET_MESSAGE: Final = "websocket_message"
WEBSOCKET_DISCONNECTED: Final = "websocket_disconnected"
CONNECTION_ACCEPTED: Final = "connection_accepted"
CONNECTION_CLOSED: Final = "connection_closed"
MESSAGE_RECEIVED: Final = "message_received"
MESSAGE_SENT: Final = "message_sent"
ERROR: Final = "error"

REQUEST_EVENTS: Final = (
    REQUEST_RECEIVED,
    BEFORE_HANDLER,
    AFTER_HANDLER,
    REQUEST_COMPLETED,
    REQUEST_DISCONNECTED,
    SCOPE_COMPLETED,
)
"""The events of one request, in the order in which they fire."""


class EventAggregator:
    """Emits the framework's events through a dispatcher.

    The ``on_*`` coroutines wait for interceptors and blocking observers, and raise what an
    interceptor raises; cancelling one cancels the listener it waits for. The ``*_soon`` methods
    are for callbacks that cannot wait.

    Args:
        dispatcher: Who knows the listeners.
    """

    __slots__ = ("_emit", "_emit_soon", "dispatcher", "has_listeners")

    def __init__(self, dispatcher: EventDispatcher) -> None:
        self.dispatcher = dispatcher
        self.has_listeners = dispatcher.has_listeners
        self._emit = dispatcher.emit
        self._emit_soon = dispatcher.emit_soon

    # ------------------------------------------------------------------ application

    async def on_app_startup(self) -> None:
        """The application starts, before the first connection is accepted; no keys."""
        await self._emit(Event(APP_STARTUP))

    async def on_app_shutdown(self) -> None:
        """The application stops, after the last connection was closed; no keys."""
        await self._emit(Event(APP_SHUTDOWN))

    # ------------------------------------------------------------------ requests

    async def on_request_received(self, conn: Connection) -> None:
        """A request arrived and is not routed yet; an interceptor may refuse it by raising."""
        if self.has_listeners(REQUEST_RECEIVED):
            detail = _request(conn)
            detail["headers"] = conn.headers
            await self._emit(Event(REQUEST_RECEIVED, detail))

    async def on_before_handler(self, conn: Connection, handler: object) -> None:
        """A route matched, *handler* is about to run; not emitted for a 404 or a 405."""
        if self.has_listeners(BEFORE_HANDLER):
            await self._emit(Event(BEFORE_HANDLER, _handler(conn, handler)))

    async def on_after_handler(
        self, conn: Connection, handler: object, *, exception: BaseException | None = None
    ) -> None:
        """The handler returned, or raised *exception*."""
        if self.has_listeners(AFTER_HANDLER):
            detail = _handler(conn, handler)
            detail["exception"] = exception
            await self._emit(Event(AFTER_HANDLER, detail))

    async def on_request_completed(
        self, conn: Connection, *, status: int, response_bytes: int, duration_ms: float
    ) -> None:
        """The whole middleware chain is done and the client did not leave before.

        Args:
            conn: The request.
            status: The response's status.
            response_bytes: Bytes of content that were sent.
            duration_ms: Milliseconds since the request was received.
        """
        if self.has_listeners(REQUEST_COMPLETED):
            detail = _request(conn)
            detail["status"] = status
            detail["response_bytes"] = response_bytes
            detail["duration_ms"] = duration_ms
            await self._emit(Event(REQUEST_COMPLETED, detail))

    async def on_request_disconnected(self, conn: Connection) -> None:
        """The client left before its response was complete; excludes ``request_completed``."""
        if self.has_listeners(REQUEST_DISCONNECTED):
            await self._emit(Event(REQUEST_DISCONNECTED, _request(conn)))

    async def on_websocket_connected(self, conn: Connection, subprotocol: str | None) -> None:
        """A WebSocket was accepted, with *subprotocol* if not None."""
        if self.has_listeners(WEBSOCKET_CONNECTED):
            detail = _websocket(conn)
            detail["subprotocol"] = subprotocol
            await self._emit(Event(WEBSOCKET_CONNECTED, detail))

    async def on_websocket_message(self, conn: Connection, message: WebSocketMessage) -> None:
        """A whole message arrived on a WebSocket; its handler has not read it yet."""
        if self.has_listeners(WEBSOCKET_MESSAGE):
            detail: Detail = {"conn": conn, "text": message.text, "bytes": message.data}
            await self._emit(Event(WEBSOCKET_MESSAGE, detail))

    async def on_websocket_disconnected(self, conn: Connection, code: int = 1006) -> None:
        """An accepted WebSocket is closed, with the close code *code*."""
        if self.has_listeners(WEBSOCKET_DISCONNECTED):
            detail = _websocket(conn)
            detail["code"] = code
            await self._emit(Event(WEBSOCKET_DISCONNECTED, detail))

    async def on_scope_completed(
        self, conn: Connection, exception: BaseException | None = None
    ) -> None:
        """Nothing more happens to *conn*: emitted exactly once for it, always last."""
        if self.has_listeners(SCOPE_COMPLETED):
            detail: Detail = {
                "conn": conn,
                "type": conn.type,
                "client_ip": _client_ip(conn),
                "path": conn.path,
                "exception": exception,
            }
            await self._emit(Event(SCOPE_COMPLETED, detail))

    async def on_error(self, conn: object, exception: BaseException) -> None:
        """A handler raised *exception*; *conn* is its request or its raw connection's context."""
        if self.has_listeners(ERROR):
            await self._emit(Event(ERROR, _error(conn, exception)))

    # ------------------------------------------------------------------ connections and messages

    async def on_connection_accepted(
        self, peername: Address | None, protocol: str = "http"
    ) -> None:
        """A connection was accepted and *protocol* was chosen to serve it."""
        if self.has_listeners(CONNECTION_ACCEPTED):
            await self._emit(Event(CONNECTION_ACCEPTED, _accepted(peername, protocol)))

    async def on_connection_closed(
        self,
        peername: Address | None,
        protocol: str,
        duration_ms: float,
    ) -> None:
        """A connection closed, *duration_ms* milliseconds after it was accepted."""
        if self.has_listeners(CONNECTION_CLOSED):
            detail = _closed(peername, protocol, duration_ms)
            await self._emit(Event(CONNECTION_CLOSED, detail))

    async def on_message_received(
        self,
        protocol: str,
        message_type: str,
        payload_size: int,
    ) -> None:
        """A raw protocol's handler took a message of *payload_size* bytes from its peer."""
        if self.has_listeners(MESSAGE_RECEIVED):
            detail = _message(protocol, message_type, payload_size)
            await self._emit(Event(MESSAGE_RECEIVED, detail))

    async def on_message_sent(
        self,
        protocol: str,
        message_type: str,
        payload_size: int,
    ) -> None:
        """A raw protocol's handler sent a message of *payload_size* bytes to its peer."""
        if self.has_listeners(MESSAGE_SENT):
            detail = _message(protocol, message_type, payload_size)
            await self._emit(Event(MESSAGE_SENT, detail))

    # ------------------------------------------------------------------ from callbacks

    def connection_accepted_soon(self, peername: Address | None, protocol: str = "http") -> None:
        """As :meth:`on_connection_accepted`, from a callback."""
        self._emit_soon(CONNECTION_ACCEPTED, lambda: _accepted(peername, protocol))

    def connection_closed_soon(
        self,
        peername: Address | None,
        protocol: str,
        duration_ms: float,
    ) -> None:
        """As :meth:`on_connection_closed`, from a callback; after what was accepted before."""
        self._emit_soon(CONNECTION_CLOSED, lambda: _closed(peername, protocol, duration_ms))

    def message_received_soon(self, protocol: str, message_type: str, payload_size: int) -> None:
        """As :meth:`on_message_received`, from a callback."""
        self._emit_soon(MESSAGE_RECEIVED, lambda: _message(protocol, message_type, payload_size))

    def message_sent_soon(self, protocol: str, message_type: str, payload_size: int) -> None:
        """As :meth:`on_message_sent`, from a callback."""
        self._emit_soon(MESSAGE_SENT, lambda: _message(protocol, message_type, payload_size))

    def error_soon(self, conn: object, exception: BaseException) -> None:
        """As :meth:`on_error`, from a callback."""
        self._emit_soon(ERROR, lambda: _error(conn, exception))

    # ------------------------------------------------------------------ who listens

    def has_request_listeners(self) -> bool:
        """Return True when somebody listens to any of :data:`REQUEST_EVENTS`."""
        return any(map(self.has_listeners, REQUEST_EVENTS))

    def has_request_received_listeners(self) -> bool:
        """Return True when somebody listens to ``request_received``."""
        return self.has_listeners(REQUEST_RECEIVED)

    def has_before_handler_listeners(self) -> bool:
        """Return True when somebody listens to ``before_handler``."""
        return self.has_listeners(BEFORE_HANDLER)

    def has_after_handler_listeners(self) -> bool:
        """Return True when somebody listens to ``after_handler``."""
        return self.has_listeners(AFTER_HANDLER)

    def has_request_completed_listeners(self) -> bool:
        """Return True when somebody listens to ``request_completed``."""
        return self.has_listeners(REQUEST_COMPLETED)

    def has_request_disconnected_listeners(self) -> bool:
        """Return True when somebody listens to ``request_disconnected``."""
        return self.has_listeners(REQUEST_DISCONNECTED)

    def has_scope_completed_listeners(self) -> bool:
        """Return True when somebody listens to ``scope_completed``."""
        return self.has_listeners(SCOPE_COMPLETED)

    def has_error_listeners(self) -> bool:
        """Return True when somebody listens to ``error``."""
        return self.has_listeners(ERROR)

    def has_websocket_connected_listeners(self) -> bool:
        """Return True when somebody listens to ``websocket_connected``."""
        return self.has_listeners(WEBSOCKET_CONNECTED)

    def has_websocket_message_listeners(self) -> bool:
        """Return True when somebody listens to ``websocket_message``."""
        return self.has_listeners(WEBSOCKET_MESSAGE)

    def has_websocket_disconnected_listeners(self) -> bool:
        """Return True when somebody listens to ``websocket_disconnected``."""
        return self.has_listeners(WEBSOCKET_DISCONNECTED)

    def has_connection_accepted_listeners(self) -> bool:
        """Return True when somebody listens to ``connection_accepted``."""
        return self.has_listeners(CONNECTION_ACCEPTED)

    def has_connection_closed_listeners(self) -> bool:
        """Return True when somebody listens to ``connection_closed``."""
        return self.has_listeners(CONNECTION_CLOSED)

    def has_message_received_listeners(self) -> bool:
        """Return True when somebody listens to ``message_received``."""
        return self.has_listeners(MESSAGE_RECEIVED)

    def has_message_sent_listeners(self) -> bool:
        """Return True when somebody listens to ``message_sent``."""
        return self.has_listeners(MESSAGE_SENT)


def _client_ip(conn: Connection) -> str | None:
    client = conn.client
    return None if client is None else client[0]


def _request(conn: Connection) -> Detail:
    return {
        "conn": conn,
        "client_ip": _client_ip(conn),
        "method": conn.method,
        "path": conn.path,
        "http_version": conn.http_version,
    }


def _handler(conn: Connection, handler: object) -> Detail:
    return {
        "conn": conn,
        "client_ip": _client_ip(conn),
        "method": conn.method,
        "path": conn.path,
        "handler": handler,
    }


def _websocket(conn: Connection) -> Detail:
    return {
        "conn": conn,
        "connection_id": conn.connection_id,
        "client_ip": _client_ip(conn),
        "path": conn.path,
    }


def _error(conn: object, exception: BaseException) -> Detail:
    # Two spellings of one object: handlers may look for either.
    return {"scope": conn, "conn": conn, "exception": exception}


def _accepted(peername: Address | None, protocol: str) -> Detail:
    return {"peername": peername, "protocol": protocol}


def _closed(peername: Address | None, protocol: str, duration_ms: float) -> Detail:
    return {"peername": peername, "protocol": protocol, "duration_ms": duration_ms}


def _message(protocol: str, message_type: str, payload_size: int) -> Detail:
    return {"protocol": protocol, "message_type": message_type, "payload_size": payload_size}
