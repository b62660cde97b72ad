"""How the handler of a WebSocket is called, and its channels if it takes them itself."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias, cast

from blackbull.asgi.websocket_events import parse_command, parse_received, to_received
from blackbull.connection import Connection
from blackbull.di import Scope
from blackbull.errors import ClientDisconnected, HTTPException
from blackbull.messages import (
    PreparedMessage,
    ResponseBody,
    ResponseStart,
    WebSocketAccept,
    WebSocketClose,
    WebSocketEvent,
    WebSocketMessage,
    WebSocketReceive,
)
from blackbull.native import NativeHandler, Receive, Send
from blackbull.response import Response
from blackbull.routing.pattern import Placeholder
from blackbull.websocket import WebSocket
from blackbull.websocket_session import Session, SessionMessage, WebSocketSend, session_of

from .await_points import called
from .parameters import Arguments, WebSocketArguments, compile_arguments
from .plan import Plan, is_full

AnyWebSocketReceive: TypeAlias = Callable[[], Awaitable[WebSocketEvent | Mapping[str, object]]]
EventReceive: TypeAlias = Callable[[], Awaitable[Mapping[str, object]]]

NATIVE = (
    WebSocketMessage, WebSocketAccept, WebSocketClose, PreparedMessage, Response, ResponseStart,
    ResponseBody,
)  # fmt: skip
EVENT = (dict, Mapping)  # in this order: the first test is the quick one
POLICY_VIOLATION = 1008
MAX_REASON = 123
"""Bytes of a close frame's text (RFC 6455 §5.5)."""


def compile_websocket_handler(
    handler: Callable[..., object], *, placeholders: Mapping[str, Placeholder]
) -> Plan:
    """Return how to call the *handler* of a WebSocket.

    Args:
        handler: ``async def``, full when it takes *receive* and *send*.
        placeholders: Those of its path.

    Raises:
        TypeError: its signature cannot be served; the message names the parameter.
    """
    if is_full(handler):
        return Plan(handler, _run_full(handler), full=True)
    if not inspect.iscoroutinefunction(called(handler)):
        name = getattr(handler, "__qualname__", None) or type(handler).__qualname__
        raise TypeError(f"{name} serves a WebSocket: make it an async def")
    arguments = compile_arguments(handler, placeholders, kind=WebSocketArguments)
    return Plan(handler, _ObjectForm(handler, arguments), parameters=tuple(arguments.parameters))


def _run_full(handler: Callable[..., object]) -> NativeHandler:
    full = cast("Callable[..., Awaitable[object]]", handler)

    async def run(conn: Connection, receive: Receive, send: Send) -> None:
        await full(conn, event_receive(conn, receive), event_send(conn, send))

    return run


class _ObjectForm:
    """Runs a handler that takes a WebSocket and other values."""

    __slots__ = ("_arguments", "_handler")

    def __init__(self, handler: Callable[..., object], arguments: Arguments) -> None:
        self._handler = cast("Callable[..., Awaitable[object]]", handler)
        self._arguments = arguments

    async def __call__(self, conn: Connection, receive: Receive, send: Send) -> None:
        """Serve the WebSocket; refuse it if the handler's parameters cannot be filled."""
        arguments = self._arguments
        given = send.native if isinstance(send, EventSend) else send
        websocket = WebSocket(
            conn, native_websocket_receive(conn, receive), cast(WebSocketSend, given)
        )
        session = session_of(conn)
        if session is not None:
            session.websocket = websocket
        try:
            values = arguments.read(conn, b"")
        except HTTPException as error:
            reason = error.detail.encode()[:MAX_REASON].decode(errors="ignore")
            await websocket.close(POLICY_VIOLATION, reason)
            return
        if not arguments.depends:
            await self._handler(**values)
            return
        scope = Scope()
        try:
            for name, dependency in arguments.depends:
                values[name] = await dependency.resolve(conn, b"", scope)
            await self._handler(**values)
        except BaseException as error:
            await scope.close(error)
            raise
        await scope.close()


def event_receive(conn: Connection, receive: AnyWebSocketReceive | Receive) -> EventReceive:
    """Return the ``receive`` of a full handler, which gives ASGI's ``websocket.*`` events."""
    given = cast(AnyWebSocketReceive, receive)
    session = session_of(conn)
    if session is None or given != session.receive:

        async def receive_event() -> Mapping[str, object]:
            event = await given()
            return event if isinstance(event, Mapping) else to_received(event)

        return receive_event
    return _SessionEvents(session)


class _SessionEvents:
    """:func:`event_receive` without anybody in between; called for every message."""

    __slots__ = ("_next", "_session")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._next = session.server_receive

    async def __call__(self) -> Mapping[str, object]:
        event = await self._next()
        if isinstance(event, WebSocketMessage):
            return {"type": "websocket.receive", "text": event.text, "bytes": event.data}
        self._session.note(event)
        return to_received(event)


class EventSend:
    """The ``send`` of a full handler of a WebSocket.

    It takes ASGI's ``websocket.*`` events, native messages and, instead of accepting, responses.

    Args:
        send: Takes native messages.
        session: The WebSocket, if *send* is its own.

    Attributes:
        native: What it was made of.
    """

    __slots__ = ("_direct", "_session", "native")

    def __init__(self, send: Callable[[SessionMessage], Awaitable[None]], session: Session | None):
        self.native = send
        self._session = session
        self._direct = send if session is None else session.server_send

    async def __call__(self, message: SessionMessage | Mapping[str, object]) -> None:
        """Send *message*.

        Raises:
            LocalProtocolError: *message* may not be sent now, or is malformed.
            TypeError: *message* is nothing that can be sent.
            ValueError: a header cannot be sent.
            WebSocketDisconnect: the peer is gone.
        """
        command: SessionMessage
        if isinstance(message, EVENT):
            command = parse_command(message)
        elif isinstance(message, NATIVE):
            command = message
        else:
            raise TypeError(
                "send takes websocket.* events, WebSocketResponse(...) or a Response, "
                f"not {type(message).__name__}"
            )
        session = self._session
        if session is not None and session.open and isinstance(command, WebSocketMessage):
            try:
                await self._direct(command)
            except ClientDisconnected as error:
                raise session.lost() from error
        else:
            await self.native(command)


def event_send(conn: Connection, send: Send | WebSocketSend | EventSend) -> EventSend:
    """Return a ``send`` that takes whatever handlers and middleware of a WebSocket may send."""
    if isinstance(send, EventSend):
        return send
    given = cast("Callable[[SessionMessage], Awaitable[None]]", send)
    session = session_of(conn)
    own = session is not None and given == session.send
    return EventSend(given, session if own else None)


def native_websocket_receive(
    conn: Connection, receive: AnyWebSocketReceive | Receive
) -> WebSocketReceive:
    """Return a ``receive`` of native messages from one that may give ASGI events."""
    given = cast(AnyWebSocketReceive, receive)
    session = session_of(conn)
    if session is not None and given == session.receive:
        return session.receive

    async def receive_native() -> WebSocketEvent:
        event = await given()
        return parse_received(event) if isinstance(event, Mapping) else event

    return receive_native
