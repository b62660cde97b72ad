"""Messages out of frames: fragments joined, inflated and checked as they come (RFC 6455 §5.4)."""

from __future__ import annotations

import codecs
from typing import Final

from .codes import CONTINUATION, TEXT
from .deflate import PermessageDeflate
from .frames import FIN, RSV1, not_text, violation
from .limits import WebSocketLimits, too_big

_decoder: Final = codecs.getincrementaldecoder("utf-8")

SPARE: Final = 64
"""Bytes by which a message may grow in compressing, beside an eighth of its size."""


class Assembler:
    """The data frames of one connection.

    Args:
        limits: What frames and messages are held to.
        deflate: Inflates; None without permessage-deflate.

    Attributes:
        begun: How many messages were not there as a whole when they began.
        fragmented: A message has begun and not ended.
        max_message_size: Bytes; may be lowered before the first frame.

    Spec:
        RFC 6455 §5.4, §5.6, §8.1; RFC 7692 §6.2
    """

    __slots__ = (
        "_compressed", "_decoder", "_deflate", "_limits", "_parts", "_text", "_wire", "begun",
        "fragmented", "max_message_size",
    )  # fmt: skip

    def __init__(self, limits: WebSocketLimits, deflate: PermessageDeflate | None) -> None:
        self._limits = limits
        self._deflate = deflate
        self._parts = bytearray()
        self._wire = 0
        self._text = False
        self._compressed = False
        self._decoder: codecs.IncrementalDecoder | None = None
        self.begun = 0
        self.fragmented = False
        self.max_message_size = limits.max_message_size

    @property
    def held(self) -> int:
        """Bytes of an unfinished message."""
        return len(self._parts)

    def forget(self) -> None:
        """Let go of an unfinished message and of the window."""
        self._parts = bytearray()
        self._decoder = None
        self._deflate = None

    def check(self, first: int, size: int) -> None:
        """Judge a data frame by its header.

        Args:
            first: FIN, the reserved bits and the opcode.
            size: Bytes of its payload.

        Raises:
            LimitExceeded: ``ws_max_frame_payload`` or ``ws_max_message_size`` (1009).
            RemoteProtocolError: the frame is not due (1002).

        Spec:
            RFC 6455 §5.4
        """
        if first & 15 == CONTINUATION:
            if not self.fragmented:
                raise violation("a continuation of nothing", "RFC 6455 §5.4")
            compressed = self._compressed
        else:
            if self.fragmented:
                raise violation("a message within a message", "RFC 6455 §5.4")
            compressed = bool(first & RSV1)
        if size > self._limits.max_frame_payload:
            raise too_big("ws_max_frame_payload", self._limits.max_frame_payload, size)
        allowed = self.max_message_size
        seen = self._wire + size
        if seen > (allowed + (allowed >> 3) + SPARE if compressed else allowed):
            raise too_big("ws_max_message_size", allowed, seen)

    def whole(self, first: int, payload: bytes) -> str | bytes:
        """Return the message that one frame is.

        Args:
            first: FIN, the reserved bits and the opcode; checked.
            payload: Unmasked.

        Raises:
            LimitExceeded: it inflates to more than ``ws_max_message_size`` (1009).
            RemoteProtocolError: it is not compressed properly, or no UTF-8 (1007).
        """
        if first & RSV1 and self._deflate is not None:
            payload = self._deflate.inflate(payload, self.max_message_size)
            self._check_size(len(payload))
            payload += self._deflate.finish(self.max_message_size - len(payload))
            self._check_size(len(payload))
        if first & 15 != TEXT:
            return payload
        try:
            return payload.decode()
        except UnicodeDecodeError:
            raise not_text("a text message is no UTF-8") from None

    def begin(self, first: int) -> None:
        """Begin a message, or go on with it at its next frame; the header was checked."""
        if first & 15 != CONTINUATION:
            self.begun += 1
            self.fragmented = True
            self._text = first & 15 == TEXT
            self._compressed = bool(first & RSV1)
            self._decoder = _decoder() if self._text else None

    def add(self, payload: bytes) -> None:
        """Take a part of a frame's payload.

        Raises:
            LimitExceeded: the message inflates to more than ``ws_max_message_size`` (1009).
            RemoteProtocolError: it is not compressed properly, or no UTF-8 (1007).
        """
        self._wire += len(payload)
        if self._compressed and self._deflate is not None:
            payload = self._deflate.inflate(payload, self.max_message_size - len(self._parts))
        self._append(payload)

    def finish(self) -> str | bytes:
        """Return the message whose last frame is complete; errors as :meth:`add`."""
        if self._compressed and self._deflate is not None:
            self._append(self._deflate.finish(self.max_message_size - len(self._parts)))
        parts = self._parts
        self._parts = bytearray()
        self._wire = 0
        self.fragmented = False
        if self._decoder is None:
            return bytes(parts)
        self._decoder = None
        try:
            return parts.decode()
        except UnicodeDecodeError:
            raise not_text("a text message ends within a character") from None

    def _append(self, payload: bytes) -> None:
        self._check_size(len(self._parts) + len(payload))
        if self._decoder is not None:
            # RFC 6455 §8.1: invalid text fails at its first bad octet, not at the message's end.
            try:
                self._decoder.decode(payload)
            except UnicodeDecodeError:
                raise not_text("a text message is no UTF-8") from None
            pending = self._decoder.getstate()[0]
            if pending[:1] == b"\xed" and pending[1:] >= b"\xa0":
                # The decoder waits for a third octet, but this is half of a pair already.
                raise not_text("a text message has a surrogate")
        self._parts += payload

    def _check_size(self, size: int) -> None:
        if size > self.max_message_size:
            raise too_big("ws_max_message_size", self.max_message_size, size)


def is_whole(first: int) -> bool:
    """Return True for a frame that begins and ends a message."""
    return bool(first & FIN) and first & 15 != CONTINUATION
