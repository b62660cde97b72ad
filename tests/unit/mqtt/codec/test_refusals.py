"""What breaks a rule of the standard is refused with its reason code and its clause."""

from __future__ import annotations

import re

import pytest

from blackbull.mqtt.codec import MQTTDecodeError, PacketFramer, decode_packet
from tests.spec import spec
from tests.unit.mqtt.codec.wire import ID, NO_PROPERTIES, block, connect, packet, padded, text

MALFORMED, PROTOCOL, VERSION, ALIAS = 0x81, 0x82, 0x84, 0x94

Case = tuple[bytes, int, str]

FIXED_HEADER: list[Case] = [
    (b"\x00\x00", MALFORMED, "MQTT 5.0 §2.1.2"),
    *[(bytes((first, 0)), MALFORMED, "MQTT-2.1.3-1")
      for first in (0x11, 0x18, 0x21, 0x41, 0x52, 0x74, 0x98, 0xB1, 0xC8, 0xD1)],
    (b"\x60\x02\0\1", MALFORMED, "MQTT-3.6.1-1"),
    (b"\x6a\x02\0\1", MALFORMED, "MQTT-3.6.1-1"),
    (packet(0x80, ID, NO_PROPERTIES, text("a"), b"\0"), MALFORMED, "MQTT-3.8.1-1"),
    (packet(0x8A, ID, NO_PROPERTIES, text("a"), b"\0"), MALFORMED, "MQTT-3.8.1-1"),
    (packet(0xA0, ID, NO_PROPERTIES, text("a")), MALFORMED, "MQTT-3.10.1-1"),
    (packet(0xA3, ID, NO_PROPERTIES, text("a")), MALFORMED, "MQTT-3.10.1-1"),
    (b"\xe1\x00", MALFORMED, "MQTT-3.14.1-1"),
    (b"\xf1\x00", MALFORMED, "MQTT-3.15.1-1"),
    (b"\xc0\x01\0", MALFORMED, "MQTT 5.0 §2.1.4"),
    (b"\xd0\x01\0", MALFORMED, "MQTT 5.0 §2.1.4"),
    (b"\xc0\x80\x00", MALFORMED, "MQTT-1.5.5-1"),
    (b"\xc0\xff\xff\xff\xff", MALFORMED, "MQTT 5.0 §1.5.5"),
    (b"\xc0\x80\x80\x80\x80\x01", MALFORMED, "MQTT 5.0 §1.5.5"),
    (padded(connect()), MALFORMED, "MQTT-1.5.5-1"),
]  # fmt: skip

STRINGS: list[Case] = [
    (packet(0x30, text(bad), NO_PROPERTIES), MALFORMED, "MQTT-1.5.4-1")
    for bad in (b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xc0\x80", b"\xff", b"\xf4\x90\x80\x80",
                b"a\x80", b"\xc3", b"\xe0\x80\xaf")
] + [
    (packet(0x30, text("a\0b"), NO_PROPERTIES), MALFORMED, "MQTT-1.5.4-2"),
    (packet(0x30, b"\0"), MALFORMED, "MQTT 5.0 §1.5.4"),
    (packet(0x30, b"\0\5abcd"), MALFORMED, "MQTT 5.0 §1.5.4"),
    (connect(client_id=text(b"\0")), MALFORMED, "MQTT-1.5.4-2"),
    (connect(client_id=text(b"\xff")), MALFORMED, "MQTT-1.5.4-1"),
    (connect(0x80, text(b"\xff")), MALFORMED, "MQTT-1.5.4-1"),
    (connect(0x04, NO_PROPERTIES, text(b"\xff"), text("")), MALFORMED, "MQTT-1.5.4-1"),
    (packet(0x82, ID, NO_PROPERTIES, text(b"\xff"), b"\0"), MALFORMED, "MQTT-1.5.4-1"),
    (packet(0xA2, ID, NO_PROPERTIES, text(b"a\0")), MALFORMED, "MQTT-1.5.4-2"),
    (packet(0x30, text("a"), block(b"\x26", text(b"\xff"), text("v"))), MALFORMED, "MQTT-1.5.4-1"),
    (packet(0x30, text("a"), block(b"\x26", text("k"), text(b"\0"))), MALFORMED, "MQTT-1.5.4-2"),
    (packet(0x30, text("a"), block(b"\x03", text(b"\xff"))), MALFORMED, "MQTT-1.5.4-1"),
]  # fmt: skip

IDENTIFIERS: list[Case] = [
    (packet(0x32, text("a"), b"\0\0", NO_PROPERTIES), PROTOCOL, "MQTT-2.2.1-3"),
    (packet(0x82, b"\0\0", NO_PROPERTIES, text("a"), b"\0"), PROTOCOL, "MQTT-2.2.1-3"),
    (packet(0xA2, b"\0\0", NO_PROPERTIES, text("a")), PROTOCOL, "MQTT-2.2.1-3"),
    *[(packet(first, b"\0\0"), PROTOCOL, "MQTT-2.2.1-3") for first in (0x40, 0x50, 0x62, 0x70)],
    *[(packet(first, b"\1"), MALFORMED, "MQTT 5.0 §2.2.1")
      for first in (0x40, 0x50, 0x62, 0x70, 0x82, 0x90, 0xA2, 0xB0)],
    (packet(0x32, text("a")), MALFORMED, "MQTT 5.0 §2.2.1"),
    (packet(0x32, text("a"), b"\1"), MALFORMED, "MQTT 5.0 §2.2.1"),
]  # fmt: skip

CONNECTS: list[Case] = [
    (packet(0x10), MALFORMED, "MQTT 5.0 §1.5.4"),
    (packet(0x10, text("MQTT")), MALFORMED, "MQTT 5.0 §3.1.2"),
    (packet(0x10, text("MQTT"), b"\5"), MALFORMED, "MQTT 5.0 §3.1.2"),
    (packet(0x10, text("MQTT"), b"\5\2\0"), MALFORMED, "MQTT 5.0 §1.5.2"),
    (packet(0x10, text("MQTT"), b"\5\2\0\0"), MALFORMED, "MQTT 5.0 §2.2.2.1"),
    (packet(0x10, text("MQTT"), b"\5\2\0\0\0"), MALFORMED, "MQTT 5.0 §1.5.4"),
    (connect(name="mqtt"), VERSION, "MQTT-3.1.2-1"),
    (connect(name="AMQP"), VERSION, "MQTT-3.1.2-1"),
    (connect(level=6), VERSION, "MQTT-3.1.2-2"),
    (connect(level=0), VERSION, "MQTT-3.1.2-2"),
    (connect(level=0x84), VERSION, "MQTT-3.1.2-2"),
    (connect(level=3), VERSION, "MQTT-3.1.2-2"),
    (connect(level=5, name="MQIsdp"), VERSION, "MQTT-3.1.2-2"),
    (connect(0x03), MALFORMED, "MQTT-3.1.2-3"),
    (connect(0x0A), MALFORMED, "MQTT-3.1.2-11"),
    (connect(0x12), MALFORMED, "MQTT-3.1.2-11"),
    (connect(0x1E, NO_PROPERTIES, text("w"), text("")), MALFORMED, "MQTT-3.1.2-12"),
    (connect(0x22), MALFORMED, "MQTT-3.1.2-13"),
    (connect(0x04), MALFORMED, "MQTT 5.0 §2.2.2.1"),
    (connect(0x04, NO_PROPERTIES), MALFORMED, "MQTT 5.0 §1.5.4"),
    (connect(0x04, NO_PROPERTIES, text("w")), MALFORMED, "MQTT 5.0 §1.5.6"),
    (connect(0x04, NO_PROPERTIES, text("w"), b"\0\2x"), MALFORMED, "MQTT 5.0 §1.5.6"),
    (connect(0x80), MALFORMED, "MQTT 5.0 §1.5.4"),
    (connect(0x40), MALFORMED, "MQTT 5.0 §1.5.6"),
    (connect(0x02, text("user")), MALFORMED, "MQTT 5.0 §2.1.4"),
    (connect(properties=b"\x16" + text("data")), PROTOCOL, "MQTT 5.0 §3.1.2.11.10"),
]

CONNACKS: list[Case] = [
    (packet(0x20, b"\0"), MALFORMED, "MQTT 5.0 §3.2.2"),
    (packet(0x20, b"\0\0"), MALFORMED, "MQTT 5.0 §2.2.2.1"),
    (packet(0x20, b"\2\0\0"), MALFORMED, "MQTT-3.2.2-1"),
    (packet(0x20, b"\1\x80\0"), PROTOCOL, "MQTT-3.2.2-6"),
    (packet(0x20, b"\0\1\0"), PROTOCOL, "MQTT-3.2.2-8"),
    (packet(0x20, b"\0\0\0x"), MALFORMED, "MQTT 5.0 §2.1.4"),
]

PUBLISHES: list[Case] = [
    (packet(0x36, text("a"), ID, NO_PROPERTIES), MALFORMED, "MQTT-3.3.1-4"),
    (packet(0x38, text("a"), NO_PROPERTIES), MALFORMED, "MQTT-3.3.1-2"),
    (packet(0x30), MALFORMED, "MQTT 5.0 §1.5.4"),
    (packet(0x30, text("a")), MALFORMED, "MQTT 5.0 §2.2.2.1"),
    (packet(0x30, text(""), NO_PROPERTIES), PROTOCOL, "MQTT 5.0 §3.3.2.1"),
    (packet(0x30, text("a"), block(b"\x23\0\0")), ALIAS, "MQTT-3.3.2-8"),
    (packet(0x30, text("a"), block(b"\x08", text("a/+"))), PROTOCOL, "MQTT-3.3.2-14"),
    (packet(0x30, text("a"), block(b"\x08", text("#"))), PROTOCOL, "MQTT-3.3.2-14"),
    (packet(0x30, text("a"), block(b"\x08", text(""))), PROTOCOL, "MQTT 5.0 §3.3.2.3.5"),
    (packet(0x30, text("a"), block(b"\x0b\0")), PROTOCOL, "MQTT 5.0 §3.8.2.1.2"),
]

ACKNOWLEDGEMENTS: list[Case] = [
    case
    for first, clause in ((0x40, "MQTT-3.4.2-1"), (0x50, "MQTT-3.5.2-1"), (0x62, "MQTT-3.6.2-1"),
                          (0x70, "MQTT-3.7.2-1"))
    for case in (
        (packet(first, ID, b"\1"), PROTOCOL, clause),
        (packet(first, ID, b"\xff", NO_PROPERTIES), PROTOCOL, clause),
        (packet(first, ID, b"\0\0x"), MALFORMED, "MQTT 5.0 §2.1.4"),
        (packet(first, ID, b"\0\1"), MALFORMED, "MQTT 5.0 §2.2.2.1"),
        (packet(first, ID, b"\0", block(b"\x1f", text("a"), b"\x1f", text("b"))), PROTOCOL,
         "MQTT 5.0 §3.2.2.3.9"),
    )
]  # fmt: skip

SUBSCRIPTIONS: list[Case] = [
    (packet(0x82, ID, NO_PROPERTIES), PROTOCOL, "MQTT-3.8.3-2"),
    (packet(0x82, ID, NO_PROPERTIES, text("a")), MALFORMED, "MQTT 5.0 §3.8.3.1"),
    (packet(0x82, ID, NO_PROPERTIES, text("a"), b"\3"), PROTOCOL, "MQTT 5.0 §3.8.3.1"),
    (packet(0x82, ID, NO_PROPERTIES, text("a"), b"\x30"), PROTOCOL, "MQTT 5.0 §3.8.3.1"),
    (packet(0x82, ID, NO_PROPERTIES, text("a"), b"\x40"), MALFORMED, "MQTT-3.8.3-5"),
    (packet(0x82, ID, NO_PROPERTIES, text("a"), b"\x80"), MALFORMED, "MQTT-3.8.3-5"),
    (packet(0x82, ID, NO_PROPERTIES, text("$share/g/a"), b"\4"), PROTOCOL, "MQTT-3.8.3-4"),
    (packet(0x82, ID, block(b"\x0b\0"), text("a"), b"\0"), PROTOCOL, "MQTT 5.0 §3.8.2.1.2"),
    (packet(0x82, ID, block(b"\x0b\1\x0b\2"), text("a"), b"\0"), PROTOCOL, "MQTT 5.0 §3.8.2.1.2"),
    (packet(0x82, ID), MALFORMED, "MQTT 5.0 §2.2.2.1"),
    (packet(0xA2, ID, NO_PROPERTIES), PROTOCOL, "MQTT-3.10.3-2"),
    (packet(0xA2, ID, NO_PROPERTIES, b"\0"), MALFORMED, "MQTT 5.0 §1.5.4"),
    (packet(0x90, ID, NO_PROPERTIES), MALFORMED, "MQTT-3.8.4-6"),
    (packet(0x90, ID, NO_PROPERTIES, b"\3"), PROTOCOL, "MQTT-3.9.3-2"),
    (packet(0x90, ID, NO_PROPERTIES, b"\0\x11"), PROTOCOL, "MQTT-3.9.3-2"),
    (packet(0xB0, ID, NO_PROPERTIES), MALFORMED, "MQTT-3.11.3-1"),
    (packet(0xB0, ID, NO_PROPERTIES, b"\1"), PROTOCOL, "MQTT-3.11.3-2"),
]

ENDINGS: list[Case] = [
    (packet(0xE0, b"\1"), PROTOCOL, "MQTT-3.14.2-1"),
    (packet(0xE0, b"\x84"), PROTOCOL, "MQTT-3.14.2-1"),
    (packet(0xE0, b"\0\0\0"), MALFORMED, "MQTT 5.0 §2.1.4"),
    (packet(0xE0, b"\0\5\x11\0\0\0"), MALFORMED, "MQTT 5.0 §2.2.2.1"),
    (packet(0xE0, b"\0", block(b"\x11\0\0\0\1\x11\0\0\0\1")), PROTOCOL, "MQTT 5.0 §3.1.2.11.2"),
    (packet(0xF0, b"\1\0"), PROTOCOL, "MQTT-3.15.2-1"),
    (packet(0xF0, b"\x18"), MALFORMED, "MQTT 5.0 §3.15.2.2.1"),
    (packet(0xF0, b"\x18\0"), PROTOCOL, "MQTT 5.0 §3.15.2.2.2"),
    (packet(0xF0, b"\x18", block(b"\x16", text("x"))), PROTOCOL, "MQTT 5.0 §3.15.2.2.2"),
    (packet(0xF0, b"\x18", block(b"\x15", text("x"), b"\x15", text("x"))), PROTOCOL,
     "MQTT 5.0 §3.1.2.11.9"),
]  # fmt: skip

PROPERTIES: list[Case] = [
    (packet(0x30, text("a"), b"\5"), MALFORMED, "MQTT 5.0 §2.2.2.1"),
    (packet(0x30, text("a"), b"\x80"), MALFORMED, "MQTT 5.0 §2.2.2.1"),
    (packet(0x30, text("a"), b"\x80\0"), MALFORMED, "MQTT-1.5.5-1"),
    (packet(0x30, text("a"), b"\xff\xff\xff\xff\1"), MALFORMED, "MQTT 5.0 §1.5.5"),
    (packet(0x30, text("a"), block(b"\0")), MALFORMED, "MQTT 5.0 §2.2.2.2"),
    (packet(0x30, text("a"), block(b"\x04\0")), MALFORMED, "MQTT 5.0 §2.2.2.2"),
    (packet(0x30, text("a"), block(b"\x80\1")), MALFORMED, "MQTT 5.0 §2.2.2.2"),
    (packet(0x30, text("a"), block(b"\1")), MALFORMED, "MQTT 5.0 §1.5.2"),
    # The value must end in the properties, though the packet goes on.
    (packet(0x30, text("a"), block(b"\2\0\0"), b"\0\0\0"), MALFORMED, "MQTT 5.0 §1.5.2"),
    (packet(0x30, text("a"), block(b"\3\0\5ab"), b"cdefg"), MALFORMED, "MQTT 5.0 §1.5.4"),
    (packet(0x30, text("a"), block(b"\x09\0\5ab"), b"cdefg"), MALFORMED, "MQTT 5.0 §1.5.6"),
    (packet(0x30, text("a"), block(b"\x0b\x80"), b"\1"), MALFORMED, "MQTT 5.0 §2.2.2.1"),
    (packet(0x30, text("a"), block(b"\x0b\x81\0")), MALFORMED, "MQTT-1.5.5-1"),
    (packet(0x30, text("a"), block(b"\x26", text("k")), text("v")), MALFORMED, "MQTT 5.0 §1.5.4"),
]

BEFORE_5: list[Case] = [
    (b"\x00\x00", MALFORMED, "MQTT 3.1.1 §2.2.1"),
    (b"\xf0\x00", MALFORMED, "MQTT 3.1.1 §2.2.1"),
    (b"\xc1\x00", MALFORMED, "MQTT 3.1.1 §2.2.2 [MQTT-2.2.2-1]"),
    (b"\xc0\xff\xff\xff\xff", MALFORMED, "MQTT 3.1.1 §2.2.3"),
    (b"\xc0\x01\0", MALFORMED, "MQTT 3.1.1 §2.2.3"),
    (connect(3, level=4), MALFORMED, "MQTT 3.1.1 §3.1.2.3 [MQTT-3.1.2-3]"),
    (connect(0x0A, level=4), MALFORMED, "MQTT 3.1.1 §3.1.2.6 [MQTT-3.1.2-13]"),
    (connect(0x1E, text("w"), text(""), level=4), MALFORMED, "MQTT 3.1.1 §3.1.2.6 [MQTT-3.1.2-14]"),
    (connect(0x22, level=4), MALFORMED, "MQTT 3.1.1 §3.1.2.7 [MQTT-3.1.2-15]"),
    (connect(0x42, text("p"), level=4), PROTOCOL, "MQTT 3.1.1 §3.1.2.9 [MQTT-3.1.2-22]"),
    (connect(0x02, text("u"), level=4), MALFORMED, "MQTT 3.1.1 §2.2.3"),
    (connect(client_id=text(b"\xff"), level=4), MALFORMED, "MQTT 3.1.1 §1.5.3 [MQTT-1.5.3-1]"),
    (packet(0x20, b"\0\6"), PROTOCOL, "MQTT 3.1.1 §3.2.2.3"),
    (packet(0x20, b"\1\1"), PROTOCOL, "MQTT 3.1.1 §3.2.2.2 [MQTT-3.2.2-4]"),
    (packet(0x20, b"\0\0\0"), MALFORMED, "MQTT 3.1.1 §2.2.3"),
    (packet(0x36, text("a"), ID), MALFORMED, "MQTT 3.1.1 §3.3.1.2 [MQTT-3.3.1-4]"),
    (packet(0x38, text("a")), MALFORMED, "MQTT 3.1.1 §3.3.1.1 [MQTT-3.3.1-2]"),
    (packet(0x30, text("")), MALFORMED, "MQTT 3.1.1 §4.7.3 [MQTT-4.7.3-1]"),
    (packet(0x30, text("\0")), MALFORMED, "MQTT 3.1.1 §1.5.3 [MQTT-1.5.3-2]"),
    (packet(0x32, text("a"), b"\0\0"), PROTOCOL, "MQTT 3.1.1 §2.3.1 [MQTT-2.3.1-1]"),
    (packet(0x40, ID, b"\0"), MALFORMED, "MQTT 3.1.1 §2.2.3"),
    (packet(0x60, ID), MALFORMED, "MQTT 3.1.1 §3.6.1 [MQTT-3.6.1-1]"),
    (packet(0x80, ID, text("a"), b"\0"), MALFORMED, "MQTT 3.1.1 §3.8.1 [MQTT-3.8.1-1]"),
    (packet(0x82, ID), PROTOCOL, "MQTT 3.1.1 §3.8.3 [MQTT-3.8.3-3]"),
    (packet(0x82, ID, text("a"), b"\3"), MALFORMED, "MQTT 3.1.1 §3.8.3 [MQTT-3-8.3-4]"),
    (packet(0x82, ID, text("a"), b"\4"), MALFORMED, "MQTT 3.1.1 §3.8.3 [MQTT-3-8.3-4]"),
    (packet(0x82, ID, text("a")), MALFORMED, "MQTT 3.1.1 §3.8.3"),
    (packet(0x90, ID, b"\3"), PROTOCOL, "MQTT 3.1.1 §3.9.3 [MQTT-3.9.3-2]"),
    (packet(0x90, ID), MALFORMED, "MQTT 3.1.1 §3.8.4 [MQTT-3.8.4-5]"),
    (packet(0xA0, ID, text("a")), MALFORMED, "MQTT 3.1.1 §3.10.1 [MQTT-3.10.1-1]"),
    (packet(0xA2, ID), PROTOCOL, "MQTT 3.1.1 §3.10.3 [MQTT-3.10.3-2]"),
    (packet(0xB0, ID, b"\0"), MALFORMED, "MQTT 3.1.1 §2.2.3"),
    (b"\xe1\x00", MALFORMED, "MQTT 3.1.1 §3.14.1 [MQTT-3.14.1-1]"),
    (b"\xe0\x01\0", MALFORMED, "MQTT 3.1.1 §2.2.3"),
]


def refuse(data: bytes, code: int, clause: str, *, level: int = 5) -> None:
    """Check that *data* is refused, by the decoder and by a strict framer alike."""
    with pytest.raises(MQTTDecodeError, match=r"\w") as decoding:
        decode_packet(data, level=level)
    framer = PacketFramer(strict=True, level=level)
    framer.feed(data)
    with pytest.raises(MQTTDecodeError, match=r"\w") as framing:
        list(framer)
    for error in (decoding.value, framing.value):
        assert (error.reason_code, error.code) == (code, code)
        assert clause in error.spec
        assert re.fullmatch(r"MQTT (5\.0|3\.1\.1) §[\d.]+( \[MQTT-[\d.-]+\])?", error.spec)


def hexes(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


@spec("MQTT 5.0 §2.1", "MQTT-2.1.3-1", "MQTT-3.6.1-1", "MQTT-3.8.1-1", "MQTT-3.10.1-1",
      "MQTT-3.14.1-1", "MQTT-3.15.1-1", "MQTT-1.5.5-1")  # fmt: skip
@pytest.mark.parametrize(("data", "code", "clause"), FIXED_HEADER, ids=hexes)
def test_fixed_header_invalid_is_refused(data: bytes, code: int, clause: str) -> None:
    refuse(data, code, clause)


@spec("MQTT 5.0 §1.5.4", "MQTT-1.5.4-1", "MQTT-1.5.4-2", "MQTT-1.5.7-1")
@pytest.mark.parametrize(("data", "code", "clause"), STRINGS, ids=hexes)
def test_string_invalid_is_refused(data: bytes, code: int, clause: str) -> None:
    refuse(data, code, clause)


@spec("MQTT 5.0 §2.2.1", "MQTT-2.2.1-3", "MQTT-2.2.1-4")
@pytest.mark.parametrize(("data", "code", "clause"), IDENTIFIERS, ids=hexes)
def test_packet_identifier_invalid_is_refused(data: bytes, code: int, clause: str) -> None:
    refuse(data, code, clause)


@spec("MQTT 5.0 §3.1", "MQTT-3.1.2-1", "MQTT-3.1.2-2", "MQTT-3.1.2-3", "MQTT-3.1.2-11",
      "MQTT-3.1.2-12", "MQTT-3.1.2-13", "MQTT-3.1.3-1", "MQTT-3.1.3-4")  # fmt: skip
@pytest.mark.parametrize(("data", "code", "clause"), CONNECTS, ids=hexes)
def test_connect_invalid_is_refused(data: bytes, code: int, clause: str) -> None:
    refuse(data, code, clause)


@spec("MQTT 5.0 §3.2", "MQTT-3.2.2-1", "MQTT-3.2.2-6", "MQTT-3.2.2-8")
@pytest.mark.parametrize(("data", "code", "clause"), CONNACKS, ids=hexes)
def test_connack_invalid_is_refused(data: bytes, code: int, clause: str) -> None:
    refuse(data, code, clause)


@spec("MQTT 5.0 §3.3", "MQTT-3.3.1-2", "MQTT-3.3.1-4", "MQTT-3.3.2-8", "MQTT-3.3.2-14")
@pytest.mark.parametrize(("data", "code", "clause"), PUBLISHES, ids=hexes)
def test_publish_invalid_is_refused(data: bytes, code: int, clause: str) -> None:
    refuse(data, code, clause)


@spec("MQTT 5.0 §3.4", "MQTT-3.4.2-1", "MQTT-3.5.2-1", "MQTT-3.6.2-1", "MQTT-3.7.2-1")
@pytest.mark.parametrize(("data", "code", "clause"), ACKNOWLEDGEMENTS, ids=hexes)
def test_acknowledgement_invalid_is_refused(data: bytes, code: int, clause: str) -> None:
    refuse(data, code, clause)


@spec("MQTT 5.0 §3.8", "MQTT-3.8.3-2", "MQTT-3.8.3-4", "MQTT-3.8.3-5", "MQTT-3.9.3-2",
      "MQTT-3.10.3-2", "MQTT-3.11.3-2")  # fmt: skip
@pytest.mark.parametrize(("data", "code", "clause"), SUBSCRIPTIONS, ids=hexes)
def test_subscription_packet_invalid_is_refused(data: bytes, code: int, clause: str) -> None:
    refuse(data, code, clause)


@spec("MQTT 5.0 §3.14", "MQTT-3.14.2-1", "MQTT-3.15.2-1")
@pytest.mark.parametrize(("data", "code", "clause"), ENDINGS, ids=hexes)
def test_disconnect_or_auth_invalid_is_refused(data: bytes, code: int, clause: str) -> None:
    refuse(data, code, clause)


@spec("MQTT 5.0 §2.2.2")
@pytest.mark.parametrize(("data", "code", "clause"), PROPERTIES, ids=hexes)
def test_properties_invalid_are_refused(data: bytes, code: int, clause: str) -> None:
    refuse(data, code, clause)


@spec("MQTT 3.1.1 §2.2", "MQTT-2.2.2-2", "MQTT-3.1.2-3", "MQTT-3.1.2-22", "MQTT-3.3.1-4",
      "MQTT-3.6.1-1", "MQTT-3.8.1-1", "MQTT-3-8.3-4", "MQTT-3.9.3-2", "MQTT-3.10.1-1",
      "MQTT-3.14.1-1")  # fmt: skip
@pytest.mark.parametrize(("data", "code", "clause"), BEFORE_5, ids=hexes)
def test_packet_invalid_before_5_cites_its_own_standard(
    data: bytes, code: int, clause: str
) -> None:
    refuse(data, code, clause, level=4)


def test_length_longer_than_needed_before_5_is_taken() -> None:
    """MQTT 3.1.1 has no rule about it, and devices that reserve the room send it."""
    for data in (padded(connect(level=4)), padded(b"\xc0\x00")):
        assert decode_packet(data, level=4).consumed == len(data)


def test_flags_of_mqtt_3_1_may_mark_a_repetition() -> None:
    assert decode_packet(b"\x6a\x02\0\1", level=3).consumed == 4
    refuse(b"\x6a\x02\0\1", MALFORMED, "MQTT-3.6.1-1", level=4)


@spec("MQTT 5.0 §3.15.2.1")
def test_reason_left_out_means_success() -> None:
    for data in (b"\x40\x02\0\1", b"\x62\x02\0\1", b"\xe0\x00", b"\xf0\x00"):
        message = decode_packet(data)
        assert getattr(message, "reason_code", None) == 0
        assert getattr(message, "properties", None) == {}
    assert getattr(decode_packet(b"\x40\x03\0\1\x10"), "reason_code", None) == 0x10
    assert getattr(decode_packet(b"\xe0\x01\x04"), "reason_code", None) == 4
