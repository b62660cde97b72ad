"""The event loop's side of a connection: bytes arrive here and go to the current consumer."""

from __future__ import annotations

import asyncio
import fcntl
import ipaddress
import sys
import termios
import uuid
from typing import Final, Protocol, cast

from blackbull.abc import Address, Aggregator, ConnectionView, Consumer, Leaving
from blackbull.errors import LimitExceeded

from .deadline import Wheel, WheelDeadline
from .linger import Linger
from .reader import StreamReader
from .writer import StreamWriter

HIGH_WATER = 65536

MAPPED: Final = "::ffff:"
"""What an IPv4 address begins with where an IPv6 socket accepted it (RFC 4291 §2.5.5.2)."""

WRITELINES_PAUSES: Final = not (3, 12) <= sys.version_info < (3, 13, 2) or (
    (3, 12, 9) <= sys.version_info < (3, 13)
)
"""False where asyncio's ``writelines`` never tells us to pause: CVE-2024-12254."""


class Acceptor(Protocol):
    """Whoever opened the listener: told of each connection's begin and end."""

    leaving: Leaving
    wheel: Wheel
    write_timeout: float

    @property
    def aggregator(self) -> Aggregator | None:
        """The event system, if anybody can listen."""

    def accepted(self, view: SocketProtocol) -> None:
        """A connection was accepted: attach a consumer."""

    def closed(self, view: SocketProtocol, error: Exception | None) -> None:
        """The connection is gone."""

    def record_limit(self, view: SocketProtocol, limit: LimitExceeded) -> None:
        """The peer of *view* went past *limit*."""


class SocketProtocol(asyncio.Protocol, ConnectionView):
    """One transport connection and the consumer that its bytes go to."""

    __slots__ = (
        "_acceptor", "_connection_id", "_consumer", "_deadline", "_ended", "_error",
        "_peername", "_pending", "_proxied_tls", "_reader", "_reading", "_sockname",
        "_transport", "_writer", "limited", "lost", "notes", "opened_at", "ssl_object",
    )  # fmt: skip

    def __init__(self, acceptor: Acceptor) -> None:
        self._acceptor = acceptor
        self._connection_id = ""
        self._consumer: Consumer | None = None
        self._deadline = WheelDeadline(acceptor.wheel, self._deadline_expired)
        self._peername: Address | None = None
        self._sockname: Address | None = None
        self._pending = b""
        self._ended = False
        self._error: Exception | None = None
        self._reader: StreamReader | None = None
        self._writer: StreamWriter | None = None
        self._reading = True
        self.limited = False
        self.lost = False
        self.notes: dict[str, object] | None = None
        self.protocol = ""
        self.opened_at = 0.0
        self.ssl_object: object | None = None
        self._proxied_tls = False

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.ssl_object = transport.get_extra_info("ssl_object")
        self._acceptor.accepted(self)

    def data_received(self, data: bytes) -> None:
        if self._consumer is not None:
            self._consumer.data_received(data)
        else:
            self._pending += data
            self.pause_reading()

    def eof_received(self) -> bool:
        self._ended = True
        if self._consumer is not None:
            self._consumer.eof_received()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._error = exc
        self._deadline.cancel()
        consumer = self._consumer
        self._consumer = None
        if consumer is not None:
            consumer.connection_lost(exc)
        self._acceptor.closed(self, exc)

    def pause_writing(self) -> None:
        if self._consumer is not None:
            self._consumer.writing_paused()

    def resume_writing(self) -> None:
        if self._consumer is not None:
            self._consumer.writing_resumed()

    def _deadline_expired(self) -> None:
        if self._consumer is not None:
            self._consumer.deadline_expired()

    # What a binding uses

    @property
    def reader(self) -> StreamReader:
        if self._reader is None:
            self._reader = StreamReader(self)
            self._reader.join(self.writer)
            self.attach(self._reader)
        return self._reader

    @property
    def writer(self) -> StreamWriter:
        if self._writer is None:
            self._writer = StreamWriter(
                self,
                timeout=self._acceptor.write_timeout,
                queued=lambda: self.queued,
            )
        return self._writer

    @property
    def peername(self) -> Address | None:
        if self._peername is None:
            self._peername = address_of(self._transport, "peername")
        return self._peername

    @property
    def sockname(self) -> Address | None:
        if self._sockname is None:
            self._sockname = address_of(self._transport, "sockname")
        return self._sockname

    @property
    def file_number(self) -> int:
        """The number of the socket's descriptor, negative once it is closed."""
        return cast("int", self._transport.get_extra_info("socket").fileno())

    @property
    def ssl(self) -> object | None:
        return self.ssl_object

    @property
    def alpn(self) -> str | None:
        if self.ssl_object is None:
            return None
        return cast("str | None", getattr(self.ssl_object, "selected_alpn_protocol", _none)())

    @property
    def connection_id(self) -> str:
        if not self._connection_id:
            self._connection_id = uuid.uuid4().hex
        return self._connection_id

    @property
    def aggregator(self) -> Aggregator | None:
        return self._acceptor.aggregator

    @property
    def queued(self) -> int:
        return self._transport.get_write_buffer_size() + _unacknowledged(self._transport)

    @property
    def deadline(self) -> WheelDeadline:
        return self._deadline

    @property
    def leaving(self) -> Leaving:
        return self._acceptor.leaving

    def attach(self, consumer: Consumer) -> None:
        self._consumer = consumer
        if self._acceptor.leaving.begun:
            consumer.shutdown()
        if self._pending:
            data = self._pending
            self._pending = b""
            self.resume_reading()
            consumer.data_received(data)
        # Told again because they may have happened while nobody was attached.
        if self._ended and self._consumer is consumer:
            consumer.eof_received()
        if self.lost and self._consumer is consumer:
            self._consumer = None
            consumer.connection_lost(self._error)

    def unread(self, data: bytes) -> None:
        self._consumer = None
        self._pending = data + self._pending

    @property
    def secure(self) -> bool:
        return self._proxied_tls or self.ssl_object is not None

    def came_from(
        self, peername: Address | None, sockname: Address | None, *, secure: bool = False
    ) -> None:
        """Take these for the addresses, where they are known: whoever passes it on says so.

        Args:
            peername: The client's.
            sockname: Where it has connected to.
            secure: It has done so with TLS.
        """
        self._peername = peername
        self._sockname = sockname
        self._proxied_tls = secure

    def shutdown(self) -> None:
        """The server stops: let the consumer finish; one that is attached later learns it then."""
        if self._consumer is not None:
            self._consumer.shutdown()

    def send(self, data: bytes) -> None:
        if not self.lost:
            self._transport.write(data)

    def send_parts(self, parts: list[bytes]) -> None:
        if self.lost:
            return
        if WRITELINES_PAUSES:
            self._transport.writelines(parts)
        else:
            self._transport.write(b"".join(parts))

    def pause_reading(self) -> None:
        if self._reading and not self.lost:
            self._reading = False
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._reading and not self.lost and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def record_limit(self, limit: LimitExceeded) -> None:
        self.limited = True
        self._acceptor.record_limit(self, limit)

    def note(self, **fields: object) -> None:
        """Add *fields* to the access log's record of the connection."""
        if self.notes is None:
            self.notes = {}
        self.notes.update(fields)

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes that a pulling protocol has received and sent."""
        reader, writer = self._reader, self._writer
        return (
            0 if reader is None else reader.received,
            0 if writer is None else writer.sent,
        )

    def linger(self) -> None:
        """Close so that the peer can read our last words: half-close, then discard, bounded."""
        if self.lost or self._transport.is_closing():
            return
        self._consumer = Linger(self)
        self._deadline.set(Linger.seconds)
        if self._ended:
            self._transport.close()
            return
        try:
            if self._transport.can_write_eof():
                self._transport.write_eof()
        except OSError:  # the peer has reset the connection, and nobody has told us yet
            self._transport.abort()
            return
        self.resume_reading()


def _unacknowledged(transport: asyncio.Transport) -> int:
    """Return how many bytes the system has taken from us and the peer's has not taken from it."""
    sock = transport.get_extra_info("socket")
    try:
        answer = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, ValueError):  # it is closed
        return 0
    return int.from_bytes(answer, sys.byteorder)


def address_of(transport: asyncio.BaseTransport, name: str) -> Address | None:
    """Return *name*, ``"peername"`` or ``"sockname"``; None if *transport* knows it no more."""
    try:
        return to_address(transport.get_extra_info(name))
    except (OSError, ValueError):  # uvloop asks a socket that is closed
        return None


def to_address(raw: object) -> Address | None:
    """Return an address of the socket module as ours; None if there is none."""
    if isinstance(raw, tuple) and len(raw) >= 2:  # an IPv6 address has four parts
        return (plain_host(str(raw[0])), int(raw[1]))
    return (raw, None) if isinstance(raw, str) and raw else None


def plain_host(host: str) -> str:
    """Return *host*, an IPv4 address also where IPv6 writes it in its own way."""
    if not host.startswith(MAPPED):
        return host
    if "." in host:
        return host[len(MAPPED) :]
    mapped = ipaddress.IPv6Address(host).ipv4_mapped
    return host if mapped is None else str(mapped)


def _none() -> None:
    return None
