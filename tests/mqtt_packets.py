"""MQTT packets as a test writes them: an encoder that obeys, and a decoder that forgives nothing.

Written from the two standards, and on purpose not from the broker's codec: a mistake in that one
cannot hide itself here. The decoder reads what a *server* sends and raises :class:`Violation` with
the clause for anything that a server must not send.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE = range(1, 9)
SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(9, 16)
NAMES = (
    "", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE",
    "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
)  # fmt: skip

PROPERTIES = {
    "payload_format_indicator": (0x01, "byte"),
    "message_expiry_interval": (0x02, "four"),
    "content_type": (0x03, "text"),
    "response_topic": (0x08, "text"),
    "correlation_data": (0x09, "data"),
    "subscription_identifier": (0x0B, "variable"),
    "session_expiry_interval": (0x11, "four"),
    "assigned_client_identifier": (0x12, "text"),
    "server_keep_alive": (0x13, "two"),
    "authentication_method": (0x15, "text"),
    "authentication_data": (0x16, "data"),
    "request_problem_information": (0x17, "byte"),
    "will_delay_interval": (0x18, "four"),
    "request_response_information": (0x19, "byte"),
    "response_information": (0x1A, "text"),
    "server_reference": (0x1C, "text"),
    "reason_string": (0x1F, "text"),
    "receive_maximum": (0x21, "two"),
    "topic_alias_maximum": (0x22, "two"),
    "topic_alias": (0x23, "two"),
    "maximum_qos": (0x24, "byte"),
    "retain_available": (0x25, "byte"),
    "user_property": (0x26, "pair"),
    "maximum_packet_size": (0x27, "four"),
    "wildcard_subscription_available": (0x28, "byte"),
    "subscription_identifier_available": (0x29, "byte"),
    "shared_subscription_available": (0x2A, "byte"),
}
BY_IDENTIFIER = {identifier: (name, kind) for name, (identifier, kind) in PROPERTIES.items()}
REPEATED = {"user_property", "subscription_identifier"}

REASONS = {"reason_string", "user_property"}
FROM_SERVER: dict[int, set[str]] = {
    CONNACK: REASONS | {
        "session_expiry_interval", "receive_maximum", "maximum_qos", "retain_available",
        "maximum_packet_size", "assigned_client_identifier", "topic_alias_maximum",
        "wildcard_subscription_available", "subscription_identifier_available",
        "shared_subscription_available", "server_keep_alive", "response_information",
        "server_reference", "authentication_method", "authentication_data",
    },
    PUBLISH: {
        "payload_format_indicator", "message_expiry_interval", "topic_alias", "response_topic",
        "correlation_data", "user_property", "subscription_identifier", "content_type",
    },
    DISCONNECT: REASONS | {"server_reference"},
    AUTH: REASONS | {"authentication_method", "authentication_data"},
    **dict.fromkeys((PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK), REASONS),
}  # fmt: skip
"""The properties that each packet may have when a server sends it."""

ACCEPTED = {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99}
CODES: dict[int, set[int]] = {
    CONNACK: {
        0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95,
        0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
    },
    PUBACK: ACCEPTED,
    PUBREC: ACCEPTED,
    PUBREL: {0x00, 0x92},
    PUBCOMP: {0x00, 0x92},
    SUBACK: {0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2},
    UNSUBACK: {0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91},
    DISCONNECT: {
        0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94,
        0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
    },
    AUTH: {0x00, 0x18},
}  # fmt: skip
"""The reason codes that a server may send in each packet."""


class Violation(AssertionError):
    """The server sent what a server must not send."""

    def __init__(self, clause: str, what: str) -> None:
        super().__init__(f"{what} [{clause}]")
        self.clause = clause


@dataclass(frozen=True)
class Packet:
    """One packet. A *packet_id* that is a text is a name: the first packet heard gives its value.

    Attributes:
        kind: The packet type, 1 to 15.
        fields: What the packet says.
        properties: Its properties. In an expectation None: whatever the server likes.
        level: The protocol level; 0: that of the peer who sends or hears it.
    """

    kind: int
    fields: Mapping[str, object] = field(default_factory=dict)
    properties: Mapping[str, object] | None = None
    level: int = 0

    def __str__(self) -> str:
        parts = [f"{name}={value!r}" for name, value in self.fields.items()]
        if self.properties:
            parts.append(f"properties={dict(self.properties)!r}")
        return f"{NAMES[self.kind]}({', '.join(parts)})"

    def having(self, **properties: object) -> Packet:
        """Return the same packet with *properties*: to be sent, or to be found in what is heard.

        ``None`` as a value expects that the property is absent.
        """
        return replace(self, properties={**(self.properties or {}), **properties})

    def __getitem__(self, name: str) -> object:
        return self.fields[name]


# What a test writes ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Will:
    """The Will of a CONNECT."""

    topic: str
    payload: bytes = b""
    qos: int = 0
    retain: bool = False
    properties: Mapping[str, object] = field(default_factory=dict)


def connect(client_id: str | None = None, **fields: object) -> Packet:
    """A CONNECT: *clean*, *keep_alive*, *username*, *password*, *will*, *flags*, *name*, *level*.

    Args:
        client_id: The Client Identifier; None: the name of the peer that sends it.
        fields: The fields; a name that is a property is one.
    """
    properties = {name: fields.pop(name) for name in list(fields) if name in PROPERTIES}
    level = fields.pop("level", 0)
    return Packet(CONNECT, {"client_id": client_id, **fields}, properties, int(str(level)))


def connack(code: int = 0, *, session_present: bool = False, **properties: object) -> Packet:
    return Packet(CONNACK, {"session_present": session_present, "code": code}, properties or None)


def publish(
    topic: str,
    payload: bytes = b"",
    *,
    qos: int = 0,
    packet_id: int | str | None = None,
    retain: bool = False,
    dup: bool = False,
    **properties: object,
) -> Packet:
    return Packet(
        PUBLISH,
        {"topic": topic, "payload": payload, "qos": qos, "packet_id": packet_id,
         "retain": retain, "dup": dup},
        properties,
    )  # fmt: skip


def puback(packet_id: int | str, code: int = 0) -> Packet:
    return Packet(PUBACK, {"packet_id": packet_id, "code": code})


def pubrec(packet_id: int | str, code: int = 0) -> Packet:
    return Packet(PUBREC, {"packet_id": packet_id, "code": code})


def pubrel(packet_id: int | str, code: int = 0) -> Packet:
    return Packet(PUBREL, {"packet_id": packet_id, "code": code})


def pubcomp(packet_id: int | str, code: int = 0) -> Packet:
    return Packet(PUBCOMP, {"packet_id": packet_id, "code": code})


def subscribe(packet_id: int, *filters: str | tuple[str, int], **properties: object) -> Packet:
    """A SUBSCRIBE: each filter alone, or with its options (QoS and the bits below)."""
    pairs = tuple((each, 0) if isinstance(each, str) else each for each in filters)
    return Packet(SUBSCRIBE, {"packet_id": packet_id, "filters": pairs}, properties)


NO_LOCAL, AS_PUBLISHED, IF_NEW, NO_RETAINED = 0x04, 0x08, 0x10, 0x20
"""Subscription options, to be added to the QoS."""


def suback(packet_id: int, *codes: int) -> Packet:
    return Packet(SUBACK, {"packet_id": packet_id, "codes": codes})


def unsubscribe(packet_id: int, *filters: str, **properties: object) -> Packet:
    return Packet(UNSUBSCRIBE, {"packet_id": packet_id, "filters": filters}, properties)


def unsuback(packet_id: int, *codes: int) -> Packet:
    return Packet(UNSUBACK, {"packet_id": packet_id, "codes": codes})


def pingreq() -> Packet:
    return Packet(PINGREQ)


def pingresp() -> Packet:
    return Packet(PINGRESP)


def disconnect(code: int = 0, **properties: object) -> Packet:
    return Packet(DISCONNECT, {"code": code}, properties or None)


def auth(code: int, method: str | None = None, data: bytes | None = None) -> Packet:
    properties = {"authentication_method": method, "authentication_data": data}
    return Packet(AUTH, {"code": code}, {k: v for k, v in properties.items() if v is not None})


# Encoding -------------------------------------------------------------------------------------


def variable(value: int) -> bytes:
    """A Variable Byte Integer."""
    encoded = bytearray()
    while True:
        value, digit = divmod(value, 128)
        encoded.append(digit | (0x80 if value else 0))
        if not value:
            return bytes(encoded)


def two(value: int) -> bytes:
    return value.to_bytes(2, "big")


def text(value: str | bytes) -> bytes:
    """A UTF-8 Encoded String, or Binary Data."""
    data = value.encode() if isinstance(value, str) else value
    return two(len(data)) + data


def header(first: int, body: bytes) -> bytes:
    """A whole packet: *first* byte, Remaining Length, *body*."""
    return bytes((first,)) + variable(len(body)) + body


def property_(name: str, value: object) -> bytes:
    """One property, sound or not."""
    identifier, kind = PROPERTIES[name]
    start = variable(identifier)
    match kind, value:
        case "byte", int():
            return start + value.to_bytes(1, "big")
        case "two", int():
            return start + two(value)
        case "four", int():
            return start + value.to_bytes(4, "big")
        case "variable", int():
            return start + variable(value)
        case "pair", (str() as key, str() as said):
            return start + text(key) + text(said)
        case (("text" | "data"), (str() | bytes())):
            return start + text(value)
    raise TypeError(f"{name} cannot be {value!r}")


def properties_of(values: Mapping[str, object] | None) -> bytes:
    """Properties with their length in front."""
    encoded = b""
    for name, value in (values or {}).items():
        for each in value if isinstance(value, list) else [value]:
            encoded += property_(name, each)
    return variable(len(encoded)) + encoded


def encode(packet: Packet, level: int) -> bytes:
    """Return the bytes of *packet* at protocol *level*, 3.1.1 (4) or 5."""
    level = packet.level or level
    properties = properties_of(packet.properties) if level == 5 else b""
    match packet.kind:
        case 1:
            return _encode_connect(packet, level, properties)
        case 3:
            return _encode_publish(packet, properties)
        case 4 | 5 | 6 | 7:
            return _encode_acknowledgement(packet, level, properties)
        case 8 | 10:
            return _encode_filters(packet, properties)
        case 14 | 15 if level == 5 and (packet.fields["code"] or packet.properties):
            code = bytes((_int(packet["code"]),))
            long = packet.properties or packet.kind == AUTH
            return header(packet.kind << 4, code + (properties if long else b""))
        case kind:
            return header(kind << 4, b"")


def _int(value: object) -> int:
    assert isinstance(value, int), f"{value!r} has no value yet"
    return value


def _encode_connect(packet: Packet, level: int, properties: bytes) -> bytes:
    said = packet.fields
    will = said.get("will")
    username, password = said.get("username"), said.get("password")
    flags = 0x02 if said.get("clean", True) else 0
    payload = text(str(said["client_id"]))
    if isinstance(will, Will):
        flags |= 0x04 | will.qos << 3 | will.retain << 5
        payload += properties_of(will.properties) if level == 5 else b""
        payload += text(will.topic) + text(will.payload)
    if isinstance(username, str):
        flags |= 0x80
        payload += text(username)
    if isinstance(password, bytes):
        flags |= 0x40
        payload += text(password)
    flags = _int(said.get("flags", flags))
    name = said.get("name", "MQTT")
    assert isinstance(name, str)
    head = text(name) + bytes((level, flags)) + two(_int(said.get("keep_alive", 0)))
    return header(0x10, head + properties + payload)


def _encode_publish(packet: Packet, properties: bytes) -> bytes:
    said = packet.fields
    qos = _int(said["qos"])
    first = 0x30 | bool(said["dup"]) << 3 | qos << 1 | bool(said["retain"])
    head = text(str(said["topic"])) + (two(_int(said["packet_id"])) if qos else b"")
    payload = said["payload"]
    assert isinstance(payload, bytes)
    return header(first, head + properties + payload)


def _encode_acknowledgement(packet: Packet, level: int, properties: bytes) -> bytes:
    first = packet.kind << 4 | (2 if packet.kind == PUBREL else 0)
    body = two(_int(packet["packet_id"]))
    if level == 5 and (packet["code"] or packet.properties):
        body += bytes((_int(packet["code"]),)) + (properties if packet.properties else b"")
    return header(first, body)


def _encode_filters(packet: Packet, properties: bytes) -> bytes:
    filters = packet["filters"]
    assert isinstance(filters, Iterable)
    body = two(_int(packet["packet_id"])) + properties
    for each in filters:
        body += text(each) if isinstance(each, str) else text(each[0]) + bytes((each[1],))
    return header(packet.kind << 4 | 2, body)


# Decoding what a server sends -----------------------------------------------------------------


class Cursor:
    """Reads the body of one packet from front to back."""

    def __init__(self, data: bytes, what: str) -> None:
        self.data = data
        self.at = 0
        self.what = what

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise Violation("MQTT-4.13.1-1", f"{self.what} ends early: {self.data.hex()}")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def data_(self) -> bytes:
        return self.take(self.number(2))

    def text(self) -> str:
        try:
            value = self.data_().decode()
        except UnicodeDecodeError as error:
            raise Violation("MQTT-1.5.4-1", f"{self.what}: {error}") from error
        if "\0" in value:
            raise Violation("MQTT-1.5.4-2", f"{self.what} has U+0000 in {value!r}")
        return value

    def variable(self) -> int:
        value = shift = 0
        while True:
            digit = self.number(1)
            value |= (digit & 0x7F) << shift
            if not digit & 0x80:
                break
            shift += 7
            if shift > 21:
                raise Violation("MQTT-1.5.5-1", f"{self.what}: an integer of five bytes")
        if shift and not digit:
            raise Violation("MQTT-1.5.5-1", f"{self.what}: an integer longer than it need be")
        return value

    def value(self, kind: str) -> object:
        match kind:
            case "byte":
                value = self.number(1)
                if value > 1:
                    raise Violation("MQTT-2.2.2", f"{self.what}: a flag of {value}")
                return value
            case "two":
                return self.number(2)
            case "four":
                return self.number(4)
            case "variable":
                return self.variable()
            case "text":
                return self.text()
            case "data":
                return self.data_()
            case _:
                return (self.text(), self.text())

    def properties(self, allowed: set[str]) -> dict[str, object]:
        end = self.variable() + self.at
        found: dict[str, object] = {}
        while self.at < end:
            identifier = self.variable()
            if identifier not in BY_IDENTIFIER:
                raise Violation("MQTT-2.2.2", f"{self.what}: unknown property {identifier:#x}")
            name, kind = BY_IDENTIFIER[identifier]
            if name not in allowed:
                raise Violation("MQTT-2.2.2.2", f"{self.what} has a {name}")
            value = self.value(kind)
            if name in REPEATED:
                listed = found.setdefault(name, [])
                assert isinstance(listed, list)
                listed.append(value)
            elif name in found:
                raise Violation("MQTT-2.2.2.2", f"{self.what} has two {name}")
            else:
                found[name] = value
        if self.at != end:
            raise Violation("MQTT-2.2.2-1", f"{self.what}: the properties end early")
        return found


def decode(first: int, body: bytes, level: int) -> Packet:
    """Return the packet that a server sent at protocol *level*.

    Raises:
        Violation: a server must not send this.
    """
    kind, flags = first >> 4, first & 0x0F
    if kind not in {CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, PINGRESP,
                    DISCONNECT, AUTH}:  # fmt: skip
        raise Violation("MQTT-2.1.2", f"a server sent packet type {kind}")
    if level < 5 and kind in {DISCONNECT, AUTH}:
        raise Violation("MQTT-3.14", f"a server sent {NAMES[kind]} in MQTT 3.1.1")
    if kind != PUBLISH and flags != (2 if kind == PUBREL else 0):
        raise Violation("MQTT-2.1.3-1", f"{NAMES[kind]} has the flags {flags:04b}")
    cursor = Cursor(body, NAMES[kind])
    match kind:
        case 2:
            packet = _decode_connack(cursor, level)
        case 3:
            packet = _decode_publish(cursor, flags, level)
        case 4 | 5 | 6 | 7:
            packet = _decode_acknowledgement(kind, cursor, level)
        case 9 | 11:
            packet = _decode_codes(kind, cursor, level)
        case 14 | 15:
            code = cursor.number(1) if cursor.left else 0
            packet = Packet(kind, {"code": code}, _decode_rest(kind, cursor))
        case _:
            packet = Packet(kind)
    if cursor.left:
        raise Violation("MQTT-2.1.4", f"{NAMES[kind]} has {cursor.left} bytes too many")
    _check_code(packet, level)
    return packet


def _decode_rest(kind: int, cursor: Cursor) -> dict[str, object]:
    return cursor.properties(FROM_SERVER[kind]) if cursor.left else {}


def _decode_connack(cursor: Cursor, level: int) -> Packet:
    flags, code = cursor.number(1), cursor.number(1)
    if flags > 1:
        raise Violation("MQTT-3.2.2-1", f"the Connect Acknowledge Flags are {flags:#x}")
    if code and flags:
        raise Violation("MQTT-3.2.2-6", "a refusal says Session Present")
    # A server that does not know the client's level may answer in an older form.
    properties = cursor.properties(FROM_SERVER[CONNACK]) if level == 5 and cursor.left else {}
    return Packet(CONNACK, {"session_present": flags == 1, "code": code}, properties)


def _decode_publish(cursor: Cursor, flags: int, level: int) -> Packet:
    qos = flags >> 1 & 3
    if qos == 3:
        raise Violation("MQTT-3.3.1-4", "a PUBLISH with QoS 3")
    if flags & 8 and not qos:
        raise Violation("MQTT-3.3.1-2", "a PUBLISH with QoS 0 and DUP")
    topic = cursor.text()
    if "+" in topic or "#" in topic:
        raise Violation("MQTT-3.3.2-2", f"the Topic Name {topic!r} has wildcards")
    packet_id = cursor.number(2) if qos else None
    if packet_id == 0:
        raise Violation("MQTT-2.2.1-4", "a PUBLISH with Packet Identifier 0")
    properties = cursor.properties(FROM_SERVER[PUBLISH]) if level == 5 else {}
    if properties.get("topic_alias") == 0:
        raise Violation("MQTT-3.3.2-8", "a Topic Alias of 0")
    payload = cursor.take(cursor.left)
    said = publish(
        topic, payload, qos=qos, packet_id=packet_id, retain=bool(flags & 1), dup=bool(flags & 8)
    )
    return replace(said, properties=properties)


def _decode_acknowledgement(kind: int, cursor: Cursor, level: int) -> Packet:
    packet_id = cursor.number(2)
    code = cursor.number(1) if level == 5 and cursor.left else 0
    properties = _decode_rest(kind, cursor) if level == 5 else {}
    return Packet(kind, {"packet_id": packet_id, "code": code}, properties)


def _decode_codes(kind: int, cursor: Cursor, level: int) -> Packet:
    packet_id = cursor.number(2)
    properties = cursor.properties(FROM_SERVER[kind]) if level == 5 else {}
    codes = tuple(cursor.take(cursor.left if level == 5 or kind == SUBACK else 0))
    return Packet(kind, {"packet_id": packet_id, "codes": codes}, properties)


def _check_code(packet: Packet, level: int) -> None:
    known = CODES.get(packet.kind, set())
    if level < 5:
        known = {SUBACK: {0, 1, 2, 0x80}, CONNACK: {0, 1, 2, 3, 4, 5}}.get(packet.kind, {0})
    codes = packet.fields.get("codes") or (packet.fields.get("code", 0),)
    assert isinstance(codes, tuple)
    for code in codes:
        if known and code not in known:
            raise Violation(f"MQTT {NAMES[packet.kind]} Reason Code", f"{packet}")
