"""A broker to be mistreated, and clients that can do anything with their sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from blackbull import BlackBull, Settings
from blackbull.mqtt import MQTTExtension
from blackbull.mqtt.messages import (
    IncompletePacket,
    MQTTConnack,
    MQTTConnect,
    MQTTDisconnect,
    MQTTMessage,
    MQTTPublish,
    MQTTSuback,
    MQTTSubscribe,
    decode_packet,
    encode_packet,
)
from blackbull.mqtt.settings import MQTTSettings
from blackbull.mqtt.state.broker import Broker
from blackbull.server import Server

WAIT = 10.0
V311, V5 = 4, 5

PacketT = TypeVar("PacketT", bound=MQTTMessage)


class House:
    """A broker that serves, and what may be asked about it."""

    def __init__(self, server: Server, mqtt: MQTTExtension, app: BlackBull) -> None:
        self.server = server
        self.mqtt = mqtt
        self.app = app
        (self.port,) = {each.address[1] for each in server.listening if each.protocol == "mqtt"}

    @property
    def broker(self) -> Broker:
        assert self.mqtt.actor is not None
        return self.mqtt.actor.broker

    def narrow(self, peer: Peer) -> None:
        """Let the system keep little of what *peer* does not read, and of what it sends."""
        mine = peer.writer.get_extra_info("sockname")
        (view,) = [each for each in self.server.connections if each.peername == mine]
        sock = view._transport.get_extra_info("socket")
        for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, buffer, 4096)

    async def fine(self) -> None:
        """Two clients that behave are served as if nothing had been; nothing is left of others."""
        async with connected(self.port) as one, connected(self.port, level=V311) as other:
            await other.subscribe("fine", qos=1)
            for qos in (0, 1, 2):
                packet_id = qos or None
                one.say(MQTTPublish("fine", b"%d" % qos, qos, packet_id))
            for qos in (0, 1, 2):
                got = await other.expect(MQTTPublish)
                assert (got.payload, got.qos) == (b"%d" % qos, min(qos, 1))
        await until(lambda: not self.server.connections)
        await until(lambda: self.broker.connected == 0)


@asynccontextmanager
async def serving(
    *, server: dict[str, Any] | None = None, extension: dict[str, Any] | None = None,
    prepare: Callable[[MQTTExtension], object] | None = None, **settings: Any,
) -> AsyncIterator[House]:  # fmt: skip
    """Run a broker with *settings*; at the end it has to be fine still."""
    app = BlackBull()
    limits = MQTTSettings(**{"sys_interval": 0, **settings})
    mqtt = app.add_extension(MQTTExtension(port=0, settings=limits, **(extension or {})))
    if prepare is not None:
        prepare(mqtt)
    running = Server(app, settings=Settings(port=0, **(server or {})))
    await running.start()
    try:
        house = House(running, mqtt, app)
        yield house
        if extension is None:
            await house.fine()
        await until(lambda: not running.connections)
    finally:
        await running.stop(1.0)
        await app.events.aclose()


class Peer:
    """A client that says what it is told to say."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, level: int = V5
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.level = level
        self._rest = b""
        self._ids = iter(range(1, 65536))

    def say(self, *packets: MQTTMessage | bytes) -> None:
        data = b"".join(
            each if isinstance(each, bytes) else encode_packet(each, level=self.level)
            for each in packets
        )
        with contextlib.suppress(ConnectionError):
            self.writer.write(data)

    async def hear(self) -> MQTTMessage | None:
        """Return the next packet; None at the end of the stream."""
        async with asyncio.timeout(WAIT):
            while True:
                with contextlib.suppress(IncompletePacket):
                    packet, used = decode_packet(self._rest, level=self.level)
                    self._rest = self._rest[used:]
                    return packet
                try:
                    data = await self.reader.read(65536)
                except ConnectionError:
                    return None
                if not data:
                    assert not self._rest
                    return None
                self._rest += data

    async def expect(self, kind: type[PacketT]) -> PacketT:
        packet = await self.hear()
        assert isinstance(packet, kind), packet
        return packet

    async def connect(self, client_id: str = "", **fields: Any) -> MQTTConnack:
        self.say(MQTTConnect(client_id, proto_level=self.level, **fields))
        return await self.expect(MQTTConnack)

    async def subscribe(self, *filters: str, qos: int = 0) -> list[int]:
        self.say(MQTTSubscribe(next(self._ids), [(each, qos) for each in filters]))
        return list((await self.expect(MQTTSuback)).reason_codes)

    async def thrown_out(self) -> int | None:
        """Wait for the end; return the Reason Code that DISCONNECT gave, None without one."""
        code = None
        while (packet := await self.hear()) is not None:
            if isinstance(packet, MQTTDisconnect):
                code = packet.reason_code
        return code

    async def leave(self) -> None:
        self.say(MQTTDisconnect())
        assert await self.thrown_out() is None

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def stop_reading(self) -> None:
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]

    def read_again(self) -> None:
        self.writer.transport.resume_reading()  # type: ignore[attr-defined]


@asynccontextmanager
async def opened(port: int, *, level: int = V5, small: bool = False) -> AsyncIterator[Peer]:
    """Open a connection and say nothing; *small*: it takes few bytes that nobody reads."""
    sock = socket.socket()
    if small:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=sock)
    try:
        yield Peer(reader, writer, level)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def connected(
    port: int, client_id: str = "", *, level: int = V5, small: bool = False, **fields: Any
) -> AsyncIterator[Peer]:
    """Open a connection and let the broker accept it."""
    async with opened(port, level=level, small=small) as peer:
        assert (await peer.connect(client_id, **fields)).reason_code == 0
        yield peer


def fired(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the limits that fired, each once per connection, without the summaries."""
    return [
        record.__dict__["cap"]
        for record in caplog.records
        if record.name == "blackbull.caps" and record.__dict__["requested"] is not None
    ]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT):
        while not condition():
            await asyncio.sleep(0.002)
