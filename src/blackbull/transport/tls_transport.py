"""TLS on a connection: a protocol to the event loop, a transport to what is served above it.

Theory of operation. OpenSSL reads from and writes to two buffers in memory. What arrives goes into
the one, is decrypted at once as far as it is complete, and handed on in one piece; what is sent is
encrypted at once, and leaves through the loop's own transport, whose queue and back-pressure are
therefore the only ones. Until the handshake is done there is no protocol above.

Both directions end separately, as they do without TLS (RFC 8446 §6.1): the peer's close_notify is
the end of the stream, ours is sent by :meth:`TLSTransport.write_eof` and before closing. A
connection that ends without the peer's close_notify is lost, not ended: it may have been cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterable
from typing import Final, Protocol, cast

from blackbull.abc import Address

from .deadline import WheelDeadline
from .socket_protocol import Acceptor, SocketProtocol, address_of
from .tls import ContextSource

RECORD: Final = 16384
"""The most plaintext of one record (RFC 8446 §5.1)."""

PORTION: Final = 65536
"""Bytes that pass through the buffers at a time, more or less, so that they stay small."""

FAREWELL: Final = 2.0
"""Seconds that a peer whose handshake has failed gets to read why."""


class Handshakes(Protocol):
    """Whoever answers for the handshakes of a server: told how each of them goes.

    Attributes:
        timeout: Seconds that a handshake may take; 0: as long as it likes.
    """

    timeout: float

    def begun(self, tls: TLSTransport) -> bool:
        """A connection was accepted; return False to drop it at once."""

    def failed(self, tls: TLSTransport, reason: str) -> None:
        """There will be no TLS on it; *reason* is empty if the peer left without a word."""

    def timed_out(self, tls: TLSTransport) -> None:
        """The peer was too slow; the connection is being dropped."""

    def over(self, tls: TLSTransport) -> None:
        """It is no handshake any more: it is served now, or gone."""


class TLSTransport(asyncio.Protocol, asyncio.Transport):
    """The TLS of one connection.

    Args:
        acceptor: Whoever opened the listener; gets the connection once its handshake is done.
        source: Where the context of a new handshake comes from.
        handshakes: Told how the handshake goes.
    """

    __slots__ = (
        "_acceptor", "_closing", "_deadline", "_ended", "_error", "_failed", "_handshakes",
        "_heard", "_incoming", "_object", "_origin", "_outgoing", "_protocol", "_raw", "_source",
        "_write_ended",
    )  # fmt: skip

    def __init__(
        self, acceptor: Acceptor, source: ContextSource, *, handshakes: Handshakes
    ) -> None:
        self._acceptor = acceptor
        self._source = source
        self._handshakes = handshakes
        self._deadline = WheelDeadline(acceptor.wheel, self._deadline_expired)
        self._protocol: SocketProtocol | None = None
        self._error: Exception | None = None
        self._origin: tuple[Address | None, Address | None] | None = None
        self._heard = False
        self._failed = False
        self._ended = False
        self._write_ended = False
        self._closing = False

    def came_from(
        self, peername: Address | None, sockname: Address | None, *, secure: bool = False
    ) -> None:
        """Take these for the addresses of the connection, which is secure here: a proxy says so."""
        self._origin = (peername, sockname)

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast(asyncio.Transport, transport)
        if not self._handshakes.begun(self):
            self._failed = True
            self._raw.abort()
            return
        self._deadline.set(self._handshakes.timeout)

    def data_received(self, data: bytes) -> None:
        if self._deaf():
            return
        if not self._heard:
            self._heard = True
            self._incoming = ssl.MemoryBIO()
            self._outgoing = ssl.MemoryBIO()
            context = self._source.context
            self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        if len(data) <= PORTION:
            self._incoming.write(data)
            self._advance()
            return
        for start in range(0, len(data), PORTION):
            if self._deaf():
                return
            self._incoming.write(data[start : start + PORTION])
            self._advance()

    def eof_received(self) -> bool:
        protocol = self._protocol
        if protocol is None or self._closing:
            return False
        if self._write_ended and not self._ended:
            self._ended = True
            protocol.eof_received()
        elif not self._ended:
            self._break(ConnectionAbortedError("the peer left without its close_notify"))
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        self._closing = True
        protocol = self._protocol
        self._protocol = None
        if protocol is not None:
            protocol.connection_lost(self._error or exc)
            return
        if not self._failed:
            self._failed = True
            reason = str(exc or "the peer left") if self._heard else ""
            self._handshakes.failed(self, reason)
        self._handshakes.over(self)

    def pause_writing(self) -> None:
        if self._protocol is not None:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        if self._protocol is not None:
            self._protocol.resume_writing()

    # The handshake

    def _deaf(self) -> bool:
        return self._failed or self._closing

    def _advance(self) -> None:
        if self._protocol is not None or self._shake_hands():
            self._decrypt()

    def _shake_hands(self) -> bool:
        """Go on with the handshake; return True once it is done."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except (ssl.SSLError, OSError, ValueError) as error:
            self._fail(error)
            return False
        self._flush()
        self._deadline.cancel()
        self._handshakes.over(self)
        self._protocol = SocketProtocol(self._acceptor)
        if self._origin is not None:
            self._protocol.came_from(*self._origin)
        self._protocol.connection_made(self)
        return True

    def _fail(self, error: Exception) -> None:
        """Say why there is no TLS, and let the peer read it."""
        self._failed = True
        self._flush()
        self._handshakes.failed(self, describe(error))
        if self._raw.can_write_eof():
            self._raw.write_eof()
        self._deadline.set(FAREWELL)

    def _deadline_expired(self) -> None:
        if not self._failed:
            self._failed = True
            self._handshakes.timed_out(self)
        self._raw.abort()

    def abort_handshake(self) -> None:
        """Drop the connection without another word: the server stops."""
        self._failed = True
        self._raw.abort()

    # Afterwards

    def _decrypt(self) -> None:
        """Hand on what can be read; whatever ends the stream comes after it."""
        read = self._object.read
        incoming = self._incoming
        parts: list[bytes] = []
        ended = False
        error: ssl.SSLError | None = None
        try:
            while incoming.pending and not self._ended:
                part = read(RECORD)
                if not part:
                    ended = True
                    break
                parts.append(part)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            ended = True
        except ssl.SSLError as raised:
            error = raised
        if self._outgoing.pending:
            self._flush()
        protocol = self._protocol
        if parts and protocol is not None:
            protocol.data_received(parts[0] if len(parts) == 1 else b"".join(parts))
        if self._closing:
            return
        if error is not None:
            self._break(error)
        elif ended and not self._ended:
            self._ended = True
            if self._protocol is not None:
                self._protocol.eof_received()

    def _break(self, error: Exception) -> None:
        """The connection cannot go on: drop it, but for an alert that says why."""
        self._closing = True
        self._error = error
        if isinstance(error, ssl.SSLError):
            self._error = ConnectionAbortedError(f"TLS failed: {describe(error)}")
        if self._raw.get_write_buffer_size() > RECORD:
            self._raw.abort()
        else:
            self._raw.close()

    def _flush(self) -> None:
        if self._outgoing.pending and not self._raw.is_closing():
            self._raw.write(self._outgoing.read())

    # What is served above calls

    def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        """Encrypt and send *data*; nothing after the end of it."""
        if data and not self._closing and not self._write_ended:
            try:
                if len(data) <= RECORD:
                    self._object.write(data)
                else:
                    self._encrypt(data)
                self._raw.write(self._outgoing.read())
            except ssl.SSLError as error:
                self._break(error)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[int]]) -> None:
        """Encrypt and send everything, large parts uncopied."""
        parts = list(list_of_data)
        if sum(map(len, parts)) <= RECORD:
            self.write(b"".join(parts))
        elif not self._closing and not self._write_ended:
            try:
                for part in parts:
                    self._encrypt(part)
                self._flush()
            except ssl.SSLError as error:
                self._break(error)

    def _encrypt(self, data: bytes | bytearray | memoryview[int]) -> None:
        """Put *data* into records, and send them but for the last ones."""
        write = self._object.write
        outgoing = self._outgoing
        with memoryview(data) as view:
            sent = 0
            while sent < len(view):
                if outgoing.pending > PORTION:
                    self._raw.write(outgoing.read())
                # A little more than a portion goes as a whole: the last record would be tiny.
                sent += write(view[sent : sent + PORTION + RECORD])

    def can_write_eof(self) -> bool:
        """Return True: TLS can be half closed."""
        return True

    def write_eof(self) -> None:
        """Send our close_notify and nothing more; the peer may still send."""
        if not self._closing:
            self._notify()
            if self._raw.can_write_eof() and not self._raw.is_closing():
                self._raw.write_eof()

    def close(self) -> None:
        """Send our close_notify after what is queued, then close."""
        if not self._closing:
            self._notify()
            self._closing = True
            self._raw.close()

    def abort(self) -> None:
        """Drop the connection with everything that is queued."""
        self._closing = True
        self._raw.abort()

    def is_closing(self) -> bool:
        """Return True once nothing can be sent any more."""
        return self._closing or self._raw.is_closing()

    def pause_reading(self) -> None:
        """Let the peer wait."""
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Let it go on."""
        self._raw.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes are queued, encrypted."""
        return self._raw.get_write_buffer_size()

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return what is known about the connection, its TLS included."""
        if name == "ssl_object":
            return self._object
        return self._raw.get_extra_info(name, default)

    @property
    def peername(self) -> Address | None:
        """The peer's address."""
        if self._origin is not None:
            return self._origin[0]
        return address_of(self._raw, "peername")

    def _notify(self) -> None:
        if self._write_ended:
            return
        self._write_ended = True
        # The peer's own close_notify is not there yet, and nobody waits for it.
        with contextlib.suppress(ssl.SSLError):
            self._object.unwrap()
        self._flush()


def describe(error: Exception) -> str:
    """Return what went wrong with TLS, in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the client's certificate is refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        if error.reason in {"HTTP_REQUEST", "HTTPS_PROXY_REQUEST"}:
            return "the client spoke plain HTTP"
        return error.reason.lower().replace("_", " ")
    return str(error) or type(error).__name__
