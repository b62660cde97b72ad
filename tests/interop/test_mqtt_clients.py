"""MQTT clients that nobody here wrote, each through the same conversations at both levels."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.interop.mqtt.aiomqtt_peer import AiomqttPeer
from tests.interop.mqtt.brokers import PASSWORD, TRANSPORTS, USER, broker
from tests.interop.mqtt.gmqtt_peer import GmqttPeer
from tests.interop.mqtt.mqttjs_peer import MqttjsPeer, node
from tests.interop.mqtt.paho_peer import PahoPeer
from tests.interop.mqtt.peer import (
    Endpoint,
    Options,
    Peer,
    Received,
    RefusedError,
    Will,
    connected,
    gone,
    several,
)
from tests.spec import spec

PEERS: list[type[Peer]] = [PahoPeer, AiomqttPeer, GmqttPeer, MqttjsPeer]
V311, V5 = 4, 5

every_peer = pytest.mark.parametrize("kind", PEERS, ids=lambda kind: kind.name)
every_level = pytest.mark.parametrize("level", [V311, V5], ids=["v311", "v5"])


@pytest.fixture(scope="module", autouse=True)
def node_process() -> Iterator[None]:
    with node() as port:
        MqttjsPeer.control = port
        yield


@pytest.fixture
async def where(tmp_path: Path) -> AsyncIterator[Endpoint]:
    async with broker("tcp", tmp_path) as endpoint:
        yield endpoint


def brief(message: Received) -> tuple[str, bytes, int, bool]:
    return message.topic, message.payload, message.qos, message.retain


async def nothing_more(peer: Peer, by: Peer) -> None:
    """Show that nothing else is on its way: what is published now comes next."""
    await peer.subscribe("marker")
    await by.publish("marker", b"!")
    assert brief(await peer.receive()) == ("marker", b"!", 0, False)


async def until_end(peer: Peer) -> list[bytes]:
    """Return what arrives before the message ``end``."""
    got = []
    while (message := await peer.receive()).topic != "end":
        got.append(message.payload)
    return got


# Every chapter, over TCP ----------------------------------------------------------------------


@spec("MQTT 5.0 §4.3")
@every_level
@every_peer
async def test_publish_at_each_qos_arrives_once_each_way(
    where: Endpoint, kind: type[Peer], level: int
) -> None:
    """S38."""
    async with several(kind, where, [Options(level), Options(level)]) as (one, other):
        assert await other.subscribe("a/+/b", "ä/#", qos=2) == [2, 2]
        for qos in (0, 1, 2):
            await one.publish("a/x/b", b"n%d" % qos, qos=qos)
            await one.publish("ä/☃", "größe".encode(), qos=qos)
            await one.publish("a/x", b"for nobody", qos=qos)
        got = [brief(each) for each in await other.receive_all(6)]
        assert sorted(got) == sorted(
            each
            for qos in (0, 1, 2)
            for each in (
                ("a/x/b", b"n%d" % qos, qos, False),
                ("ä/☃", "größe".encode(), qos, False),
            )
        )
        await nothing_more(other, one)


@spec("MQTT 5.0 §3.8.4", "MQTT-3.8.4-8")
@every_level
@every_peer
async def test_subscription_limits_the_qos_of_what_arrives(
    where: Endpoint, kind: type[Peer], level: int
) -> None:
    async with several(kind, where, [Options(level), Options(level)]) as (one, other):
        for granted in (0, 1):
            assert await other.subscribe("t", qos=granted) == [granted]
            for qos in (0, 1, 2):
                await one.publish("t", b"x", qos=qos)
            got = [each.qos for each in await other.receive_all(3)]
            assert sorted(got) == sorted(min(granted, qos) for qos in (0, 1, 2))


@spec("MQTT 5.0 §3.3.1.3", "MQTT-3.3.1-5")
@every_level
@every_peer
async def test_retained_message_waits_for_who_comes_late(
    where: Endpoint, kind: type[Peer], level: int
) -> None:
    """S39."""
    async with several(kind, where, [Options(level), Options(level)]) as (one, other):
        await other.subscribe("r/#", qos=2)
        await one.publish("r/1", b"old", qos=1, retain=True)
        await one.publish("r/1", b"new", qos=1, retain=True)
        await one.publish("r/2", b"two", qos=2, retain=True)
        await one.publish("r/3", b"gone", qos=1, retain=True)
        await one.publish("r/3", b"", qos=1, retain=True)
        got = [brief(each) for each in await other.receive_all(5)]
        assert not any(retain for *_, retain in got)
        assert sorted(got)[0] == ("r/1", b"new", 1, False)
        async with connected(kind, where, Options(level)) as late:
            await late.subscribe("r/+", qos=2)
            got = [brief(each) for each in await late.receive_all(2)]
            assert sorted(got) == [("r/1", b"new", 1, True), ("r/2", b"two", 2, True)]
            await nothing_more(late, one)


@spec("MQTT 5.0 §3.1.2.5", "MQTT-3.1.2-8", "MQTT-3.1.2-10")
@every_level
@every_peer
async def test_will_is_published_for_who_vanishes_and_not_for_who_leaves(
    where: Endpoint, kind: type[Peer], level: int
) -> None:
    """S40."""
    async with connected(kind, where, Options(level)) as watcher:
        await watcher.subscribe("will/#", qos=2)
        for name, qos in (("left", 1), ("vanished", 1), ("again", 2)):
            will = Will(f"will/{name}", b"was " + name.encode(), qos, retain=True)
            mortal = kind(where, Options(level, will=will))
            await mortal.open()
            await (mortal.leave() if name == "left" else mortal.vanish())
            await gone(mortal)
        got = [brief(each) for each in await watcher.receive_all(2)]
        assert got == [
            ("will/vanished", b"was vanished", 1, False), ("will/again", b"was again", 2, False)
        ]  # fmt: skip
        async with connected(kind, where, Options(level)) as late:
            await late.subscribe("will/#", qos=1)
            assert {each.topic for each in await late.receive_all(2)} == {
                "will/vanished", "will/again"
            }  # fmt: skip
            await nothing_more(late, watcher)


@spec("MQTT 5.0 §4.1", "MQTT-4.1.0-1")
@every_level
@every_peer
async def test_session_is_resumed_with_what_was_queued_in_order(
    where: Endpoint, kind: type[Peer], level: int
) -> None:
    """S37."""
    options = Options(level, client_id="sleeper", clean=False, expiry=300)
    async with connected(kind, where, Options(level)) as one:
        sleeper = kind(where, options)
        assert not (await sleeper.open()).session_present
        await sleeper.subscribe("s/#", qos=2)
        await one.publish("s/0", b"awake")
        assert brief(await sleeper.receive()) == ("s/0", b"awake", 0, False)
        await sleeper.leave()
        await gone(sleeper)
        sent = [(f"s/{n % 3}", b"%d" % n, 1 + n % 2) for n in range(30)]
        for topic, payload, qos in sent:
            await one.publish(topic, payload, qos=qos)
        again = kind(where, options)
        assert (await again.open()).session_present
        got = [brief(each)[:3] for each in await again.receive_all(30)]
        for qos in (1, 2):
            assert [each for each in got if each[2] == qos] == [
                each for each in sent if each[2] == qos
            ]
        await one.publish("s/9", b"back", qos=0)
        assert brief(await again.receive()) == ("s/9", b"back", 0, False)
        await again.leave()
        await gone(again)
        fresh = kind(where, dataclasses.replace(options, clean=True))
        assert not (await fresh.open()).session_present
        await one.publish("s/9", b"for nobody", qos=1)
        await nothing_more(fresh, one)
        await gone(fresh)


@spec("MQTT 5.0 §4.8.2")
@every_level
@every_peer
async def test_shared_subscription_gives_each_message_to_one_member(
    where: Endpoint, kind: type[Peer], level: int
) -> None:
    """S41."""
    async with several(kind, where, [Options(level)] * 4) as (one, a, b, plain):
        for member in (a, b):
            await member.subscribe("$share/group/job/+", qos=1)
        await plain.subscribe("job/#", qos=1)
        sent = [b"%d" % n for n in range(20)]
        for payload in sent:
            await one.publish("job/x", payload, qos=1)
        assert [each.payload for each in await plain.receive_all(20)] == sent
        for member in (a, b):
            await member.subscribe("end", qos=1)
        await one.publish("end", b"end", qos=1)
        shares = [await until_end(member) for member in (a, b)]
        assert sorted(shares[0] + shares[1]) == sorted(sent)
        assert all(shares)


@spec("MQTT 5.0 §3.10.4", "MQTT-3.10.4-2")
@every_level
@every_peer
async def test_unsubscribed_filter_brings_nothing_more(
    where: Endpoint, kind: type[Peer], level: int
) -> None:
    async with several(kind, where, [Options(level), Options(level)]) as (one, other):
        await other.subscribe("u/a", "u/b", "u/+", qos=1)
        await other.unsubscribe("u/+", "u/a", "never/was")
        await one.publish("u/a", b"for nobody", qos=1)
        await one.publish("u/b", b"one", qos=1)
        assert brief(await other.receive()) == ("u/b", b"one", 1, False)
        await nothing_more(other, one)


@spec("MQTT 5.0 §3.1.3.5")
@every_level
@every_peer
async def test_password_decides_who_is_let_in(tmp_path: Path, kind: type[Peer], level: int) -> None:
    refused = {V311: {4, 5}, V5: {0x86, 0x87}}[level]
    async with broker("tcp", tmp_path, passwords=True) as where:
        for user, password in ((USER, "wrong"), ("bob", PASSWORD), (None, None)):
            peer = kind(where, Options(level, username=user, password=password))
            with pytest.raises(RefusedError) as caught:
                await peer.open()
            assert caught.value.code in refused
            await gone(peer)
        options = Options(level, username=USER, password=PASSWORD)
        async with connected(kind, where, options) as peer:
            assert await peer.subscribe("t", qos=1) == [1]


@every_level
@every_peer
async def test_large_payloads_arrive_whole(where: Endpoint, kind: type[Peer], level: int) -> None:
    async with several(kind, where, [Options(level), Options(level)]) as (one, other):
        await other.subscribe("big", qos=2)
        for qos, size in ((0, 16383), (0, 1_000_000), (1, 2_097_152 // 4), (2, 1_000_000)):
            payload = (bytes(range(256)) * (size // 256 + 1))[:size]
            await one.publish("big", payload, qos=qos)
            got = await other.receive()
            assert (got.qos, len(got.payload)) == (qos, size)
            assert got.payload == payload


@every_level
@every_peer
async def test_many_topics_each_arrives_where_it_is_wanted(
    where: Endpoint, kind: type[Peer], level: int
) -> None:
    async with several(kind, where, [Options(level), Options(level)]) as (one, other):
        names = [f"site/{n % 7}/device/{n}/état" for n in range(200)]
        assert await other.subscribe(*names[:100], qos=1) == [1] * 100
        await one.publish_all([(name, name.encode()) for name in reversed(names)], qos=1)
        got = [(each.topic, each.payload) for each in await other.receive_all(100)]
        assert got == [(name, name.encode()) for name in reversed(names[:100])]
        await nothing_more(other, one)


@spec("MQTT 5.0 §4.6", "MQTT-4.6.0-6")
@every_level
@every_peer
async def test_fan_out_reaches_everybody_in_order(
    where: Endpoint, kind: type[Peer], level: int
) -> None:
    async with several(kind, where, [Options(level)] * 21) as (one, *others):
        for n, other in enumerate(others):
            await other.subscribe("all/#" if n % 2 else "all/+", qos=n % 3)
        sent = [b"%d" % n for n in range(25)]
        await one.publish_all([("all/x", each) for each in sent], qos=1)
        for n, other in enumerate(others):
            got = await other.receive_all(len(sent))
            assert [each.payload for each in got] == sent
            assert {each.qos for each in got} == {min(1, n % 3)}


@spec("MQTT 5.0 §4.9")
@every_level
@every_peer
@pytest.mark.parametrize("qos", [1, 2])
async def test_burst_beyond_every_window_is_acknowledged_and_in_order(
    where: Endpoint, kind: type[Peer], level: int, qos: int
) -> None:
    async with several(kind, where, [Options(level), Options(level)]) as (one, other):
        await other.subscribe("burst", qos=qos)
        sent = [b"%d" % n for n in range(300)]
        await one.publish_all([("burst", each) for each in sent], qos=qos)
        got = await other.receive_all(len(sent))
        assert [each.payload for each in got] == sent
        await nothing_more(other, one)


@spec("MQTT 5.0 §3.1.4", "MQTT-3.1.4-3")
@every_level
@every_peer
async def test_second_connection_of_a_client_takes_over(
    where: Endpoint, kind: type[Peer], level: int
) -> None:
    options = Options(level, client_id="twin", clean=False)
    async with connected(kind, where, options) as first:
        await first.subscribe("t", qos=1)
        async with connected(kind, where, options) as second:
            assert await first.until_lost() == (None if level == V311 else 0x8E)
            await second.publish("t", b"mine now", qos=1)
            assert (await second.receive()).payload == b"mine now"


@every_level
async def test_keep_alive_of_each_client_holds_its_connection(where: Endpoint, level: int) -> None:
    """S41: PINGREQ is answered, and no client that says it is dropped."""
    kinds = [PahoPeer, AiomqttPeer, MqttjsPeer]
    peers = [kind(where, Options(level, keepalive=1)) for kind in kinds]
    for peer in peers:
        await peer.open()
        await peer.subscribe("t")
    lost = [peer.lost for peer in peers]
    done, _ = await asyncio.wait(lost, timeout=2.2)
    assert not done
    await peers[0].publish("t", b"alive")
    for peer in peers:
        assert (await peer.receive()).payload == b"alive"
        await gone(peer)


# What only version 5 has ----------------------------------------------------------------------


@spec("MQTT 5.0 §3.3.2.3", "MQTT-3.3.2-4", "MQTT-3.3.2-17")
@every_peer
async def test_properties_of_a_message_arrive_unaltered(where: Endpoint, kind: type[Peer]) -> None:
    """S42."""
    pairs = [("a", "1"), ("a", "2"), ("ключ", "значение")]
    async with several(kind, where, [Options(), Options()]) as (one, other):
        await other.subscribe("p/+", qos=2, identifier=268_435_455)
        for qos in (0, 1, 2):
            await one.publish(
                "p/1", '{"t": "ä"}'.encode(), qos=qos, payload_format_indicator=1,
                content_type="application/json", response_topic="réponse/1",
                correlation_data=b"\0\xff\x80", user_property=pairs, message_expiry_interval=60,
            )  # fmt: skip
            got = (await other.receive()).properties
            assert got.pop("user_property") == pairs
            assert got.pop("subscription_identifier") == [268_435_455]
            assert 58 <= int(str(got.pop("message_expiry_interval"))) <= 60
            assert got == {
                "payload_format_indicator": 1, "content_type": "application/json",
                "response_topic": "réponse/1", "correlation_data": b"\0\xff\x80",
            }  # fmt: skip


@spec("MQTT 5.0 §4.10")
@every_peer
async def test_request_is_answered_where_it_asks_for(where: Endpoint, kind: type[Peer]) -> None:
    async with several(kind, where, [Options(), Options()]) as (asking, answering):
        await asking.subscribe("answers/7", qos=1)
        await answering.subscribe("questions", qos=1)
        await asking.publish(
            "questions", b"6*7", qos=1, response_topic="answers/7", correlation_data=b"\1"
        )
        question = (await answering.receive()).properties
        data = question["correlation_data"]
        await answering.publish(
            str(question["response_topic"]), b"42", qos=1, correlation_data=data
        )
        answer = await asking.receive()
        assert (answer.payload, answer.properties["correlation_data"]) == (b"42", b"\1")


@spec("MQTT 5.0 §3.8.3.1", "MQTT-3.8.3-3")
@every_peer
async def test_subscription_options_are_kept_to(where: Endpoint, kind: type[Peer]) -> None:
    async with several(kind, where, [Options(), Options()]) as (one, other):
        await other.subscribe("quiet/#", qos=1, no_local=True)
        await other.publish("quiet/x", b"own", qos=1)
        await one.publish("quiet/x", b"kept", qos=1, retain=True)
        assert brief(await other.receive()) == ("quiet/x", b"kept", 1, False)
        # Retain As Published, Retain Handling 0: every time.
        await other.subscribe("quiet/+", qos=1, retain_as_published=True)
        assert brief(await other.receive()) == ("quiet/x", b"kept", 1, True)
        await other.unsubscribe("quiet/#")
        await one.publish("quiet/x", b"new", qos=1, retain=True)
        assert brief(await other.receive()) == ("quiet/x", b"new", 1, True)
        # Retain Handling 1: only for a new subscription; 2: never.
        await other.subscribe("quiet/+", qos=1, retain_handling=1)
        await other.subscribe("quiet/x", qos=1, retain_handling=2)
        await nothing_more(other, one)


@spec("MQTT 5.0 §3.1.3.2", "MQTT-3.1.3-9")
@every_peer
async def test_will_is_delayed_until_the_client_is_back_in_time(
    where: Endpoint, kind: type[Peer]
) -> None:
    will = Will("will/delayed", b"gone", 1, properties={"will_delay_interval": 30})
    options = Options(client_id="restless", clean=False, will=will)
    async with connected(kind, where) as watcher:
        await watcher.subscribe("will/#", qos=1)
        first = kind(where, options)
        await first.open()
        await first.vanish()
        await gone(first)
        async with connected(kind, where, options) as second:
            await nothing_more(watcher, second)


@spec("MQTT 5.0 §3.2.2.3.7", "MQTT-3.1.3-6")
@pytest.mark.parametrize("kind", [PahoPeer, AiomqttPeer, MqttjsPeer], ids=lambda kind: kind.name)
async def test_client_without_an_identifier_is_given_one(where: Endpoint, kind: type[Peer]) -> None:
    peers = [kind(where, Options()) for _ in range(2)]
    names = [(await peer.open()).properties["assigned_client_identifier"] for peer in peers]
    for peer in peers:
        await gone(peer)
    assert all(names)
    assert names[0] != names[1]


@spec("MQTT 5.0 §3.3.2.3.4")
async def test_topic_aliases_are_understood_and_given(where: Endpoint) -> None:
    """MQTT.js names its topics by number once it was told that it may, and takes ours."""
    options = Options(properties={"topic_alias_maximum": 5})
    one, other = MqttjsPeer(where, options), MqttjsPeer(where, options)
    one.aliases = True
    for peer in (one, other):
        await peer.open()
    await other.subscribe("alias/#", qos=1)
    sent = [f"alias/{n % 9}" for n in range(40)]
    await one.publish_all([(topic, topic.encode()) for topic in sent], qos=1)
    got = [(each.topic, each.payload) for each in await other.receive_all(40)]
    assert got == [(topic, topic.encode()) for topic in sent]
    for peer in (one, other):
        await gone(peer)


@spec("MQTT 5.0 §3.3.4", "MQTT-3.3.4-9")
@every_peer
async def test_receive_maximum_of_one_is_kept_to(where: Endpoint, kind: type[Peer]) -> None:
    options = [Options(), Options(properties={"receive_maximum": 1})]
    async with several(kind, where, options) as (one, other):
        await other.subscribe("t", qos=2)
        sent = [b"%d" % n for n in range(50)]
        await one.publish_all([("t", each) for each in sent], qos=2)
        assert [each.payload for each in await other.receive_all(50)] == sent


@spec("MQTT 5.0 §3.1.2.11.4", "MQTT-3.1.2-24")
@every_peer
async def test_message_too_large_for_the_client_is_kept_from_it(
    where: Endpoint, kind: type[Peer]
) -> None:
    options = [Options(), Options(properties={"maximum_packet_size": 100})]
    async with several(kind, where, options) as (one, other):
        await other.subscribe("t", qos=1)
        await one.publish("t", b"x" * 100, qos=1)
        await one.publish("t", b"small", qos=1)
        assert (await other.receive()).payload == b"small"
        await nothing_more(other, one)


# Every transport ------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS)
@every_level
@every_peer
async def test_conversation_over_each_transport(
    tmp_path: Path, kind: type[Peer], level: int, transport: str
) -> None:
    """S43 where MQTT shares the port of HTTP: a first byte of 0x10, or ALPN ``mqtt``."""
    usual = {"shared": "tcp", "shared-tls": "tls"}.get(transport, transport)
    if usual not in kind.speaks:
        usual = transport = "tls"
    will = Will("will/x", b"gone", 1)
    async with broker(transport, tmp_path, passwords=True) as where:
        mine = Options(level, username=USER, password=PASSWORD)
        durable = dataclasses.replace(mine, client_id="d", clean=False, will=will)
        refused = kind(where, dataclasses.replace(mine, password="wrong"))
        with pytest.raises(RefusedError):
            await refused.open()
        await gone(refused)
        async with connected(kind, where, mine) as one:
            first = kind(where, durable)
            await first.open()
            await first.subscribe("t/#", qos=2)
            await one.subscribe("will/#", qos=1)
            payloads = [b"", b"x" * 125, b"y" * 126, b"z" * 65536, bytes(300_000)]
            for qos in (0, 1, 2):
                await one.publish_all([("t/a", each) for each in payloads], qos=qos)
                got = await first.receive_all(len(payloads))
                assert [each.payload for each in got] == payloads
            await first.vanish()
            assert brief(await one.receive()) == ("will/x", b"gone", 1, False)
            await gone(first)
            await one.publish("t/b", b"queued", qos=1, retain=True)
            second = kind(where, durable)
            assert (await second.open()).session_present
            assert brief(await second.receive()) == ("t/b", b"queued", 1, False)
            await second.unsubscribe("t/#")
            await nothing_more(second, one)
            await gone(second)


@every_level
async def test_all_clients_talk_to_each_other(where: Endpoint, level: int) -> None:
    """One of each at this level, and one of each at the other; all hear all."""
    peers = [kind(where, Options(each)) for kind in PEERS for each in (level, 9 - level)]
    for peer in peers:
        await peer.open()
        await peer.subscribe("room/#", qos=2)
    for number, peer in enumerate(peers):
        for qos in (0, 1, 2):
            await peer.publish(f"room/{number}", b"%d" % qos, qos=qos)
    everything = sorted(
        (f"room/{number}", b"%d" % qos, qos) for number in range(len(peers)) for qos in (0, 1, 2)
    )
    for peer in peers:
        got = await peer.receive_all(len(everything))
        assert sorted(brief(each)[:3] for each in got) == everything
        await gone(peer)
