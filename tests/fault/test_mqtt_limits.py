"""Every limit of the broker: what the client is told, what the log says, who else notices."""

from __future__ import annotations

import pytest

from blackbull.mqtt.messages import (
    MQTTConnect,
    MQTTMessage,
    MQTTPingreq,
    MQTTPingresp,
    MQTTPuback,
    MQTTPublish,
    MQTTPubrec,
    MQTTSubscribe,
    MQTTUnsubscribe,
    encode_packet,
)
from blackbull.mqtt.settings import Overflow
from tests.fault.caps import cap_record, caps
from tests.fault.mqtt import V5, V311, connected, fired, opened, serving, until
from tests.spec import spec

every_level = pytest.mark.parametrize("level", [V311, V5], ids=["v311", "v5"])

QUOTA_EXCEEDED = 0x97


# Packets --------------------------------------------------------------------------------------


@spec("MQTT 5.0 §3.2.2.3.6", "MQTT-3.1.2-24")
@every_level
async def test_packet_too_large_is_judged_by_its_header(
    caplog: pytest.LogCaptureFixture, level: int
) -> None:
    async with serving(max_packet_size=1000) as house, connected(house.port, level=level) as peer:
        exact = 1000 - 3 - 2 - 1 - (level == V5)
        peer.say(MQTTPublish("t", b"x" * exact), MQTTPingreq())
        assert await peer.expect(MQTTPingresp)
        peer.say(b"\x30\xe6\x07")  # three bytes of header and 998 that never come
        assert await peer.thrown_out() == (0x95 if level == V5 else None)
    record = cap_record(caplog, "mqtt_max_packet_size")
    assert (record["requested"], record["limit"], record["protocol"]) == (1001, 1000, "mqtt")


@every_level
async def test_connect_too_large_is_refused(caplog: pytest.LogCaptureFixture, level: int) -> None:
    async with serving(max_packet_size=100) as house, opened(house.port, level=level) as peer:
        peer.say(MQTTConnect("x" * 200, proto_level=level))
        assert await peer.thrown_out() is None
    assert caps(caplog) == ["mqtt_max_packet_size"]


async def test_packet_size_that_a_client_announces_is_the_limit() -> None:
    async with serving(max_packet_size=1000) as house, opened(house.port) as peer:
        assert (await peer.connect()).properties["maximum_packet_size"] == 1000
        await peer.leave()


PAIRS = [("k", "v")] * 4


@spec("MQTT 5.0 §3.1.2.11.8")
@pytest.mark.parametrize(
    "packet",
    [
        MQTTPublish("t", properties={"user_property": PAIRS}),
        MQTTPublish("t", b"", 1, 9, properties={"user_property": PAIRS}),
        MQTTSubscribe(9, [("t", 0)], {"user_property": PAIRS}),
        MQTTUnsubscribe(9, ["t"], {"user_property": PAIRS}),
        MQTTPuback(9, 0, {"user_property": PAIRS}),
    ],
    ids=lambda packet: type(packet).__name__,
)
async def test_user_properties_too_many_end_the_connection(
    caplog: pytest.LogCaptureFixture, packet: MQTTMessage
) -> None:
    async with serving(max_user_properties=3) as house, connected(house.port) as peer:
        peer.say(MQTTPublish("t", properties={"user_property": PAIRS[:3]}), MQTTPingreq())
        assert await peer.expect(MQTTPingresp)
        peer.say(packet)
        assert await peer.thrown_out() == QUOTA_EXCEEDED
    record = cap_record(caplog, "mqtt_max_user_properties")
    assert (record["requested"], record["limit"]) == (4, 3)


@pytest.mark.parametrize("of", ["connect", "will"])
async def test_user_properties_too_many_in_connect_are_refused(
    caplog: pytest.LogCaptureFixture, of: str
) -> None:
    async with serving(max_user_properties=3) as house, opened(house.port) as peer:
        more: dict[str, object] = {"properties": {"user_property": PAIRS}}
        if of == "will":
            more = {"will_topic": "w", "will_payload": b"", "will_properties": more["properties"]}
        just = {key: {"user_property": PAIRS[:3]} if "prop" in key else more[key] for key in more}
        async with connected(house.port, "b", **just) as other:
            await other.leave()
        await until(lambda: not house.broker.sessions)
        assert (await peer.connect("c", **more)).reason_code == QUOTA_EXCEEDED
        assert await peer.thrown_out() is None
        assert not house.broker.sessions
    assert caps(caplog) == ["mqtt_max_user_properties"]


@spec("MQTT 5.0 §3.3.2.3.4", "MQTT-3.3.2-9")
@pytest.mark.parametrize("allowed", [0, 3])
async def test_topic_alias_beyond_the_maximum_ends_the_connection(allowed: int) -> None:
    async with serving(topic_alias_maximum=allowed) as house, opened(house.port) as peer:
        connack = await peer.connect()
        assert connack.properties.get("topic_alias_maximum", 0) == allowed
        if allowed:
            peer.say(MQTTPublish("t", properties={"topic_alias": allowed}), MQTTPingreq())
            await peer.expect(MQTTPingresp)
        peer.say(MQTTPublish("t", properties={"topic_alias": allowed + 1}))
        assert await peer.thrown_out() == 0x94


# Topics ---------------------------------------------------------------------------------------


@every_level
@pytest.mark.parametrize(
    ("setting", "topic"),
    [("max_topic_levels", "a/b/c/d"), ("max_topic_length", "ä" * 5)],
)
async def test_topic_beyond_its_limit_is_refused(
    caplog: pytest.LogCaptureFixture, level: int, setting: str, topic: str
) -> None:
    allowed = {"max_topic_levels": 3, "max_topic_length": 9}[setting]
    async with (
        serving(**{setting: allowed}) as house,
        connected(house.port, level=level) as peer,
        connected(house.port, level=level) as other,
    ):
        assert await other.subscribe("#", qos=2) == [2]
        assert await peer.subscribe(topic[:4], topic) == [0, 0x80 if level == V311 else 0x8F]
        peer.say(MQTTPublish(topic, b"0"))
        peer.say(MQTTPublish(topic, b"1", 1, 1))
        puback = await peer.expect(MQTTPuback)
        assert puback.reason_code == (0 if level == V311 else 0x90)
        peer.say(MQTTPublish(topic, b"2", 2, 2))
        pubrec = await peer.expect(MQTTPubrec)
        assert pubrec.reason_code == (0 if level == V311 else 0x90)
        peer.say(MQTTPublish("ok", b"3"))
        assert (await other.expect(MQTTPublish)).topic == "ok"
        assert house.broker.router.routes.keys() <= {b"ok", b"fine"}
    assert fired(caplog) == [f"mqtt_{setting}"]


# Sessions and subscriptions -------------------------------------------------------------------


@every_level
async def test_session_too_many_is_refused(caplog: pytest.LogCaptureFixture, level: int) -> None:
    async with serving(max_sessions=3) as house:
        durable = {"clean_start": False}
        if level == V5:
            durable["properties"] = {"session_expiry_interval": 300}  # type: ignore[assignment]
        async with connected(house.port, "a", level=level, **durable) as a:
            await a.leave()
        async with (
            connected(house.port, "b", level=level),
            connected(house.port, "c", level=level),
            opened(house.port, level=level) as peer,
        ):
            connack = await peer.connect("d")
            assert connack.reason_code == (3 if level == V311 else QUOTA_EXCEEDED)
            assert await peer.thrown_out() is None
            assert house.broker.sessions.keys() == {"a", "b", "c"}
            # Who has a session is let in.
            async with connected(house.port, "a", level=level, clean_start=True) as a:
                await a.leave()
    record = cap_record(caplog, "mqtt_max_sessions")
    assert (record["requested"], record["limit"]) == (4, 3)


@every_level
async def test_subscription_too_many_is_refused_and_the_others_stay(
    caplog: pytest.LogCaptureFixture, level: int
) -> None:
    refused = 0x80 if level == V311 else QUOTA_EXCEEDED
    async with serving(max_subscriptions=3) as house, connected(house.port, level=level) as peer:
        assert await peer.subscribe("a", "b", "c", "d", qos=1) == [1, 1, 1, refused]
        assert await peer.subscribe("a", "$share/g/x", "d") == [0, refused, refused]
        peer.say(MQTTPublish("d", b"no"), MQTTPublish("a", b"yes"))
        assert (await peer.expect(MQTTPublish)).payload == b"yes"
    assert fired(caplog) == ["mqtt_max_subscriptions"]


# Retained messages ----------------------------------------------------------------------------


@every_level
@pytest.mark.parametrize("by", ["count", "bytes"])
async def test_retained_message_too_many_is_delivered_and_not_kept(
    caplog: pytest.LogCaptureFixture, level: int, by: str
) -> None:
    limits = {"max_retained": 2} if by == "count" else {"max_retained_bytes": 2500}
    name = "mqtt_max_retained" if by == "count" else "mqtt_max_retained_bytes"
    refused = level == V5
    async with (
        serving(**limits) as house,
        connected(house.port, level=level) as peer,
        connected(house.port, level=level) as other,
    ):
        await other.subscribe("#", qos=1)
        codes = []
        for number, topic in enumerate(("a", "b", "c", "a"), 1):
            peer.say(MQTTPublish(topic, b"%d" % number * 1000, 1, number, retain=True))
            codes.append((await peer.expect(MQTTPuback)).reason_code)
        assert codes == [0, 0, QUOTA_EXCEEDED if refused else 0, 0], "one may be replaced"
        # Who cannot be told that it is refused has it delivered at least.
        peer.say(MQTTPublish("d", b"d" * 1000, retain=True), MQTTPublish("end"))
        got = []
        while (message := await other.expect(MQTTPublish)).topic != "end":
            got.append(message.topic)
        assert got == ["a", "b"] + ["c"] * (not refused) + ["a", "d"]
        async with connected(house.port, level=level) as late:
            await late.subscribe("#")
            kept = [await late.expect(MQTTPublish) for _ in range(2)]
            assert sorted((each.topic, each.payload[:1]) for each in kept) == [
                ("a", b"4"), ("b", b"2")
            ]  # fmt: skip
        # Room that is made can be used.
        peer.say(MQTTPublish("b", b"", 1, 7, retain=True))
        await peer.expect(MQTTPuback)
        peer.say(MQTTPublish("c", b"c", 1, 8, retain=True))
        assert (await peer.expect(MQTTPuback)).reason_code == 0
        async with connected(house.port, level=level) as late:
            assert await late.subscribe("c") == [0]
            assert (await late.expect(MQTTPublish)).payload == b"c"
    assert fired(caplog) == [name]


@every_level
async def test_will_that_cannot_be_retained_is_published_all_the_same(level: int) -> None:
    async with (
        serving(max_retained=0) as house,
        connected(house.port, level=level) as watcher,
    ):
        await watcher.subscribe("will")
        will = {"will_topic": "will", "will_payload": b"gone", "will_retain": True}
        async with connected(house.port, level=level, **will) as mortal:
            mortal.reset()
        assert (await watcher.expect(MQTTPublish)).payload == b"gone"


# Messages under way ---------------------------------------------------------------------------


@spec("MQTT 5.0 §3.3.4", "MQTT-3.3.4-9")
async def test_receive_maximum_exceeded_ends_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(receive_maximum=3) as house, opened(house.port) as peer:
        assert (await peer.connect()).properties["receive_maximum"] == 3
        for number in (1, 2, 3):
            peer.say(MQTTPublish("t", b"", 2, number))
            await peer.expect(MQTTPubrec)
        peer.say(MQTTPublish("t", b"", 2, 4))
        assert await peer.thrown_out() == 0x93
    assert cap_record(caplog, "mqtt_receive_maximum")["limit"] == 3


async def test_older_client_knows_no_receive_maximum() -> None:
    """MQTT 3.1.1 has no way to tell it, so what it holds back is bounded by its identifiers."""
    async with serving(receive_maximum=3) as house, connected(house.port, level=V311) as peer:
        for number in range(1, 101):
            peer.say(MQTTPublish("t", b"", 2, number))
            await peer.expect(MQTTPubrec)
        peer.say(MQTTPingreq())
        await peer.expect(MQTTPingresp)


@every_level
@pytest.mark.parametrize("overflow", list(Overflow))
@pytest.mark.parametrize("by", ["count", "bytes"])
async def test_queue_of_a_client_that_acknowledges_nothing_is_bounded(
    caplog: pytest.LogCaptureFixture, level: int, overflow: Overflow, by: str
) -> None:
    limits = {"max_queued_messages": 5} if by == "count" else {"max_queued_bytes": 5200}
    async with (
        serving(max_inflight=2, overflow=overflow, **limits) as house,
        connected(house.port, "lazy", level=level) as lazy,
        connected(house.port, level=level) as one,
    ):
        await lazy.subscribe("t", qos=1)
        sent = [b"%d" % n * 1000 for n in range(10)]
        for number, payload in enumerate(sent, 1):
            one.say(MQTTPublish("t", payload, 1, number))
            await one.expect(MQTTPuback)
        queued = sent[2:7] if overflow is Overflow.DROP_NEWEST else sent[5:]
        for payload in sent[:2] + queued:
            got = await lazy.expect(MQTTPublish)
            assert got.payload == payload
            lazy.say(MQTTPuback(got.packet_id or 0))
        assert house.broker.sessions["lazy"].dropped == 3
        assert house.broker.stats.publish_dropped == 3
    assert fired(caplog) == [f"mqtt_{next(iter(limits))}"]


@every_level
async def test_queue_of_a_client_that_is_away_is_bounded(level: int) -> None:
    durable = {"clean_start": False}
    if level == V5:
        durable["properties"] = {"session_expiry_interval": 300}  # type: ignore[assignment]
    async with serving(max_queued_messages=5) as house:
        async with connected(house.port, "away", level=level, **durable) as away:
            await away.subscribe("t", qos=1)
            await away.leave()
        async with connected(house.port, level=level) as one:
            for number in range(1, 21):
                one.say(MQTTPublish("t", b"%d" % number, 1, number))
                await one.expect(MQTTPuback)
        assert house.broker.sessions["away"].dropped == 15
        async with connected(house.port, "away", level=level, **durable) as away:
            got = [(await away.expect(MQTTPublish)).payload for _ in range(5)]
            assert got == [b"%d" % number for number in range(1, 6)]
            away.say(MQTTPingreq())
            await away.expect(MQTTPingresp)


async def test_will_too_large_for_the_packet_size_comes_with_a_connect_that_is_too_large(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(max_packet_size=200) as house:
        async with opened(house.port) as peer:
            peer.say(
                encode_packet(MQTTConnect("c", will_topic="w", will_payload=b"x" * 300), level=V5)
            )
            assert await peer.thrown_out() is None
        await until(lambda: not house.server.connections)
        assert not house.broker.sessions
    assert caps(caplog) == ["mqtt_max_packet_size"]
