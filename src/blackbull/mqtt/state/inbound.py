"""What a client's bytes mean: packets, and the broker's verbs for them.

Theory of operation. ``receive`` takes whatever arrived and handles every whole packet in it. A
PUBLISH of QoS 0 to a topic that is known, with nothing special about it, is never taken apart: its
bytes go on to the subscribers as they are, and so do further ones that begin with the same bytes.
Everything else is decoded. A packet that needs a decision of the application (may this client
publish here?) *parks* the link: the packet stays where it is and is looked at again when the
decision has come.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Final, cast

from blackbull.errors import LimitExceeded

from ..codec.control import MQTTAuth, MQTTDisconnect
from ..codec.errors import IncompletePacket, MQTTDecodeError, PacketTooLarge
from ..codec.packets import decode_body
from ..codec.publish import MQTTPuback, MQTTPubcomp, MQTTPubrec, MQTTPubrel
from ..codec.subscribe import MQTTSubscribe, MQTTUnsubscribe
from ..codec.types import MQTTPacketType, ReasonCode
from ..codec.varint import decode_variable_byte_integer, scan_variable_byte_integer
from .admission import Admission
from .authentication import Conversation
from .link import Link
from .publishing import Publishing, check_user_properties
from .subscribing import Subscribing
from .verdicts import Parked, Verdicts

if TYPE_CHECKING:
    from .broker import Broker, InlineTaps
    from .publication import Publication

DISCONNECT: Final = 0xE0
PINGRESP: Final = b"\xd0\x00"

MAX_PARTS: Final = 256
"""Arrivals that an unfinished packet may be kept in, beside one for each so many bytes."""


class Inbound:
    """The reading side of one client.

    Args:
        broker: Whose verbs it calls.
        link: The client.

    Attributes:
        link: The client.
        keep_alive: Seconds without a packet after which the client is taken for gone; 0: never.
        heard_at: When the last packet came, by the broker's clock.
        begun_at: When the packet began that has not all come, by the broker's clock.

    Spec:
        MQTT 5.0 §2, §3; MQTT 3.1.1 §2, §3
    """

    __slots__ = (
        "_admission", "_broker", "_conversation", "_gone", "_have", "_max_packet", "_need",
        "_parts", "_publishing", "_quick", "_read_size", "_subscribing", "_verdicts", "begun_at",
        "heard_at", "keep_alive", "link",
    )  # fmt: skip

    def __init__(self, broker: Broker, link: Link) -> None:
        self.link = link
        self.keep_alive = 0.0
        self.heard_at = 0.0
        self.begun_at = 0.0
        self._broker = broker
        self._read_size = decode_variable_byte_integer
        self._max_packet = broker.settings.max_packet_size
        self._parts: list[bytes] = []
        self._have = 0
        self._need = 2
        self._quick = False
        self._verdicts = Verdicts(broker.hooks, link)
        self._publishing = Publishing(broker, link, self._verdicts)
        self._admission: Admission | None = Admission(broker, link, self._verdicts)
        self._subscribing: Subscribing | None = None
        self._conversation: Conversation | None = None
        self._gone = False
        link.go_on = self.go_on

    # ------------------------------------------------------------------ packets

    def receive(self, data: bytes) -> None:
        """Handle what arrived; at a violation the link ends, in the standard's own words."""
        if self.link.ending:
            return
        if self._parts:
            self._parts.append(data)
            self._have += len(data)
            if self._have < self._need or self.link.parked:
                if len(self._parts) > MAX_PARTS + self._have // MAX_PARTS:
                    # A client that sends byte by byte must not have us keep an object for each.
                    self._parts = [b"".join(self._parts)]
                return
            data = b"".join(self._parts)
            self._parts.clear()
            begins = False
        else:
            begins = True
        if self.link.parked:
            self._keep(data, 0, begins=begins)
            return
        self._publishing.refresh()
        self._quick = self._may_be_quick()
        try:
            at = self._packets(data)
        except MQTTDecodeError as error:
            self._violated(error)
        except LimitExceeded as limit:
            self.link.shell.record_limit(limit)
            self.fail(limit.code or ReasonCode.QUOTA_EXCEEDED)
        else:
            if at < len(data) and not self.link.ending:
                self._keep(data, at, begins=begins or at > 0)
            else:
                self._have = 0

    def _may_be_quick(self) -> bool:
        """Packets may be handled without being decoded: nobody looks at each, all are allowed."""
        broker = self._broker
        return (
            self._admission is None and broker.on_received is None and broker.settings.max_qos == 2
        )

    def _keep(self, data: bytes, at: int, *, begins: bool) -> None:
        rest = data[at:] if at else data
        if rest:
            self._parts.append(rest)
            if begins:
                self.begun_at = self._broker.stats.now
        self._have = len(rest)

    def _packets(self, data: bytes) -> int:
        """Handle the whole packets in *data*; return where the first that is not begins."""
        link = self.link
        publishing = self._publishing
        count = 0
        at = 0
        end = len(data)
        self._need = 0
        try:
            while end - at >= 2 and not (link.parked or link.ending):
                first = data[at]
                size = data[at + 1]
                body = at + 2
                if size > 127:
                    try:
                        size, used = self._read_size(data, at + 1)
                    except IncompletePacket:
                        return at
                    body = at + 1 + used
                    if not data[body - 1]:  # longer than it needs to be: it does not go on so
                        self._quick = False
                after = body + size
                if after - at > self._max_packet:
                    raise self._too_large(after - at)
                if after > end:
                    if self._admission is not None:
                        self._admission.expect(first)
                    self._need = after - at
                    return at
                if self._quick:
                    if first == 0x30:
                        passed = publishing.pass_on(data, at, body, after)
                        if passed:
                            count += passed
                            at += passed * (after - at)
                            continue
                    elif first in _RELIABLE:
                        taken = publishing.take_plain(first, data, at, body, after)
                        if taken:
                            count += taken
                            at += taken * (after - at)
                            continue
                    elif size == 2 and first in _ACKNOWLEDGEMENTS:
                        answered = self._acknowledgements(first, data, at)
                        count += answered
                        at += answered * 4
                        continue
                    elif first == DISCONNECT and not size:
                        count += 1
                        self._say_goodbye(0)
                        return after
                if not self._packet(first, data[body:after]):
                    return at
                count += 1
                at = after
        finally:
            if count:
                link.received += count
                stats = self._broker.stats
                stats.messages_received += count
                self.heard_at = stats.now
        return at

    def _too_large(self, size: int) -> MQTTDecodeError:
        self.link.shell.record_limit(
            LimitExceeded("mqtt_max_packet_size", allowed=self._max_packet, seen=size)
        )
        return PacketTooLarge(size, self._max_packet)

    def _packet(self, first: int, body: bytes) -> bool:
        """Handle one packet; False: a decision is awaited, look at it again afterwards."""
        try:
            if self._admission is not None:
                self._before_connack(self._admission, first, body)
            elif first >> 4 == 3:
                self._publishing.take(first, body)
            else:
                self._decoded(first, body)
        except Parked as parked:
            self.link.parked = True
            self.link.shell.park(parked.decision, partial(self._decided, parked))
            return False
        self._verdicts.trim()
        if self._broker.on_received is not None:
            self._broker.on_received(*describe(first, body, self.link.level))
        return True

    def _decided(self, parked: Parked, outcome: object) -> None:
        """A decision has come: look at the packet again that waited for it."""
        self._verdicts.remember(parked, outcome)
        self.go_on()

    def go_on(self) -> None:
        """What was waited for is there: handle the packets that came meanwhile."""
        self.link.parked = False
        self._need = 0
        self.begun_at = self._broker.stats.now
        self.receive(b"")
        if self._gone and not self.link.parked:
            self.lost()

    # ------------------------------------------------------------------ everything else

    def _before_connack(self, admission: Admission, first: int, body: bytes) -> None:
        if admission.take(first, body):
            self._admission = None
            self._quick = self._may_be_quick()
            self._conversation = admission.conversation
            self.keep_alive = 1.5 * admission.keep_alive
            if self.link.level == 4:
                # MQTT 3.1.1 §2.2.3 does not forbid more bytes than a length needs.
                self._read_size = scan_variable_byte_integer

    def _decoded(self, first: int, body: bytes) -> None:
        packet = decode_body(first, body, level=self.link.level)
        most = self._broker.settings.max_user_properties
        if isinstance(packet, MQTTPuback | MQTTPubrec | MQTTPubrel | MQTTPubcomp):
            check_user_properties(packet.properties, most=most)
            self._acknowledged(first, packet.packet_id, packet.reason_code)
        elif isinstance(packet, MQTTSubscribe | MQTTUnsubscribe):
            check_user_properties(packet.properties, most=most)
            if self._subscribing is None:
                self._subscribing = Subscribing(self._broker, self.link, self._verdicts)
            self._subscribing.take(packet)
            self._publishing.refresh()
        elif isinstance(packet, MQTTDisconnect):
            self._disconnected(packet)
        elif isinstance(packet, MQTTAuth) and self._conversation is not None:
            self._conversation.again(packet)
        elif first == 0xC0:
            self.link.send(PINGRESP)
        else:
            raise MQTTDecodeError(
                "a server does not take such a packet",
                reason_code=ReasonCode.PROTOCOL_ERROR,
                spec="MQTT 5.0 §3.1 [MQTT-3.1.0-2]",
            )

    def _acknowledgements(self, first: int, data: bytes, at: int) -> int:
        """Take an acknowledgement of four bytes, and those of its kind behind it; return how many.

        Args:
            first: Its first byte.
            data: What arrived.
            at: Where it begins.
        """
        link = self.link
        head = data[at : at + 2]
        last = len(data) - 4
        count = 0
        while at <= last and data.startswith(head, at) and not link.ending:
            self._acknowledged(first, data[at + 2] << 8 | data[at + 3], 0)
            at += 4
            count += 1
        return count

    def _acknowledged(self, first: int, packet_id: int, reason: int) -> None:
        """Take PUBACK, PUBREC, PUBREL or PUBCOMP."""
        link = self.link
        session = link.session
        assert session is not None
        violation = 0
        if not packet_id:
            decode_body(first, b"\0\0", level=link.level)  # which says what is wrong
        elif first == 0x40:
            violation = session.acknowledged(packet_id, link)
        elif first == 0x50:
            violation = session.taken(packet_id, link, reason)
        elif first == 0x62:
            self._released(packet_id)
        else:
            session.completed(packet_id, link)
        if violation:
            raise MQTTDecodeError(
                "a message is acknowledged in a way that its QoS does not have",
                reason_code=violation, spec="MQTT 5.0 §4.3",
            )  # fmt: skip

    def _released(self, packet_id: int) -> None:
        """Answer PUBREL with PUBCOMP (MQTT 5.0 §4.3.3, MQTT-4.3.3-11)."""
        link = self.link
        received = None if link.session is None else link.session.received
        raw_id = packet_id.to_bytes(2, "big")
        if received is not None and packet_id in received:
            received.remove(packet_id)
        elif link.level == 5:
            link.send(b"\x70\x03" + raw_id + b"\x92")
            return
        link.send(b"\x70\x02" + raw_id)

    def _disconnected(self, packet: MQTTDisconnect) -> None:
        """The client says goodbye; with reason 0 its will is forgotten (MQTT-3.14.4-3)."""
        session = self.link.session
        assert session is not None
        expiry = packet.properties.get("session_expiry_interval")
        if expiry is not None:
            if session.expiry == 0 and expiry != 0:
                raise MQTTDecodeError(
                    "a session that was to end with its connection cannot be kept",
                    reason_code=ReasonCode.PROTOCOL_ERROR,
                    spec="MQTT 5.0 §3.14.2.2.2 [MQTT-3.14.2-2]",
                )
            session.expiry = min(cast("int", expiry), self._broker.settings.max_session_expiry)
        self._say_goodbye(packet.reason_code or 0)

    def _say_goodbye(self, reason: int) -> None:
        self.link.goodbye = True
        self.link.reason = reason
        self._broker.detach(self.link, with_will=reason != 0, reason=reason)

    def use_taps(
        self, tap: Callable[[Publication], object] | None, *, inline: InlineTaps | None = None
    ) -> None:
        """Let taps of this connection's own see what the client publishes."""
        self._publishing.use_taps(tap, inline=inline)

    # ------------------------------------------------------------------ the end

    def _violated(self, error: MQTTDecodeError) -> None:
        self.fail(error.reason_code, text=str(error))

    def fail(self, reason: int, *, text: str = "") -> None:
        """End the connection for what the client did."""
        link = self.link
        if self._admission is not None:
            self._admission.refuse(reason, text=text)
        else:
            link.end(reason, text=text)
        self._broker.detach(link, with_will=True, reason=reason)

    def time_left(self, now: float) -> float:
        """Return the seconds that the client has for another packet, or the rest of one."""
        left = self.heard_at + self.keep_alive - now if self.keep_alive else inf
        most = self._broker.settings.packet_timeout
        if most > 0:
            begun_at = self.begun_at if self._parts and not self.link.parked else now
            left = min(left, begun_at + most - now)
        return left

    def timed_out(self) -> None:
        """The client has been silent for too long (MQTT 5.0 §3.1.2.10, MQTT-3.1.2-22)."""
        most = self._broker.settings.packet_timeout
        took = self._broker.stats.now - self.begun_at
        if self._parts and 0 < most <= took and self._admission is None:
            limit = LimitExceeded("mqtt_packet_timeout", allowed=most, seen=took)
            self.link.shell.record_limit(limit)
        self.link.end(ReasonCode.KEEP_ALIVE_TIMEOUT)
        self._broker.detach(self.link, with_will=True, reason=ReasonCode.KEEP_ALIVE_TIMEOUT)

    def lost(self) -> None:
        """The connection is gone; what the client said before is still looked at."""
        link = self.link
        if link.parked and link.session is not None and not link.ending:
            self._gone = True
            return
        self._broker.detach(self.link, with_will=True)
        self.link.leave()

    def writable(self) -> None:
        """The client takes bytes again: send it what waits."""
        session = self.link.session
        if session is not None and session.link is self.link:
            session.pump()


_RELIABLE: Final = frozenset({0x32, 0x34})
"""The first bytes of PUBLISH with QoS 1 and 2, without DUP and RETAIN."""
_ACKNOWLEDGEMENTS: Final = frozenset({0x40, 0x50, 0x62, 0x70})
"""The first bytes of PUBACK, PUBREC, PUBREL and PUBCOMP."""


def describe(first: int, body: bytes, level: int) -> tuple[str, int]:
    """Return the type of a whole packet, as events have it, and the size of its payload.

    Args:
        first: Its first byte.
        body: What follows the fixed header.
        level: The protocol level.
    """
    kind = first >> 4
    if kind != 3:
        return _NAMES[kind], len(body)
    at = 2 + (body[0] << 8 | body[1]) + (2 if first & 6 else 0)
    if level == 5:
        length, used = decode_variable_byte_integer(body, at)
        at += used + length
    return "PUBLISH", len(body) - at


_NAMES: Final = {int(kind): kind.name for kind in MQTTPacketType}
