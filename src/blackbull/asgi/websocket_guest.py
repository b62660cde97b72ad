"""We are hosted: a WebSocket that another server opened, towards our application."""

from __future__ import annotations

import logging
from typing import Final, cast

from blackbull.connection import Connection
from blackbull.errors import ClientDisconnected, WebSocketDisconnect
from blackbull.messages import (
    PreparedMessage,
    WebSocketAccept,
    WebSocketClose,
    WebSocketDisconnected,
    WebSocketEvent,
    WebSocketMessage,
)
from blackbull.native import NativeApp, Receive, Send
from blackbull.response import Response
from blackbull.websocket_session import WebSocketCommand

from .messages import misuse
from .types import ASGIReceiveCallable, ASGISendCallable
from .websocket_events import DENIAL, parse_received, to_commands

logger: Final = logging.getLogger("blackbull.asgi")

TOO_BIG: Final = 1009
REFUSED: Final = 1000


async def serve_websocket(
    app: NativeApp, conn: Connection, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """Serve the WebSocket *conn* with *app*; cancelling cancels its handler.

    Raises:
        Exception: what the application raises; the host closes the WebSocket.
        LocalProtocolError: the application returned without an answer, or the host broke ASGI.
    """
    socket = GuestWebSocket(conn, receive, send)
    conn.receive = cast(Receive, socket.receive)
    answer = app.begin(conn)
    try:
        if isinstance(answer, Response):
            await socket.send(answer)
        else:
            await answer(conn, cast(Receive, socket.receive), cast(Send, socket.send))
        if not (socket.answered or socket.left):
            raise misuse("the application returned before it accepted the WebSocket")
    except (ClientDisconnected, WebSocketDisconnect):
        logger.debug("the client left its WebSocket")


class GuestWebSocket:
    """The native channels of a WebSocket, on top of a host's.

    Args:
        conn: The handshake.
        receive: The host's.
        send: The host's.

    Attributes:
        answered: True once the handshake was answered.
        left: True once the client is known to be gone.

    Spec:
        ASGI HTTP & WebSocket 2.4
    """

    __slots__ = ("_conn", "_end", "_limit", "_receive", "_send", "answered", "left")

    def __init__(
        self, conn: Connection, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        self._conn = conn
        self._receive = receive
        self._send = send
        self._limit: int | None = None
        self._end: WebSocketDisconnected | None = None
        self.answered = False
        self.left = False

    async def receive(self) -> WebSocketEvent:
        """Return the host's next event; after the disconnect, that again.

        Raises:
            LocalProtocolError: the host broke ASGI.
        """
        if self._end is not None:
            return self._end
        event = parse_received(await self._receive())
        if isinstance(event, WebSocketDisconnected):
            return self._leave(event)
        if self._limit is not None and isinstance(event, WebSocketMessage):
            size = _size(event)
            if size > self._limit:
                await self._deliver(WebSocketClose(TOO_BIG, "message too big"))
                return self._leave(WebSocketDisconnected(TOO_BIG, "message too big"))
        return event

    async def send(self, message: WebSocketCommand) -> None:
        """Hand *message* to the host; waits as long as the host does.

        Raises:
            ClientDisconnected: the client is gone.
        """
        if self._end is not None:
            raise ClientDisconnected
        if isinstance(message, Response):
            await self._deny(message)
            return
        if isinstance(message, WebSocketAccept):
            self._limit = message.max_message_size
        if not isinstance(message, WebSocketMessage | PreparedMessage):
            self.answered = True
        await self._deliver(message)

    def _leave(self, end: WebSocketDisconnected) -> WebSocketDisconnected:
        self._end = end
        self.left = self._conn.disconnected = True
        return end

    async def _deny(self, response: Response) -> None:
        self.answered = True
        if DENIAL not in self._conn.extensions:
            # The host answers 403 with words of its own.
            await self._deliver(WebSocketClose(REFUSED))
            return
        await self._deliver(response)

    async def _deliver(self, message: WebSocketCommand) -> None:
        try:
            for event in to_commands(message):
                await self._send(event)
        except OSError as error:
            # ASGI 2.4, "Disconnected Client - send exception"
            self.left = self._conn.disconnected = True
            raise ClientDisconnected from error


def _size(message: WebSocketMessage) -> int:
    return len(message.data or b"") if message.text is None else len(message.text.encode())
