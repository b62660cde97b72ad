"""The WebSocket machine of a server: bytes in, events out; commands in, bytes out."""

from __future__ import annotations

from typing import Final

from blackbull.errors import LocalProtocolError, RemoteProtocolError

from .assembler import Assembler, is_whole
from .codes import BINARY, CLOSE, PING, TEXT
from .deflate import PermessageDeflate
from .events import CloseReceived, Event, PingReceived, PongReceived, ViolationReceived
from .frames import (
    BINARY_HEADERS,
    FIN,
    MASKED,
    MAX_CONTROL,
    RSV1,
    STRIDED,
    TEXT_HEADERS,
    apply_mask,
    check_header,
    decode_close,
    decode_size,
    encode_close,
    encode_ping,
    encode_pong,
    frame_header,
    mask_strided,
    not_text,
)
from .limits import WebSocketLimits

NO_LIMIT: Final = 1 << 62

WHOLE_TEXT: Final = FIN | TEXT
WHOLE_BINARY: Final = FIN | BINARY

PLAIN: Final = "plain"
"""The form of frames that are not compressed."""


class WebSocketConnection:
    """One WebSocket, seen from the server, from after the handshake on.

    Args:
        limits: What the peer is held to.
        deflate: Compresses and inflates; None without permessage-deflate.

    Attributes:
        close_sent: We sent a close; nothing but pongs may follow.
        finished: The peer sent a close or broke the protocol; nothing is read any more.
        messages_only: The last :meth:`receive` reported nothing but messages.
        form: Tells frames apart that can be shared with other sockets: see :meth:`send_shared`.

    Spec:
        RFC 6455; RFC 7692
    """

    __slots__ = (
        "_assembler", "_at", "_buffer", "_deflate", "_fin", "_fresh", "_key", "_left", "_quick",
        "close_sent", "finished", "form", "messages_only",
    )  # fmt: skip

    def __init__(self, limits: WebSocketLimits, deflate: PermessageDeflate | None = None) -> None:
        self._deflate = deflate
        self._assembler = Assembler(limits, deflate)
        self._quick = min(65535, limits.max_message_size, limits.max_frame_payload)
        self._buffer = b""
        self._at = 0
        self._left = -1  # bytes to come of the data frame that has begun; -1 between frames
        self._key = b""
        self._fin = False
        self._fresh = True  # between two messages, and nothing was left over
        self.close_sent = False
        self.finished = False
        self.messages_only = True
        self.form: object = PLAIN
        if deflate is not None and deflate.form is not None:
            self.form = deflate.form

    # Receiving

    @property
    def buffered(self) -> int:
        """Bytes that were received and not looked at."""
        return len(self._buffer) - self._at

    @property
    def held(self) -> int:
        """Bytes that were received and not reported, inflated where they were compressed."""
        return self.buffered + self._assembler.held

    @property
    def unfinished(self) -> int:
        """The number of the message that has begun and not ended; 0 between messages."""
        assembler = self._assembler
        return assembler.begun if assembler.fragmented and not self.finished else 0

    def limit_messages(self, max_message_size: int) -> None:
        """Accept smaller messages only than the limits say."""
        self._assembler.max_message_size = min(max_message_size, self._assembler.max_message_size)
        self._quick = min(self._quick, max_message_size)

    def forget(self) -> None:
        """Read nothing more, and let go of what was received."""
        self.finished = True
        self._fresh = False
        self._buffer = b""
        self._at = 0
        self._assembler.forget()

    def receive(
        self, data: bytes, max_events: int = NO_LIMIT, max_inflated: int = NO_LIMIT
    ) -> list[Event]:
        """Take bytes of the peer and report what they mean, in order.

        A violation is the last event there is. What comes after it, or after a close, is ignored.

        Args:
            data: As it arrived; ``b""`` goes on with what was left.
            max_events: Report no more than that; the rest is left, see :attr:`buffered`.
            max_inflated: Report no more once the messages that needed more than one glance (long,
                compressed, fragmented) exceed this size together.

        Raises:
            Nothing.

        Spec:
            RFC 6455 §5, §6.2, §7, §8.1; RFC 7692 §6.2
        """
        self.messages_only = True
        if self._fresh and max_events > 0:
            alone = self._read_alone(data)
            if alone is not None:
                return [alone]
        events: list[Event] = []
        if self.finished:
            return events
        self._fresh = True  # until something shows that it is not
        at = 0
        if self._buffer:
            if data:
                data = self._buffer[self._at :] + data
            else:
                data, at = self._buffer, self._at
            self._buffer = b""
            self._at = 0
        have = len(data)
        quick = -1 if self._assembler.fragmented else self._quick
        try:
            if self._left >= 0 and max_events > 0:
                at += self._read_on(data[at:] if at else data, events)
                quick = -1 if self._assembler.fragmented else self._quick
            while at < have and len(events) < max_events and max_inflated >= 0:
                first = data[at]
                # One whole uncompressed message in a frame that is all there.
                if WHOLE_TEXT <= first <= WHOLE_BINARY and at + 8 <= have:
                    start = at + 6
                    size = data[at + 1] - MASKED
                    if size > MAX_CONTROL:
                        start = at + 8
                        size = data[at + 2] << 8 | data[at + 3] if size == 126 else 0
                        size = size if size > MAX_CONTROL else -1
                    end = start + size
                    if 0 <= size <= quick and end <= have:
                        key = data[start - 4 : start]
                        if size >= STRIDED:
                            long = mask_strided(data[start:end], key)
                            events.append(long.decode() if first == WHOLE_TEXT else bytes(long))
                        else:
                            stream = (key * ((size + 3) >> 2))[:size]
                            payload = (
                                int.from_bytes(data[start:end], "little")
                                ^ int.from_bytes(stream, "little")
                            ).to_bytes(size, "little")
                            events.append(payload.decode() if first == WHOLE_TEXT else payload)
                        at = end
                        continue
                reported = len(events)
                after = self._read_frame(data, at, events)
                if after == at:
                    break  # it is not all there
                at = after
                quick = -1 if self._assembler.fragmented else self._quick
                if len(events) > reported and isinstance(message := events[-1], str | bytes):
                    max_inflated -= len(message)
        except UnicodeDecodeError:
            self._fail(not_text("a text message is no UTF-8"), events)
        except RemoteProtocolError as error:
            self._fail(error, events)
        if self._fresh:
            if at < have:
                self._buffer = data
                self._at = at
                self._fresh = False
            elif self._assembler.fragmented:
                self._fresh = False
        return events

    def _read_alone(self, data: bytes) -> str | bytes | None:
        """Return the message that *data* is, if it is one short frame and nothing else."""
        size = len(data) - 6
        if not 0 <= size <= self._quick or size > MAX_CONTROL or data[1] != MASKED + size:
            return None
        first = data[0]
        if not WHOLE_TEXT <= first <= WHOLE_BINARY:
            return None
        stream = (data[2:6] * ((size + 3) >> 2))[:size]
        payload = (int.from_bytes(data[6:], "little") ^ int.from_bytes(stream, "little")).to_bytes(
            size, "little"
        )
        if first == WHOLE_BINARY:
            return payload
        try:
            return payload.decode()
        except UnicodeDecodeError:
            return None

    def _read_frame(self, data: bytes, at: int, events: list[Event]) -> int:
        """Read the frame at *at*, or as much of it as is there; return where that ends.

        Nothing is taken of a header or a control frame that is incomplete.
        """
        have = len(data) - at
        if have < 2:
            return at
        first = data[at]
        second = data[at + 1]
        check_header(first, second, compressible=self._deflate is not None)
        size = second & 127
        header = 6
        if size > MAX_CONTROL:
            header = 8 if size == 126 else 14
            if have < header - 4:
                return at
            size = decode_size(data[at + 2 : at + header - 4])
        if first & 15 >= CLOSE:
            if have < header + size:
                return at
        else:
            # Judged before a byte of it is waited for or kept.
            self._assembler.check(first, size)
            if have < header:
                return at
        start = at + header
        end = start + size
        key = data[start - 4 : start]
        if end > len(data):
            self._begin_frame(first, key, end - start)
            return start + self._take(data[start:], events)
        payload = apply_mask(data[start:end], key)
        if first & 15 >= CLOSE:
            self._read_control(first & 15, payload, events)
            if self.finished:
                return len(data)  # RFC 6455 §5.5.1: what follows a close is ignored
        elif is_whole(first):
            events.append(self._assembler.whole(first, payload))
        else:
            self._assembler.begin(first)
            self._assembler.add(payload)
            if first & FIN:
                events.append(self._assembler.finish())
        return end

    def _begin_frame(self, first: int, key: bytes, size: int) -> None:
        self._assembler.begin(first)
        self._fin = bool(first & FIN)
        self._key = key
        self._left = size

    def _read_on(self, data: bytes, events: list[Event]) -> int:
        """Go on with the payload that has begun; return where it, or *data*, ends."""
        return self._take(data if len(data) <= self._left else data[: self._left], events)

    def _take(self, part: bytes, events: list[Event]) -> int:
        size = len(part)
        key = self._key
        self._assembler.add(apply_mask(part, key))
        self._left -= size
        if self._left:
            shift = size & 3
            self._key = key[shift:] + key[:shift]
        else:
            self._left = -1
            if self._fin:
                events.append(self._assembler.finish())
        return size

    def _read_control(self, opcode: int, payload: bytes, events: list[Event]) -> None:
        self.messages_only = False
        if opcode == PING:
            events.append(PingReceived(payload))
        elif opcode == CLOSE:
            events.append(CloseReceived(*decode_close(payload)))
            self.forget()
        else:
            events.append(PongReceived(payload))

    def _fail(self, error: RemoteProtocolError, events: list[Event]) -> None:
        self.forget()
        self.messages_only = False
        events.append(ViolationReceived(error))

    # Sending

    def send_message(self, message: str | bytes) -> bytes:
        """Return *message* as one frame: text for ``str``, binary for ``bytes``.

        Raises:
            LocalProtocolError: a close was sent.
            UnicodeEncodeError: text with a lone surrogate, which UTF-8 cannot express.

        Spec:
            RFC 6455 §5.6, §6.1; RFC 7692 §6.1
        """
        if self.close_sent:
            raise _closed()
        if message.__class__ is str:
            payload = message.encode()
            headers = TEXT_HEADERS
        else:
            payload = message  # type: ignore[assignment]
            headers = BINARY_HEADERS
        size = len(payload)
        if size <= MAX_CONTROL and self._deflate is None:
            return headers[size] + payload
        return b"".join(self.send_parts(message))

    def send_parts(self, message: str | bytes) -> tuple[bytes, bytes]:
        """Return the frame's header and its payload, which is not copied; as :meth:`send_message`.

        Raises:
            LocalProtocolError: a close was sent.
            UnicodeEncodeError: text with a lone surrogate.
        """
        if self.close_sent:
            raise _closed()
        if isinstance(message, str):
            return self._encode(TEXT, message.encode())
        return self._encode(BINARY, message)

    def send_shared(self, message: str | bytes, frames: dict[object, bytes]) -> bytes:
        """Return *message* as one frame that many sockets can share.

        Args:
            message: Text or bytes, the same whenever *frames* is.
            frames: Where the frame is kept, by :attr:`form`; looked up there first. A socket that
                keeps its window gets it uncompressed, which leaves the window alone.

        Raises:
            LocalProtocolError: a close was sent.
            UnicodeEncodeError: text with a lone surrogate.
        """
        if self.close_sent:
            raise _closed()
        frame = frames.get(self.form)
        if frame is None:
            deflate = self._deflate if self.form != PLAIN else None
            frame = frames[self.form] = encode_message(message, deflate)
        return frame

    def send_ping(self, payload: bytes = b"") -> bytes:
        """Return a ping.

        Raises:
            LocalProtocolError: a close was sent, or *payload* has more than 125 bytes.

        Spec:
            RFC 6455 §5.5.2
        """
        if self.close_sent:
            raise _closed()
        return encode_ping(payload)

    def send_pong(self, payload: bytes = b"") -> bytes:
        """Return a pong; ``b""`` after our close, when nobody waits for one.

        Raises:
            LocalProtocolError: *payload* has more than 125 bytes.

        Spec:
            RFC 6455 §5.5.1, §5.5.3
        """
        return b"" if self.close_sent else encode_pong(payload)

    def send_close(self, code: int = 1000, reason: str = "") -> bytes:
        """Return our close, which also answers the peer's; ``b""`` if it was sent before.

        Args:
            code: 1005 for a close without a code.
            reason: At most 123 bytes as UTF-8.

        Raises:
            LocalProtocolError: *code* cannot be sent, or *reason* is too long.

        Spec:
            RFC 6455 §5.5.1, §7.1.2, §7.4
        """
        if self.close_sent:
            return b""
        frame = encode_close(code, reason)
        self.close_sent = True
        return frame

    def _encode(self, opcode: int, payload: bytes) -> tuple[bytes, bytes]:
        return _frame(opcode, payload, self._deflate)


def encode_message(message: str | bytes, deflate: PermessageDeflate | None = None) -> bytes:
    """Return a server's frame of *message*, compressed by *deflate* where that is worth it.

    Raises:
        UnicodeEncodeError: text with a lone surrogate.

    Spec:
        RFC 6455 §5.6; RFC 7692 §6.1
    """
    if isinstance(message, str):
        return b"".join(_frame(TEXT, message.encode(), deflate))
    return b"".join(_frame(BINARY, message, deflate))


def _frame(opcode: int, payload: bytes, deflate: PermessageDeflate | None) -> tuple[bytes, bytes]:
    first = FIN | opcode
    if deflate is not None:
        compressed = deflate.compress(payload)
        if compressed is not None:
            first |= RSV1
            payload = compressed
    return frame_header(first, len(payload)), payload


def _closed() -> LocalProtocolError:
    return LocalProtocolError("the WebSocket was closed", spec="RFC 6455 §5.5.1")
