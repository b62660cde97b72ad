from __future__ import annotations

import pytest

from blackbull.mqtt.codec import (
    CLIENT_DISCONNECT_CODES,
    REASON_CODES,
    IncompletePacket,
    MQTTDecodeError,
    MQTTEncodeError,
    MQTTPacketType,
    MQTTReasonCode,
    ProtocolLevel,
    PublishFlags,
    ReasonCode,
    SubscriptionOptions,
    decode_packet,
    decode_publish_flags,
    decode_variable_byte_integer,
    encode_variable_byte_integer,
    extract_flags,
    extract_packet_type,
    fixed_header,
)
from blackbull.mqtt.codec.subscribe import decode_options
from tests.spec import spec

# From the standard's table of sizes, and the neighbours.
VARIABLE = [
    (0, b"\x00"),
    (127, b"\x7f"),
    (128, b"\x80\x01"),
    (16_383, b"\xff\x7f"),
    (16_384, b"\x80\x80\x01"),
    (2_097_151, b"\xff\xff\x7f"),
    (2_097_152, b"\x80\x80\x80\x01"),
    (268_435_455, b"\xff\xff\xff\x7f"),
]


@spec("MQTT 5.0 §1.5.5", "MQTT-1.5.5-1")
@pytest.mark.parametrize(("value", "data"), VARIABLE)
def test_variable_byte_integer_is_as_the_table_says(value: int, data: bytes) -> None:
    assert encode_variable_byte_integer(value) == data
    assert decode_variable_byte_integer(data + b"\xff") == (value, len(data))
    assert decode_variable_byte_integer(b"xx" + data, 2) == (value, len(data))
    assert fixed_header(0x30, value) == b"\x30" + data
    for size in range(len(data)):
        with pytest.raises(IncompletePacket):
            decode_variable_byte_integer(data[:size])


@pytest.mark.parametrize("value", [-1, 268_435_456])
def test_variable_byte_integer_out_of_range_is_refused(value: int) -> None:
    with pytest.raises(MQTTEncodeError):
        encode_variable_byte_integer(value)


@pytest.mark.parametrize("data", [b"\x80\x00", b"\xff\x80\x00", b"\x80\x80\x80\x80\x01"])
def test_variable_byte_integer_invalid_is_refused(data: bytes) -> None:
    with pytest.raises(MQTTDecodeError) as error:
        decode_variable_byte_integer(data)
    assert error.value.reason_code == 0x81


def test_incomplete_packet_says_how_much_is_needed() -> None:
    for data, needed in ((b"", 2), (b"\x30", 2), (b"\x30\x80", 3), (b"\x30\x05abc", 7)):
        with pytest.raises(IncompletePacket) as error:
            decode_packet(data)
        assert error.value.needed == needed


def test_errors_are_the_standard_ones_too() -> None:
    assert issubclass(MQTTDecodeError, ValueError)
    assert issubclass(MQTTEncodeError, ValueError)
    assert not issubclass(IncompletePacket, MQTTDecodeError)


def test_first_byte_is_taken_apart() -> None:
    assert extract_packet_type(0x3D) == MQTTPacketType.PUBLISH
    assert extract_flags(0x3D) == 13
    assert decode_publish_flags(0x3D) == PublishFlags(qos=2, dup=True, retain=True)
    assert decode_publish_flags(0x30) == PublishFlags(qos=0, dup=False, retain=False)
    assert [level.value for level in ProtocolLevel] == [3, 4, 5]


def test_reason_code_knows_its_name_and_its_outcome() -> None:
    """S42: reason codes."""
    code = MQTTReasonCode(0x95)
    assert (code.value, code.name, code.is_success, code.is_error) == (
        0x95, "PACKET_TOO_LARGE", False, True,
    )  # fmt: skip
    assert code == ReasonCode.PACKET_TOO_LARGE
    assert MQTTReasonCode(0).is_success
    assert MQTTReasonCode(0x7F).name == "UNKNOWN"


def test_reason_codes_are_all_used_by_some_packet() -> None:
    used = frozenset().union(*REASON_CODES.values())
    assert used == {code.value for code in ReasonCode}
    assert len(ReasonCode) == 43
    assert REASON_CODES[MQTTPacketType.DISCONNECT] > CLIENT_DISCONNECT_CODES


@spec("MQTT 5.0 §3.8.3.1")
def test_subscription_options_round_trip() -> None:
    valid = 0
    for byte in range(256):
        try:
            options = decode_options(byte)
        except MQTTDecodeError:
            continue
        valid += 1
        assert options.to_byte() == byte
    assert valid == 3 * 2 * 2 * 3
    assert decode_options(0x2D) == SubscriptionOptions(
        1, no_local=True, retain_as_published=True, retain_handling=2
    )
