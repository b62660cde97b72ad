"""The server's side of one exchange, strict about the order of messages."""

from __future__ import annotations

from collections.abc import Iterable

from blackbull import native
from blackbull.connection import Connection, KnownEndpoint
from blackbull.errors import ClientDisconnected, LocalProtocolError
from blackbull.headers import Field, Headers
from blackbull.protocol.head import RequestHead
from blackbull.response import Response


class Exchange:
    """One request and what was answered.

    Args:
        content: None: it has not arrived when the application is asked.
        gone: True: the client has left; sending fails.
    """

    def __init__(
        self,
        method: str = "GET",
        path: str = "/",
        *,
        query: bytes = b"",
        fields: Iterable[Field] = (),
        content: bytes | None = b"",
        gone: bool = False,
    ) -> None:
        head = RequestHead(
            method,
            path,
            raw_path=path.encode("utf-8", "surrogateescape"),
            query_string=query,
            fields=tuple(fields),
        )
        self.conn = Connection(head, KnownEndpoint(("192.0.2.1", 4711), ("192.0.2.2", 80)))
        self.conn._content = content
        self.conn.receive = self.receive
        self.parts = [native.RequestBody(content or b"", False)]
        self.sent: list[native.ResponseMessage] = []
        self.gone = gone
        self.started = False
        self.complete = False

    async def receive(self) -> native.RequestMessage:
        return self.parts.pop(0) if self.parts else native.RequestDisconnected()

    async def send(self, message: native.ResponseMessage) -> None:
        if self.gone:
            raise ClientDisconnected
        begins = isinstance(message, Response | native.ResponseStart)
        if self.complete or begins == self.started:
            raise LocalProtocolError(f"{message!r} is out of turn")
        self.started = True
        self.complete = isinstance(message, Response) or (
            isinstance(message, native.ResponseBody) and not message.more
        )
        self.sent.append(message)

    @property
    def start(self) -> Response | native.ResponseStart:
        first = self.sent[0]
        assert isinstance(first, Response | native.ResponseStart)
        return first

    @property
    def status(self) -> int:
        return self.start.status

    @property
    def body(self) -> bytes:
        if isinstance(self.start, Response):
            return self.start.body
        return b"".join(m.data for m in self.sent if isinstance(m, native.ResponseBody))

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def headers(self) -> Headers:
        if isinstance(self.start, Response):
            return self.start.headers
        return Headers.from_lowered(self.start.fields)


async def ask(app: native.NativeApp, exchange: Exchange) -> Exchange:
    """Let *app* answer *exchange*, as a server would."""
    await app(exchange.conn, exchange.receive, exchange.send)
    return exchange


async def get(app: native.NativeApp, path: str = "/", *, accept: bytes = b"") -> Exchange:
    """Return the answer to a GET."""
    fields = [(b"accept", accept)] if accept else []
    return await ask(app, Exchange(path=path, fields=fields))
