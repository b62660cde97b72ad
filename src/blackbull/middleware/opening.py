"""The middleware that opens a WebSocket, so that its handler can begin with the messages."""

from __future__ import annotations

from typing import cast

from blackbull.connection import Connection
from blackbull.messages import WebSocketReceive
from blackbull.native import NativeHandler, Receive, Send
from blackbull.websocket import WebSocket
from blackbull.websocket_session import WebSocketSend


async def websocket(
    conn: Connection, receive: Receive, send: Send, call_next: NativeHandler
) -> None:
    """Accept the WebSocket, let the handler run, then close it unless that has been done.

    A request passes through.

    Raises:
        WebSocketDisconnect: the client left before, or the handler did not catch it.
    """
    if conn.type != "websocket":
        await call_next(conn, receive, send)
        return
    opened = WebSocket(conn, cast(WebSocketReceive, receive), cast(WebSocketSend, send))
    await opened.accept()
    await call_next(conn, receive, send)
    await opened.close()
