"""The contracts between the layers; this file reads on its own.

A connection is accepted, a :class:`ProtocolBinding` is chosen for it by its opening bytes, and
the binding serves it in one of two ways:

* it *pulls*: ``await conn.reader.read(n)``, ``await conn.writer.write(data)``; or
* it *is fed*: ``conn.attach(consumer)``, and every arrival is handed to the
  :class:`Consumer` synchronously, in the callback that received it.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from .errors import LimitExceeded

Address = tuple[str, int | None]
"""Host and port; ``(path, None)`` for a Unix socket."""


class Reader(ABC):
    """The bytes that a peer sends, for a protocol that pulls. Cancelling a read loses nothing."""

    @abstractmethod
    async def read(self, n: int = -1) -> bytes:
        """Return 1 to *n* bytes as soon as any are there; all that has arrived if *n* is -1.

        Returns:
            ``b""`` at the end of the stream, and only there (or if *n* is 0).

        Raises:
            ConnectionLost: the connection was reset.
        """

    @abstractmethod
    async def readexactly(self, n: int) -> bytes:
        """Return exactly *n* bytes.

        Raises:
            IncompleteRead: the stream ended first.
            ConnectionLost: the connection was reset.
        """

    @abstractmethod
    async def readuntil(self, separator: bytes = b"\n", *, limit: int = 65536) -> bytes:
        """Return the bytes up to and including *separator*.

        Raises:
            LimitExceeded: no separator within *limit* bytes (``limit="readuntil"``).
            IncompleteRead: the stream ended first.
            ConnectionLost: the connection was reset.
        """

    @abstractmethod
    async def peek(self, n: int) -> bytes:
        """Return the next *n* bytes, fewer only at the end of the stream, without consuming them.

        Raises:
            ConnectionLost: the connection was reset.
        """

    @abstractmethod
    def at_eof(self) -> bool:
        """Return True when the stream has ended and everything was read."""


class Writer(ABC):
    """The bytes that we send, with back-pressure."""

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Send *data*; wait while the peer does not take it. Cancelling may leave it queued.

        Raises:
            ConnectionLost: the connection is gone.
            WriteTimeout: the peer took nothing for the write timeout.
        """

    @abstractmethod
    async def writelines(self, parts: Iterable[bytes]) -> None:
        """Send *parts* in order, in one call to the transport; otherwise as :meth:`write`.

        Raises:
            ConnectionLost: the connection is gone.
            WriteTimeout: the peer took nothing for the write timeout.
        """

    @abstractmethod
    async def close(self) -> None:
        """Send what is queued, then close. Calling it again does nothing."""


AbstractReader = Reader
AbstractWriter = Writer


@dataclass(slots=True)
class Leaving:
    """How a server ends; all that it serves look at the same one.

    Attributes:
        begun: It was told to stop.
        grace: Seconds in which a peer that is idle may still ask for something.
        restarting: Others serve in its place: a client may come back at once.
    """

    begun: bool = False
    grace: float = 1.0
    restarting: bool = False


class Deadline(ABC):
    """The one timer of a connection. Setting it costs an attribute; it is re-armed lazily."""

    __slots__ = ("at",)

    at: float
    """When it expires, in seconds of the loop's clock; ``inf`` while nothing is due."""

    @abstractmethod
    def set(self, seconds: float) -> None:
        """Expire *seconds* from now, instead of whatever was set; 0 or less: never."""

    @abstractmethod
    def clear(self) -> None:
        """Nothing is due."""


class Consumer(ABC):
    """What a fed protocol attaches: it gets every happening in the callback that found it."""

    __slots__ = ()

    @abstractmethod
    def data_received(self, data: bytes) -> None:
        """Take bytes that arrived; never empty."""

    @abstractmethod
    def eof_received(self) -> None:
        """The peer will send no more; we may still write. Close the view when done."""

    @abstractmethod
    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone. Called once, last."""

    @abstractmethod
    def writing_paused(self) -> None:
        """The peer takes our bytes too slowly: more than the high-water mark is queued."""

    @abstractmethod
    def writing_resumed(self) -> None:
        """The queue fell below the low-water mark."""

    @abstractmethod
    def deadline_expired(self) -> None:
        """The deadline passed; it is clear until it is set again."""

    @abstractmethod
    def shutdown(self) -> None:
        """The server stops: finish what is under way and what was on its way, then close the view.

        A consumer that is attached later is told before anything is fed to it.
        """


class Aggregator(Protocol):
    """What a raw protocol handler sees of the event system."""

    @property
    def has_listeners(self) -> Callable[[str], bool]:
        """Returns True when somebody listens to the event of that name."""

    async def on_message_received(
        self, protocol: str, message_type: str, payload_size: int
    ) -> None:
        """Emit ``message_received``; *payload_size* in bytes."""

    async def on_message_sent(self, protocol: str, message_type: str, payload_size: int) -> None:
        """Emit ``message_sent``; *payload_size* in bytes."""

    def message_received_soon(self, protocol: str, message_type: str, payload_size: int) -> None:
        """As :meth:`on_message_received`, from a callback."""

    def message_sent_soon(self, protocol: str, message_type: str, payload_size: int) -> None:
        """As :meth:`on_message_sent`, from a callback."""


class ConnectionView(ABC):
    """One accepted connection, as a binding sees it."""

    __slots__ = ("protocol",)

    protocol: str
    """The name of the binding that serves it; ``""`` until one is chosen."""

    @property
    @abstractmethod
    def reader(self) -> Reader:
        """For protocols that pull; from byte zero, whatever detection has looked at."""

    @property
    @abstractmethod
    def writer(self) -> Writer:
        """For protocols that pull."""

    @property
    @abstractmethod
    def peername(self) -> Address | None:
        """The peer's address."""

    @property
    @abstractmethod
    def sockname(self) -> Address | None:
        """Our address."""

    @property
    @abstractmethod
    def ssl(self) -> object | None:
        """The ``ssl.SSLObject`` of a TLS connection, None on cleartext."""

    @property
    def secure(self) -> bool:
        """The client uses TLS: with us, or with a proxy that says so."""
        return self.ssl is not None

    @property
    @abstractmethod
    def alpn(self) -> str | None:
        """The protocol that TLS negotiated."""

    @property
    @abstractmethod
    def connection_id(self) -> str:
        """32 hexadecimal digits, unique per connection."""

    @property
    @abstractmethod
    def aggregator(self) -> Aggregator | None:
        """The event system, or None where nobody can listen."""

    @property
    @abstractmethod
    def queued(self) -> int:
        """Bytes that were sent and that the peer has not taken yet."""

    @property
    @abstractmethod
    def deadline(self) -> Deadline:
        """The connection's one timer."""

    @property
    @abstractmethod
    def leaving(self) -> Leaving:
        """How the server ends, and whether it does."""

    @abstractmethod
    def attach(self, consumer: Consumer) -> None:
        """Feed *consumer* from now on, first with whatever arrived and was not consumed.

        An end of the stream or a loss that happened before is told to it as well.
        """

    @abstractmethod
    def unread(self, data: bytes) -> None:
        """Give *data* back and detach: the consumer attached next gets it first.

        For a consumer that hands the connection on. Whatever happens meanwhile waits as well:
        more bytes, the end of the stream, the loss of the connection.
        """

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Queue *data* for the peer without waiting. After the connection is lost: nothing."""

    @abstractmethod
    def send_parts(self, parts: list[bytes]) -> None:
        """Queue *parts* in order, uncopied, in one call to the transport."""

    @abstractmethod
    def pause_reading(self) -> None:
        """Stop taking bytes from the peer. Idempotent."""

    @abstractmethod
    def resume_reading(self) -> None:
        """Take bytes again. Idempotent."""

    @abstractmethod
    def close(self) -> None:
        """Send what is queued, then close. Idempotent."""

    @abstractmethod
    def linger(self) -> None:
        """Close so that the peer can read our last words: half-close, then discard, bounded."""

    @abstractmethod
    def abort(self) -> None:
        """Drop what is queued and reset the connection."""

    @abstractmethod
    def record_limit(self, limit: LimitExceeded) -> None:
        """Log that the peer went past *limit*: one record on ``blackbull.caps``."""

    def note(self, **fields: object) -> None:
        """Add *fields* to the access log's record of the connection, where there is one.

        ``received`` and ``sent`` are bytes, for a protocol that is fed and counts them itself.
        """


class Refusal(enum.Enum):
    """Why a connection is turned away before its protocol served it."""

    TIMEOUT = "the opening bytes came too slowly"
    OVERLOADED = "too many connections"
    CROWDED = "too many connections of one address"
    SHUTDOWN = "the server is stopping"


class ProtocolDetector(ABC):
    """Recognises a protocol by its opening bytes."""

    protocol_name: str = ""

    @abstractmethod
    def detect(self, prefix: bytes, alpn: str | None) -> bool | None:
        """Judge the opening bytes; consumes nothing.

        Args:
            prefix: What the peer sent so far.
            alpn: The protocol that TLS negotiated, or None.

        Returns:
            True: mine. False: not mine, whatever follows. None: more bytes are needed.
        """


class ProtocolBinding(ABC):
    """One protocol at the dispatcher's door. A new protocol is one of these and nothing else."""

    name: str = ""
    detection_read: int = -1
    """Bytes that :meth:`detect` wants to see: -1 up to CRLF, 0 nothing, N exactly N."""
    alpn: ClassVar[tuple[str, ...]] = ()
    """ALPN identifiers that name this protocol."""
    fed: ClassVar[bool] = False
    """True: :meth:`serve` attaches a consumer and returns without ever waiting (needs no task)."""
    tells: ClassVar[bool] = False
    """True: it tells the access log of each exchange; else of each connection there is a record."""
    port: int | None = None
    """A port of its own, where no detection takes place; 0 takes any free one."""
    tls: object = False
    """TLS on that port: True with the server's certificates, ``TLSFiles``, an ``SSLContext``."""
    stateful: bool = False
    """It must have one owner: with several workers only the first serves it."""
    shared: bool = True
    """Offer it the connections of a port that several protocols share."""

    def detect(self, prefix: bytes, alpn: str | None) -> bool | None:
        """Judge the opening bytes, as :meth:`ProtocolDetector.detect`; default: not mine."""
        return False

    @abstractmethod
    async def serve(self, conn: ConnectionView) -> None:
        """Serve *conn*: pull until done (it is closed on return), or attach a consumer."""

    async def refuse(self, conn: ConnectionView, why: Refusal) -> None:
        """Turn *conn* away in the protocol's own words; default: close without a word."""
        conn.close()


@dataclass(frozen=True, slots=True)
class ProtocolContext:
    """What a raw protocol handler knows about its connection.

    Attributes:
        peername: The peer's address, ``(host, port)``.
        sockname: Our address, ``(host, port)``.
        ssl: The ``ssl.SSLObject``, None on cleartext.
        connection_id: 32 hexadecimal digits, for log correlation.
        protocol: The registered name.
        aggregator: The event system; None where nobody can listen.
        record_limit: Logs that the peer went past a limit, on ``blackbull.caps``.
        note: Adds fields to the access log's record of the connection.
    """

    peername: Address | None
    sockname: Address | None
    ssl: object | None
    connection_id: str
    protocol: str
    aggregator: Aggregator | None
    record_limit: Callable[[LimitExceeded], None] | None = None
    note: Callable[..., None] | None = None
