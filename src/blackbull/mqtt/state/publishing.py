"""PUBLISH: what a client says to a topic.

Three ways lead through here. A QoS 0 message whose bytes can go on as they are is not taken apart
(:meth:`Publishing.pass_on`); one of QoS 1 or 2 without properties, to a topic that is known, is cut
into topic and rest (:meth:`Publishing.take_plain`); every other one is decoded
(:meth:`Publishing.take`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import TYPE_CHECKING, Final, cast

from blackbull.errors import LimitExceeded

from ..codec.errors import MQTTDecodeError
from ..codec.packets import decode_body
from ..codec.publish import MQTTPublish
from ..codec.strings import decode_string
from ..codec.types import ReasonCode
from .admission import is_topic_name, topic_limit
from .publication import Publication, message_properties
from .routing import DENIED, INVALID, Route, belongs_to_broker

if TYPE_CHECKING:
    from .broker import Broker, InlineTaps
    from .link import Link
    from .verdicts import Verdicts

MAX_ALLOWED: Final = 4096
"""Topics of one publisher whose verdict is remembered."""
MAX_REMEMBERED_TOPIC: Final = 256
"""Bytes of a topic whose verdict is remembered there."""


class Publishing:
    """What one client publishes.

    Args:
        broker: Whose topics.
        link: The client.
        verdicts: What the application allows.

    Spec:
        MQTT 5.0 §3.3; MQTT 3.1.1 §3.3
    """

    __slots__ = (
        "_aliases", "_broker", "_generation", "_inline", "_link", "_routes", "_tap", "_tapped",
        "_verdicts",
    )  # fmt: skip

    def __init__(self, broker: Broker, link: Link, verdicts: Verdicts) -> None:
        self._broker = broker
        self._link = link
        self._verdicts = verdicts
        self._aliases: dict[int, bytes] | None = None
        self._tap: Callable[[Publication], object] | None = None
        self._tapped = broker.router.tapped
        self._inline = broker.inline
        # Without anybody to ask, what every publisher may reach is the same.
        self._routes = {} if broker.hooks.authorize else broker.router.routes
        self._generation = broker.router.generation

    # ------------------------------------------------------------------ three ways

    def pass_on(self, data: bytes, at: int, body: int, after: int) -> int:
        """Hand on a QoS 0 PUBLISH, and those behind it that begin alike, as they are.

        Args:
            data: What arrived.
            at: Where the packet begins; its first byte is 0x30.
            body: Where its fixed header ends.
            after: Where it ends.

        Returns:
            How many packets were handed on, each as long as the first; 0: none can be.
        """
        level5 = self._link.level == 5
        if body + 2 > after:
            return 0
        topic_end = body + 2 + (data[body] << 8 | data[body + 1])
        if topic_end + level5 > after or (level5 and data[topic_end]):
            return 0
        route = self._routes.get(data[body + 2 : topic_end])
        if route is None or (route.links is None and route.group is None):
            return 0
        if route.level and (route.level == 5) is not level5:
            return 0
        size = after - at
        alike = data[at : topic_end + level5]
        count = 1
        last = len(data) - size
        while after <= last and data.startswith(alike, after):
            after += size
            count += 1
        self._broker.stats.publish_received += count
        if route.group is None:
            self._broker.router.run(route, data[at:after], count)
        else:
            self._broker.router.deal(route.group, data[at:after], size)
        return count

    def take_plain(self, first: int, data: bytes, at: int, body: int, after: int) -> int:
        """Take a PUBLISH of QoS 1 or 2 without RETAIN, DUP and properties, and those that follow.

        Args:
            first: Its first byte: 0x32 or 0x34.
            data: What arrived.
            at: Where the packet begins.
            body: Where its fixed header ends.
            after: Where it ends.

        Returns:
            How many packets were taken: this one and those right behind it that are as long and go
            to the same topic; 0: there is more to it, and nothing was done.
        """
        link = self._link
        session = link.session
        level5 = link.level == 5
        if body + 2 > after or session is None:
            return 0
        topic_end = body + 2 + (data[body] << 8 | data[body + 1])
        rest = topic_end + 2
        if rest + level5 > after:
            return 0
        raw_topic = data[body + 2 : topic_end]
        route = self._routes.get(raw_topic)
        if route is None or route.refusal or not (route.targets or route.groups):
            return 0
        head = data[at:topic_end]
        key = link.level << 8 | first
        answer = b"\x40\x02" if first == 0x32 else b"\x50\x02"
        size = after - at
        end = len(data)
        publish = self._broker.router.publish
        count = 0
        while True:
            raw_id = data[topic_end:rest]
            if raw_id == b"\0\0" or (level5 and data[rest]):
                break
            if session.received if first == 0x32 else not self._hold(raw_id):
                break
            tail = data[rest:after] if level5 else b"\0" + data[rest:after]
            publication = Publication(
                raw_topic, tail, 1, first >> 1 & 3, publisher=session.client_id
            )
            publication.head_key = key
            publication.head = head
            publish(publication, route, session)
            out = link.out
            if not out:
                link.dirty.append(link)
            out.append(answer + raw_id)
            count += 1
            if self._tap is not None:
                self._tap(publication)
            if self._inline is not None and self._tapped:
                self._wait_for_taps(self._inline)
            at = after
            after += size
            if after > end or link.parked or link.ending or not data.startswith(head, at):
                break
            topic_end += size
            rest += size
        stats = self._broker.stats
        stats.publish_received += count
        stats.messages_sent += count
        if first == 0x32:
            stats.publish_received_1 += count
        else:
            stats.publish_received_2 += count
        return count

    def take(self, first: int, body: bytes) -> None:
        """Take any PUBLISH (MQTT 5.0 §3.3.4).

        Raises:
            LimitExceeded: too many messages of QoS 2 are under way.
            MQTTDecodeError: the client broke a rule.
            Parked: the application has to decide whether it may.
        """
        broker, link = self._broker, self._link
        session = link.session
        assert session is not None
        qos = first >> 1 & 3
        raw_topic, raw_id, tail, payload_at, expires_at = self._parts(first, body)
        self._check_offer(qos, retain=first & 1)
        route = self._routes.get(raw_topic) or self._find_route(raw_topic)
        reason = route.refusal
        if qos == 2 and not reason and not self._hold(raw_id):
            link.send(b"\x50\x02" + raw_id)
            return
        if qos == 1 and session.received:
            reason = reason or self._check_identifier(session.received, raw_id)
        broker.stats.count_received(qos)
        if not reason:
            publication = Publication(
                raw_topic, tail, payload_at, qos, retain=bool(first & 1),
                expires_at=expires_at, publisher=session.client_id,
            )  # fmt: skip
            reason = self._publish(publication, route)
            if self._tap is not None:
                self._tap(publication)
        if qos:
            self._answer(qos, raw_id, reason)
        if self._inline is not None and self._tapped:
            self._wait_for_taps(self._inline)

    # ------------------------------------------------------------------ steps

    def _publish(self, publication: Publication, route: Route) -> int:
        """Publish what came; return the Reason Code."""
        session = self._link.session
        if publication.retain:
            try:
                return self._broker.publish(publication, session)
            except LimitExceeded as limit:
                self._link.shell.record_limit(limit)
                if publication.qos and self._link.level == 5:
                    return int(ReasonCode.QUOTA_EXCEEDED)
                # Its publisher cannot be told: whoever is there has it at least.
        self._broker.router.publish(publication, route, session)
        return int(ReasonCode.NO_MATCHING_SUBSCRIBERS) if route.empty else 0

    def _answer(self, qos: int, raw_id: bytes, reason: int) -> None:
        """Answer with PUBACK or PUBREC (MQTT 5.0 §3.4, §3.5)."""
        link = self._link
        if qos == 2 and reason >= 0x80:
            self._release(raw_id)
        answer = 0x40 if qos == 1 else 0x50
        if reason == 0 or link.level == 4:
            link.send(bytes((answer, 2)) + raw_id)
        else:
            link.send(bytes((answer, 3)) + raw_id + bytes((reason,)))

    def _hold(self, raw_id: bytes) -> bool:
        """Remember the Packet Identifier of a QoS 2 message; False: the message came before.

        Raises:
            LimitExceeded: the client goes past our Receive Maximum.
        """
        session = self._link.session
        assert session is not None
        received = session.received
        if received is None:
            received = session.received = set()
        packet_id = raw_id[0] << 8 | raw_id[1]
        if packet_id in received:
            return False
        self._check_quota(received)
        received.add(packet_id)
        return True

    def _check_identifier(self, received: set[int], raw_id: bytes) -> int:
        """Return the Reason Code with which a QoS 1 message is refused; 0: it is not.

        Args:
            received: The Packet Identifiers of QoS 2 messages that are not released.
            raw_id: Its own.

        Raises:
            LimitExceeded: too many messages are under way.
        """
        if (raw_id[0] << 8 | raw_id[1]) in received:
            return int(ReasonCode.PACKET_IDENTIFIER_IN_USE)
        self._check_quota(received)
        return 0

    def _check_quota(self, received: set[int]) -> None:
        most = self._broker.settings.receive_maximum
        # A client of MQTT 3.1.1 has not heard of a limit; there are 65,535 identifiers.
        if len(received) >= most and self._link.level == 5:
            raise LimitExceeded(
                "mqtt_receive_maximum", allowed=most, seen=len(received) + 1,
                code=ReasonCode.RECEIVE_MAXIMUM_EXCEEDED,
                spec="MQTT 5.0 §3.3.4 [MQTT-3.3.4-7]",
            )  # fmt: skip

    def _release(self, raw_id: bytes) -> None:
        session = self._link.session
        if session is not None and session.received is not None:
            session.received.discard(raw_id[0] << 8 | raw_id[1])

    def _check_offer(self, qos: int, *, retain: int) -> None:
        """Refuse what CONNACK said that there is not."""
        settings = self._broker.settings
        if qos > settings.max_qos:
            raise MQTTDecodeError(
                f"QoS {qos} is not supported", reason_code=ReasonCode.QOS_NOT_SUPPORTED,
                spec="MQTT 5.0 §3.2.2.3.4 [MQTT-3.2.2-11]",
            )  # fmt: skip
        if retain and not settings.retain_available:
            raise MQTTDecodeError(
                "retained messages are not supported",
                reason_code=ReasonCode.RETAIN_NOT_SUPPORTED,
                spec="MQTT 5.0 §3.2.2.3.5 [MQTT-3.2.2-14]",
            )

    def _parts(self, first: int, body: bytes) -> tuple[bytes, bytes, bytes, int, float]:
        """Return topic, Packet Identifier, tail, where its payload begins, and when it expires."""
        level = self._link.level
        qos = first >> 1 & 3
        topic_end = 2 + (body[0] << 8 | body[1]) if len(body) > 1 else 2
        at = topic_end + (2 if qos else 0)
        raw_topic, raw_id = body[2:topic_end], body[topic_end:at]
        strange = qos == 3 or (first & 8 and not qos) or at > len(body) or raw_id == b"\0\0"
        if strange or not raw_topic or (level == 5 and body[at : at + 1] != b"\0"):
            packet = decode_body(first, body, level=level)
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
            return raw_topic, raw_id, head + packet.payload, len(head), expires_at
        tail = body[at:] if level == 5 else b"\0" + body[at:]
        return raw_topic, raw_id, tail, 1, inf

    def _resolve_alias(self, raw_topic: bytes, properties: Mapping[str, object]) -> bytes:
        """Return the topic, and let its alias stand for it from now on (MQTT 5.0 §3.3.2.3.4)."""
        alias = cast("int | None", properties.get("topic_alias"))
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

    def _check_user_properties(self, properties: Mapping[str, object]) -> None:
        check_user_properties(properties, most=self._broker.settings.max_user_properties)

    # ------------------------------------------------------------------ whom it reaches

    def _find_route(self, raw_topic: bytes) -> Route:
        """Return whom a topic reaches that this publisher has not used since the last change."""
        broker = self._broker
        topic = self._topic_name(raw_topic)
        if not topic:
            return INVALID
        if belongs_to_broker(topic):
            return DENIED
        if broker.hooks.authorize is None:
            return broker.router.route(raw_topic, topic)
        if not self._verdicts.may("publish", topic):
            if self._verdicts.failed("publish", topic):
                return DENIED
            route = DENIED
        else:
            route = broker.router.route(raw_topic, topic)
        if self._tap is None and len(raw_topic) <= MAX_REMEMBERED_TOPIC:
            if len(self._routes) >= MAX_ALLOWED:
                self._routes.clear()
            self._routes[raw_topic] = route
        return route

    def _topic_name(self, raw_topic: bytes) -> str:
        """Return the Topic Name that *raw_topic* is; empty: one that goes past a limit.

        Raises:
            MQTTDecodeError: it is none.
        """
        topic, _ = decode_string(len(raw_topic).to_bytes(2, "big") + raw_topic)
        if not is_topic_name(topic):
            raise MQTTDecodeError(
                "messages cannot be published there", reason_code=ReasonCode.TOPIC_NAME_INVALID,
                spec="MQTT 5.0 §3.3.2.1 [MQTT-3.3.2-2]",
            )  # fmt: skip
        limit = topic_limit(topic, self._broker.settings)
        if limit is not None:
            self._link.shell.record_limit(limit)
            return ""
        return topic

    def refresh(self) -> None:
        """Find out anew whom topics reach, if a subscription has changed."""
        router = self._broker.router
        if self._generation != router.generation:
            self._generation = router.generation
            if self._routes is not router.routes:
                self._routes.clear()

    # ------------------------------------------------------------------ taps

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
        """Let the taps see what was published before the client's next packet is looked at."""
        tapped = self._tapped[:]
        self._tapped.clear()
        self._link.parked = True
        self._link.shell.park(inline(tapped), self._seen_by_taps)

    def _seen_by_taps(self, outcome: object) -> None:
        self._link.go_on()


def check_user_properties(properties: Mapping[str, object], *, most: int) -> None:
    """Check that there are not too many User Properties.

    Raises:
        LimitExceeded: there are more than *most*.
    """
    pairs = properties.get("user_property")
    if pairs is not None and len(cast("list[object]", pairs)) > most:
        raise LimitExceeded(
            "mqtt_max_user_properties", allowed=most, seen=len(cast("list[object]", pairs)),
            code=ReasonCode.QUOTA_EXCEEDED,
        )  # fmt: skip
