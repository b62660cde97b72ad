"""Conversations with an MQTT server: what a peer sends, what it expects, over real sockets.

A conversation is written in two columns and played against a port::

    a, b = Peer("a"), Peer("b")
    await play(port, [
        a.joins(),
        b.joins(),
        a.send(subscribe(1, ("t", 1))),            a.expect(suback(1, 1)),
        b.send(publish("t", b"x", qos=1, packet_id=7)), b.expect(puback(7)),
                                                 a.expect(publish("t", b"x", qos=1, packet_id="m")),
        a.send(puback("m")),
        a.quiet(),
    ])

Every peer is strict: whatever arrives is decoded without mercy and held against what the peer
itself had announced (:class:`Contract`), in every conversation, whatever that is about.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from tests.mqtt_packets import (
    AUTH,
    CONNACK,
    CONNECT,
    DISCONNECT,
    NAMES,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBSCRIBE,
    Packet,
    Violation,
    connack,
    connect,
    decode,
    disconnect,
    encode,
    pingreq,
    pingresp,
)

TIMEOUT = 5.0
"""Seconds in which whatever is expected has to arrive."""


def matches(topic: str, topic_filter: str) -> bool:
    """Whether *topic* matches *topic_filter*, from the words of section 4.7."""
    names, wanted = topic.split("/"), topic_filter.split("/")
    if topic.startswith("$") and wanted[0] in {"+", "#"}:
        return False
    for at, level in enumerate(wanted):
        if level == "#":
            return True
        if at >= len(names) or level not in {"+", names[at]}:
            return False
    return len(names) == len(wanted)


@dataclass
class Contract:
    """What holds on one connection, from what the peer announced and what has been said."""

    level: int = 5
    maximum_packet_size: int = 0
    topic_alias_maximum: int = 0
    receive_maximum: int = 65535
    problem_information: bool = True
    response_information: bool = False
    authentication_method: str | None = None
    accepted: bool = False
    resumed: bool = False
    over: bool = False
    unacknowledged: set[int] = field(default_factory=set)
    completing: set[int] = field(default_factory=set)
    quota: set[int] = field(default_factory=set)
    aliases: dict[int, str] = field(default_factory=dict)

    def announce(self, packet: Packet) -> None:
        """The peer sends the CONNECT *packet*."""
        said = dict(packet.properties or {}) if self.level == 5 else {}
        for name in ("maximum_packet_size", "topic_alias_maximum", "receive_maximum"):
            setattr(self, name, said.get(name, getattr(self, name)))
        self.problem_information = said.get("request_problem_information", 1) == 1
        self.response_information = said.get("request_response_information", 0) == 1
        method = said.get("authentication_method")
        self.authentication_method = str(method) if method is not None else None

    def check(self, packet: Packet, size: int) -> Packet:
        """Return *packet*, with a Topic Alias replaced by its topic.

        Raises:
            Violation: the server broke the contract.
        """
        if self.over:
            raise Violation("MQTT-3.14.4-1", f"{packet} after the connection was over")
        if self.maximum_packet_size and size > self.maximum_packet_size:
            raise Violation("MQTT-3.1.2-24", f"{packet} has {size} bytes")
        if packet.kind == CONNACK:
            self._accept(packet)
        elif not self.accepted and packet.kind != AUTH:
            raise Violation("MQTT-3.2.0-1", f"{packet} before the CONNACK")
        properties = packet.properties or {}
        may_explain = {PUBLISH, CONNACK, DISCONNECT}
        if not self.problem_information and packet.kind not in may_explain:
            for name in ("reason_string", "user_property"):
                if name in properties:
                    raise Violation("MQTT-3.1.2-29", f"{packet}")
        accepting = packet.kind in {CONNACK, AUTH} and packet["code"] in {0x00, 0x18}
        if accepting and properties.get("authentication_method") != self.authentication_method:
            raise Violation("MQTT-4.12.0-5", f"{packet}")
        if packet.kind == PUBLISH:
            return self._publish(packet)
        if packet.kind == PUBREL:
            self.completing.add(number(packet))
        if packet.kind == DISCONNECT:
            self.over = True
        return packet

    def _accept(self, packet: Packet) -> None:
        if self.accepted:
            raise Violation("MQTT-3.2.0-2", f"a second {packet}")
        if "response_information" in (packet.properties or {}) and not self.response_information:
            raise Violation("MQTT-3.1.2-28", f"{packet}")
        self.accepted = packet["code"] == 0
        self.over = not self.accepted
        self.resumed = packet["session_present"] is True

    def _publish(self, packet: Packet) -> Packet:
        if packet["qos"]:
            self._count(packet)
        alias = (packet.properties or {}).get("topic_alias")
        if alias is None:
            if not packet["topic"]:
                raise Violation("MQTT-4.7.3-1", f"{packet}")
            return packet
        assert isinstance(alias, int)
        if alias > self.topic_alias_maximum:
            raise Violation("MQTT-3.1.2-26", f"{packet}")
        topic = packet["topic"] or self.aliases.get(alias)
        if not isinstance(topic, str):
            raise Violation("MQTT-3.3.2.3.4", f"{packet}: the alias has no topic")
        self.aliases[alias] = topic
        return replace(packet, fields={**packet.fields, "topic": topic})

    def _count(self, packet: Packet) -> None:
        identifier = number(packet)
        if identifier in self.unacknowledged:
            raise Violation("MQTT-4.4.0-1", f"{packet} is sent again on the same connection")
        if identifier in self.completing:
            raise Violation("MQTT-2.2.1-4", f"{packet}: the Packet Identifier is in use")
        if packet["dup"] and not self.resumed:
            raise Violation("MQTT-3.3.1-1", f"{packet} is a duplicate of nothing")
        self.unacknowledged.add(identifier)
        self.quota.add(identifier)
        if len(self.quota) > self.receive_maximum:
            raise Violation("MQTT-3.3.4-9", f"{packet} exceeds {self.receive_maximum}")

    def acknowledge(self, packet: Packet) -> None:
        """The peer sends *packet*, which may end what the server had begun."""
        if packet.kind in {PUBACK, PUBCOMP, PUBREC}:
            identifier = number(packet)
            self.unacknowledged.discard(identifier)
            if packet.kind == PUBREC and packet["code"] == 0:
                self.completing.add(identifier)
            else:
                self.completing.discard(identifier)
                self.quota.discard(identifier)


def number(packet: Packet) -> int:
    identifier = packet["packet_id"]
    assert isinstance(identifier, int)
    return identifier


class Line:
    """One network connection of a peer."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, contract: Contract
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.contract = contract

    async def packet(self) -> Packet | None:
        """Return the next packet; None at the end of the connection."""
        try:
            first = await self.reader.read(1)
            if not first:
                return None
            size = await self._remaining_length()
            body = await self.reader.readexactly(size[0])
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        packet = decode(first[0], body, self.contract.level)
        return self.contract.check(packet, 1 + size[1] + size[0])

    async def _remaining_length(self) -> tuple[int, int]:
        value = 0
        for count in range(4):
            digit = (await self.reader.readexactly(1))[0]
            value |= (digit & 0x7F) << 7 * count
            if not digit & 0x80:
                if count and not digit:
                    raise Violation("MQTT-1.5.5-1", "a Remaining Length longer than it need be")
                return value, count + 1
        raise Violation("MQTT-2.1.4", "a Remaining Length of five bytes")

    def abort(self) -> None:
        """Reset the connection."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            assert self.writer.is_closing()


Action: TypeAlias = Callable[[int], Awaitable[object]]
"""A step: it is given the server's port."""
Step: TypeAlias = "Action | Iterable[Step]"


class Peer:
    """One client: its name is its Client Identifier, unless a CONNECT has another one.

    The verbs return steps of a conversation; nothing happens until it is played. A peer whose
    connection has ended opens a new one when it sends again.

    Args:
        name: Who it is, in errors too.
        level: The protocol level that it speaks: 5, or 4 for MQTT 3.1.1.
    """

    def __init__(self, name: str, level: int = 5) -> None:
        self.name = name
        self.level = level
        self.line: Line | None = None
        self.identifiers: dict[str, int] = {}
        self.filters: set[str] = set()
        self.heard: list[Packet] = []

    # The left column: what we send

    def send(self, *packets: Packet | bytes) -> Action:
        """Send *packets* in one write."""

        async def step(port: int) -> None:
            line = await self._line(port)
            for packet in packets:
                line.writer.write(packet if isinstance(packet, bytes) else self._say(packet, line))
            await line.writer.drain()

        return step

    def joins(
        self, packet: Packet | None = None, *, session_present: bool = False, **fields: object
    ) -> Step:
        """Connect and be accepted."""
        said = packet or connect(**fields)
        return [self.send(said), self.expect(connack(session_present=session_present))]

    def leaves(self, code: int = 0, **properties: object) -> Step:
        """Send a DISCONNECT; the server closes."""
        return [self.send(disconnect(code, **properties)), self.closed()]

    def vanishes(self) -> Action:
        """End the connection without a DISCONNECT, and see that the server has noticed."""

        async def step(port: int) -> None:
            assert self.line is not None, f"{self.name} is not connected"
            self.line.writer.write_eof()
            while await self._next("the end") is not None:
                pass
            await self._hang_up()

        return step

    def breaks(self) -> Action:
        """Reset the connection."""

        async def step(port: int) -> None:
            assert self.line is not None, f"{self.name} is not connected"
            self.line.abort()
            await self._hang_up()

        return step

    # The right column: what we expect

    def expect(self, *packets: Packet) -> Action:
        """Hear *packets*, in this order, and nothing in between."""

        async def step(port: int) -> None:
            for packet in packets:
                self._compare(packet, await self._next(packet))

        return step

    def expect_any_order(self, *packets: Packet) -> Action:
        """Hear *packets* in whichever order they come."""

        async def step(port: int) -> None:
            left = list(packets)
            while left:
                heard = await self._next(f"one of {[str(p) for p in left]}")
                for packet in left:
                    try:
                        self._compare(packet, heard)
                    except AssertionError:
                        continue
                    left.remove(packet)
                    break
                else:
                    raise AssertionError(f"{self.name} expected one of {left}, heard {heard}")

        return step

    def expect_kind(self, kind: int) -> Action:
        """Hear a packet of this *kind*, whatever it says."""

        async def step(port: int) -> None:
            heard = await self._next(NAMES[kind])
            assert heard is not None, f"{self.name} expected {NAMES[kind]}, heard the end"
            assert heard.kind == kind, f"{self.name} expected {NAMES[kind]}, heard {heard}"

        return step

    def expect_bytes(self, data: bytes) -> Action:
        """Hear exactly *data*, whatever it means."""

        async def step(port: int) -> None:
            assert self.line is not None, f"{self.name} is not connected"
            async with asyncio.timeout(TIMEOUT):
                heard = await self.line.reader.read(len(data))
                while len(heard) < len(data) and (more := await self.line.reader.read(1)):
                    heard += more
            assert heard == data, f"{self.name} expected {data.hex(' ')}, heard {heard.hex(' ')}"

        return step

    def closed(self) -> Action:
        """The server closes the connection, and sends nothing more."""

        async def step(port: int) -> None:
            heard = await self._next("the end")
            assert heard is None, f"{self.name} expected the end, heard {heard}"
            await self._hang_up()

        return step

    def refused(self, code: int) -> Step:
        """The server says why, and closes; in MQTT 3.1.1 it only closes."""
        return [self.expect(disconnect(code)), self.closed()] if self.level == 5 else self.closed()

    def turned_away(self, code: int, **properties: object) -> Step:
        """The server refuses the connection, says why, and closes."""
        return [self.expect(connack(code, **properties)), self.closed()]

    def quiet(self) -> Step:
        """Nothing has arrived that was not expected: the next packet is the answer to a PINGREQ."""
        return [self.send(pingreq()), self.expect(pingresp())]

    # What the steps do

    async def _line(self, port: int) -> Line:
        if self.line is None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            self.line = Line(reader, writer, Contract(self.level))
        return self.line

    async def _hang_up(self) -> None:
        if self.line is not None:
            line, self.line = self.line, None
            await line.close()

    def knows(self, packet: Packet) -> Packet:
        """Hold the server to the acknowledgement *packet*; return it with its identifier."""
        fields = dict(packet.fields)
        identifier = fields.get("packet_id")
        if isinstance(identifier, str):
            fields["packet_id"] = self.identifiers[identifier]
        packet = replace(packet, fields=fields)
        assert self.line is not None
        self.line.contract.acknowledge(packet)
        return packet

    def _say(self, packet: Packet, line: Line) -> bytes:
        packet = self.knows(packet)
        fields = dict(packet.fields)
        if packet.kind == CONNECT:
            if fields["client_id"] is None:
                fields["client_id"] = self.name
            line.contract.announce(packet)
        packet = replace(packet, fields=fields)
        if packet.kind == SUBSCRIBE:
            self._subscribe(packet)
        return encode(packet, self.level)

    def _subscribe(self, packet: Packet) -> None:
        filters = packet["filters"]
        assert isinstance(filters, tuple)
        for each, _ in filters:
            shared = each.startswith("$share/")
            self.filters.add(each.split("/", 2)[-1] if shared else each)

    async def _next(self, wanted: object) -> Packet | None:
        assert self.line is not None, f"{self.name} is not connected"
        try:
            async with asyncio.timeout(TIMEOUT):
                packet = await self.line.packet()
        except TimeoutError:
            raise AssertionError(f"{self.name} waited in vain for {wanted}") from None
        if packet is not None:
            self.heard.append(packet)
            if packet.kind == PUBLISH and self.filters:
                topic = str(packet["topic"])
                if not any(matches(topic, each) for each in self.filters):
                    raise Violation("MQTT-3.3.2-3", f"{packet} matches none of {self.filters}")
        return packet

    def _compare(self, wanted: Packet, heard: Packet | None) -> None:
        complaint = f"{self.name} expected {wanted}, heard {heard or 'the end'}"
        assert heard is not None, complaint
        assert heard.kind == wanted.kind, complaint
        for name, value in wanted.fields.items():
            if name == "packet_id" and isinstance(value, str):
                got = heard.fields[name]
                assert isinstance(got, int), complaint
                assert self.identifiers.setdefault(value, got) == got, complaint
            else:
                assert heard.fields[name] == value, complaint
        got_properties = heard.properties or {}
        for name, value in (wanted.properties or {}).items():
            assert got_properties.get(name) == value, complaint
        if wanted.kind == PUBLISH:
            extra = set(got_properties) - set(wanted.properties or {}) - {"topic_alias"}
            assert not extra, complaint


async def play(port: int, steps: Iterable[Step]) -> None:
    """Play a conversation with the server at *port*, one step after another."""
    for at, step in enumerate(steps):
        if callable(step):
            try:
                await step(port)
            except AssertionError as error:
                error.add_note(f"in step {at + 1}")
                raise
        else:
            await play(port, step)


async def hang_up(peers: Iterable[Peer]) -> None:
    """End the connections of *peers*, as they are."""
    for peer in peers:
        await peer._hang_up()
