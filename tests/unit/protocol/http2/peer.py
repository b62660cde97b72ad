"""A client in memory that can say anything, and a reader of what the machine sends."""

from __future__ import annotations

from dataclasses import dataclass

import hpack

from blackbull.errors import RemoteProtocolError
from blackbull.protocol.http2 import (
    PREFACE,
    ConnectionFailed,
    ErrorCode,
    Event,
    FrameType,
    HeadParser,
    HTTP2Connection,
    HTTP2Limits,
    RequestReceived,
    StreamFailed,
)

ACK = 1
END_STREAM = 1
END_HEADERS = 4
PADDED = 8
WITH_PRIORITY = 0x20

DATE = b"Tue, 15 Nov 1994 08:12:31 GMT"

GET = [
    (b":method", b"GET"),
    (b":scheme", b"http"),
    (b":path", b"/"),
    (b":authority", b"example.com"),
]
POST = [(b":method", b"POST"), *GET[1:]]


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Return a frame, sound or not."""
    size = len(payload).to_bytes(3, "big")
    return size + bytes((kind, flags)) + stream_id.to_bytes(4, "big") + payload


def setting(number: int, value: int) -> bytes:
    """Return one parameter of a SETTINGS frame."""
    return number.to_bytes(2, "big") + value.to_bytes(4, "big")


def number(value: int) -> bytes:
    """Return *value* as four octets."""
    return value.to_bytes(4, "big")


@dataclass(frozen=True)
class Frame:
    """One frame that the machine sent."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes

    @property
    def code(self) -> int:
        """The error code of a RST_STREAM or GOAWAY frame."""
        if self.kind == FrameType.RST_STREAM:
            return int.from_bytes(self.payload, "big")
        assert self.kind == FrameType.GOAWAY
        return int.from_bytes(self.payload[4:8], "big")

    @property
    def value(self) -> int:
        """The number at the start of the payload."""
        return int.from_bytes(self.payload[:4], "big")

    @property
    def ended(self) -> bool:
        return bool(self.flags & END_STREAM)


def read_frames(data: bytes) -> list[Frame]:
    """Return the frames of *data*, which holds nothing else."""
    frames = []
    while data:
        size = int.from_bytes(data[:3], "big")
        assert len(data) >= 9 + size
        stream_id = int.from_bytes(data[5:9], "big")
        frames.append(Frame(data[3], data[4], stream_id, data[9 : 9 + size]))
        data = data[9 + size :]
    return frames


class Peer:
    """A client and the machine that it talks to; the preface has been said by both."""

    def __init__(
        self,
        limits: HTTP2Limits | None = None,
        *,
        settings: bytes = b"",
        connect_protocol: bool = False,
        settled: bool = True,
    ) -> None:
        self.now = 100.0
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.machine = HTTP2Connection(
            HeadParser(limits or HTTP2Limits(), connect_protocol=connect_protocol)
        )
        self.greeting = self.read()
        events = self.send(PREFACE + frame(FrameType.SETTINGS, 0, 0, settings))
        if settled:
            events += self.send(frame(FrameType.SETTINGS, ACK, 0))
        assert events == []
        assert [f.kind for f in self.read()] == [FrameType.SETTINGS]

    def send(self, *data: bytes) -> list[Event]:
        """Have the machine receive *data*."""
        return self.machine.receive(b"".join(data), self.now)

    def read(self, max_content: int = 1 << 20) -> list[Frame]:
        """Return what the machine sends."""
        frames = []
        while data := self.machine.data_to_send(max_content):
            frames += read_frames(data)
        return frames

    def headers(
        self,
        stream_id: int,
        fields: list[tuple[bytes, bytes]],
        *,
        flags: int = END_STREAM | END_HEADERS,
    ) -> bytes:
        """Return a HEADERS frame that holds *fields*."""
        return frame(FrameType.HEADERS, flags, stream_id, self.encoder.encode(fields))

    def request(
        self, stream_id: int = 1, fields: list[tuple[bytes, bytes]] = GET, *, ended: bool = True
    ) -> RequestReceived:
        """Begin a request."""
        flags = END_HEADERS | (END_STREAM if ended else 0)
        (event,) = self.send(self.headers(stream_id, fields, flags=flags))
        assert isinstance(event, RequestReceived)
        return event

    def data(self, stream_id: int, data: bytes, *, flags: int = 0) -> bytes:
        """Return a DATA frame."""
        return frame(FrameType.DATA, flags, stream_id, data)

    def decode(self, sent: Frame) -> list[tuple[bytes, bytes]]:
        """Return the fields of a HEADERS frame."""
        assert sent.kind == FrameType.HEADERS
        return [(bytes(n), bytes(v)) for n, v in self.decoder.decode(sent.payload, raw=True)]

    def fails(self, *data: bytes) -> RemoteProtocolError:
        """Send *data* and return what it cost the connection, as told in a GOAWAY frame."""
        events = self.send(*data)
        failed = events[-1]
        assert isinstance(failed, ConnectionFailed)
        last = self.read()[-1]
        assert last.kind == FrameType.GOAWAY
        assert last.code == failed.error.code
        assert self.machine.failed
        assert self.send(frame(FrameType.PING, 0, 0, bytes(8))) == []
        assert self.read() == []
        return failed.error

    def loses(self, stream_id: int, *data: bytes) -> RemoteProtocolError:
        """Send *data* and return what it cost the stream, as told in a RST_STREAM frame."""
        failed = self.send(*data)[-1]
        assert isinstance(failed, StreamFailed)
        assert failed.stream_id == stream_id
        last = self.read()[-1]
        assert last.kind == FrameType.RST_STREAM
        assert (last.stream_id, last.code) == (stream_id, failed.error.code)
        assert not self.machine.failed
        return failed.error


def code(error: RemoteProtocolError) -> ErrorCode:
    """Return the name of *error*'s code."""
    assert error.spec
    return ErrorCode(error.code)
