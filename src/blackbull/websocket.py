"""A WebSocket as a handler holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from .connection import Address, Connection
from .errors import ClientDisconnected, LocalProtocolError, WebSocketDisconnect
from .headers import Headers, HeadersLike, checked_fields
from .json import decode, encode
from .messages import (
    Offer,
    PreparedMessage,
    WebSocketAccept,
    WebSocketClose,
    WebSocketEvent,
    WebSocketMessage,
    WebSocketReceive,
)
from .response import Response
from .websocket_session import Session, WebSocketCommand, WebSocketSend, session_of

__all__ = ["WebSocket", "WebSocketCommand", "WebSocketDisconnect", "WebSocketSend"]

NORMAL: Final = 1000

_PLAIN: Final = frozenset((str, bytes, PreparedMessage))
"""What can be offered as it is."""


class WebSocket:
    """A WebSocket, as a handler that takes one parameter of this type is given it.

    ::

        @app.route(path="/echo", scheme=Scheme.websocket)
        async def echo(ws: WebSocket):
            await ws.accept()
            async for message in ws:
                await ws.send(message)

    Cancelling any of its methods loses no message that has arrived.

    Args:
        connection: The handshake.
        receive: The handler's.
        send: The handler's.

    Attributes:
        connection: The handshake: path, headers, query, cookies, ``state``.
    """

    __slots__ = (
        "_inbox", "_next", "_offer", "_put", "_receive", "_send", "_session", "connection",
    )  # fmt: skip

    def __init__(
        self, connection: Connection, receive: WebSocketReceive, send: WebSocketSend
    ) -> None:
        session = session_of(connection)
        known = session is not None
        if session is None:
            session = Session(connection, receive, send)
            receive, send = session.receive, session.send
        self.connection = connection
        self._session = session
        self._receive = receive
        self._send = send
        # A middleware's channels stay in between; the session's own may be left out.
        self._next = session.server_receive if receive == session.receive else receive
        self._put = session.server_send if send == session.send else send
        # Where nobody else looks at them, messages go without an event and a coroutine for each.
        alone = known and self._put != send
        self._offer = connection.offer if alone else None
        alone = known and cast(object, self._next) is connection.receive
        self._inbox = connection.inbox if alone else None

    # ------------------------------------------------------------------ opening and closing

    async def accept(
        self, subprotocol: str | None = None, *, headers: HeadersLike | None = None
    ) -> None:
        """Open the WebSocket; without arguments, nothing if it is open already.

        Args:
            subprotocol: One of :attr:`subprotocols`; None lets the application's
                ``available_ws_protocols`` decide.
            headers: Further fields of the response.

        Raises:
            LocalProtocolError: it was accepted or refused before, or the client did not offer
                *subprotocol*.
            ValueError: a header cannot be sent.
            WebSocketDisconnect: the client left.
        """
        if self._session.accepted and subprotocol is None and not headers:
            return
        await self._await_connect()
        fields = tuple(checked_fields(headers)) if headers else ()
        await self._send(WebSocketAccept(subprotocol, fields))

    async def close(self, code: int = NORMAL, reason: str | None = None) -> None:
        """Close the WebSocket; before it is accepted: refuse it. Again: nothing.

        Args:
            code: 1000, 1001, 1003, 1007 to 1014, or 3000 to 4999.
            reason: For the peer, at most 123 bytes as UTF-8.

        Raises:
            LocalProtocolError: *code* or *reason* cannot be sent.

        Spec:
            RFC 6455 §7.1.2, §7.4
        """
        if self._session.closed:
            return
        try:
            await self._send(WebSocketClose(code, reason or ""))
        except WebSocketDisconnect:
            return

    async def deny(self, response: Response) -> None:
        """Refuse the WebSocket with an HTTP response, instead of accepting it.

        Raises:
            LocalProtocolError: it was accepted or refused before.
            WebSocketDisconnect: the client left.

        Spec:
            RFC 6455 §4.2.2
        """
        await self._send(response)

    # ------------------------------------------------------------------ messages to the peer

    async def send(self, message: str | bytes | bytearray | memoryview | PreparedMessage) -> None:
        """Send *message*: text as text, bytes as binary; wait while the peer does not read.

        Raises:
            LocalProtocolError: the WebSocket is not accepted, or we closed it.
            TypeError: *message* is neither text nor bytes.
            WebSocketDisconnect: the peer is gone.
        """
        command: WebSocketMessage | PreparedMessage
        offer = self._offer
        if offer is not None and message.__class__ in _PLAIN and offer(message):  # type: ignore[arg-type]
            return
        if isinstance(message, str):
            command = WebSocketMessage(message)
        elif isinstance(message, PreparedMessage):
            command = message
        else:
            command = WebSocketMessage(None, _octets(message))
        if not self._session.open:
            self._session.check_open()
        try:
            await self._put(command)
        except ClientDisconnected as error:
            raise self._session.lost() from error

    async def send_text(self, text: str) -> None:
        """Send a text message; errors as :meth:`send`."""
        if not isinstance(text, str):
            raise TypeError(f"send_text takes str, not {type(text).__name__}")
        await self.send(text)

    async def send_bytes(self, data: bytes | bytearray | memoryview) -> None:
        """Send a binary message; errors as :meth:`send`."""
        await self.send(_octets(data))

    async def send_json(self, data: object, *, binary: bool = False) -> None:
        """Send *data* as JSON, in a text message unless *binary*; errors as :meth:`send`."""
        octets = encode(data)
        await self.send(octets if binary else octets.decode())

    # ------------------------------------------------------------------ messages from the peer

    async def receive(self) -> str | bytes:
        """Return the next message: text or bytes.

        Raises:
            LocalProtocolError: the WebSocket is not accepted.
            WebSocketDisconnect: it is closed; ``code`` and ``reason`` are the peer's.
        """
        if not self._session.open:
            self._refuse_receive()
        event = await self._next()
        message = event if isinstance(event, WebSocketMessage) else await self._after(event)
        return cast(bytes, message.data) if message.text is None else message.text

    async def receive_text(self) -> str:
        """Return the next message as text; binary must be UTF-8; errors as :meth:`receive`.

        Raises:
            UnicodeDecodeError: it is not.
        """
        message = await self._message()
        return cast(bytes, message.data).decode() if message.text is None else message.text

    async def receive_bytes(self) -> bytes:
        """Return the next message as bytes, text as UTF-8; errors as :meth:`receive`."""
        message = await self._message()
        return cast(bytes, message.data) if message.text is None else message.text.encode()

    async def receive_json(self) -> object:
        """Return the next message parsed as JSON; errors as :meth:`receive`.

        Raises:
            ValueError: it is no JSON.

        Spec:
            RFC 8259
        """
        message = await self._message()
        data = cast(bytes, message.data) if message.text is None else message.text.encode()
        return decode(data)

    def __aiter__(self) -> WebSocket:
        """Iterate over the messages until the WebSocket is closed."""
        return self

    async def __anext__(self) -> str | bytes:
        inbox = self._inbox
        if inbox is not None and self._session.open:
            arrived = inbox.take()
            if arrived is None and (arrival := inbox.wait()) is not None:
                await arrival
                arrived = inbox.take()
            if arrived is not None:
                return arrived
        try:
            if not self._session.open:
                self._refuse_receive()
            event = await self._next()
            message = event if isinstance(event, WebSocketMessage) else await self._after(event)
        except WebSocketDisconnect:
            raise StopAsyncIteration from None
        return cast(bytes, message.data) if message.text is None else message.text

    # ------------------------------------------------------------------ what is known

    @property
    def path(self) -> str:
        """The path, percent-decoded, without the query."""
        return self.connection.path

    @property
    def headers(self) -> Headers:
        """The header fields of the handshake."""
        return self.connection.headers

    @property
    def path_params(self) -> Mapping[str, object]:
        """What the route's placeholders matched, converted."""
        return self.connection.path_params

    @property
    def query_string(self) -> bytes:
        """The query as it came, without the question mark."""
        return self.connection.query_string

    @property
    def client(self) -> Address | None:
        """The client's host and port."""
        return self.connection.client

    @property
    def subprotocols(self) -> list[str]:
        """What the client offers, by preference."""
        return self.connection.subprotocols

    @property
    def subprotocol(self) -> str | None:
        """What was chosen of it."""
        return self._session.subprotocol

    @property
    def accepted(self) -> bool:
        """True once the WebSocket was accepted, also after it is closed."""
        return self._session.accepted

    @property
    def client_disconnected(self) -> bool:
        """True once the client is known to have closed the WebSocket or to have left."""
        return self._session.left or self.connection.disconnected

    @property
    def close_code(self) -> int | None:
        """The peer's close code, else ours; None while the WebSocket is open."""
        return self._session.close_code

    @property
    def close_reason(self) -> str | None:
        """The text that came with it."""
        return self._session.close_reason

    @property
    def offer(self) -> Offer | None:
        """Takes a message without waiting, or not at all; None where only :meth:`send` can."""
        if not self._session.open or self._put == self._send:
            return None
        return self.connection.offer

    # ------------------------------------------------------------------ inside

    async def _message(self) -> WebSocketMessage:
        if not self._session.open:
            self._refuse_receive()
        event = await self._next()
        return event if isinstance(event, WebSocketMessage) else await self._after(event)

    async def _after(self, event: WebSocketEvent) -> WebSocketMessage:
        """Return the message after *event*, which is none."""
        session = self._session
        while not isinstance(event, WebSocketMessage):
            session.note(event)
            if session.left:
                raise session.disconnect()
            event = await self._next()
        return event

    async def _await_connect(self) -> None:
        session = self._session
        while not session.connect_consumed and not session.closed:
            event = await self._receive()
            session.note(event)
        if session.left:
            raise session.disconnect()

    def _refuse_receive(self) -> None:
        session = self._session
        if session.closed:
            raise session.disconnect()
        raise LocalProtocolError(
            "receive() was called before the WebSocket was accepted: await accept() first",
            spec="RFC 6455 §4.2.2",
        )

    def __repr__(self) -> str:
        session = self._session
        state = "open" if session.open else "closed" if session.closed else "asked"
        return f"<WebSocket {self.path!r} {state}>"


def _octets(data: object) -> bytes:
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise TypeError(f"a message is str or bytes, not {type(data).__name__}")
