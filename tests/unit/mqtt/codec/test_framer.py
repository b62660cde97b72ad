"""S48: from a stream to packets, whatever the stream was cut into."""

from __future__ import annotations

import pytest

from blackbull.mqtt.codec import (
    MQTTConnect,
    MQTTDecodeError,
    MQTTDisconnect,
    MQTTMessage,
    MQTTPingreq,
    MQTTPuback,
    MQTTPublish,
    PacketFramer,
    PacketTooLarge,
    encode_packet,
)
from tests.spec import spec
from tests.unit.mqtt.codec.wire import connect, packet, padded

PING = b"\xc0\0"
PUBLISH = encode_packet(MQTTPublish("a/b", b"x" * 200, 1, 7))


def feed(framer: PacketFramer, data: bytes) -> list[MQTTMessage]:
    framer.feed(data)
    return list(framer)


def test_framer_partial_packet_stays_until_it_is_complete() -> None:
    framer = PacketFramer()
    assert feed(framer, PING + PUBLISH[:100]) == [MQTTPingreq()]
    assert framer.buffered == 100
    assert list(framer) == []
    assert framer.buffered == 100
    assert feed(framer, PUBLISH[100:] + PING[:1]) == [MQTTPublish("a/b", b"x" * 200, 1, 7)]
    assert framer.buffered == 1
    assert feed(framer, PING[1:]) == [MQTTPingreq()]
    assert framer.buffered == 0


def test_framer_fed_while_iterating_goes_on() -> None:
    framer = PacketFramer()
    framer.feed(PING)
    framer.feed(PING + PUBLISH[:5])
    packets = iter(framer)
    assert next(packets) == MQTTPingreq()
    framer.feed(PUBLISH[5:] + PING)
    assert [type(message).__name__ for message in packets] == [
        "MQTTPingreq", "MQTTPublish", "MQTTPingreq",
    ]  # fmt: skip


def test_framer_junk_is_dropped_byte_by_byte() -> None:
    """An unknown type or a reserved flag costs one byte, then the search goes on."""
    framer = PacketFramer()
    assert feed(framer, b"\x00\xff\x01" + PING + b"\xc3" + PUBLISH + b"\x07") == [
        MQTTPingreq(), MQTTPublish("a/b", b"x" * 200, 1, 7),
    ]  # fmt: skip
    assert framer.buffered == 0


def test_framer_packet_that_breaks_a_rule_is_junk_too() -> None:
    assert feed(PacketFramer(), b"\xe0\x01\x02" + PING) == [MQTTPingreq()]


@spec("MQTT 5.0 §4.13.1", "MQTT-4.13.1-1")
def test_framer_strict_raises_at_the_first_error_and_for_good() -> None:
    framer = PacketFramer(strict=True)
    framer.feed(PING + b"\xc1" + PING)
    assert next(framer) == MQTTPingreq()
    for _ in range(2):
        with pytest.raises(MQTTDecodeError) as error:
            next(framer)
        assert error.value.reason_code == 0x81
    framer.feed(PING * 1000)
    assert framer.buffered == 0


@spec("MQTT 5.0 §3.2.2.3.6", "MQTT-3.2.2-15")
@pytest.mark.parametrize("strict", [True, False])
def test_framer_packet_above_the_limit_is_refused_by_its_header(strict: bool) -> None:
    framer = PacketFramer(100, strict=strict)
    assert feed(framer, packet(0x30, b"\0\1a\0", bytes(94))) == [MQTTPublish("a", bytes(94))]
    framer.feed(PING + b"\x30\x63")
    assert next(framer) == MQTTPingreq()
    with pytest.raises(PacketTooLarge) as error:
        next(framer)
    assert (error.value.declared, error.value.maximum) == (101, 100)
    assert error.value.reason_code == 0x95
    assert framer.buffered == 0


def test_framer_bogus_length_of_256_mib_holds_nothing() -> None:
    framer = PacketFramer(1 << 20, strict=True)
    framer.feed(b"\x30\xff\xff\xff\x7f" + bytes(1000))
    with pytest.raises(PacketTooLarge):
        next(framer)
    framer.feed(bytes(1000))
    assert framer.buffered == 0


def test_framer_type_is_judged_before_the_packet_is_there() -> None:
    framer = PacketFramer(strict=True)
    framer.feed(b"\x01")
    with pytest.raises(MQTTDecodeError, match="packet type 0"):
        next(framer)


def test_framer_takes_the_level_of_the_connect() -> None:
    framer = PacketFramer(strict=True)
    messages = feed(framer, connect(level=4) + b"\x32\x06\0\1a\0\7x\xe0\0")
    assert [type(message) for message in messages] == [MQTTConnect, MQTTPublish, MQTTDisconnect]
    assert framer.level == 4
    assert messages[1] == MQTTPublish("a", b"x", 1, 7)


def test_framer_of_a_client_is_told_its_level() -> None:
    framer = PacketFramer(strict=True, level=4)
    assert feed(framer, b"\x40\x02\0\7") == [MQTTPuback(7)]
    framer.feed(b"\xf0\0")
    with pytest.raises(MQTTDecodeError, match="packet type 15"):
        next(framer)


def test_framer_connect_of_5_with_a_padded_length_is_refused() -> None:
    assert feed(PacketFramer(strict=True), padded(connect(level=4)))
    framer = PacketFramer(strict=True)
    framer.feed(padded(connect()))
    with pytest.raises(MQTTDecodeError, match="more bytes than it needs"):
        next(framer)


def test_framer_large_packet_in_many_pieces_costs_no_copy_of_each() -> None:
    """Bytes that wait are added to, and looked at again when there are enough of them."""
    size = 1 << 20
    data = packet(0x30, b"\0\1a\0", bytes(size))
    framer = PacketFramer(2 << 20, strict=True)
    seen = []
    for at in range(0, len(data), 16):
        framer.feed(data[at : at + 16])
        seen += framer
    assert seen == [MQTTPublish("a", bytes(size))]
