"""Application messages between their publisher and their subscribers."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, inf
from typing import Final, cast

from ..codec.properties import decode_properties, encode_properties
from ..codec.types import PUBLISH
from ..codec.varint import encode_variable_byte_integer

MESSAGE_EXPIRY: Final = b"\x02"
SUBSCRIPTION_IDENTIFIER: Final = b"\x0b"
TOPIC_ALIAS: Final = b"\x23"

EMPTY: Final[Mapping[str, object]] = {}


class Publication:
    """One application message; what is the same for all its subscribers is encoded once.

    Args:
        raw_topic: The Topic Name, UTF-8.
        tail: Properties, with their length in front, and payload, as MQTT 5 has them; without
            Topic Alias, Message Expiry Interval and Subscription Identifiers.
        payload_at: Where in *tail* the payload begins.
        qos: The publisher's.
        retain: The publisher's.
        expires_at: When it is not worth sending any more, by the broker's clock.
        publisher: The client that sent it; empty for the application and the broker itself.

    Attributes:
        head_key: Which packet *head* belongs to: the level, times 256, plus its first byte.
        head: That packet up to and with its topic, of the length that *tail* makes it.

    Spec:
        MQTT 5.0 §3.3
    """

    __slots__ = (
        "_properties", "expires_at", "head", "head_key", "payload_at", "publisher", "qos",
        "raw_topic", "retain", "tail",
    )  # fmt: skip

    def __init__(
        self,
        raw_topic: bytes,
        tail: bytes,
        payload_at: int,
        qos: int,
        *,
        retain: bool = False,
        expires_at: float = inf,
        publisher: str = "",
    ) -> None:
        self.raw_topic = raw_topic
        self.tail = tail
        self.payload_at = payload_at
        self.qos = qos
        self.retain = retain
        self.expires_at = expires_at
        self.publisher = publisher
        self.head_key = -1
        self.head = b""
        self._properties: Mapping[str, object] | None = None

    @property
    def topic(self) -> str:
        """The Topic Name."""
        return self.raw_topic.decode()

    @property
    def payload(self) -> bytes:
        """What was published."""
        return self.tail[self.payload_at :]

    @property
    def properties(self) -> Mapping[str, object]:
        """The properties that subscribers get, by name; Message Expiry Interval is not in them."""
        if self._properties is None:
            self._properties = decode_properties(self.tail)[0] if self.payload_at > 1 else EMPTY
        return self._properties

    @property
    def size(self) -> int:
        """Bytes that keeping it costs, about."""
        return len(self.raw_topic) + len(self.tail)

    def packet(self, level: int, first: int, packet_id: int) -> bytes:
        """Return the PUBLISH packet for a subscriber that gets nothing of its own in it.

        Args:
            level: The protocol level, 4 or 5.
            first: The first byte: type, DUP, QoS and RETAIN.
            packet_id: The Packet Identifier; not looked at with QoS 0.

        Spec:
            MQTT 5.0 §3.3, MQTT 3.1.1 §3.3
        """
        key = level << 8 | first
        tail = self.tail if level == 5 else self.tail[self.payload_at :]
        if key != self.head_key:
            topic = self.raw_topic
            more = len(tail) + 2 if first & 6 else len(tail)
            self.head = publish_head(first, topic, more)
            self.head_key = key
        if first & 6:
            return self.head + packet_id.to_bytes(2, "big") + tail
        return self.head + tail

    def special_packet(
        self,
        first: int,
        packet_id: int,
        *,
        identifiers: tuple[int, ...] = (),
        alias: int = 0,
        name_topic: bool = True,
        now: float = 0.0,
    ) -> bytes:
        """Return the MQTT 5 PUBLISH packet with properties that only this subscriber gets.

        Args:
            first: The first byte: type, DUP, QoS and RETAIN.
            packet_id: The Packet Identifier; not looked at with QoS 0.
            identifiers: The Subscription Identifiers of what matched.
            alias: The Topic Alias; 0 for none.
            name_topic: Whether the topic is in it, too.
            now: The broker's time, from which the remaining Message Expiry Interval follows.

        Spec:
            MQTT 5.0 §3.3.2.3
        """
        added = b""
        if self.expires_at != inf:
            added = MESSAGE_EXPIRY + self.remaining(now).to_bytes(4, "big")
        if alias:
            added += TOPIC_ALIAS + alias.to_bytes(2, "big")
        for identifier in identifiers:
            added += SUBSCRIPTION_IDENTIFIER + encode_variable_byte_integer(identifier)
        start = 1
        while self.tail[start - 1] > 127:  # the properties' length is a varint
            start += 1
        properties = added + self.tail[start : self.payload_at]
        length = encode_variable_byte_integer(len(properties))
        tail = b"".join((length, properties, self.tail[self.payload_at :]))
        topic = self.raw_topic if name_topic else b""
        if first & 6:
            tail = packet_id.to_bytes(2, "big") + tail
        return publish_head(first, topic, len(tail)) + tail

    def remaining(self, now: float) -> int:
        """Return the seconds until it expires, rounded up; at least 0."""
        # Sums of floats are not exact: a message that did not wait keeps what it was given.
        return max(ceil(self.expires_at - now - 1e-6), 0)


def publish_head(first: int, topic: bytes, more: int) -> bytes:
    """Return a PUBLISH packet up to and with its topic; *more* bytes follow."""
    size = 2 + len(topic) + more
    if size < 128:
        return bytes((first, size)) + len(topic).to_bytes(2, "big") + topic
    length = encode_variable_byte_integer(size)
    return bytes((first,)) + length + len(topic).to_bytes(2, "big") + topic


def make_publication(
    topic: str,
    payload: bytes,
    *,
    qos: int = 0,
    retain: bool = False,
    properties: Mapping[str, object] = EMPTY,
    now: float = 0.0,
    publisher: str = "",
) -> Publication:
    """Return a message made from its parts; ``message_expiry_interval`` counts from *now*.

    Raises:
        ValueError: a property is none that a PUBLISH packet may have, or has an impossible value.
    """
    head, expires_at = message_properties(properties, now=now)
    return Publication(
        topic.encode(), head + payload, len(head), qos, retain=retain,
        expires_at=expires_at, publisher=publisher,
    )  # fmt: skip


def message_properties(properties: Mapping[str, object], *, now: float) -> tuple[bytes, float]:
    """Return what a message's *properties* are to its subscribers, encoded, and when it expires.

    Raises:
        ValueError: a property is none that a PUBLISH packet may have, or has an impossible value.

    Spec:
        MQTT 5.0 §3.3.2.3
    """
    kept = {name: value for name, value in properties.items() if name not in _PER_PACKET}
    encoded = encode_properties(kept, packet=PUBLISH) if kept else b"\0"
    expiry = properties.get("message_expiry_interval")
    return encoded, inf if expiry is None else now + cast("int", expiry)


_PER_PACKET: Final = frozenset(
    {"message_expiry_interval", "topic_alias", "subscription_identifier"}
)
