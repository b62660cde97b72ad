"""The chunked transfer coding (RFC 9112 §7.1)."""

from __future__ import annotations

from typing import Final

from blackbull.errors import LimitExceeded, RemoteProtocolError
from blackbull.protocol.grammar import CHUNK_LINE
from blackbull.protocol.head import Fields

from .head import HeadParser
from .request_line import malformed, too_large

MAX_SIZE_DIGITS: Final = 16

FORBIDDEN_TRAILERS: Final = frozenset({
    b"authorization", b"cache-control", b"connection", b"content-encoding", b"content-length",
    b"content-range", b"content-type", b"cookie", b"expect", b"host", b"if-match",
    b"if-modified-since", b"if-none-match", b"if-range", b"if-unmodified-since", b"keep-alive",
    b"max-forwards", b"pragma", b"proxy-authorization", b"proxy-connection", b"range",
    b"set-cookie", b"te", b"trailer", b"transfer-encoding", b"upgrade",
})  # fmt: skip
"""RFC 9110 §6.5.1: fields for framing, routing, authentication, requests and content."""

_SIZE: Final = 0
_DATA: Final = 1
_DATA_END: Final = 2
_TRAILERS: Final = 3


class ChunkedDecoder:
    """Takes the chunks off a request's content.

    Args:
        parser: Parses the trailer section, and knows the limits of the framing.
        max_body: The most bytes of content.
    """

    __slots__ = ("_left", "_max_body", "_overhead", "_parser", "_state", "_total", "trailers")

    def __init__(self, parser: HeadParser, max_body: int) -> None:
        self._parser = parser
        self._max_body = max_body
        self._state: int = _SIZE
        self._left = 0
        self._total = 0
        self._overhead = 0
        self.trailers: Fields | None = None

    def decode(self, buffer: bytes, at: int) -> tuple[bytes, int]:
        """Decode what *buffer* holds from *at* on; ``trailers`` is set once the end was seen.

        Returns:
            The content, and the position of the first byte that was not used.

        Raises:
            LimitExceeded: ``max_body_size`` (413), ``max_chunk_line``, ``max_chunk_overhead``,
                ``header_max_line``, ``header_max_total``, ``max_fields``.
            RemoteProtocolError: the chunk framing or the trailer section is malformed.

        Spec:
            RFC 9112 §7.1
        """
        parts: list[bytes] = []
        while self.trailers is None:
            before = (at, self._state)
            try:
                at = self._step(buffer, at, parts)
            except RemoteProtocolError:
                if not parts:
                    raise
                break  # what came before it is reported first; the next call finds it again
            if before == (at, self._state):
                break
        return b"".join(parts), at

    def _step(self, buffer: bytes, at: int, parts: list[bytes]) -> int:
        if self._state == _DATA:
            return self._take(buffer, at, parts)
        if self._state == _DATA_END:
            return self._skip_line_end(buffer, at)
        if self._state == _SIZE:
            return self._decode_size(buffer, at)
        return self._decode_trailers(buffer, at)

    def _take(self, buffer: bytes, at: int, parts: list[bytes]) -> int:
        part = buffer[at : at + self._left]
        if part:
            parts.append(part)
        self._left -= len(part)
        if not self._left:
            self._state = _DATA_END
        return at + len(part)

    def _skip_line_end(self, buffer: bytes, at: int) -> int:
        end = buffer[at : at + 2]
        if end == b"\r\n":
            self._state = _SIZE
            return at + 2
        if end not in {b"", b"\r"}:
            raise malformed("a chunk is longer than its size", "RFC 9112 §7.1")
        return at

    def _decode_size(self, buffer: bytes, at: int) -> int:
        limits = self._parser.limits
        end = buffer.find(b"\r\n", at, at + limits.max_chunk_line + 2)
        if end < 0:
            pending = buffer[at : at + limits.max_chunk_line + 2]
            if b"\n" in pending:
                raise malformed("a chunk-size line ends in a bare LF", "RFC 9112 §7.1")
            if len(pending) > limits.max_chunk_line + 1:
                raise LimitExceeded(
                    "max_chunk_line",
                    allowed=limits.max_chunk_line,
                    seen=len(pending),
                    code=400,
                    spec="RFC 9112 §7.1.1",
                )
            return at
        size = decode_chunk_size(buffer[at:end])
        self._count(size, end + 4 - at)
        self._left = size
        self._state = _DATA if size else _TRAILERS
        return end + 2

    def _count(self, size: int, framing: int) -> None:
        limits = self._parser.limits
        self._total += size
        if self._total > self._max_body:
            raise body_too_large(self._max_body, self._total)
        self._overhead += framing
        if self._overhead - self._total > limits.max_chunk_overhead:
            raise LimitExceeded(
                "max_chunk_overhead",
                allowed=limits.max_chunk_overhead,
                seen=self._overhead - self._total,
                code=400,
                spec="RFC 9112 §7.1.1",
            )

    def _decode_trailers(self, buffer: bytes, at: int) -> int:
        if buffer.startswith(b"\r\n", at):
            self.trailers = ()
            return at + 2
        end = buffer.find(b"\r\n\r\n", at)
        limits = self._parser.limits
        if end < 0:
            pending = buffer[at:]
            if len(pending) > limits.max_header_total + 3:
                raise too_large("header_max_total", limits.max_header_total, len(pending))
            if pending.count(b"\n") != pending.count(b"\r\n"):
                raise malformed("a trailer line ends in a bare LF", "RFC 9112 §2.2")
            return at
        if end - at > limits.max_header_total:
            raise too_large("header_max_total", limits.max_header_total, end - at)
        trailers = self._parser.parse_fields(buffer[at:end])
        for name, _ in trailers:
            if name in FORBIDDEN_TRAILERS:
                raise malformed(f"{name.decode()} is no trailer field", "RFC 9110 §6.5.1")
        self.trailers = trailers
        return end + 4


def body_too_large(allowed: int, seen: int) -> LimitExceeded:
    """Return the error for more content than a request may have: 413."""
    return LimitExceeded(
        "max_body_size", allowed=allowed, seen=seen, code=413, spec="RFC 9110 §15.5.14"
    )


def decode_chunk_size(line: bytes) -> int:
    """Return the number of bytes that a chunk-size line announces.

    Args:
        line: The line without its CRLF.

    Raises:
        RemoteProtocolError: the size is not 1*HEXDIG or an extension is malformed.

    Spec:
        RFC 9112 §7.1, §7.1.1
    """
    match = CHUNK_LINE.fullmatch(line)
    if match is None or len(match.group(1)) > MAX_SIZE_DIGITS:
        raise RemoteProtocolError("a chunk-size line is malformed", code=400, spec="RFC 9112 §7.1")
    return int(match.group(1), 16)
