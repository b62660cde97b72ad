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
from ..codec.publish import MQTTPuback, MQTTPubcomp, MQTTPublish, MQTTPubrec, MQTTPubrel
from ..codec.strings import decode_string
from ..codec.subscribe import MQTTSubscribe, MQTTUnsubscribe
from ..codec.types import MQTTPacketType, ReasonCode
from ..codec.varint import decode_variable_byte_integer, scan_variable_byte_integer
from .admission import Admission, is_topic_name
from .authentication import Conversation
from .link import Link
from .publication import Publication, message_properties
from .routing import DENIED, INVALID, Route
from .subscribing import Subscribing
from .verdicts import Parked, Verdicts

if TYPE_CHECKING:
    from .broker import Broker, InlineTaps

PINGRESP: Final = b"\xd0\x00"
MAX_ALLOWED: Final = 4096
"""Topics of one publisher whose verdict is remembered."""


class Inbound:
    """The reading side of one client.

    Args:
        broker: Whose verbs it calls.
        link: The client.

    Attributes:
        link: The client.
        keep_alive: Seconds without a packet after which the client is taken for gone; 0: never.

    Spec:
        MQTT 5.0 §2, §3; MQTT 3.1.1 §2, §3
    """

    __slots__ = (
        "_admission", "_aliases", "_broker", "_conversation", "_generation", "_have", "_inline",
        "_max_packet", "_need", "_parts", "_read_size", "_routes", "_subscribing", "_tap",
        "_tapped", "_verdicts", "keep_alive", "link",
    )  # fmt: skip

    def __init__(self, broker: Broker, link: Link) -> None:
        self.link = link
        self.keep_alive = 0.0
        self._tap: Callable[[Publication], object] | None = None
        self._tapped = broker.router.tapped
        self._inline = broker.inline
        self._broker = broker
        self._read_size = decode_variable_byte_integer
        self._max_packet = broker.settings.max_packet_size
        self._parts: list[bytes] = []
        self._have = 0
        self._need = 2
        self._verdicts = Verdicts(broker.hooks, link)
        self._admission: Admission | None = Admission(broker, link, self._verdicts)
        self._subscribing: Subscribing | None = None
        self._conversation: Conversation | None = None
        self._aliases: dict[int, bytes] | None = None
        # Without anybody to ask, what every publisher may reach is the same.
        self._routes = {} if broker.hooks.authorize else broker.router.routes
        self._generation = broker.router.generation

    # ------------------------------------------------------------------ packets

    @property
    def buffered(self) -> int:
        """Bytes of a packet that is not complete."""
        return self._have

    def receive(self, data: bytes) -> None:
        """Handle what arrived; at a violation the link ends, in the standard's own words."""
        if self.link.ending:
            return
        if self._parts:
            self._parts.append(data)
            self._have += len(data)
            if self._have < self._need or self.link.parked:
                return
            data = b"".join(self._parts)
            self._parts.clear()
        if self.link.parked:
            self._keep(data, 0)
            return
        if self._generation != self._broker.router.generation:
            self._forget_routes()
        try:
            at = self._packets(data)
        except MQTTDecodeError as error:
            self._violated(error)
        except LimitExceeded as limit:
            self.link.shell.record_limit(limit)
            self.fail(limit.code or ReasonCode.QUOTA_EXCEEDED)
        else:
            if at < len(data) and not self.link.ending:
                self._keep(data, at)
            else:
                self._have = 0

    def _keep(self, data: bytes, at: int) -> None:
        rest = data[at:] if at else data
        if rest:
            self._parts.append(rest)
        self._have = len(rest)

    def _packets(self, data: bytes) -> int:
        """Handle the whole packets in *data*; return where the first that is not begins."""
        link = self.link
        at = 0
        end = len(data)
        self._need = 0
        while end - at >= 2:
            first = data[at]
            size = data[at + 1]
            body = at + 2
            if size > 127:
                try:
                    size, used = self._read_size(data, at + 1)
                except IncompletePacket:
                    return at
                body = at + 1 + used
            after = body + size
            if after - at > self._max_packet:
                raise self._too_large(after - at)
            if after > end:
                if self._admission is not None:
                    self._admission.expect(first)
                self._need = after - at
                return at
            if first == 0x30 and link.session is not None:
                after = self._publish_as_is(data, at, body, after)
            elif not self._packet(first, data, body, after):
                return at
            at = after
            if link.parked or link.ending:
                return at
        return at

    def _too_large(self, size: int) -> MQTTDecodeError:
        self.link.shell.record_limit(
            LimitExceeded("mqtt_max_packet_size", allowed=self._max_packet, seen=size)
        )
        return PacketTooLarge(size, self._max_packet)

    def _packet(self, first: int, data: bytes, body: int, after: int) -> bool:
        """Handle one packet; False: a decision is awaited, look at it again afterwards."""
        self._broker.stats.messages_received += 1
        kind = first >> 4
        try:
            if self._admission is not None:
                self._before_connack(first, data[body:after])
            elif kind == 3:
                self._publish(first, data[body:after])
            elif after - body == 2 and kind in _SHORT:
                self._acknowledged(first, data[body] << 8 | data[body + 1], 0)
            else:
                self._decoded(first, data[body:after])
        except Parked as parked:
            self._broker.stats.messages_received -= 1
            self.link.parked = True
            self.link.shell.park(parked.decision, partial(self._decided, parked))
            return False
        if self._broker.on_received is not None:
            self._broker.on_received(*describe(first, data[body:after], self.link.level))
        return True

    def _decided(self, parked: Parked, outcome: object) -> None:
        """A decision has come: look at the packet again that waited for it."""
        self.link.parked = False
        self._verdicts.remember(parked, outcome)
        self._continue()

    def _continue(self) -> None:
        self._need = 0
        self.receive(b"")

    # ------------------------------------------------------------------ PUBLISH

    def _publish_as_is(self, data: bytes, at: int, body: int, after: int) -> int:
        """Hand on a QoS 0 PUBLISH, and those after it that begin alike, without decoding them.

        Returns:
            Where the next packet begins.
        """
        topic_end = body + 2 + (data[body] << 8 | data[body + 1]) if after > body + 1 else after
        level = self.link.level
        if topic_end + (level == 5) <= after:
            route = self._routes.get(data[body + 2 : topic_end])
            if (
                route is not None
                and route.links is not None
                and (route.level == level or not route.links)
                and (level == 4 or data[topic_end] == 0)
            ):
                size = after - at
                alike = data[at : topic_end + (level == 5)]
                count = 1
                end = len(data) - size
                while after <= end and data.startswith(alike, after):
                    after += size
                    count += 1
                stats = self._broker.stats
                stats.messages_received += count
                stats.publish_received += count
                self._broker.router.run(route, data[at:after], count)
                return after
        return after if self._packet(0x30, data, body, after) else at

    def _publish(self, first: int, body: bytes) -> None:
        """Take a PUBLISH packet (MQTT 5.0 §3.3.4)."""
        link = self.link
        broker = self._broker
        session = link.session
        assert session is not None
        qos = first >> 1 & 3
        raw_topic, packet_id, tail, payload_at, expiry = self._publish_parts(first, body)
        if qos > broker.settings.max_qos:
            raise MQTTDecodeError(
                f"QoS {qos} is not supported", reason_code=ReasonCode.QOS_NOT_SUPPORTED,
                spec="MQTT 5.0 §3.2.2.3.4 [MQTT-3.2.2-11]",
            )  # fmt: skip
        if first & 1 and not broker.settings.retain_available:
            raise MQTTDecodeError(
                "retained messages are not supported",
                reason_code=ReasonCode.RETAIN_NOT_SUPPORTED,
                spec="MQTT 5.0 §3.2.2.3.5 [MQTT-3.2.2-14]",
            )
        route = self._routes.get(raw_topic)
        if route is None:
            route = self._find_route(raw_topic)
        if qos == 2 and session.received is not None and packet_id in session.received:
            link.send(b"\x50\x02" + packet_id.to_bytes(2, "big"))
            return
        broker.stats.publish_received += 1
        reason = route.refusal
        if qos == 1 and session.received:
            reason = reason or self._check_identifier(session.received, packet_id)
        if not reason:
            publication = Publication(
                raw_topic, tail, payload_at=payload_at, qos=qos, retain=bool(first & 1),
                expires_at=expiry, publisher=session.client_id,
            )  # fmt: skip
            reason = self._take(publication, route)
            if self._tap is not None:
                self._tap(publication)
        if qos:
            self._acknowledge(qos, packet_id, reason)
        if self._inline is not None and self._tapped:
            self._wait_for_taps(self._inline)

    def _check_identifier(self, received: set[int], packet_id: int) -> int:
        """Return the Reason Code with which a QoS 1 message is refused; 0: it is not.

        Args:
            received: The Packet Identifiers of QoS 2 messages that are not released.
            packet_id: Its own.

        Raises:
            LimitExceeded: too many messages are under way.
        """
        if packet_id in received:
            return int(ReasonCode.PACKET_IDENTIFIER_IN_USE)
        self._check_quota(received)
        return 0

    def _check_quota(self, received: set[int]) -> None:
        most = self._broker.settings.receive_maximum
        # A client of MQTT 3.1.1 has not heard of a limit; there are 65,535 identifiers.
        if len(received) >= most and self.link.level == 5:
            raise LimitExceeded(
                "mqtt_receive_maximum", allowed=most, seen=len(received) + 1,
                code=ReasonCode.RECEIVE_MAXIMUM_EXCEEDED,
                spec="MQTT 5.0 §3.3.4 [MQTT-3.3.4-7]",
            )  # fmt: skip

    def _take(self, publication: Publication, route: Route) -> int:
        """Publish what came; return the Reason Code."""
        broker = self._broker
        if publication.retain:
            try:
                return broker.publish(publication, self.link.session)
            except LimitExceeded as limit:
                self.link.shell.record_limit(limit)
                return int(ReasonCode.QUOTA_EXCEEDED)
        broker.router.publish(publication, route, self.link.session)
        return int(ReasonCode.NO_MATCHING_SUBSCRIBERS) if route.empty else 0

    def _acknowledge(self, qos: int, packet_id: int, reason: int) -> None:
        """Answer with PUBACK or PUBREC (MQTT 5.0 §3.4, §3.5)."""
        link = self.link
        raw_id = packet_id.to_bytes(2, "big")
        if qos == 2 and reason < 0x80:
            self._hold_identifier(packet_id)
        answer = 0x40 if qos == 1 else 0x50
        if reason == 0 or link.level == 4:
            link.send(bytes((answer, 2)) + raw_id)
        else:
            link.send(bytes((answer, 3)) + raw_id + bytes((reason,)))

    def _hold_identifier(self, packet_id: int) -> None:
        session = self.link.session
        assert session is not None
        if session.received is None:
            session.received = set()
        self._check_quota(session.received)
        session.received.add(packet_id)

    def use_taps(
        self, tap: Callable[[Publication], object] | None, *, inline: InlineTaps | None = None
    ) -> None:
        """Let taps of this connection's own see each message that the client publishes.

        Args:
            tap: Takes a message; None: *inline* does.
            inline: Awaited with messages before the client's next packet is looked at.
        """
        self._tapped = []
        self._tap = tap or self._tapped.append
        self._inline = inline
        self._routes = {}  # stays empty: every message is taken apart

    def _wait_for_taps(self, inline: InlineTaps) -> None:
        """Let the application's taps see what was published before the next packet is read."""
        tapped = self._tapped[:]
        self._tapped.clear()
        self.link.parked = True
        self.link.shell.park(inline(tapped), self._seen_by_taps)

    def _seen_by_taps(self, outcome: object) -> None:
        self.link.parked = False
        self._continue()

    def _publish_parts(self, first: int, body: bytes) -> tuple[bytes, int, bytes, int, float]:
        """Return topic, Packet Identifier, tail, where its payload begins, and when it expires."""
        link = self.link
        qos = first >> 1 & 3
        if qos == 3 or (first & 8 and not qos) or len(body) < 2:
            decode_body(first, body, level=link.level)  # which says what is wrong
        topic_end = 2 + (body[0] << 8 | body[1])
        at = topic_end
        packet_id = 0
        if qos:
            packet_id = int.from_bytes(body[at : at + 2], "big")
            at += 2
        if at > len(body) or (qos and not packet_id) or topic_end == 2:
            packet = decode_body(first, body, level=link.level)
            assert isinstance(packet, MQTTPublish)
        raw_topic = body[2:topic_end]
        if link.level == 4:
            return raw_topic, packet_id, b"\0" + body[at:], 1, inf
        if at < len(body) and body[at] == 0:
            if not raw_topic:
                decode_body(first, body, level=5)
            return raw_topic, packet_id, body[at:], 1, inf
        packet = decode_body(first, body, level=5)
        assert isinstance(packet, MQTTPublish)
        if "subscription_identifier" in packet.properties:
            raise MQTTDecodeError(
                "subscription identifiers are the broker's to send",
                reason_code=ReasonCode.PROTOCOL_ERROR,
                spec="MQTT 5.0 §3.3.4 [MQTT-3.3.4-6]",
            )
        self._check_user_properties(packet.properties)
        raw_topic = self._resolve_alias(raw_topic, packet.properties)
        head, expires_at = message_properties(packet.properties, now=self._broker.stats.now)
        return raw_topic, packet_id, head + packet.payload, len(head), expires_at

    def _resolve_alias(self, raw_topic: bytes, properties: object) -> bytes:
        """Return the topic, and let its alias stand for it from now on (MQTT 5.0 §3.3.2.3.4)."""
        alias = cast("dict[str, int]", properties).get("topic_alias")
        if alias is None:
            return raw_topic
        if alias > self._broker.settings.topic_alias_maximum:
            raise MQTTDecodeError(
                f"there is no topic alias {alias}", reason_code=ReasonCode.TOPIC_ALIAS_INVALID,
                spec="MQTT 5.0 §3.3.2.3.4 [MQTT-3.3.2-9]",
            )  # fmt: skip
        if self._aliases is None:
            self._aliases = {}
        if raw_topic:
            self._aliases[alias] = raw_topic
            return raw_topic
        known = self._aliases.get(alias)
        if known is None:
            raise MQTTDecodeError(
                f"topic alias {alias} stands for nothing",
                reason_code=ReasonCode.PROTOCOL_ERROR,
                spec="MQTT 5.0 §3.3.2.3.4 [MQTT-3.3.2-7]",
            )
        return known

    def _check_user_properties(self, properties: object) -> None:
        pairs = cast("dict[str, list[object]]", properties).get("user_property")
        most = self._broker.settings.max_user_properties
        if pairs is not None and len(pairs) > most:
            raise LimitExceeded(
                "mqtt_max_user_properties", allowed=most, seen=len(pairs),
                code=ReasonCode.QUOTA_EXCEEDED,
            )  # fmt: skip

    # ------------------------------------------------------------------ routes

    def _find_route(self, raw_topic: bytes) -> Route:
        """Return whom a topic reaches that this publisher has not used since the last change."""
        broker = self._broker
        topic = self._topic_name(raw_topic)
        if not topic:
            return INVALID
        if broker.hooks.authorize is None:
            return broker.router.route(raw_topic, topic)
        allowed = self._verdicts.may("publish", topic)
        route = broker.router.route(raw_topic, topic) if allowed else DENIED
        if len(self._routes) >= MAX_ALLOWED:
            self._routes.clear()
        self._routes[raw_topic] = route
        return route

    def _topic_name(self, raw_topic: bytes) -> str:
        """Return the Topic Name that *raw_topic* is; empty: one that goes past a limit.

        Raises:
            MQTTDecodeError: it is none.
        """
        settings = self._broker.settings
        topic, _ = decode_string(len(raw_topic).to_bytes(2, "big") + raw_topic)
        if not is_topic_name(topic):
            raise MQTTDecodeError(
                "messages cannot be published there", reason_code=ReasonCode.TOPIC_NAME_INVALID,
                spec="MQTT 5.0 §3.3.2.1 [MQTT-3.3.2-2]",
            )  # fmt: skip
        depth = topic.count("/") + 1
        for name, allowed, seen in (
            ("mqtt_max_topic_levels", settings.max_topic_levels, depth),
            ("mqtt_max_topic_length", settings.max_topic_length, len(raw_topic)),
        ):
            if seen > allowed:
                self.link.shell.record_limit(LimitExceeded(name, allowed=allowed, seen=seen))
                return ""
        return topic

    def _forget_routes(self) -> None:
        router = self._broker.router
        self._generation = router.generation
        if self._routes is not router.routes:
            self._routes.clear()

    # ------------------------------------------------------------------ everything else

    def _before_connack(self, first: int, body: bytes) -> None:
        admission = self._admission
        assert admission is not None
        if admission.take(first, body):
            self._admission = None
            self._conversation = admission.conversation
            self._subscribing = Subscribing(self._broker, self.link, self._verdicts)
            self.keep_alive = 1.5 * admission.keep_alive
            if self.link.level == 4:
                # MQTT 3.1.1 §2.2.3 does not forbid more bytes than a length needs.
                self._read_size = scan_variable_byte_integer

    def _decoded(self, first: int, body: bytes) -> None:
        packet = decode_body(first, body, level=self.link.level)
        if isinstance(packet, MQTTPuback | MQTTPubrec | MQTTPubrel | MQTTPubcomp):
            self._check_user_properties(packet.properties)
            self._acknowledged(first, packet.packet_id, packet.reason_code)
        elif isinstance(packet, MQTTSubscribe | MQTTUnsubscribe):
            self._check_user_properties(packet.properties)
            assert self._subscribing is not None
            self._subscribing.take(packet)
            self._forget_routes()
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

    def _acknowledged(self, first: int, packet_id: int, reason: int) -> None:
        """Take PUBACK, PUBREC, PUBREL or PUBCOMP."""
        link = self.link
        session = link.session
        assert session is not None
        if not packet_id:
            decode_body(first, b"\0\0", level=link.level)
        kind = first >> 4
        violation = 0
        if first & 15 != (2 if kind == 6 else 0):
            decode_body(first, packet_id.to_bytes(2, "big"), level=link.level)
        elif kind == 4:
            violation = session.acknowledged(packet_id, link)
        elif kind == 5:
            violation = session.taken(packet_id, link, reason)
        elif kind == 6:
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
        reason = packet.reason_code or 0
        self._broker.detach(self.link, with_will=reason != 0, reason=reason)

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

    def timed_out(self) -> None:
        """The client has been silent for too long (MQTT 5.0 §3.1.2.10, MQTT-3.1.2-22)."""
        self.link.end(ReasonCode.KEEP_ALIVE_TIMEOUT)
        self._broker.detach(self.link, with_will=True, reason=ReasonCode.KEEP_ALIVE_TIMEOUT)

    def lost(self) -> None:
        """The connection is gone."""
        self._broker.detach(self.link, with_will=True)

    def writable(self) -> None:
        """The client takes bytes again: send it what waits."""
        session = self.link.session
        if session is not None and session.link is self.link:
            session.pump()


_SHORT: Final = frozenset({4, 5, 6, 7})


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
