"""Control packets of MQTT as strategies, and what a framer makes of bytes."""

from __future__ import annotations

from hypothesis import strategies as st

from blackbull.mqtt.codec import (
    PROPERTY_IDENTIFIERS,
    REASON_CODES,
    MQTTAuth,
    MQTTConnack,
    MQTTConnect,
    MQTTDecodeError,
    MQTTDisconnect,
    MQTTMessage,
    MQTTPingreq,
    MQTTPingresp,
    MQTTPuback,
    MQTTPubcomp,
    MQTTPublish,
    MQTTPubrec,
    MQTTPubrel,
    MQTTSuback,
    MQTTSubscribe,
    MQTTUnsuback,
    MQTTUnsubscribe,
    PacketFramer,
    PropertyInfo,
    SubscriptionOptions,
    WireType,
    decode_variable_byte_integer,
    encode_packet,
    fixed_header,
)

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
TOPIC = st.text(
    st.characters(codec="utf-8", exclude_characters="\0+#"), min_size=1, max_size=12
) | st.sampled_from(["a/b", "/", "$SYS/x"])
FILTER = st.sampled_from(["#", "+/a", "$share/g/a/#"]) | TEXT
BINARY = st.binary(max_size=12)
IDENTIFIER = st.integers(1, 65_535)
BEFORE_5 = (0, 1, 2, 0x80)


def values(info: PropertyInfo, packet: int) -> st.SearchStrategy[object]:
    """Return what the property can be in a packet of this type."""
    if info.wire_type == WireType.UTF8_STRING_PAIR:
        return st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3)
    if info.wire_type == WireType.UTF8_STRING:
        return TOPIC if info.name == "response_topic" else TEXT
    if info.wire_type == WireType.BINARY_DATA:
        return BINARY
    number = st.sampled_from([info.smallest, info.largest]) | st.integers(
        info.smallest, info.largest
    )
    if info.wire_type == WireType.VARIABLE_BYTE_INTEGER:
        return st.lists(number, min_size=1, max_size=3 if packet == 3 else 1)
    return number


def properties(packet: int, *, level: int = 5) -> st.SearchStrategy[dict[str, object]]:
    """Return properties that a packet of this type can have; none before level 5."""
    if level < 5:
        return st.just({})
    infos = [info for info in PROPERTY_IDENTIFIERS.values() if packet in info.packets]
    made = st.fixed_dictionaries({}, optional={i.name: values(i, packet) for i in infos})
    return st.just({}) | made.map(with_method)


def with_method(found: dict[str, object]) -> dict[str, object]:
    if "authentication_data" in found:
        found.setdefault("authentication_method", "m")
    return found


@st.composite
def connects(draw: st.DrawFn, levels: tuple[int, ...]) -> MQTTConnect:
    level = draw(st.sampled_from(levels))
    will = draw(st.booleans())
    username = draw(st.none() | TEXT)
    return MQTTConnect(
        draw(TEXT),
        draw(st.booleans()),
        draw(st.integers(0, 65_535)),
        level,
        username,
        draw(st.none() | BINARY) if level == 5 or username is not None else None,
        draw(TEXT) if will else None,
        draw(BINARY) if will else None,
        draw(st.integers(0, 2)) if will else 0,
        draw(st.booleans()) if will else False,
        draw(properties(0, level=level)) if will else {},
        draw(properties(1, level=level)),
    )


@st.composite
def publishes(draw: st.DrawFn, level: int) -> MQTTPublish:
    qos = draw(st.integers(0, 2))
    found = draw(properties(3, level=level))
    return MQTTPublish(
        draw(st.just("") | TOPIC) if "topic_alias" in found else draw(TOPIC),
        draw(BINARY | st.binary(min_size=100, max_size=300)),
        qos,
        draw(IDENTIFIER) if qos else None,
        draw(st.booleans()),
        draw(st.booleans()) if qos else False,
        found,
    )


@st.composite
def subscribes(draw: st.DrawFn, level: int) -> MQTTSubscribe:
    flags = st.booleans() if level == 5 else st.just(False)
    handling = st.integers(0, 2) if level == 5 else st.just(0)
    made = draw(
        st.lists(
            st.tuples(
                FILTER,
                st.builds(SubscriptionOptions, st.integers(0, 2), flags, flags, handling),
            ),
            min_size=1,
            max_size=4,
        )
    )
    made = [
        (topic, options)
        for topic, options in made
        if not (options.no_local and topic.startswith("$share/"))
    ] or [("a", SubscriptionOptions())]
    return MQTTSubscribe(
        draw(IDENTIFIER),
        [(topic, options.qos) for topic, options in made],
        draw(properties(8, level=level)),
        [options for _, options in made],
    )


def codes(packet: int) -> st.SearchStrategy[int]:
    return st.sampled_from(sorted(REASON_CODES[packet]))


def messages(level: int) -> st.SearchStrategy[MQTTMessage]:
    """Return any packet of this level; at level 4, a CONNECT of MQTT 3.1 too."""
    return st.one_of(
        connects((5,) if level == 5 else (3, 4)),
        publishes(level),
        subscribes(level),
        *(_acknowledgements(level)),
        *(_answers(level)),
    )


def _acknowledgements(level: int) -> list[st.SearchStrategy[MQTTMessage]]:
    classes = ((4, MQTTPuback), (5, MQTTPubrec), (6, MQTTPubrel), (7, MQTTPubcomp))
    return [
        st.builds(cls, IDENTIFIER, codes(packet) if level == 5 else st.just(0),
                  properties(packet, level=level))
        for packet, cls in classes
    ]  # fmt: skip


def _answers(level: int) -> list[st.SearchStrategy[MQTTMessage]]:
    granted = codes(9) if level == 5 else st.sampled_from(BEFORE_5)
    made: list[st.SearchStrategy[MQTTMessage]] = [
        st.builds(MQTTConnack, st.booleans(), st.just(0), properties(2, level=level)),
        st.builds(MQTTConnack, st.just(False), codes(2) if level == 5 else st.integers(0, 5),
                  properties(2, level=level)),
        st.builds(MQTTSuback, IDENTIFIER, st.lists(granted, min_size=1, max_size=4),
                  properties(9, level=level)),
        st.builds(MQTTUnsubscribe, IDENTIFIER, st.lists(FILTER, min_size=1, max_size=4),
                  properties(10, level=level)),
        st.just(MQTTPingreq()),
        st.just(MQTTPingresp()),
    ]  # fmt: skip
    if level < 5:
        return [*made, st.builds(MQTTUnsuback, IDENTIFIER, st.just([])), st.just(MQTTDisconnect())]
    method = properties(15).map(lambda found: {"authentication_method": "m", **found})
    return [
        *made,
        st.builds(MQTTUnsuback, IDENTIFIER, st.lists(codes(11), min_size=1, max_size=4),
                  properties(11)),
        st.builds(MQTTDisconnect, codes(14), properties(14)),
        st.builds(MQTTAuth, codes(15), method),
    ]  # fmt: skip


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, int]:
    """Return packets of one level, whole or broken somewhere; and the level."""
    level = draw(st.sampled_from([4, 5]))
    made = draw(st.lists(messages(level), max_size=5))
    wire = b"".join(encode_packet(message, level=level) for message in made)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, max(len(wire) - 1, 0)))
        wire = wire[:at] + draw(st.binary(max_size=3)) + wire[at + draw(st.integers(0, 2)) :]
    return wire, level


def refusal(error: MQTTDecodeError) -> tuple[int, str]:
    """Return what the error says about the answer, which it always does."""
    assert error.reason_code in {0x81, 0x82, 0x84, 0x94, 0x95}
    assert error.spec.startswith("MQTT ")
    return error.reason_code, error.spec


def observe(
    arrivals: list[bytes], *, strict: bool = True, level: int = 5, maximum: int = 0
) -> tuple[list[object], int]:
    """Return what a framer yields, then the reason code that it ends with, if it does; and the most
    bytes that it held after an arrival."""
    framer = PacketFramer(maximum, strict=strict, level=level)
    seen: list[object] = []
    held = 0
    for data in arrivals:
        framer.feed(data)
        try:
            seen += framer
        except MQTTDecodeError as error:
            seen.append(refusal(error))
            break
        held = max(held, framer.buffered)
    return seen, held


@st.composite
def broken_packets(draw: st.DrawFn, level: int) -> bytes:
    """Return a packet whose body is wrong somewhere, and whose length is right."""
    data = encode_packet(draw(messages(level)), level=level)
    _, size = decode_variable_byte_integer(data, 1)
    first, body = data[0], data[1 + size :]
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, max(len(body) - 1, 0)))
        change = draw(st.sampled_from(range(4)))
        old = body[at] if at < len(body) else 0
        new = (
            draw(st.binary(max_size=2)),
            bytes((draw(st.sampled_from((0, 1, 2, 3, 0x26, 0x7F, 0x80, 0xFF))),)),
            bytes((old ^ 1 << draw(st.integers(0, 7)),)),
            bytes((old, old)),
        )[change]
        body = body[:at] + new + body[at + 1 :]
    if draw(st.integers(0, 9)) == 0:
        first ^= 1 << draw(st.integers(0, 3))
    return fixed_header(first, len(body)) + body
