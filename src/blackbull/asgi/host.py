"""We host: an ASGI 3.0 application behind our server's native seam.

The head of a response is held until its first content: an answer that is complete by then leaves
as one :class:`~blackbull.response.Response`, in one write.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, cast

from blackbull.connection import Connection
from blackbull.errors import (
    ClientDisconnected,
    ConfigurationError,
    ConnectionLost,
    LocalProtocolError,
)
from blackbull.headers import Fields
from blackbull.native import (
    InterimResponse,
    NativeApp,
    NativeHandler,
    Receive,
    RequestBody,
    RequestDisconnected,
    RequestMessage,
    ResponseBody,
    ResponseMessage,
    ResponsePush,
    ResponseStart,
    ResponseTrailers,
    Send,
)
from blackbull.response import Response

from .detection import explain_no_asgi, is_asgi_app
from .lifespan import HostedLifespan
from .messages import misuse, parse_content, parse_response_event, to_request_event
from .scope import to_http_scope, to_websocket_scope
from .types import ASGIApplication, ASGIReceiveEvent, ASGISendEvent
from .websocket_host import HostedWebSocket

__all__ = ["HostedApp", "as_native_app", "is_asgi_app"]

NATIVE_METHODS: Final = ("begin", "startup", "stopping", "shutdown", "__call__")

logger: Final = logging.getLogger("blackbull.asgi")

_WAITING: Final = 0
_HELD: Final = 1
_STARTED: Final = 2
_TRAILERS: Final = 3
_DONE: Final = 4
_PHASES: Final = (
    "before http.response.start",
    "before the first http.response.body",
    "while the response's content is due",
    "while http.response.trailers is due",
    "after the response was complete",
)


class HostedApp:
    """An ASGI 3.0 application as a :class:`~blackbull.native.NativeApp`.

    Args:
        app: Any ASGI 3.0 callable: Starlette, FastAPI, Litestar, Django, ...
        root_path: Where it is mounted, for example ``"/api"``.

    Attributes:
        app: The application.
        state: What its lifespan left there; every request gets a shallow copy.

    Raises:
        ConfigurationError: *app* is no ASGI 3.0 application.

    Spec:
        ASGI 3.0
    """

    def __init__(self, app: ASGIApplication, *, root_path: str = "") -> None:
        if not is_asgi_app(app):
            raise ConfigurationError(explain_no_asgi(app))
        self.app = app
        self.root_path = root_path.rstrip("/")
        self.state: dict[str, object] = {}
        self._lifespan = HostedLifespan(app, self.state)

    def begin(self, conn: Connection) -> Response | NativeHandler:
        """Leave the answer to the application; only ``OPTIONS *`` asks the server itself.

        Spec:
            RFC 9110 §9.3.7
        """
        if conn.head.path == "*":
            return Response(b"", 204, "")
        return self

    async def __call__(self, conn: Connection, receive: Receive, send: Send) -> None:
        """Run the application for one request or one WebSocket.

        Raises:
            Exception: what the application raises while its client is there.
            LocalProtocolError: it broke ASGI, or returned without a whole response.
        """
        if conn.type == "websocket":
            await self._serve_websocket(conn, receive, send)
            return
        exchange = Exchange(conn, receive, send)
        scope = to_http_scope(conn, root_path=self.root_path, state=self.state)
        try:
            await self.app(scope, exchange.receive, exchange.send)
            exchange.check_complete()
        except Exception:
            if not exchange.left:
                raise
            # What an application makes of a client that left is no fault of either.
            logger.debug("the application raised after its client left", exc_info=True)
        finally:
            exchange.close()

    async def _serve_websocket(self, conn: Connection, receive: Receive, send: Send) -> None:
        socket = HostedWebSocket(conn, receive, send)
        scope = to_websocket_scope(conn, root_path=self.root_path, state=self.state)
        try:
            await self.app(scope, socket.receive, socket.send)
            await socket.finish()
        except Exception:
            if not socket.left:
                raise
            logger.debug("the application raised after its client left", exc_info=True)

    async def startup(self) -> None:
        """Run the application's lifespan up to the end of its startup.

        Raises:
            ConfigurationError: the application says that it cannot start, and why.
        """
        await self._lifespan.startup()

    async def stopping(self) -> None:
        """Nothing: ASGI has no word for it."""

    async def shutdown(self) -> None:
        """Run the rest of the application's lifespan.

        Raises:
            BlackBullError: the application says that its shutdown failed, and why.
        """
        await self._lifespan.shutdown()


def as_native_app(app: object, *, root_path: str = "") -> NativeApp:
    """Return what our server drives: *app* itself if it is native, else hosted.

    Args:
        app: A :class:`~blackbull.native.NativeApp` or an ASGI 3.0 callable.
        root_path: Where an ASGI application is mounted.

    Raises:
        ConfigurationError: it is neither.
    """
    if not isinstance(app, type) and all(
        callable(getattr(app, name, None)) for name in NATIVE_METHODS
    ):
        return cast(NativeApp, app)
    if is_asgi_app(app):
        return HostedApp(app, root_path=root_path)
    raise ConfigurationError(explain_no_asgi(app))


class Exchange:
    """One request and its response, as an ASGI application sees them.

    Args:
        conn: The request.
        receive: The server's; returns native messages.
        send: The server's; takes native messages.

    Attributes:
        left: True once the application could know that its client is gone.

    Spec:
        ASGI HTTP & WebSocket 2.4
    """

    __slots__ = (
        "_arriving", "_awaits_trailers", "_completed", "_conn", "_content", "_receive", "_replayed",
        "_send", "_start", "_state", "_trailers", "left",
    )  # fmt: skip

    def __init__(self, conn: Connection, receive: Receive, send: Send) -> None:
        self._conn = conn
        self._receive = receive
        self._send = send
        self._state: int = _WAITING
        self._start: ResponseStart | None = None
        self._awaits_trailers = False
        self._trailers: Fields = ()
        # Content that has arrived already is not waited for; the server repeats it.
        self._content = conn._content
        self._replayed = conn._content is not None
        self._arriving: asyncio.Future[RequestMessage] | None = None
        self._completed: asyncio.Future[None] | None = None
        self.left = False

    async def receive(self) -> ASGIReceiveEvent:
        """Return the next part of the content, in the end the disconnect. Cancelling loses nothing.

        Spec:
            ASGI HTTP & WebSocket 2.4, "Disconnect": sent as well once the response is complete
        """
        if self._content is not None and self._state != _DONE:
            event = to_request_event(RequestBody(self._content, False))
            self._content = None
            return event
        while self._state != _DONE and not self.left:
            if self._conn.disconnected:
                self.left = True
                break
            message = await self._arrival()
            if isinstance(message, RequestDisconnected):
                self.left = True
            elif message is not None and not self._replayed:
                return to_request_event(message)
        return {"type": "http.disconnect"}

    async def send(self, event: ASGISendEvent) -> None:
        """Take the next event of the response; wait while the client does not read.

        Raises:
            ConnectionLost: the client left.
            LocalProtocolError: the event is malformed or out of order.

        Spec:
            ASGI HTTP & WebSocket 2.4, "Response Start", "Response Body", "Disconnected Client"
        """
        state = self._state
        if event.get("type") == "http.response.body":
            content = parse_content(event)
            more = bool(event.get("more_body"))
            if state == _HELD:
                self._state = _STARTED
                await self._send_first(content, more=more)
            elif state == _STARTED:
                await self._deliver(ResponseBody(content, more))
            else:
                raise _out_of_order(event, state)
            if not more:
                self._end_content()
            return
        message = parse_response_event(event)
        if isinstance(message, ResponseStart) and state == _WAITING:
            self._start = message
            self._awaits_trailers = message.trailers
            self._state = _HELD
        elif (isinstance(message, ResponsePush) and state != _DONE) or (
            isinstance(message, InterimResponse) and state == _WAITING
        ):
            await self._deliver(message)
        elif isinstance(message, ResponseTrailers) and state == _TRAILERS:
            self._trailers += message.fields
            if not event.get("more_trailers"):
                await self._deliver(ResponseTrailers(self._trailers))
                self._complete()
        else:
            raise _out_of_order(event, state)

    def check_complete(self) -> None:
        """Judge the application's return.

        Raises:
            LocalProtocolError: its response is not complete, and the client is there to miss it.
        """
        if self._state != _DONE and not self.left and not self._conn.disconnected:
            raise misuse(f"the application returned {_PHASES[self._state]}")

    def close(self) -> None:
        """Stop waiting for the client. Calling it again does nothing."""
        arriving = self._arriving
        if arriving is not None:
            self._arriving = None
            arriving.cancel()
        self._complete()

    async def _send_first(self, content: bytes, *, more: bool) -> None:
        start = self._start
        if start is None:
            return
        self._start = None
        whole = None if more or start.trailers else _as_whole(start, content)
        if whole is not None:
            await self._deliver(whole)
            return
        await self._deliver(start)
        if content or not more:
            await self._deliver(ResponseBody(content, more))

    async def _deliver(self, message: ResponseMessage) -> None:
        try:
            await self._send(message)
        except ClientDisconnected as error:
            self.left = True
            raise ConnectionLost("the client left") from error

    def _end_content(self) -> None:
        if self._awaits_trailers:
            self._state = _TRAILERS
        else:
            self._complete()

    def _complete(self) -> None:
        self._state = _DONE
        completed = self._completed
        if completed is not None and not completed.done():
            completed.set_result(None)

    async def _arrival(self) -> RequestMessage | None:
        """Return what the server received; None if a completed response ended the wait."""
        arriving = self._arriving
        if arriving is None:
            arriving = self._arriving = asyncio.ensure_future(self._receive())
        if self._completed is None:
            self._completed = arriving.get_loop().create_future()
        await asyncio.wait((arriving, self._completed), return_when=asyncio.FIRST_COMPLETED)
        if self._arriving is not arriving or not arriving.done():
            return None
        self._arriving = None
        return arriving.result()


def _as_whole(start: ResponseStart, content: bytes) -> Response | None:
    """Return the response as one message; None where its content-length tells something else.

    Spec:
        RFC 9110 §8.6: in answers to HEAD, and in 304, it is that of another response
    """
    if start.status == 304:
        return None
    content_type = b""
    fields = []
    for field in start.fields:
        name, value = field
        if name == b"content-type" and not content_type:
            content_type = value
        elif name != b"content-length":
            fields.append(field)
        elif value != b"%d" % len(content):
            return None
    response = Response(content, start.status, "")
    response.content_type = content_type
    response.fields = fields or ()
    return response


def _out_of_order(event: ASGISendEvent, state: int) -> LocalProtocolError:
    return misuse(f"{event['type']!r} was sent {_PHASES[state]}")
