"""We host: a WebSocket of our server, towards an ASGI 3.0 application."""

from __future__ import annotations

from typing import Final, cast

from blackbull.connection import Connection
from blackbull.errors import ConnectionLost, WebSocketDisconnect
from blackbull.messages import WebSocketClose, WebSocketReceive
from blackbull.native import Receive, Send
from blackbull.websocket_session import Session, WebSocketSend

from .messages import misuse
from .types import ASGIReceiveEvent, ASGISendEvent
from .websocket_events import parse_command, to_received

NORMAL: Final = 1000


class HostedWebSocket:
    """One WebSocket, as an ASGI application sees it.

    Args:
        conn: The handshake.
        receive: The server's; returns native messages.
        send: The server's; takes native messages.

    Spec:
        ASGI HTTP & WebSocket 2.4
    """

    __slots__ = ("_session",)

    def __init__(self, conn: Connection, receive: Receive, send: Send) -> None:
        self._session = Session(conn, cast(WebSocketReceive, receive), cast(WebSocketSend, send))

    @property
    def left(self) -> bool:
        """True once the application could know that its client is gone."""
        return self._session.left or self._session.conn.disconnected

    async def receive(self) -> ASGIReceiveEvent:
        """Return the next event. Cancelling loses nothing."""
        session = self._session
        if session.closed and not session.left:
            # ASGI, "Disconnect": sent as well when the server side closed the WebSocket.
            code = NORMAL if session.close_code is None else session.close_code
            return {"type": "websocket.disconnect", "code": code, "reason": session.close_reason}
        return to_received(await session.receive())

    async def send(self, event: ASGISendEvent) -> None:
        """Take the application's next event; wait while the client does not read.

        Raises:
            ConnectionLost: the client left.
            LocalProtocolError: the event is malformed or out of order.

        Spec:
            ASGI HTTP & WebSocket 2.4, "Send", "Disconnected Client - send exception"
        """
        try:
            await self._session.send(parse_command(event))
        except WebSocketDisconnect as error:
            raise ConnectionLost("the client left") from error

    async def finish(self) -> None:
        """Judge the application's return, and close what it left open.

        Raises:
            LocalProtocolError: it has not answered the handshake, and the client waits for that.
        """
        session = self._session
        if session.open:
            try:
                await session.send(WebSocketClose(NORMAL))
            except WebSocketDisconnect:
                return
        elif not session.closed and not self.left:
            raise misuse("the application returned before websocket.accept or websocket.close")
