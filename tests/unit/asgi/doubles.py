"""The two neighbours of the border, each played by a few lines."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from blackbull.asgi.types import (
    ASGIApplication,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    Scope,
)
from blackbull.connection import Connection, KnownEndpoint
from blackbull.errors import ClientDisconnected
from blackbull.native import (
    NativeHandler,
    Receive,
    RequestBody,
    RequestDisconnected,
    RequestMessage,
    ResponseMessage,
    Send,
)
from blackbull.protocol.head import Fields, RequestHead
from blackbull.response import Response


class NativeServer:
    """Our server towards one request: gives *messages*, keeps what is sent."""

    def __init__(
        self,
        method: str = "GET",
        path: str = "/",
        *,
        content: bytes | None = b"",
        messages: Iterable[RequestMessage] = (),
        http_version: str = "1.1",
        fields: Fields = ((b"host", b"example.test"),),
        query_string: bytes = b"",
    ) -> None:
        head = RequestHead(
            method,
            path,
            raw_path=path.encode(),
            query_string=query_string,
            http_version=http_version,
            authority=b"example.test",
            fields=fields,
        )
        self.conn = Connection(head, KnownEndpoint(("192.0.2.1", 4711), ("192.0.2.2", 80)))
        self.conn._content = content
        replayed = () if content is None else (RequestBody(content, False),)
        self.messages: deque[RequestMessage] = deque((*replayed, *messages))
        self.sent: list[ResponseMessage] = []
        self.gone = False
        self.left = asyncio.Event()

    async def receive(self) -> RequestMessage:
        if self.messages:
            return self.messages.popleft()
        await self.left.wait()
        return RequestDisconnected()

    async def send(self, message: ResponseMessage) -> None:
        if self.gone:
            raise ClientDisconnected
        self.sent.append(message)

    def leave(self) -> None:
        self.gone = True
        self.conn.disconnected = True
        self.left.set()


class ASGIServer:
    """Another server towards one request: gives *events*, then waits for :meth:`leave`."""

    def __init__(self, *events: ASGIReceiveEvent) -> None:
        self.events = deque(events)
        self.sent: list[ASGISendEvent] = []
        self.left = asyncio.Event()
        self.gone = False

    async def receive(self) -> ASGIReceiveEvent:
        if self.events:
            return self.events.popleft()
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, event: ASGISendEvent) -> None:
        if self.gone:
            raise OSError("the client is gone")
        self.sent.append(event)

    @property
    def types(self) -> list[object]:
        return [event["type"] for event in self.sent]

    @property
    def body(self) -> bytes:
        parts = [event.get("body") for event in self.sent]
        return b"".join(part for part in parts if isinstance(part, bytes))

    def headers(self) -> dict[bytes, bytes]:
        pairs = self.sent[0]["headers"]
        assert isinstance(pairs, list)
        return dict(pairs)


class App:
    """A native application of one handler, which may also be an answer that is ready."""

    def __init__(self, handler: NativeHandler | Response) -> None:
        self.handler = handler
        self.log: list[str] = []
        self.conn: Connection | None = None
        self.failure: Exception | None = None

    def begin(self, conn: Connection) -> Response | NativeHandler:
        self.conn = conn
        return self.handler

    async def __call__(self, conn: Connection, receive: Receive, send: Send) -> None:
        await self.handler(conn, receive, send)

    async def startup(self) -> None:
        self._step("startup")

    async def stopping(self) -> None:
        self._step("stopping")

    async def shutdown(self) -> None:
        self._step("shutdown")

    def _step(self, name: str) -> None:
        self.log.append(name)
        if self.failure is not None:
            raise self.failure


def answering(*events: ASGISendEvent) -> ASGIApplication:
    """Return an ASGI application that sends *events* and returns."""

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        for event in events:
            await send(event)

    return app


def sending(*messages: ResponseMessage) -> NativeHandler:
    """Return a native handler that sends *messages* and returns."""

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return handler


def start(status: int = 200, *headers: tuple[bytes, bytes], **more: object) -> ASGISendEvent:
    return {"type": "http.response.start", "status": status, "headers": list(headers), **more}


def body(data: bytes = b"", *, more: bool = False) -> ASGISendEvent:
    return {"type": "http.response.body", "body": data, "more_body": more}


def http_scope(**changes: object) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"example.test")],
        "client": ("192.0.2.1", 4711),
        "server": ("192.0.2.2", 80),
        **changes,
    }


async def until(condition: Callable[[], bool]) -> None:
    """Let other tasks run until *condition* holds; the test's own timeout ends it otherwise."""
    while not condition():
        await asyncio.sleep(0)
