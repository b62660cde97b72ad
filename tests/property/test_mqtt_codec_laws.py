"""The laws of a codec, for MQTT."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blackbull.mqtt.codec import (
    IncompletePacket,
    MQTTConnect,
    MQTTDecodeError,
    MQTTEncodeError,
    MQTTMessage,
    MQTTPublish,
    decode_body,
    decode_packet,
    decode_properties,
    encode_packet,
)
from tests.property.driver import pieces
from tests.property.mqtt_packets import messages, observe, refusal, streams

slow = [HealthCheck.too_slow]
law = partial(settings, deadline=None, derandomize=True, suppress_health_check=slow)

MAXIMUM = 150
CUTS = st.lists(st.integers(0, 2000), max_size=8)
LEVELS = st.sampled_from([4, 5])
MESSAGES = LEVELS.flatmap(lambda level: st.tuples(messages(level), st.just(level)))


@law(max_examples=300)
@given(MESSAGES)
def test_round_trip_any_packet_says_the_same(made: tuple[MQTTMessage, int]) -> None:
    message, level = made
    data = encode_packet(message, level=level)
    decoded, consumed = decode_packet(data + b"\xff\xff", level=level)
    assert (decoded, consumed) == (message, len(data))


@law(max_examples=150)
@given(MESSAGES)
def test_round_trip_packet_cut_short_is_incomplete(made: tuple[MQTTMessage, int]) -> None:
    message, level = made
    data = encode_packet(message, level=level)
    for size in range(min(len(data), 40)):
        with pytest.raises(IncompletePacket) as incomplete:
            decode_packet(data[:size], level=level)
        assert size < incomplete.value.needed <= len(data)


@law(max_examples=150)
@given(streams(), CUTS, st.booleans(), st.sampled_from([0, MAXIMUM]))
def test_segmentation_any_cut_yields_the_same(
    stream: tuple[bytes, int], cuts: list[int], strict: bool, maximum: int
) -> None:
    wire, level = stream
    look = partial(observe, strict=strict, level=level, maximum=maximum)
    whole, _ = look([wire])
    assert look(pieces(wire, cuts))[0] == whole
    assert look([wire[at : at + 1] for at in range(len(wire))])[0] == whole


@law(max_examples=100)
@given(streams(), CUTS, st.booleans())
def test_bounded_no_more_is_held_than_a_packet_may_have(
    stream: tuple[bytes, int], cuts: list[int], strict: bool
) -> None:
    wire, level = stream
    for arrivals in (pieces(wire, cuts), [wire[at : at + 1] for at in range(len(wire))]):
        _, held = observe(arrivals, strict=strict, level=level, maximum=MAXIMUM)
        assert held < MAXIMUM


@law(max_examples=300)
@given(st.integers(0, 255), st.binary(max_size=60), LEVELS | st.just(3))
def test_closed_errors_any_body_is_a_packet_or_a_decode_error(
    first: int, body: bytes, level: int
) -> None:
    try:
        assert isinstance(decode_body(first, body, level=level), MQTTMessage)
    except MQTTDecodeError as error:
        refusal(error)


@law(max_examples=150)
@given(st.binary(max_size=60), st.integers(0, 3), st.none() | st.integers(0, 15))
def test_closed_errors_any_properties_are_some_or_a_decode_error(
    data: bytes, offset: int, packet: int | None
) -> None:
    try:
        found, consumed = decode_properties(data, offset, packet=packet)
    except MQTTDecodeError:
        return
    assert consumed <= len(data) - offset
    assert all(isinstance(name, str) for name in found)


@law(max_examples=150)
@given(streams())
def test_round_trip_what_is_taken_can_be_sent(stream: tuple[bytes, int]) -> None:
    """Whatever a broken stream still yields is a packet that encodes to the same."""
    wire, level = stream
    for message in observe([wire], strict=False, level=level)[0]:
        if not isinstance(message, MQTTMessage):
            continue
        if isinstance(message, MQTTConnect):
            level = message.proto_level
        try:
            data = encode_packet(message, level=level)
        except MQTTEncodeError:
            # The one thing that is left to the broker.
            assert isinstance(message, MQTTPublish)
            assert "+" in message.topic or "#" in message.topic
        else:
            assert decode_packet(data, level=level) == message
