"""MQTT over WebSockets: the same bytes, in binary messages (MQTT 5.0 §6, MQTT 3.1.1 §6)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from blackbull.abc import Aggregator, ProtocolContext, Reader, Writer
from blackbull.errors import (
    ConnectionLost,
    HTTPException,
    IncompleteRead,
    LimitExceeded,
    WebSocketDisconnect,
)
from blackbull.websocket import WebSocket

from .broker import BrokerActor
from .connection import serve_connection
from .workers.relay import Relay

SUBPROTOCOL: Final = "mqtt"
UNSUPPORTED_DATA: Final = 1003


def websocket_handler(
    running: Callable[[], BrokerActor],
    aggregator: Aggregator | None,
    *,
    relay: Callable[[], Relay | None],
) -> Callable[[WebSocket], Awaitable[None]]:
    """Return the handler of a WebSocket route that speaks MQTT.

    Args:
        running: Returns the broker.
        aggregator: The event system.
        relay: Returns who carries clients to another worker; None: the broker is here.
    """

    async def mqtt_over_websocket(ws: WebSocket) -> None:
        if SUBPROTOCOL not in ws.subprotocols:
            # MQTT 5.0 §6 [MQTT-6.0.0-3]
            raise HTTPException(400, "this WebSocket speaks MQTT: offer the subprotocol 'mqtt'")
        distant = relay()
        if distant is not None:
            await _forward(ws, distant)
            return
        await ws.accept(SUBPROTOCOL)
        ctx = ProtocolContext(
            peername=ws.client,
            sockname=ws.connection.server,
            ssl=ws.connection.ssl,
            connection_id=ws.connection.connection_id,
            protocol="mqtt",
            aggregator=aggregator,
            note=ws.connection.log,
        )
        await serve_connection(
            WebSocketReader(ws), WebSocketWriter(ws), ctx, running(), transport="websocket"
        )

    return mqtt_over_websocket


async def _forward(ws: WebSocket, relay: Relay) -> None:
    """Carry the client to the worker that has the broker."""
    try:
        stream = await relay.open()
    except ConnectionLost as error:
        raise HTTPException(503, str(error)) from error
    await ws.accept(SUBPROTOCOL)
    opening = relay.opening(ws.client, ssl=ws.connection.ssl, transport="websocket")
    await relay.carry(WebSocketReader(ws), WebSocketWriter(ws), stream, opening=opening)


class WebSocketReader(Reader):
    """The bytes of a WebSocket's binary messages, one after another."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._buffer = b""
        self._ended = False

    async def read(self, n: int = -1) -> bytes:
        """Return what has arrived; a text message ends the connection ([MQTT-6.0.0-1])."""
        if not self._buffer and not self._ended:
            await self._next()
        size = len(self._buffer) if n < 0 else n
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    async def readexactly(self, n: int) -> bytes:
        """Return exactly *n* bytes."""
        data = await self._fill(n)
        if len(data) < n:
            raise IncompleteRead(f"{n} bytes were wanted", partial=data)
        self._buffer = self._buffer[n:]
        return data

    async def readuntil(self, separator: bytes = b"\n", *, limit: int = 65536) -> bytes:
        """Return the bytes up to and including *separator*."""
        while (at := self._buffer.find(separator)) < 0:
            if len(self._buffer) > limit:
                raise LimitExceeded("readuntil", allowed=limit, seen=len(self._buffer))
            if self._ended:
                raise IncompleteRead("no separator", partial=self._buffer)
            await self._next()
        end = at + len(separator)
        data, self._buffer = self._buffer[:end], self._buffer[end:]
        return data

    async def peek(self, n: int) -> bytes:
        """Return the next *n* bytes, fewer only at the end, without consuming them."""
        return await self._fill(n)

    def at_eof(self) -> bool:
        """Return True when the WebSocket is closed and everything was read."""
        return self._ended and not self._buffer

    async def _fill(self, n: int) -> bytes:
        while len(self._buffer) < n and not self._ended:
            await self._next()
        return self._buffer[:n]

    async def _next(self) -> None:
        try:
            message = await self._websocket.receive()
        except WebSocketDisconnect:
            self._ended = True
            return
        if isinstance(message, str):
            self._ended = True
            await self._websocket.close(UNSUPPORTED_DATA, "MQTT is binary")
        else:
            self._buffer += message


class WebSocketWriter(Writer):
    """Sends bytes as binary messages."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def write(self, data: bytes) -> None:
        """Send *data* as one message."""
        try:
            await self._websocket.send_bytes(data)
        except WebSocketDisconnect as error:
            raise ConnectionLost("the WebSocket is closed") from error

    async def writelines(self, parts: Iterable[bytes]) -> None:
        """Send *parts* as one message."""
        await self.write(b"".join(parts))

    async def close(self) -> None:
        """Close the WebSocket."""
        await self._websocket.close()
