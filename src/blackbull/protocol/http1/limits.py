"""How much of anything a peer may send in HTTP/1.1."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HTTP1Limits:
    """Every bound of the HTTP/1.1 machine.

    Attributes:
        max_header_line: Longest request line or field line, in bytes without CRLF: 414 or 431.
        max_header_total: Longest head or trailer section, in bytes: 431.
        max_fields: Most field lines in a head or trailer section: 431.
        max_body: Most bytes of content, announced or counted: 413.
        max_chunk_line: Longest chunk-size line with its extensions, in bytes: 400.
        max_chunk_overhead: Most bytes of chunk framing beyond the content's own size: 400.
        max_drain: Most announced bytes that are read and discarded to keep a connection whose
            request was answered early; with more to come it is closed.
    """

    max_header_line: int = 8192
    max_header_total: int = 65536
    max_fields: int = 256
    max_body: int = 31457280
    max_chunk_line: int = 1024
    max_chunk_overhead: int = 65536
    max_drain: int = 65536
