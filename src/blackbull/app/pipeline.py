"""The way of a request through the application: events, middleware, route, handler, errors.

::

    request_received
      global middleware            sees errors that are answers (404, HTTPException, on_error) as
        route look-up              responses, and bugs as exceptions
          group and route middleware        sees every error as an exception
            before_handler  handler  after_handler
    request_completed | request_disconnected
    scope_completed

An application without listeners and global middleware takes only the parts in the middle, by
:meth:`Pipeline.begin`; a handler that cannot wait even answers there, without a task.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Collection, Sequence

from blackbull.connection import Connection
from blackbull.errors import ClientDisconnected
from blackbull.event_aggregator import EventAggregator
from blackbull.middleware import Middleware, compose
from blackbull.native import NativeHandler, Receive, Send
from blackbull.response import Response
from blackbull.routing.route import WEBSOCKET
from blackbull.routing.router import Router

from .entry import Entry, asterisk_entry, route_entry
from .errors import ErrorResponder
from .outgoing import Outgoing
from .websocket_pipeline import WebSocketPipeline

logger = logging.getLogger("blackbull.app")


class NothingSent(RuntimeError):
    """Neither a middleware nor the handler answered."""


class Pipeline:
    """Everything between a request's arrival and the end of its answer.

    Args:
        router: The frozen routes.
        middlewares: The global middleware, the outermost first.
        events: Who is told.
        errors: Who answers errors.
        subprotocols: Those of WebSockets that the application speaks.

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
        self._entries = {
            route: route_entry(route, events) for route in router.routes if route.scheme == "http"
        }
        self._static = {
            path: {method: self._entries[route] for method, route in table.items()}
            for path, table in router.static.items()
        }
        # RFC 9110 §9.3.7: the asterisk asks about the server as a whole.
        self._static["*"] = {"OPTIONS": asterisk_entry(router)}
        self._plain = not middlewares
        self._chain = compose(middlewares, self._answer_route)
        self._websockets = WebSocketPipeline(
            router, middlewares, events=events, errors=errors, subprotocols=subprotocols
        )
        self.quiet = False
        self.update_quiet()

    def update_quiet(self) -> None:
        """Take note of who listens now."""
        self.quiet = self._plain and not self._events.has_request_listeners()

    def begin(self, conn: Connection) -> Response | NativeHandler:
        """Answer *conn* at once, or return who does; see :class:`blackbull.native.NativeApp`."""
        if conn.type == WEBSOCKET:
            return self._websockets.begin(conn)
        if not self.quiet:
            return self._answer_announced
        head = conn.head
        try:
            table = self._static.get(head.path)
            entry = table.get(head.method) if table is not None else None
            if entry is None:
                match = self._find(head.method, head.path)
                conn.path_params = match.params
                entry = self._entries[match.route]
            immediate = entry.immediate
            if immediate is None:
                return functools.partial(self._answer_guarded, entry.run)
            reply = immediate(conn)
        except Exception as error:
            reply = self._errors.reply(conn, error)
        if isinstance(reply, Response):
            return reply
        return functools.partial(self._answer_guarded, reply)

    async def _answer_announced(self, conn: Connection, receive: Receive, send: Send) -> None:
        """Answer *conn* through all the middleware, and tell the listeners."""
        events = self._events
        out = Outgoing(send)
        clock = asyncio.get_running_loop().time
        begun = clock()
        failure: BaseException | None = None
        try:
            failure = await self._answer(self._receive_and_chain, conn, receive, out)
        except BaseException as error:
            failure = error
            raise
        finally:
            try:
                if conn.disconnected and not out.complete:
                    await events.on_request_disconnected(conn)
                elif out.started:
                    await events.on_request_completed(
                        conn,
                        status=out.status,
                        response_bytes=out.size,
                        duration_ms=(clock() - begun) * 1000,
                    )
            except Exception:
                logger.exception("an interceptor failed after the answer to %r", conn.head.path)
            await self._conclude(conn, failure)

    async def _conclude(self, conn: Connection, failure: BaseException | None) -> None:
        try:
            await self._events.on_scope_completed(conn, failure)
        except Exception:
            logger.exception("an interceptor failed after the answer to %r", conn.head.path)

    async def _receive_and_chain(self, conn: Connection, receive: Receive, send: Send) -> None:
        await self._events.on_request_received(conn)
        await self._chain(conn, receive, send)

    async def _answer_guarded(
        self, handler: NativeHandler, conn: Connection, receive: Receive, send: Send
    ) -> None:
        await self._answer(handler, conn, receive, Outgoing(send))

    async def _answer(
        self, handler: NativeHandler, conn: Connection, receive: Receive, out: Outgoing
    ) -> Exception | None:
        """Let *handler* answer; if it does not, answer for it.

        Returns:
            What the handler raised, if that could be dealt with.

        Raises:
            Exception: the answer broke off in its middle: only the server can end it now.
        """
        try:
            await handler(conn, receive, out.send)
            if not out.started:
                raise NothingSent(
                    f"nothing was sent for {conn.head.method} {conn.head.path!r}: "
                    "a middleware must await call_next(conn, receive, send) or send a response"
                )
        except ClientDisconnected as error:
            conn.disconnected = True
            return error
        except Exception as error:
            await self._settle(conn, error, receive, out)
            return error
        return None

    async def _settle(
        self, conn: Connection, error: Exception, receive: Receive, out: Outgoing
    ) -> None:
        if not out.started:
            reply = self._errors.reply(conn, error)
            try:
                if isinstance(reply, Response):
                    await out.send(reply)
                else:
                    await reply(conn, receive, out.send)
            except ClientDisconnected:
                conn.disconnected = True
            return
        await self._errors.report(conn, error)
        if not out.complete:
            raise error

    async def _answer_route(self, conn: Connection, receive: Receive, send: Send) -> None:
        """The innermost link of the global chain: find the route and let it answer."""
        out = Outgoing(send)
        try:
            await self._entry(conn).run_announced(conn, receive, out.send)
        except ClientDisconnected:
            raise
        except Exception as error:
            if out.started or not self._errors.expects(error):
                raise
            await self._settle(conn, error, receive, out)

    def _entry(self, conn: Connection) -> Entry:
        head = conn.head
        table = self._static.get(head.path)
        entry = table.get(head.method) if table is not None else None
        if entry is None:
            match = self._find(head.method, head.path)
            conn.path_params = match.params
            entry = self._entries[match.route]
        return entry
