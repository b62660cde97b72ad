"""From a stream of bytes to packets (MQTT 5.0 §2.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from .connect import MQTTConnect
from .errors import IncompletePacket, MQTTDecodeError, PacketTooLarge
from .message import MQTTMessage
from .packets import check_minimal, decode_body, packet_size


@final
class PacketFramer:
    """Takes bytes as they arrive; iteration yields each packet that is complete.

    A packet's header is judged as soon as it is there, so that what is kept is never more than
    one packet of the allowed size.

    Attributes:
        level: The protocol level; a CONNECT that was yielded has set it to its own.
    """

    def __init__(self, max_packet_size: int = 0, *, strict: bool = False, level: int = 5) -> None:
        """Begin a stream.

        Args:
            max_packet_size: Bytes that a packet may have, its header included; 0 for any number.
            strict: Raise at the first packet that breaks a rule, and for good. Otherwise one byte
                is dropped, and the search for a packet goes on behind it.
            level: The protocol level of a stream that does not begin with a CONNECT.
        """
        self.level = level
        self._maximum = max_packet_size
        self._strict = strict
        self._data = b""  # what is being read,
        self._at = 0  # from here on,
        self._tail = bytearray()  # and what has arrived since
        self._needed = 1  # bytes, without which nothing more can be said
        self._error: MQTTDecodeError | None = None

    @property
    def buffered(self) -> int:
        """Bytes that wait for the rest of their packet."""
        return len(self._data) - self._at + len(self._tail)

    def feed(self, data: bytes) -> None:
        """Take *data*; nothing is decoded before the next iteration."""
        if self._error is None and data:
            self._tail += data

    def __iter__(self) -> Iterator[MQTTMessage]:
        return self

    def __next__(self) -> MQTTMessage:
        """Return the next packet that is complete.

        Raises:
            StopIteration: none is.
            PacketTooLarge: 0x95, the next one has more than ``max_packet_size`` bytes.
            MQTTDecodeError: the next one breaks a rule, and the framer is strict.
        """
        if self._error is not None:
            raise self._error
        while self.buffered >= self._needed:
            if self._tail:
                self._data = self._data[self._at :] + bytes(self._tail)
                self._at = 0
                self._tail.clear()
            try:
                return self._decode()
            except IncompletePacket as incomplete:
                self._needed = incomplete.needed
            except PacketTooLarge as error:
                self._fail(error)
                raise
            except MQTTDecodeError as error:
                if self._strict:
                    self._fail(error)
                    raise
                self._at += 1
                self._needed = 1
        self._keep()
        raise StopIteration

    def _decode(self) -> MQTTMessage:
        data, at = self._data, self._at
        start, end = packet_size(data, at, self.level, self._maximum)
        if end > len(data):
            raise IncompletePacket(end - at)
        message = decode_body(data[at], data[start:end], level=self.level)
        check_minimal(message, data, start)
        self._at = end
        self._needed = 1
        if isinstance(message, MQTTConnect):
            self.level = message.proto_level
        return message

    def _keep(self) -> None:
        """Move what is left to where more of it is cheaply added."""
        if self._data:
            self._tail[:0] = self._data[self._at :]
            self._data = b""
            self._at = 0

    def _fail(self, error: MQTTDecodeError) -> None:
        self._error = error
        self._data = b""
        self._at = 0
        self._tail.clear()
