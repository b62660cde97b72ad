"""An MQTT client for the soak: it keeps its promises, and breaks its connections.

It has its own words for the wire, so that broker and client cannot be wrong together.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK = 2, 3, 4, 5, 6, 7, 9
IN_FLIGHT = 10
TIMEOUT = 20.0
SILENCE = 0.05
"""Seconds in which a client that is about to vanish answers nothing."""


class BrokenPromiseError(Exception):
    """The broker did what it must not do, or did not do what it must."""


@dataclass(frozen=True)
class Delivery:
    """One message that arrived, or arrived again."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass(frozen=True)
class Will:
    """What the broker shall say if the client vanishes."""

    topic: str
    payload: bytes


@dataclass
class Sending:
    """A message that the broker has not settled yet."""

    wire: bytes
    released: bool = False


def text(value: str | bytes) -> bytes:
    """Return a string, or binary data, as it stands on the wire."""
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(raw)) + raw


def packet(first: int, body: bytes) -> bytes:
    """Return a packet."""
    size, length = bytearray(), len(body)
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    return bytes((first, *size, length)) + body


@dataclass
class Client:
    """One client: its session lives here as long as the object.

    Attributes:
        on_message: Called with every message; QoS 2 is already rid of its repetitions.
        expiry: Seconds that the broker shall keep the session; 0: it is clean.
        settled: How many messages the broker has acknowledged.
    """

    port: int
    name: str
    level: int = 5
    expiry: int = 600
    filters: tuple[tuple[str, int], ...] = ()
    will: Will | None = None
    on_message: Callable[[Delivery], None] = lambda _: None
    settled: int = 0
    known: bool = False
    sending: dict[int, Sending] = field(default_factory=dict)
    received: set[int] = field(default_factory=set)
    subscribed: asyncio.Event = field(default_factory=asyncio.Event)
    _last_id: int = 0
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT))
    _writer: asyncio.StreamWriter | None = None
    _ghost: asyncio.StreamWriter | None = None

    @property
    def connected(self) -> bool:
        """Whether something can be sent now."""
        return self._writer is not None

    async def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> None:
        """Publish once; QoS 1 and 2 are sent again until the broker has them."""
        body = text(topic)
        if qos:
            await self._slots.acquire()
            self._last_id = self._last_id % 65535 + 1
            body += struct.pack(">H", self._last_id)
        wire = packet(0x30 | qos << 1 | retain, body + bytes(self.level == 5) + payload)
        if qos:
            self.sending[self._last_id] = Sending(wire)
        self._write(wire)

    async def live(self, ending: asyncio.Event, *, how: str = "leave") -> None:
        """Connect, do what the protocol asks for until *ending* is set, and end the connection.

        Args:
            ending: When to end.
            how: ``leave`` says so, ``vanish`` does not, ``cut`` stops within a packet, and
                ``haunt`` leaves the old connection open until the next one is there. All but the
                first go on for a moment to take what comes, and answer nothing.

        Raises:
            BrokenPromiseError: the broker did something wrong.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        tasks: list[asyncio.Task[object]] = []
        try:
            async with asyncio.timeout(TIMEOUT):
                writer.write(self._connect())
                await self._greeted(*await self._read(reader))
            self.exorcise()
            self._writer = writer
            self._resume()
            reading = asyncio.create_task(self._attend(reader))
            tasks += [reading, asyncio.create_task(ending.wait())]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            self._writer = None
            if how != "leave":
                await asyncio.wait({reading}, timeout=SILENCE)
            if reading.done():
                raise BrokenPromiseError(f"{self.name}: {reading.exception()!r}")
            await self._end(writer, how)
        finally:
            self._writer = None
            if writer is not self._ghost:
                writer.transport.abort()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _end(self, writer: asyncio.StreamWriter, how: str) -> None:
        if how == "leave":
            writer.write(packet(0xE0, b""))
            with contextlib.suppress(OSError):
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        elif how == "cut":
            writer.write(packet(0x30, text("noise/cut") + bytes(60))[:40])
        elif how == "haunt":
            self._ghost = writer

    def exorcise(self) -> None:
        """Close the old connection that is still open, if there is one."""
        if self._ghost is not None:
            self._ghost.transport.abort()
            self._ghost = None

    def _connect(self) -> bytes:
        flags = (self.expiry == 0) << 1 | (self.will is not None) * 0x0C
        body = text("MQTT") + bytes((self.level, flags, 0, 60))
        if self.level == 5:
            body += b"\5\x11" + struct.pack(">I", self.expiry)
        body += text(self.name)
        if self.will is not None:
            body += bytes(self.level == 5) + text(self.will.topic) + text(self.will.payload)
        return packet(0x10, body)

    async def _greeted(self, first: int, body: bytes) -> None:
        if first >> 4 != CONNACK or body[1] != 0:
            raise BrokenPromiseError(f"{self.name}: CONNECT is answered with {first:#x} {body!r}")
        if self.known and self.expiry and not body[0] & 1:
            raise BrokenPromiseError(f"{self.name}: the session is lost")
        self.known = True

    def _resume(self) -> None:
        for number, one in self.sending.items():
            again = bytes((one.wire[0] | 8,)) + one.wire[1:]
            self._write(packet(0x62, struct.pack(">H", number)) if one.released else again)
        if self.filters and not self.subscribed.is_set():
            body = b"\0\1" + bytes(self.level == 5)
            body += b"".join(text(name) + bytes((qos,)) for name, qos in self.filters)
            self._write(packet(0x82, body))

    def _write(self, wire: bytes) -> None:
        if self._writer is not None:
            self._writer.write(wire)

    @staticmethod
    async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
        first = (await reader.readexactly(1))[0]
        length = shift = 0
        while True:
            byte = (await reader.readexactly(1))[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return first, await reader.readexactly(length) if length else b""

    async def _attend(self, reader: asyncio.StreamReader) -> None:
        while True:
            first, body = await self._read(reader)
            kind = first >> 4
            if kind == PUBLISH:
                self._on_publish(first, body)
            elif kind == SUBACK:
                if any(code > 2 for code in body[2 + (self.level == 5) :]):
                    raise BrokenPromiseError(f"{self.name}: SUBSCRIBE is answered with {body!r}")
                self.subscribed.set()
            elif kind in {PUBACK, PUBREC, PUBREL, PUBCOMP}:
                self._on_number(kind, struct.unpack_from(">H", body)[0], body[2:3])
            else:
                raise BrokenPromiseError(f"{self.name}: packet {first:#x} {body!r}")

    def _on_publish(self, first: int, body: bytes) -> None:
        qos, at = first >> 1 & 3, 2 + struct.unpack_from(">H", body)[0]
        topic, number = body[2:at].decode(), 0
        if qos:
            number, at = struct.unpack_from(">H", body, at)[0], at + 2
        if self.level == 5:
            at += 1 + body[at]  # short properties only are sent here
        if qos != 2 or number not in self.received:
            self.on_message(Delivery(topic, body[at:], qos, bool(first & 1)))
        if qos == 1:
            self._write(packet(PUBACK << 4, struct.pack(">H", number)))
        elif qos == 2:
            self.received.add(number)
            self._write(packet(PUBREC << 4, struct.pack(">H", number)))

    def _on_number(self, kind: int, number: int, reason: bytes) -> None:
        if kind == PUBREL:
            self.received.discard(number)
            self._write(packet(PUBCOMP << 4, struct.pack(">H", number)))
            return
        if kind == PUBCOMP:
            # PUBREL is sent again over the next connection: then it may be that both know already.
            if self.sending.pop(number, None):
                self.settled += 1
                self._slots.release()
            return
        if number not in self.sending or (reason and reason[0] >= 0x80):
            raise BrokenPromiseError(f"{self.name}: packet {kind} for {number}, reason {reason!r}")
        if kind == PUBREC:
            self.sending[number].released = True
            self._write(packet(0x62, struct.pack(">H", number)))
        else:
            del self.sending[number]
            self.settled += 1
            self._slots.release()
