"""The seam at which an HTTP connection becomes something else (RFC 9110 §7.8, RFC 8441).

An :class:`Upgrade` judges the request and lets the application decide. Until it has decided, the
bytes belong to HTTP; then the :class:`Carrier` gives way, and the new protocol is fed like any
other consumer and speaks through a :class:`ByteStream`: a whole connection, or a stream of one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

from blackbull.abc import Address, Consumer, Deadline
from blackbull.connection import Connection
from blackbull.headers import Fields
from blackbull.response import Response


class ByteStream(Protocol):
    """What an upgraded protocol writes to; a :class:`~blackbull.abc.ConnectionView` is one."""

    @property
    def peername(self) -> Address | None:
        """The peer's address."""

    @property
    def connection_id(self) -> str:
        """32 hexadecimal digits, unique per connection."""

    @property
    def deadline(self) -> Deadline:
        """The stream's one timer."""

    @property
    def queued(self) -> int:
        """Bytes that were sent and that the peer has not taken yet."""

    def send(self, data: bytes) -> None:
        """Queue *data* for the peer without waiting."""

    def send_parts(self, parts: list[bytes]) -> None:
        """Queue *parts* in order, uncopied."""

    def pause_reading(self) -> None:
        """Stop taking bytes from the peer. Idempotent."""

    def resume_reading(self) -> None:
        """Take bytes again. Idempotent."""

    def close(self) -> None:
        """Send what is queued, then close. Idempotent."""

    def linger(self) -> None:
        """Close so that the peer can read our last words."""

    def abort(self) -> None:
        """Drop what is queued and reset."""


class Carrier(ABC):
    """The HTTP request that asks for the upgrade, while the application decides.

    It tells the consumer that was joined when the client leaves or the server stops.
    """

    __slots__ = ()

    @abstractmethod
    def join(self, consumer: Consumer) -> None:
        """Tell *consumer* what becomes of the client from now on; nothing arrives yet."""

    @abstractmethod
    def accept(self, fields: Fields) -> ByteStream:
        """Send the response that opens the new protocol: 101, or 200 on HTTP/2.

        Raises:
            LocalProtocolError: *fields* cannot be sent; nothing was.
        """

    @abstractmethod
    def give_way(self) -> None:
        """Feed the consumer from now on, first with what arrived after the request."""

    @abstractmethod
    def refuse(self, response: Response) -> None:
        """Answer with *response* instead; the connection goes on with HTTP.

        Raises:
            LocalProtocolError: *response* cannot be sent; nothing was.
        """

    @abstractmethod
    def abandon(self) -> None:
        """Nobody will answer: end the request in whatever way HTTP has."""


class Upgrade(ABC):
    """A protocol that an HTTP/1.1 connection can be switched to.

    Attributes:
        token: The lower-case name in the Upgrade field, for example ``b"websocket"``.
    """

    token: bytes

    def check(self, conn: Connection, *, has_content: bool) -> None:
        """Judge the request before its content is looked at; default: nothing is wrong.

        Args:
            conn: The request.
            has_content: It announces content.

        Raises:
            RemoteProtocolError: the request is answered with the error and the connection closed.
        """

    @abstractmethod
    def begin(self, conn: Connection, carrier: Carrier) -> Response | bool:
        """Let the application decide; the request is complete.

        Args:
            conn: The request.
            carrier: Takes the decision.

        Returns:
            True: the carrier gets or got the decision. A response: the upgrade is refused. False:
            answer as if no upgrade was asked for.

        Raises:
            RemoteProtocolError: as :meth:`check`.
        """

    def connect(self, conn: Connection, carrier: Carrier) -> Response | bool:
        """As :meth:`begin`, for an extended CONNECT of HTTP/2; default: not offered there.

        Raises:
            RemoteProtocolError: the request is malformed: its ``code`` is the status to answer.

        Spec:
            RFC 8441 §4
        """
        return False
