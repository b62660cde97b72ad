"""permessage-deflate: what is agreed on, and messages under it (RFC 7692).

Without context takeover every message is compressed on its own. One compressor then serves all
sockets of a server: a full flush after each message makes it forget what it has seen. Inflating
is never shared: its window holds what the last peer sent.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from blackbull.errors import LimitExceeded, RemoteProtocolError

NAME: Final = b"permessage-deflate"
TAIL: Final = b"\x00\x00\xff\xff"
"""What every message's compressed form ends in, and what is left out (RFC 7692 §7.2.1)."""

MAX_WINDOW_BITS: Final = 15
TAKEOVER_WINDOW_BITS: Final = 12
"""Windows that are kept from message to message are 4 KiB where the client lets us choose."""

MIN_DEFLATE_BITS: Final = 9
"""zlib cannot compress for a window of 256 bytes."""

MAX_STREAMS: Final = 16
"""Final blocks that one message may have (RFC 7692 §7.2.3.5); everybody else needs one at most."""

WINDOW_BITS: Final = re.compile(rb"8|9|1[0-5]")

Parameters: TypeAlias = list[tuple[bytes, bytes | None]]


class _Deflater(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self, mode: int = ..., /) -> bytes: ...


class _Inflater(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /, max_length: int = ...) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the two sides agreed on.

    Attributes:
        server_takeover: We keep our window from message to message.
        client_takeover: The client keeps its window.
        server_bits: Our window, as a power of two.
        client_bits: The client's window.
        answer: The value of ``sec-websocket-extensions``.
    """

    server_takeover: bool
    client_takeover: bool
    server_bits: int
    client_bits: int
    answer: bytes

    @property
    def memory(self) -> int:
        """Bytes that the two windows take for as long as the socket is open, about."""
        size = 0
        if self.server_takeover:
            size += (1 << self.server_bits + 2) + (1 << Compressor.memory_level + 9) + 6144
        if self.client_takeover:
            size += (1 << self.client_bits) + 9216
        return size


def negotiate(
    offers: Iterable[tuple[bytes, Parameters]], *, takeover: bool = False
) -> Agreement | None:
    """Return the agreement on the first offer that can be accepted, or None.

    Args:
        offers: The client's extensions with their parameters, by preference.
        takeover: Keep the windows where the client does, too.

    Spec:
        RFC 7692 §5.1, §7, §7.1
    """
    for name, parameters in offers:
        if name == NAME:
            agreement = _accept(parameters, takeover=takeover)
            if agreement is not None:
                return agreement
    return None


def _accept(parameters: Parameters, *, takeover: bool) -> Agreement | None:
    """Return the agreement on one offer; None declines it (RFC 7692 §7)."""
    offer = dict(parameters)
    if len(offer) != len(parameters) or not all(_is_legal(*each) for each in parameters):
        return None
    server_bits = int(offer.get(b"server_max_window_bits") or MAX_WINDOW_BITS)
    client_bits = MAX_WINDOW_BITS
    if server_bits < MIN_DEFLATE_BITS:
        return None
    server_takeover = takeover and b"server_no_context_takeover" not in offer
    client_takeover = takeover and b"client_no_context_takeover" not in offer
    answer = [NAME]
    if not server_takeover:
        answer.append(b"server_no_context_takeover")
    if not client_takeover:
        answer.append(b"client_no_context_takeover")
    if takeover:
        server_bits = min(server_bits, TAKEOVER_WINDOW_BITS)
        if b"client_max_window_bits" in offer:
            asked = int(offer[b"client_max_window_bits"] or MAX_WINDOW_BITS)
            client_bits = min(asked, TAKEOVER_WINDOW_BITS)
            answer.append(b"client_max_window_bits=%d" % client_bits)
    # RFC 7692 §7.1.2.1: an offered limit on our window is accepted by repeating it.
    if b"server_max_window_bits" in offer:
        answer.append(b"server_max_window_bits=%d" % server_bits)
    return Agreement(server_takeover, client_takeover, server_bits, client_bits, b"; ".join(answer))


def _is_legal(name: bytes, value: bytes | None) -> bool:
    if name in {b"server_no_context_takeover", b"client_no_context_takeover"}:
        return value is None
    if name == b"client_max_window_bits" and value is None:
        return True
    return (
        name in {b"server_max_window_bits", b"client_max_window_bits"}
        and value is not None
        and WINDOW_BITS.fullmatch(value) is not None
    )


class Compressor:
    """Compresses messages that have nothing to do with one another; shared by many sockets.

    Not for more than one thread.

    Args:
        level: zlib's, 1 to 9.
        min_size: Bytes below which a message is not worth compressing.
    """

    __slots__ = ("_deflaters", "level", "min_size")

    memory_level: Final = 5

    def __init__(self, *, level: int = 1, min_size: int = 64) -> None:
        self.level = level
        self.min_size = max(min_size, 1)
        self._deflaters: dict[int, _Deflater] = {}

    def compress(self, payload: bytes, window_bits: int = MAX_WINDOW_BITS) -> bytes | None:
        """Return *payload* compressed on its own; None if that would not make it smaller.

        Spec:
            RFC 7692 §7.2.1
        """
        if len(payload) < self.min_size:
            return None
        deflater = self._deflaters.get(window_bits)
        if deflater is None:
            deflater = self._deflaters[window_bits] = self.deflater(window_bits)
        deflated = deflater.compress(payload) + deflater.flush(zlib.Z_FULL_FLUSH)
        return deflated[:-4] if len(deflated) - 4 < len(payload) else None

    def deflater(self, window_bits: int) -> _Deflater:
        """Return what compresses for one socket only."""
        return zlib.compressobj(self.level, zlib.DEFLATED, -window_bits, self.memory_level)


class PermessageDeflate:
    """One socket's messages under an agreement.

    Args:
        agreement: What was negotiated.
        compressor: Compresses what keeps no window.

    Attributes:
        form: Tells frames apart that sockets can share; None if they cannot.

    Spec:
        RFC 7692 §7.2
    """

    __slots__ = ("_agreement", "_compressor", "_deflater", "_inflater", "_streams", "form")

    def __init__(self, agreement: Agreement, compressor: Compressor) -> None:
        self._agreement = agreement
        self._compressor = compressor
        self._deflater: _Deflater | None = None
        self._inflater: _Inflater | None = None
        self._streams = 0
        self.form: object = None
        if not agreement.server_takeover:
            self.form = (agreement.server_bits, compressor.level, compressor.min_size)

    def compress(self, payload: bytes) -> bytes | None:
        """Return a message's payload compressed, or None to send it as it is.

        Spec:
            RFC 7692 §7.2.1
        """
        agreement = self._agreement
        if not agreement.server_takeover:
            return self._compressor.compress(payload, agreement.server_bits)
        if len(payload) < self._compressor.min_size:
            return None
        if self._deflater is None:
            self._deflater = self._compressor.deflater(agreement.server_bits)
        deflated = self._deflater.compress(payload) + self._deflater.flush(zlib.Z_SYNC_FLUSH)
        return deflated[:-4]

    def inflate(self, data: bytes, room: int) -> bytes:
        """Return what the next part of a message inflates to, but at most *room* + 1 bytes.

        Args:
            data: As it came.
            room: Bytes that the message may still grow by. A result that is longer means that
                it would grow by more; nobody knows by how much.

        Raises:
            LimitExceeded: ``ws_deflate_streams`` (1008).
            RemoteProtocolError: *data* is not compressed properly (1007).

        Spec:
            RFC 7692 §7.2.2
        """
        inflater = self._inflater
        if inflater is None:
            inflater = self._inflater = zlib.decompressobj(-self._agreement.client_bits)
        try:
            inflated = inflater.decompress(data, room + 1)
            if inflater.eof:
                inflated = self._inflate_on(inflater, inflated, room)
        except zlib.error:
            raise RemoteProtocolError(
                "a message is not compressed properly", code=1007, spec="RFC 7692 §7.2.2"
            ) from None
        return inflated

    def finish(self, room: int) -> bytes:
        """Return what the end of a message inflates to; otherwise as :meth:`inflate`.

        Spec:
            RFC 7692 §7.2.2
        """
        inflated = self.inflate(TAIL, room)
        self._streams = 0
        if not self._agreement.client_takeover:
            self._inflater = None
        return inflated

    def _inflate_on(self, inflater: _Inflater, inflated: bytes, room: int) -> bytes:
        """Go on after a final block: the sender began anew (RFC 7692 §7.2.3.5)."""
        parts = [inflated]
        room -= len(inflated)
        while inflater.eof and room >= 0:
            self._streams += 1
            if self._streams > MAX_STREAMS:
                raise LimitExceeded(
                    "ws_deflate_streams", allowed=MAX_STREAMS, seen=self._streams, code=1008,
                    spec="RFC 7692 §7.2.3.5",
                )  # fmt: skip
            rest = inflater.unused_data
            inflater = self._inflater = zlib.decompressobj(-self._agreement.client_bits)
            if rest:
                parts.append(inflater.decompress(rest, room + 1))
                room -= len(parts[-1])
        return b"".join(parts)
