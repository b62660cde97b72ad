"""The way of a WebSocket through the application; the counterpart of :mod:`.pipeline`.

::

    request_received
      global middleware
        route look-up, origin
          group and route middleware
            before_handler  handler  after_handler
              websocket_connected  websocket_message*  websocket_disconnected
    scope_completed

What goes wrong before the WebSocket is accepted is answered as for a request, by an HTTP response;
what goes wrong afterwards closes it.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Collection, Sequence
from typing import Final, cast

from blackbull.connection import Connection
from blackbull.errors import Disconnect, HTTPException, LocalProtocolError
from blackbull.event_aggregator import EventAggregator
from blackbull.messages import (
    WebSocketAccept,
    WebSocketClose,
    WebSocketEvent,
    WebSocketMessage,
    WebSocketReceive,
)
from blackbull.middleware import Middleware, compose
from blackbull.native import NativeHandler, Receive, Send
from blackbull.response import Response
from blackbull.routing.handler.websocket import MAX_REASON, POLICY_VIOLATION
from blackbull.routing.route import WEBSOCKET, Route
from blackbull.routing.router import Router
from blackbull.websocket_session import Session, WebSocketCommand, WebSocketSend, session_of

from .entry import Entry, route_entry
from .errors import ErrorResponder, own_status

logger = logging.getLogger("blackbull.app")

NORMAL: Final = 1000
INTERNAL_ERROR: Final = 1011
ABNORMAL: Final = 1006


class NothingAnswered(RuntimeError):
    """Neither a middleware nor the handler accepted or refused the WebSocket."""


class WebSocketPipeline:
    """Everything between the wish to open a WebSocket and its end.

    Args:
        router: The frozen routes.
        middlewares: The global middleware, the outermost first.
        events: Who is told.
        errors: Who answers errors.
        subprotocols: What the application speaks.

    Raises:
        ConfigurationError: a middleware cannot be composed.
    """

    def __init__(
        self,
        router: Router,
        middlewares: Sequence[Middleware],
        *,
        events: EventAggregator,
        errors: ErrorResponder,
        subprotocols: Collection[str] = (),
    ) -> None:
        self._events = events
        self._errors = errors
        self._find = router.find
        self._subprotocols = frozenset(subprotocols)
        self._entries = {
            route: route_entry(route, events)
            for route in router.routes
            if route.scheme == WEBSOCKET
        }
        self._plain = not middlewares
        self._chain = compose(middlewares, self._serve_route)

    def begin(self, conn: Connection) -> Response | NativeHandler:
        """Refuse *conn* at once, or return who serves it."""
        if not self._plain or self._events.has_request_listeners():
            return self._serve_announced
        try:
            route, entry = self._route(conn)
        except Exception as error:
            reply = self._errors.reply(conn, error)
            if isinstance(reply, Response):
                return reply
            return functools.partial(self._serve_plain, reply, None)
        return functools.partial(self._serve_plain, entry.run, route)

    async def _serve_plain(
        self,
        handler: NativeHandler,
        route: Route | None,
        conn: Connection,
        receive: Receive,
        send: Send,
    ) -> None:
        session = self._session(conn, receive, send)
        if route is not None:
            session.max_message_size = route.max_message_size
        await self._serve(handler, session)

    async def _serve_announced(self, conn: Connection, receive: Receive, send: Send) -> None:
        failure: BaseException | None = None
        try:
            failure = await self._serve(self._receive_and_chain, self._session(conn, receive, send))
        except BaseException as error:
            failure = error
            raise
        finally:
            await self._tell(self._events.on_scope_completed(conn, failure), conn)

    async def _receive_and_chain(self, conn: Connection, receive: Receive, send: Send) -> None:
        await self._events.on_request_received(conn)
        await self._chain(conn, receive, send)

    async def _serve_route(self, conn: Connection, receive: Receive, send: Send) -> None:
        """The innermost link of the global chain: find the route and let it serve."""
        session = session_of(conn)
        try:
            route, entry = self._route(conn)
            if session is not None:
                session.max_message_size = route.max_message_size
            await entry.run_announced(conn, receive, send)
        except Exception as error:
            if session is None or session.accepted or session.closed:
                raise
            if isinstance(error, Disconnect) or not self._errors.expects(error):
                raise
            # As for a request: middleware sees errors that are answers as responses.
            await self._refuse(error, session, send)

    async def _serve(self, handler: NativeHandler, session: Session) -> Exception | None:
        """Let *handler* serve the WebSocket; do what it left undone.

        Returns:
            What the handler raised, if that was no disconnect and could be dealt with.
        """
        conn = session.conn
        failure: Exception | None = None
        try:
            try:
                await handler(conn, cast(Receive, session.receive), cast(Send, session.send))
                if not (session.accepted or session.closed or conn.disconnected):
                    raise NothingAnswered(
                        f"nobody accepted the WebSocket {conn.head.path!r}: await accept() or "
                        "close(), and let every middleware await call_next(conn, receive, send)"
                    )
            except Exception as error:
                if _is_departure(error):
                    logger.debug("the client left the WebSocket %r", conn.head.path)
                else:
                    failure = error
                    await self._settle(error, session)
            if session.open:
                await self._close(session, NORMAL)
        finally:
            if session.accepted and self._events.has_websocket_disconnected_listeners():
                await self._tell(self._announce_end(session), conn)
        return failure

    async def _settle(self, error: Exception, session: Session) -> None:
        """Answer *error* as far as the WebSocket has come."""
        if not session.accepted and not session.closed:
            try:
                await self._refuse(error, session, cast(Send, session.send))
            except Disconnect:
                logger.debug("the client left the WebSocket %r", session.conn.head.path)
            return
        status = own_status(error)
        if status is None or status >= 500:
            await self._errors.report(session.conn, error)
            await self._close(session, INTERNAL_ERROR)
        else:
            reason = error.detail if isinstance(error, HTTPException) else ""
            await self._close(session, POLICY_VIOLATION, reason)

    async def _refuse(self, error: Exception, session: Session, send: Send) -> None:
        reply = self._errors.reply(session.conn, error)
        if isinstance(reply, Response):
            await send(reply)
        else:
            await reply(session.conn, cast(Receive, session.receive), send)

    async def _close(self, session: Session, code: int, reason: str = "") -> None:
        short = reason.encode()[:MAX_REASON].decode(errors="ignore")
        try:
            if session.open:
                await session.send(WebSocketClose(code, short))
        except (Disconnect, LocalProtocolError):
            logger.debug("the WebSocket %r was closed already", session.conn.head.path)

    async def _announce_end(self, session: Session) -> None:
        conn = session.conn
        # Whoever only sends learns that the peer left, but not how: that has still to be read.
        while session.close_code is None and conn.disconnected:
            await session.receive()
        code = ABNORMAL if session.close_code is None else session.close_code
        await self._events.on_websocket_disconnected(conn, code)

    async def _tell(self, telling: Awaitable[None], conn: Connection) -> None:
        try:
            await telling
        except Exception:
            logger.exception("an interceptor failed after the WebSocket %r", conn.head.path)

    def _route(self, conn: Connection) -> tuple[Route, Entry]:
        # Over HTTP/2 the method is CONNECT: only the path matters.
        match = self._find("GET", conn.head.path, WEBSOCKET)
        route = match.route
        conn.path_params = match.params
        if route.origins is not None and not route.origins.admit(conn):
            raise HTTPException(403, "pages of this origin may not open this WebSocket")
        return route, self._entries[route]

    def _session(self, conn: Connection, receive: Receive, send: Send) -> Session:
        """Return the session of *conn*, whose channels tell whoever listens."""
        events = self._events
        server_receive = cast(WebSocketReceive, receive)
        server_send = cast(WebSocketSend, send)
        told_receive, told_send = server_receive, server_send
        if events.has_websocket_message_listeners():

            async def receive_and_tell() -> WebSocketEvent:
                event = await server_receive()
                if isinstance(event, WebSocketMessage):
                    await events.on_websocket_message(conn, event)
                return event

            told_receive = receive_and_tell
        if events.has_websocket_connected_listeners():

            async def send_and_tell(message: WebSocketCommand) -> None:
                await server_send(message)
                if isinstance(message, WebSocketAccept):
                    await events.on_websocket_connected(conn, message.subprotocol)

            told_send = send_and_tell
        return Session(conn, told_receive, told_send, supported=self._subprotocols)


def _is_departure(error: Exception) -> bool:
    """Return True if *error* only says that the client left, perhaps to several tasks at once."""
    if isinstance(error, ExceptionGroup):
        return error.split(Disconnect)[1] is None
    return isinstance(error, Disconnect)
