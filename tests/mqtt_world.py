"""The broker without a loop, a socket or a clock: its peers say packets, and time is a number.

The same packets and the same strictness as over sockets (:mod:`tests.mqtt_peer`); what takes
hours there takes nothing here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from itertools import count

from blackbull.abc import Address
from blackbull.errors import LimitExceeded
from blackbull.mqtt.settings import MQTTSettings
from blackbull.mqtt.state.broker import Broker
from blackbull.mqtt.state.inbound import Inbound
from blackbull.mqtt.state.link import Shell, T
from tests.mqtt_packets import CONNECT, DISCONNECT, PUBLISH, Packet, decode, disconnect, encode
from tests.mqtt_peer import Contract


class Line(Shell):
    """A connection that keeps what the broker writes."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False
        self.limits: list[LimitExceeded] = []
        self.link: object = None

    @property
    def peername(self) -> Address | None:
        return None

    @property
    def transport(self) -> str:  # type: ignore[override]
        return "tcp"

    @property
    def certificate(self) -> Mapping[str, object] | None:
        return None

    def flush(self) -> None:
        link = self.inbound.link
        self.written += b"".join(link.out)
        link.out.clear()
        self.closed = link.ending

    def park(self, decision: Awaitable[T], then: Callable[[T | BaseException], None]) -> None:
        raise AssertionError("there is nobody to ask")

    def record_limit(self, limit: LimitExceeded) -> None:
        self.limits.append(limit)

    inbound: Inbound


class World:
    """A broker, and the time.

    Args:
        settings: Limits that are not the default.
    """

    def __init__(self, **settings: object) -> None:
        names = count(1)
        made = MQTTSettings(sys_interval=0.0, **settings)  # type: ignore[arg-type]
        self.broker = Broker(made, new_client_id=lambda: f"assigned-{next(names)}")
        self.now = 1000.0
        self.broker.start(self.now)

    def passes(self, seconds: float) -> None:
        """Let time pass; what is due in it is done when it is due."""
        until = self.now + seconds
        while self.broker.due <= until:
            self._set(max(self.broker.due, self.now))
            self.broker.tick()
        self._set(until)
        self.settle()

    def _set(self, now: float) -> None:
        self.now = self.broker.stats.now = now

    def settle(self) -> None:
        """End the batch: write what is to be written."""
        while self.broker.go_on():
            pass
        self.broker.router.settle()
        for link in self.broker.dirty:
            if link.ending:
                link.cut()
            link.shell.flush()
        self.broker.dirty.clear()

    def peer(self, name: str, level: int = 5) -> Client:
        """Return a client that has not connected yet."""
        return Client(self, name, level)


class Client:
    """One client of a :class:`World`."""

    def __init__(self, world: World, name: str, level: int) -> None:
        self.world = world
        self.name = name
        self.level = level
        self.line: Line | None = None
        self.contract = Contract(level)

    def says(self, *packets: Packet) -> list[Packet]:
        """Send *packets*; return what comes back."""
        self.dials(*packets)
        return self.hears()

    def dials(self, *packets: Packet) -> None:
        """Send *packets*, and let the batch go on."""
        self.receives(b"".join(self._encode(packet) for packet in packets))

    def receives(self, wire: bytes) -> None:
        """Let the broker have *wire* from this client, and let the batch go on."""
        assert self.line is not None
        self.line.inbound.receive(wire)

    def hears(self) -> list[Packet]:
        """Return what has come since the last time."""
        self.world.settle()
        assert self.line is not None
        wire, self.line.written = self.line.written, b""
        packets = []
        while wire:
            size = used = 0
            for used in range(1, 5):
                size |= (wire[used] & 0x7F) << 7 * (used - 1)
                if not wire[used] & 0x80:
                    break
            end = 1 + used + size
            packet = decode(wire[0], wire[1 + used : end], self.level)
            packets.append(self.contract.check(packet, end))
            wire = wire[end:]
        return packets

    def messages(self) -> list[tuple[str, bytes]]:
        """Return topic and payload of the messages that have come since the last time."""
        return [
            (str(each["topic"]), bytes(each["payload"]))  # type: ignore[call-overload]
            for each in self.hears()
            if each.kind == PUBLISH
        ]

    def vanishes(self) -> None:
        """The connection breaks."""
        assert self.line is not None
        self.line.inbound.lost()
        self.world.settle()

    def leaves(self, code: int = 0, **properties: object) -> None:
        """Say goodbye."""
        assert self.says(disconnect(code, **properties)) == []
        assert self.line is not None
        assert self.line.closed

    def refused(self) -> int:
        """Return the reason with which the server has closed the connection."""
        *_, last = self.hears()
        assert self.line is not None
        assert self.line.closed
        assert last.kind == DISCONNECT
        return int(str(last["code"]))

    def _encode(self, packet: Packet) -> bytes:
        if packet.kind == CONNECT:
            self._connect()
            self.contract.announce(packet)
            if packet["client_id"] is None:
                packet = replace(packet, fields={**packet.fields, "client_id": self.name})
        self.contract.acknowledge(packet)
        return encode(packet, self.level)

    def _connect(self) -> None:
        self.line = Line()
        self.line.inbound = Inbound(self.world.broker, self.world.broker.open(self.line))
        self.contract = Contract(self.level)
