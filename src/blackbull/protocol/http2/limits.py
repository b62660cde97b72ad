"""How much of anything a peer may send in HTTP/2."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HTTP2Limits:
    """Every bound of the HTTP/2 machine.

    Attributes:
        max_header_line: Longest name and value of a field, in bytes: 431.
        max_header_total: The most that the fields of a header section may count, in bytes, each
            with 32 bytes of overhead: 431. Announced to the peer.
        max_fields: Most fields in a header or trailer section: 431.
        max_header_block: Most bytes of one encoded header block: ENHANCE_YOUR_CALM.
        max_continuations: Most CONTINUATION frames of one header block: ENHANCE_YOUR_CALM.
        max_body: Most bytes of a request's content, announced or counted: 413.
        max_concurrent_streams: Most requests under way: REFUSED_STREAM.
        max_frame_size: Longest payload of a frame, from 16384 to 16777215 bytes.
        header_table_size: Bytes of dynamic table that the peer may use.
        initial_window_size: Bytes of content that the peer may send on a stream unasked.
        connection_window_size: Bytes of content that it may send on all streams; 65535 or more.
        max_send_buffer: Bytes of content that wait for the peer before a sender should.
        frame_rate_window: Seconds in which the following are counted.
        max_control_frames: Most PING frames beyond what our own sending explains; as many SETTINGS
            frames, empty DATA frames and GOAWAY frames, whatever we send.
        max_priority_frames: Most frames that are advice at best, PRIORITY, PRIORITY_UPDATE and as
            many unknown ones, beyond what our own sending explains.
        max_window_updates: Most WINDOW_UPDATE frames, likewise.
        max_resets: Most streams that the peer resets or makes us reset, beyond the responses that
            it took.
        max_refused_streams: Most streams beyond ``max_concurrent_streams``.
    """

    max_header_line: int = 8192
    max_header_total: int = 65536
    max_fields: int = 256
    max_header_block: int = 65536
    max_continuations: int = 32
    max_body: int = 31457280
    max_concurrent_streams: int = 100
    max_frame_size: int = 16384
    header_table_size: int = 4096
    initial_window_size: int = 65535
    connection_window_size: int = 65535
    max_send_buffer: int = 65536
    frame_rate_window: float = 1.0
    max_control_frames: int = 20
    max_priority_frames: int = 100
    max_window_updates: int = 1000
    max_resets: int = 100
    max_refused_streams: int = 1000
