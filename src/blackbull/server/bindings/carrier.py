"""The HTTP/1.1 request that asks for another protocol, until the application has decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blackbull.abc import Consumer
from blackbull.connection import Connection
from blackbull.errors import LocalProtocolError
from blackbull.headers import Fields
from blackbull.response import Response

from .upgrade import ByteStream, Carrier

if TYPE_CHECKING:
    from .http1_consumer import HTTP1Consumer


class HTTP1Carrier(Carrier):
    """Stands where an exchange stands: whatever arrives meanwhile stays in the HTTP machine.

    Args:
        consumer: The connection's driver.
        conn: The request.

    Attributes:
        conn: The request.
        lost: The client is gone.
    """

    __slots__ = ("_consumer", "_joined", "_rest", "conn", "lost")

    def __init__(self, consumer: HTTP1Consumer, conn: Connection) -> None:
        self._consumer = consumer
        self._joined: Consumer | None = None
        self._rest = b""
        self.conn = conn
        self.lost = False

    # What the new protocol calls

    def join(self, consumer: Consumer) -> None:
        """Tell *consumer* what becomes of the client."""
        self._joined = consumer

    def accept(self, fields: Fields) -> ByteStream:
        """Send 101 with *fields* (RFC 9110 §15.2.2)."""
        self._check_due()
        view, self._rest = self._consumer.switch_protocols(fields)
        return view

    def give_way(self) -> None:
        """Attach the new protocol to the connection."""
        consumer = self._joined
        if consumer is None:
            raise LocalProtocolError("nobody has joined", spec="RFC 9110 §7.8")
        http1 = self._consumer
        if http1.output.paused:
            consumer.writing_paused()
        http1.hand_over(consumer, self._rest)
        self._rest = b""
        if http1.stopping:
            consumer.shutdown()

    def refuse(self, response: Response) -> None:
        """Answer with *response* and go on with HTTP."""
        self._check_due()
        self._consumer.output.send_response(response)
        self._consumer.response_completed()

    def abandon(self) -> None:
        """Reset the connection."""
        if self._consumer.exchange is self:
            self._consumer.abandon()

    def _check_due(self) -> None:
        if self.lost or self._consumer.exchange is not self:
            raise LocalProtocolError("the request was answered already", spec="RFC 9110 §3.4")

    # What the driver calls

    def arrived(self) -> None:
        """Bytes arrived: they are the new protocol's, or the next request's."""

    def half_closed(self) -> None:
        """The client will send nothing more."""
        self.conn.disconnected = True
        if self._joined is not None:
            self._joined.eof_received()

    def disconnected(self) -> None:
        """The connection is gone."""
        self.lost = True
        self.conn.disconnected = True
        if self._joined is not None:
            self._joined.connection_lost(None)
