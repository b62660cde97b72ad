"""How far a WebSocket has come, between the server's channels and the application's.

::

    asked ── accept ──> open ── close, or the peer leaves ──> closed
      └──── close, or an HTTP response: refused ─────────────────┘
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Final, TypeAlias, cast

from .connection import Connection
from .errors import ClientDisconnected, LocalProtocolError, WebSocketDisconnect
from .headers import Fields
from .messages import (
    PreparedMessage,
    ResponseBody,
    ResponseStart,
    WebSocketAccept,
    WebSocketClose,
    WebSocketConnect,
    WebSocketDisconnected,
    WebSocketEvent,
    WebSocketMessage,
    WebSocketReceive,
)
from .response import Response

WebSocketCommand: TypeAlias = (
    WebSocketAccept | WebSocketMessage | PreparedMessage | WebSocketClose | Response
)
"""What a server's ``send`` takes on a WebSocket; the response instead of accepting."""

WebSocketSend: TypeAlias = Callable[[WebSocketCommand], Awaitable[None]]
SessionMessage: TypeAlias = WebSocketCommand | ResponseStart | ResponseBody
"""What a session's ``send`` takes: a refusal may come in parts as well."""

ABNORMAL: Final = 1006

# RFC 6455 §4.2.2, RFC 9110 §7.8: the handshake's own fields are the server's to say.
_HANDSHAKE_FIELDS: Final = frozenset((b"connection", b"upgrade"))
_HANDSHAKE_PREFIX: Final = b"sec-websocket-"


class Session:
    """One WebSocket: the application's channels, and how far it has come.

    Args:
        conn: The handshake; it keeps this session.
        receive: The server's.
        send: The server's.
        supported: The subprotocols to choose from where a handler names none.

    Attributes:
        conn: The handshake.
        max_message_size: Bytes that a message from the client may have, from when the WebSocket
            is accepted; None: as the settings say.
        server_receive: The server's. Whoever uses it calls :meth:`note` with all but messages.
        server_send: The server's. Whoever uses it sends nothing but messages, while :attr:`open`.
        connect_consumed: True once ``receive`` returned the client's wish to connect.
        accepted: True once the WebSocket was accepted, also after it is closed.
        open: True from then on until either side closes it.
        closed: True once it is closed or refused.
        left: True once ``receive`` told that the peer closed it or is gone.
        subprotocol: The one that was chosen, or None.
        close_code: The peer's close code, else ours; None before.
        close_reason: The text with it.
        websocket: What the handler and its dependencies share; None where nobody takes one.

    Spec:
        RFC 6455 §4, §7
    """

    __slots__ = (
        "_denial", "_supported", "accepted", "close_code", "close_reason", "closed", "conn",
        "connect_consumed", "left", "max_message_size", "open", "server_receive", "server_send",
        "subprotocol", "websocket",
    )  # fmt: skip

    def __init__(
        self,
        conn: Connection,
        receive: WebSocketReceive,
        send: WebSocketSend,
        *,
        supported: Collection[str] = (),
    ) -> None:
        self.conn = conn
        self.server_receive = receive
        self.server_send = send
        self._supported = supported
        self.max_message_size: int | None = None
        self._denial: tuple[ResponseStart, list[bytes]] | None = None
        self.websocket: object | None = None
        self.connect_consumed = False
        self.accepted = False
        self.open = False
        self.closed = False
        self.left = False
        self.subprotocol: str | None = None
        self.close_code: int | None = None
        self.close_reason: str | None = None
        conn._extra().session = self

    async def receive(self) -> WebSocketEvent:
        """Return what comes next: the wish to connect, messages, in the end the disconnect.

        Cancelling loses nothing.
        """
        event = await self.server_receive()
        if event.__class__ is not WebSocketMessage:
            self.note(event)
        return event

    async def send(self, message: SessionMessage) -> None:
        """Send *message*; wait while the peer does not read.

        Closing what the peer has closed does nothing.

        Raises:
            LocalProtocolError: *message* is not due, or malformed.
            ValueError: a field of the handshake's answer cannot be sent.
            WebSocketDisconnect: the peer is gone.
        """
        if isinstance(message, WebSocketMessage | PreparedMessage):
            self.check_open()
            await self._deliver(message)
        elif isinstance(message, WebSocketAccept):
            await self._accept(message)
        elif isinstance(message, WebSocketClose):
            await self._close(message)
        elif isinstance(message, Response):
            await self._deny(message)
        elif isinstance(message, ResponseStart):
            if self.accepted or self.closed or self._denial is not None:
                raise self._not_due("a response")
            self._denial = (message, [])
        elif isinstance(message, ResponseBody):
            await self._continue_denial(message)
        else:
            raise LocalProtocolError(f"{type(message).__name__} has no place on a WebSocket")

    def note(self, event: WebSocketEvent) -> None:
        """Take note of an *event* that was received past this session."""
        if isinstance(event, WebSocketDisconnected):
            self.conn.disconnected = self.left = self.closed = True
            self.open = False
            if self.close_code is None:
                self.close_code, self.close_reason = event.code, event.reason
        elif isinstance(event, WebSocketConnect):
            self.connect_consumed = True

    def disconnect(self) -> WebSocketDisconnect:
        """Return the error that tells how this WebSocket ended."""
        return WebSocketDisconnect(
            ABNORMAL if self.close_code is None else self.close_code, self.close_reason
        )

    def lost(self) -> WebSocketDisconnect:
        """Take note that the peer is gone for what we send; return the error that says so."""
        self.conn.disconnected = True
        return self.disconnect()

    def check_open(self) -> None:
        """Raise what keeps a message from being sent; nothing while the WebSocket is open.

        Raises:
            LocalProtocolError: it was not accepted, or we closed it.
            WebSocketDisconnect: the peer is gone.
        """
        if self.left:
            raise self.disconnect()
        if not self.open:
            raise self._not_due("a message")

    async def _accept(self, message: WebSocketAccept) -> None:
        if self.accepted or self.closed or self._denial is not None:
            raise self._not_due("an accept")
        offered = self.conn.subprotocols
        subprotocol = message.subprotocol
        if subprotocol is None:
            subprotocol = next((name for name in offered if name in self._supported), None)
        elif subprotocol not in offered:
            # RFC 6455 §4.1: a client must fail a connection whose subprotocol it did not offer.
            raise LocalProtocolError(
                f"the client did not offer the subprotocol {subprotocol!r}: "
                "name one of WebSocket.subprotocols, or none",
                spec="RFC 6455 §4.2.2",
            )
        limit = message.max_message_size
        if limit is None:
            limit = self.max_message_size
        await self._deliver(WebSocketAccept(subprotocol, _answer_fields(message.fields), limit))
        self.subprotocol = subprotocol
        self.accepted = self.open = True

    async def _close(self, message: WebSocketClose) -> None:
        if self.left:
            return
        if self.closed or self._denial is not None:
            raise self._not_due("a close")
        await self._deliver_last(message)
        self.close_code, self.close_reason = message.code, message.reason

    async def _deny(self, response: Response) -> None:
        if self.accepted or self.closed:
            raise self._not_due("a response")
        await self._deliver_last(response)

    async def _continue_denial(self, part: ResponseBody) -> None:
        if self._denial is None:
            raise self._not_due("a response's content")
        start, parts = self._denial
        parts.append(part.data)
        if not part.more:
            await self._deny(Response(b"".join(parts), start.status, "", start.fields))

    async def _deliver(self, message: WebSocketCommand) -> None:
        try:
            await self.server_send(message)
        except ClientDisconnected as error:
            raise self.lost() from error

    async def _deliver_last(self, message: WebSocketClose | Response) -> None:
        # Nothing may come after it, not even while it waits to be written.
        self.open, self.closed = False, True
        try:
            await self._deliver(message)
        except LocalProtocolError:
            self.open, self.closed = self.accepted, False
            raise

    def _not_due(self, what: str) -> LocalProtocolError:
        if self.closed:
            state = "after the WebSocket was closed"
        elif self.accepted:
            state = "after the WebSocket was accepted"
        elif self._denial is not None:
            state = "while the WebSocket is being refused"
        else:
            state = "before the WebSocket was accepted: await accept() first"
        return LocalProtocolError(f"{what} was sent {state}", spec="RFC 6455 §4, §7")


def session_of(conn: Connection) -> Session | None:
    """Return the session that *conn* keeps; None for a request, or before there is one."""
    extras = conn._extras
    return None if extras is None else cast("Session | None", extras.session)


def _answer_fields(fields: Fields) -> Fields:
    """Return *fields* as they may be added to the handshake's answer.

    Raises:
        LocalProtocolError: one of them is the handshake's own.
    """
    for name, _ in fields:
        if name in _HANDSHAKE_FIELDS or name.startswith(_HANDSHAKE_PREFIX):
            raise LocalProtocolError(
                f"{name.decode()!r} belongs to the handshake: name a subprotocol as an argument",
                spec="RFC 6455 §4.2.2",
            )
    return fields
