"""We are hosted: uvicorn, hypercorn, granian or any ASGI 3.0 server runs our application.

This module plays the server towards the application and the application towards the server.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
import uuid
from collections.abc import Iterable
from typing import Final

from blackbull.connection import Connection
from blackbull.errors import ClientDisconnected, ConfigurationError, HTTPException
from blackbull.headers import Field
from blackbull.native import (
    InterimResponse,
    NativeApp,
    RequestBody,
    RequestDisconnected,
    RequestMessage,
    ResponseBody,
    ResponseMessage,
    ResponsePush,
    ResponseStart,
    ResponseTrailers,
)
from blackbull.response import Response

from .content_bound import ContentBound
from .messages import (
    misuse,
    parse_request_event,
    to_body_event,
    to_early_hint_event,
    to_push_event,
    to_start_event,
    to_trailers_event,
)
from .scope import to_connection
from .types import ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
from .websocket_guest import serve_websocket

logger: Final = logging.getLogger("blackbull.asgi")

_WAITING: Final = 0
_STARTED: Final = 1
_TRAILERS: Final = 2
_DONE: Final = 3
_PHASES: Final = (
    "before a response was started",
    "while the response's content is due",
    "while the response's trailers are due",
    "after the response was complete",
)
# RFC 9112 §9.6, RFC 9113 §8.2.2: the host frames the message and keeps the connection.
_HOSTS_FIELDS: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)
_EARLY_HINT: Final = "http.response.early_hint"
_PUSH: Final = "http.response.push"
_RESPONSE_TRAILERS: Final = "http.response.trailers"


async def serve_scope(
    app: NativeApp, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """Serve one ASGI scope with *app*: a request, a WebSocket, or the life of the process.

    Args:
        app: Our application.
        scope: The host's description of the request.
        receive: Returns the host's events.
        send: Takes our events.

    Raises:
        Exception: what the application raises; the host answers.
        LocalProtocolError: the application returned without a whole response, or the host broke
            ASGI.
        ValueError: the scope is of a type that we do not know; ASGI asks for an exception.

    Spec:
        ASGI 3.0
    """
    kind = scope.get("type")
    if kind == "http":
        await _serve_http(app, scope, receive, send)
    elif kind == "lifespan":
        await _serve_lifespan(app, receive, send)
    elif kind == "websocket":
        conn = to_connection(scope, connection_id=uuid.uuid4().hex)
        await serve_websocket(app, conn, receive, send)
    else:
        raise ValueError(
            f"an ASGI scope of type {kind!r} is not served: http, websocket and lifespan are"
        )


async def _serve_http(
    app: NativeApp, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    # A host does not tell which requests share a connection.
    conn = to_connection(scope, connection_id=uuid.uuid4().hex)
    bound = ContentBound(app, conn)
    exchange = Exchange(conn, receive, send, bound=bound)
    conn.receive = exchange.receive
    try:
        try:
            bound.check_announced()
        except HTTPException as error:
            # Nobody has looked at the request yet, so that nobody can have an opinion.
            await exchange.send(Response(f"{error.detail}\n", error.status, "text/plain"))
            return
        answer = app.begin(conn)
        if isinstance(answer, Response):
            await exchange.send(answer)
        else:
            await answer(conn, exchange.receive, exchange.send)
        exchange.check_complete()
    except ClientDisconnected:
        logger.debug("the client left before its response was complete")
    except asyncio.CancelledError:
        if not exchange.withdraw_cancellation():
            raise
    finally:
        exchange.close()


async def _serve_lifespan(
    app: NativeApp, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    for phase, step in (("startup", app.startup), ("shutdown", app.shutdown)):
        event = await receive()
        if event.get("type") != f"lifespan.{phase}":
            raise misuse(f"the host sent {event.get('type')!r} instead of 'lifespan.{phase}'")
        try:
            await step()
        except Exception as error:
            await send({"type": f"lifespan.{phase}.failed", "message": _explain(error)})
            return
        await send({"type": f"lifespan.{phase}.complete"})


def _explain(error: Exception) -> str:
    """Return one line for what the user can put right, the traceback for all else."""
    if isinstance(error, ConfigurationError):
        return str(error)
    return "".join(traceback.format_exception(error))


class Exchange:
    """One request and its response, as our application sees them.

    Args:
        conn: The request.
        receive: The host's.
        send: The host's.
        bound: How much content there may be.

    Spec:
        ASGI HTTP & WebSocket 2.4
    """

    __slots__ = (
        "_arriving", "_beat", "_bound", "_cancellable", "_cancelled", "_conn", "_failure",
        "_handler", "_left", "_parked", "_receive", "_send", "_spoken_at", "_state", "_trailers",
        "_turn", "_without_content",
    )  # fmt: skip

    def __init__(
        self,
        conn: Connection,
        receive: ASGIReceiveCallable,
        send: ASGISendCallable,
        *,
        bound: ContentBound,
    ) -> None:
        self._conn = conn
        self._bound = bound
        self._receive = receive
        self._send = send
        self._state: int = _WAITING
        self._trailers = False
        self._without_content = conn.head.method == "HEAD"
        self._arriving: asyncio.Task[RequestMessage] | None = None
        self._parked: RequestBody | None = None
        self._failure: BaseException | None = None
        self._left = False
        self._handler = asyncio.current_task()
        self._cancellable = False
        self._cancelled = False
        self._beat: asyncio.Task[None] | None = None
        self._turn: asyncio.Lock | None = None
        self._spoken_at = 0.0

    async def receive(self) -> RequestMessage:
        """Return the next part of the content; after the last, wait for the client to leave.

        Cancelling loses nothing.

        Raises:
            Exception: whatever the host's ``receive`` raises.
            HTTPException: 413, there is more content than there may be.
            LocalProtocolError: the host broke ASGI.
        """
        while True:
            parked = self._parked
            if parked is not None:
                self._parked = None
                if self._cancellable:
                    self._listen()
                if parked.data:
                    self._bound.count(len(parked.data))
                return parked
            if self._left:
                return RequestDisconnected()
            if self._failure is not None:
                raise self._failure
            await asyncio.wait((self._listen(),))

    async def send(self, message: ResponseMessage) -> None:
        """Hand *message* to the host; waits as long as the host does.

        Raises:
            ClientDisconnected: the client left.
            LocalProtocolError: the message is out of order.
        """
        state = self._state
        if self._left:
            raise ClientDisconnected
        if isinstance(message, ResponseBody) and state == _STARTED:
            await self._send_content(message)
        elif isinstance(message, Response) and state == _WAITING:
            await self._send_whole(message)
        elif isinstance(message, ResponseStart) and state == _WAITING:
            await self._send_start(message)
        elif isinstance(message, ResponseTrailers) and state == _TRAILERS:
            self._state = _DONE
            if self._offers(_RESPONSE_TRAILERS):
                await self._deliver(to_trailers_event(message.fields))
        elif isinstance(message, ResponsePush):
            if self._offers(_PUSH):
                await self._deliver(to_push_event(message))
        elif isinstance(message, InterimResponse) and state == _WAITING:
            # A hint that the host cannot pass on is no loss.
            if message.status == 103 and self._offers(_EARLY_HINT):
                await self._deliver(to_early_hint_event(message.fields))
        else:
            raise misuse(f"{type(message).__name__} was sent {_PHASES[state]}")

    def check_complete(self) -> None:
        """Judge the application's return.

        Raises:
            LocalProtocolError: its response is not complete, and the client is there to miss it.
        """
        if self._state != _DONE and not self._left:
            raise misuse(f"the application returned {_PHASES[self._state]}")

    def withdraw_cancellation(self) -> bool:
        """Return True if the handler was cancelled only because its client left."""
        return self._cancelled and self._uncancel() == 0

    def close(self) -> None:
        """End what runs beside the handler."""
        self._cancellable = False
        for task in (self._arriving, self._beat):
            if task is not None:
                task.cancel()
        if self._cancelled:
            self._uncancel()

    def _listen(self) -> asyncio.Task[RequestMessage]:
        """Return the one task that waits for the host's next event."""
        arriving = self._arriving
        if arriving is None:
            arriving = self._arriving = asyncio.create_task(self._next())
            arriving.add_done_callback(self._on_arrival)
        return arriving

    async def _next(self) -> RequestMessage:
        return parse_request_event(await self._receive())

    def _on_arrival(self, arriving: asyncio.Task[RequestMessage]) -> None:
        self._arriving = None
        if arriving.cancelled():
            return
        self._failure = arriving.exception()
        if self._failure is not None:
            return
        message = arriving.result()
        if isinstance(message, RequestDisconnected):
            self._on_departure()
            return
        self._parked = message
        # More content waits until it is asked for; after its end only the departure can come.
        if self._cancellable and not message.more:
            self._listen()

    def _on_departure(self) -> None:
        self._left = True
        if self._state == _DONE:
            # Hosts say so as well when the response is complete and the client is still there.
            return
        self._conn.disconnected = True
        if self._cancellable and self._handler is not None:
            self._cancelled = True
            self._handler.cancel()

    def _uncancel(self) -> int:
        self._cancelled = False
        return 0 if self._handler is None else self._handler.uncancel()

    async def _send_whole(self, response: Response) -> None:
        status, content = response.status, response.body
        fields = list(response.fields)
        if response.content_type:
            fields.insert(0, (b"content-type", response.content_type))
        if status in {204, 304}:
            content = b""
        else:
            fields.append((b"content-length", b"%d" % len(content)))
        self._state = _STARTED
        await self._deliver(to_start_event(status, _endpoint_fields(fields), trailers=False))
        self._state = _DONE
        body = b"" if self._without_content else content
        await self._deliver(to_body_event(body, more=False))

    async def _send_start(self, start: ResponseStart) -> None:
        self._state = _STARTED
        self._trailers = start.trailers
        self._without_content = self._without_content or start.status in {204, 304}
        announced = start.trailers and self._offers(_RESPONSE_TRAILERS)
        fields = _endpoint_fields(start.fields)
        await self._deliver(to_start_event(start.status, fields, trailers=announced))
        if start.cancel_on_disconnect:
            self._cancellable = True
            if self._parked is None or not self._parked.more:
                self._listen()
        if start.heartbeat is not None and not self._without_content:
            self._turn = asyncio.Lock()
            self._spoken_at = asyncio.get_running_loop().time()
            self._beat = asyncio.create_task(self._keep_speaking(*start.heartbeat))

    async def _send_content(self, body: ResponseBody) -> None:
        if not body.more:
            self._state = _TRAILERS if self._trailers else _DONE
        event = to_body_event(b"" if self._without_content else body.data, more=body.more)
        if self._turn is None:
            await self._deliver(event)
            return
        async with self._turn:
            await self._deliver(event)
            self._spoken_at = asyncio.get_running_loop().time()

    async def _keep_speaking(self, interval: float, filler: bytes) -> None:
        """Send *filler* whenever the content was silent for *interval* seconds."""
        loop = asyncio.get_running_loop()
        turn = self._turn
        while turn is not None and self._state == _STARTED and not self._left:
            silence = loop.time() - self._spoken_at
            if silence < interval:
                await asyncio.sleep(interval - silence)
                continue
            async with turn:
                if self._state != _STARTED:
                    return
                try:
                    await self._deliver(to_body_event(filler, more=True))
                except ClientDisconnected:
                    return
                self._spoken_at = loop.time()

    async def _deliver(self, event: ASGISendEvent) -> None:
        try:
            await self._send(event)
        except OSError as error:
            # ASGI 2.4, "Disconnected Client - send exception"
            self._left = self._conn.disconnected = True
            raise ClientDisconnected from error

    def _offers(self, extension: str) -> bool:
        return extension in self._conn.extensions


def _endpoint_fields(fields: Iterable[Field]) -> list[Field]:
    return [field for field in fields if field[0] not in _HOSTS_FIELDS]
