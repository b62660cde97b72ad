"""The server's side of one WebSocket, strict about the order of messages, without a socket."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import cast

from blackbull.connection import Connection, KnownEndpoint
from blackbull.errors import ClientDisconnected, LocalProtocolError
from blackbull.headers import Field
from blackbull.messages import (
    PreparedMessage,
    WebSocketAccept,
    WebSocketClose,
    WebSocketConnect,
    WebSocketDisconnected,
    WebSocketEvent,
    WebSocketMessage,
)
from blackbull.native import NativeApp, Receive, Send
from blackbull.protocol.head import RequestHead
from blackbull.response import Response
from blackbull.websocket_session import WebSocketCommand


class Peer:
    """One WebSocket: what the client does is queued, what it is sent is kept.

    Args:
        path: The path.
        query: The query, without the question mark.
        offer: The subprotocols that the client offers.
        fields: Further fields of the handshake.
        method: ``"CONNECT"`` over HTTP/2.
        synchronous: Whether messages can be offered without waiting.
    """

    def __init__(
        self,
        path: str = "/ws",
        *,
        query: bytes = b"",
        offer: str = "",
        fields: Iterable[Field] = (),
        method: str = "GET",
        synchronous: bool = True,
    ) -> None:
        offered = [(b"sec-websocket-protocol", offer.encode())] if offer else []
        head = RequestHead(
            method,
            path,
            raw_path=path.encode(),
            query_string=query,
            authority=b"example.test",
            fields=((b"host", b"example.test"), *offered, *fields),
        )
        endpoint = KnownEndpoint(("192.0.2.1", 4711), ("192.0.2.2", 80), connection_id="c" * 32)
        self.conn = Connection(head, endpoint)
        self.conn.type = "websocket"
        self.conn._content = b""
        if synchronous:
            self.conn.offer = self.take
        self.events: deque[WebSocketEvent] = deque([WebSocketConnect()])
        self.sent: list[WebSocketCommand] = []
        self.news = asyncio.Event()
        self.gone = False
        self.room = asyncio.Event()
        self.room.set()

    # What the client does

    def say(self, *messages: str | bytes) -> Peer:
        """Send messages."""
        for message in messages:
            text, data = (message, None) if isinstance(message, str) else (None, message)
            self.events.append(WebSocketMessage(text, data))
        self.news.set()
        return self

    def leave(self, code: int = 1000, reason: str = "") -> Peer:
        """Close the WebSocket; what comes afterwards cannot be sent."""
        self.events.append(WebSocketDisconnected(code, reason))
        self.news.set()
        return self

    def vanish(self) -> Peer:
        """Break off: sending fails from now on."""
        self.gone = True
        self.room.set()
        return self.leave(1006)

    # What the server does

    async def receive(self) -> WebSocketEvent:
        while not self.events:
            self.news.clear()
            await self.news.wait()
        if isinstance(self.events[0], WebSocketDisconnected):
            self.gone = True
            return self.events[0]
        return self.events.popleft()

    async def send(self, message: WebSocketCommand) -> None:
        await self.room.wait()
        self._check(message)
        self.sent.append(message)

    def take(self, message: str | bytes | PreparedMessage) -> bool:
        if self.gone or self.closed or not self.room.is_set():
            return False
        command: WebSocketMessage | PreparedMessage
        if isinstance(message, PreparedMessage):
            command = message
        elif isinstance(message, str):
            command = WebSocketMessage(message)
        else:
            command = WebSocketMessage(None, message)
        self._check(command)
        self.sent.append(command)
        return True

    def _check(self, message: WebSocketCommand) -> None:
        if self.gone:
            raise ClientDisconnected
        opening = isinstance(message, WebSocketAccept | Response)
        refusing = isinstance(message, WebSocketClose) and not self.sent
        if self.closed or (opening == bool(self.sent) and not refusing):
            raise LocalProtocolError(f"{message!r} is out of turn")

    # What a test asks

    @property
    def closed(self) -> bool:
        return bool(self.sent) and isinstance(self.sent[-1], WebSocketClose | Response)

    @property
    def accept(self) -> WebSocketAccept:
        assert isinstance(self.sent[0], WebSocketAccept)
        return self.sent[0]

    @property
    def close(self) -> tuple[int, str]:
        assert isinstance(self.sent[-1], WebSocketClose)
        return self.sent[-1].code, self.sent[-1].reason

    @property
    def refusal(self) -> Response:
        assert isinstance(self.sent[-1], Response)
        return self.sent[-1]

    @property
    def heard(self) -> list[str | bytes | None]:
        """The messages that the client got."""
        return [
            message.data if message.text is None else message.text
            for message in self.sent
            if isinstance(message, WebSocketMessage | PreparedMessage)
        ]


async def connect(app: NativeApp, peer: Peer) -> Peer:
    """Let *app* serve *peer* to its end, as a server would."""
    await app(peer.conn, cast(Receive, peer.receive), cast(Send, peer.send))
    return peer
