"""Middleware written for ASGI: a scope and event dicts instead of a connection and messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias, assert_never, cast

from blackbull.asgi.messages import (
    to_body_event,
    to_early_hint_event,
    to_push_event,
    to_start_event,
    to_trailers_event,
)
from blackbull.asgi.types import ASGISendEvent
from blackbull.asgi.websocket_events import to_commands
from blackbull.connection import Connection
from blackbull.content import native_receive
from blackbull.native import (
    InterimResponse,
    NativeHandler,
    Receive,
    RequestMessage,
    ResponseBody,
    ResponseMessage,
    ResponsePush,
    ResponseStart,
    ResponseTrailers,
    Send,
)
from blackbull.response import Response
from blackbull.routing.handler.full import handler_receive, native_send
from blackbull.routing.handler.websocket import (
    AnyWebSocketReceive,
    event_receive,
    event_send,
    native_websocket_receive,
)
from blackbull.websocket_session import SessionMessage

from .parts import start_of

EventReceive: TypeAlias = Callable[[], Awaitable[RequestMessage | Mapping[str, object]]]
EventSend: TypeAlias = Callable[[ASGISendEvent], Awaitable[None]]


async def call_with_events(
    middleware: Callable[..., Awaitable[object]],
    parameter: str,
    conn: Connection,
    receive: Receive,
    send: Send,
    call_next: NativeHandler,
) -> None:
    """Call *middleware* with a scope and channels of events; cancelling cancels it.

    Of the scope only ``state`` and ``extensions`` are shared with what follows.

    Args:
        middleware: ``async (scope, receive, send, call_next)``.
        parameter: What it calls the rest of the chain.
        conn: The request.
        receive: The chain's.
        send: The chain's.
        call_next: What follows.

    Spec:
        ASGI HTTP & WebSocket 2.4
    """
    if conn.type == "websocket":
        await _call_with_websocket_events(middleware, parameter, conn, receive, send, call_next)
        return

    async def inner(scope: object, receive: EventReceive, send: EventSend) -> None:
        await call_next(conn, native_receive(receive), as_events(send))

    await middleware(
        conn.as_scope(), handler_receive(receive), native_send(send), **{parameter: inner}
    )


async def _call_with_websocket_events(
    middleware: Callable[..., Awaitable[object]],
    parameter: str,
    conn: Connection,
    receive: Receive,
    send: Send,
    call_next: NativeHandler,
) -> None:
    async def inner(scope: object, receive: EventReceive, send: EventSend) -> None:
        async def send_events(message: SessionMessage) -> None:
            for event in to_commands(message):
                await send(event)

        native = native_websocket_receive(conn, cast(AnyWebSocketReceive, receive))
        await call_next(conn, cast(Receive, native), cast(Send, send_events))

    await middleware(
        conn.as_scope(), event_receive(conn, receive), event_send(conn, send), **{parameter: inner}
    )


def as_events(send: EventSend) -> Send:
    """Return a ``send`` of messages, which *send* gets as ``http.response.*`` events."""

    async def send_events(message: ResponseMessage) -> None:
        if isinstance(message, Response):
            start = start_of(message)
            await send(to_start_event(start.status, start.fields, trailers=False))
            await send(to_body_event(message.body, more=False))
        elif isinstance(message, ResponseStart):
            await send(to_start_event(message.status, message.fields, trailers=message.trailers))
        elif isinstance(message, ResponseBody):
            await send(to_body_event(message.data, more=message.more))
        elif isinstance(message, ResponseTrailers):
            await send(to_trailers_event(message.fields))
        elif isinstance(message, InterimResponse):
            # ASGI has an event for early hints and for no other interim response.
            if message.status == 103:
                await send(to_early_hint_event(message.fields))
        elif isinstance(message, ResponsePush):
            await send(to_push_event(message))
        else:
            assert_never(message)

    return send_events
