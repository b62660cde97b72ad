"""The broker's actor: what a turn of the loop costs, and what it survives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from blackbull.event import Event, EventDispatcher
from blackbull.event_aggregator import EventAggregator
from blackbull.mqtt.auth.requests import AuthStep, ClientInfo, ConnectRequest
from blackbull.mqtt.binding import FedConnection
from blackbull.mqtt.broker import LOOK_EVERY, BrokerActor
from blackbull.mqtt.codec.connect import MQTTConnect
from blackbull.mqtt.codec.packets import encode_packet
from blackbull.mqtt.codec.publish import MQTTPublish
from blackbull.mqtt.codec.subscribe import MQTTSubscribe
from blackbull.mqtt.settings import MQTTSettings
from blackbull.mqtt.state.hooks import Authenticate, Hooks
from blackbull.mqtt.state.publication import Publication
from blackbull.transport.memory import MemoryConnection

CONNACK_OK = b"\x00\x00"
PINGREQ, PINGRESP = b"\xc0\x00", b"\xd0\x00"


class Broker:
    """A running actor, and connections to it."""

    def __init__(self, actor: BrokerActor) -> None:
        self.actor = actor

    def connect(
        self, client_id: str, *, level: int = 5, aggregator: EventAggregator | None = None
    ) -> MemoryConnection:
        view = MemoryConnection(aggregator=aggregator)
        FedConnection(view, self.actor)
        view.feed(encode_packet(MQTTConnect(client_id, True, 60, level), level=level))
        return view

    async def client(self, client_id: str, *filters: str, qos: int = 0) -> MemoryConnection:
        view = self.connect(client_id)
        await turn()
        assert view.take_sent()[2:4] == CONNACK_OK
        if filters:
            view.feed(encode_packet(MQTTSubscribe(1, [(each, qos) for each in filters])))
            await turn()
            assert view.take_sent()[0] == 0x90
        return view


async def crowd(views: list[MemoryConnection]) -> None:
    """Let arrivals come together until the actor knows that they do."""
    for _ in range(LOOK_EVERY + 1):
        for view in views:
            view.feed(PINGREQ)
        await turn()
    for view in views:
        view.feed(PINGREQ)
    await turn()


async def turn() -> None:
    """Let everything that is scheduled happen."""
    for _ in range(3):
        await asyncio.sleep(0)


async def started(actor: BrokerActor) -> AsyncIterator[Broker]:
    running = asyncio.ensure_future(actor.run())
    await turn()
    yield Broker(actor)
    actor.stop()
    await running


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    async for each in started(BrokerActor(MQTTSettings(sys_interval=0))):
        yield each


def publish(topic: str, payload: bytes, *, qos: int = 0, packet_id: int | None = None) -> bytes:
    return encode_packet(MQTTPublish(topic, payload, qos, packet_id))


async def test_messages_of_one_arrival_reach_a_subscriber_in_one_write(broker: Broker) -> None:
    subscriber = await broker.client("s", "a/#")
    publisher = await broker.client("p")
    packets = [publish(f"a/{number % 3}", b"%d" % number) for number in range(100)]
    before = subscriber.writes
    publisher.feed(b"".join(packets))
    assert subscriber.writes == before + 1
    assert subscriber.take_sent() == b"".join(packets)


async def test_acknowledgements_of_one_arrival_leave_in_one_write(broker: Broker) -> None:
    publisher = await broker.client("p")
    before = publisher.writes
    publisher.feed(b"".join(publish("a", b"x", qos=1, packet_id=n) for n in range(1, 51)))
    assert publisher.writes == before + 1
    assert publisher.take_sent().count(b"\x40") >= 50


async def test_first_arrival_of_a_turn_is_answered_in_its_callback(broker: Broker) -> None:
    client = await broker.client("c")
    client.feed(PINGREQ)
    assert client.take_sent() == PINGRESP


async def test_arrivals_that_come_alone_ask_the_loop_for_hardly_any_call(broker: Broker) -> None:
    client = await broker.client("c")
    calls: list[object] = []
    loop = asyncio.get_running_loop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "call_soon", lambda *arguments, **_: calls.append(arguments))
        for _ in range(LOOK_EVERY):
            client.feed(PINGREQ)
    assert len(calls) <= 1
    assert client.take_sent() == PINGRESP * LOOK_EVERY
    broker.actor._turn()  # the one that was asked for


async def test_further_arrivals_of_a_turn_are_one_batch_and_one_write(broker: Broker) -> None:
    subscriber = await broker.client("s", "t")
    publishers = [await broker.client(f"p{number}") for number in range(10)]
    await crowd(publishers)
    before = subscriber.writes
    for publisher in publishers:
        publisher.feed(publish("t", b"x"))
    assert subscriber.writes == before + 1  # the first one's
    await turn()
    assert subscriber.writes == before + 2
    assert subscriber.take_sent() == publish("t", b"x") * 10


async def test_qos_0_messages_go_on_as_they_came(broker: Broker) -> None:
    """They are neither decoded nor made anew: whatever makes a Publication is not called."""
    subscriber = await broker.client("s", "t")
    publisher = await broker.client("p")
    publisher.feed(publish("t", b"first"))
    await turn()
    subscriber.take_sent()
    made: list[str] = []
    original = Publication.__init__

    def counting(self: Publication, *arguments: object, **named: object) -> None:
        made.append("one")
        original(self, *arguments, **named)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Publication, "__init__", counting)
        publisher.feed(publish("t", b"second") * 10)
        assert made == []
        publisher.feed(publish("t", b"third", qos=1, packet_id=1))
        await turn()
        assert made == ["one"]
    assert subscriber.take_sent() == publish("t", b"second") * 10 + publish("t", b"third")


@pytest.mark.parametrize("limit", [{"broker_inbox_maxsize": 1}, {"broker_inbox_max_bytes": 10}])
async def test_full_inbox_stops_the_reading_and_loses_nothing(limit: dict[str, int]) -> None:
    settings = MQTTSettings(sys_interval=0, **limit)
    async for broker in started(BrokerActor(settings)):
        subscriber = await broker.client("s", "t")
        publishers = [await broker.client(f"p{number}") for number in range(5)]
        fed = 0
        while all(publisher.reading for publisher in publishers):
            await turn()
            for publisher in publishers:
                publisher.feed(publish("t", b"x"))
                fed += 1
            assert fed < 1000, "nobody is ever held up"
        while not all(publisher.reading for publisher in publishers):
            await turn()
        await turn()
        assert subscriber.take_sent() == publish("t", b"x") * fed


async def test_bug_in_a_message_costs_its_connection_and_nobody_elses(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(publication: Publication) -> bool:
        raise RuntimeError("a bug")

    broker.actor.add_local("bad", broken)
    victim = await broker.client("v")
    other = await broker.client("o", "good")
    with caplog.at_level(logging.ERROR, "blackbull.mqtt"):
        victim.feed(publish("bad", b"x"))
        await turn()
    assert "could not be handled" in caplog.text
    assert victim.take_sent()[:1] == b"\xe0"
    assert victim.closed
    broker.actor.publish("good", b"x")
    await turn()
    assert other.take_sent() == publish("good", b"x")


async def test_hook_that_waits_holds_up_its_own_client_only() -> None:
    asked: list[tuple[str, str]] = []
    answer = asyncio.get_running_loop().create_future()

    async def authorize(client: ClientInfo, action: str, topic: str) -> bool:
        asked.append((client.client_id, topic))
        return bool(await answer) if topic == "slow" else True

    actor = BrokerActor(MQTTSettings(sys_interval=0), hooks=Hooks(authorize=authorize))
    async for broker in started(actor):
        one, other = broker.connect("one"), broker.connect("other")
        await turn()
        one.take_sent(), other.take_sent()
        one.feed(publish("slow", b"x", qos=1, packet_id=1) + PINGREQ)
        await turn()
        assert not one.reading
        assert one.take_sent() == b""
        other.feed(PINGREQ)
        assert other.take_sent() == PINGRESP
        answer.set_result(False)
        await turn()
        await turn()
        assert one.take_sent() == b"\x40\x03\x00\x01\x87" + PINGRESP
        assert one.reading
        one.feed(publish("slow", b"x", qos=1, packet_id=2))
        await turn()
        assert one.take_sent() == b"\x40\x03\x00\x02\x87"
        assert asked == [("one", "slow")]


async def test_decision_about_a_client_that_has_left_is_cancelled() -> None:
    ended: list[str] = []

    async def authenticate(request: ConnectRequest) -> bool:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(request.client_id)
        return True

    actor = BrokerActor(MQTTSettings(sys_interval=0), hooks=Hooks(authenticate=authenticate))
    async for broker in started(actor):
        client = broker.connect("c")
        await turn()
        client.reset()
        await turn()
        assert ended == ["c"]


async def test_name_that_an_exchange_did_not_prove_is_not_believed() -> None:
    told: list[str | None] = []

    class Exchange:
        def step(self, data: bytes | None) -> AuthStep:
            return AuthStep(done=True, ok=True)

    class Method:
        method = "X"

        def start(self, request: ConnectRequest) -> Exchange:
            return Exchange()

    def authorize(client: ClientInfo, action: str, topic: str) -> bool:
        told.append(client.username)
        return True

    hooks = Hooks(authorize=authorize, enhanced={"X": Method()})
    async for broker in started(BrokerActor(MQTTSettings(sys_interval=0), hooks=hooks)):
        view = MemoryConnection()
        FedConnection(view, broker.actor)
        connect = MQTTConnect("c", username="root", properties={"authentication_method": "X"})
        view.feed(encode_packet(connect))
        await turn()
        view.feed(publish("t", b"x"))
        await turn()
        assert told == [None]


async def fails_later(request: ConnectRequest) -> bool:
    raise RuntimeError("the database is down")


def fails_at_once(request: ConnectRequest) -> bool:
    raise RuntimeError("the database is down")


@pytest.mark.parametrize("authenticate", [fails_later, fails_at_once])
async def test_hook_that_raises_refuses_and_is_logged(
    authenticate: Authenticate, caplog: pytest.LogCaptureFixture
) -> None:
    actor = BrokerActor(MQTTSettings(sys_interval=0), hooks=Hooks(authenticate=authenticate))
    async for broker in started(actor):
        with caplog.at_level(logging.ERROR, "blackbull.mqtt"):
            client = broker.connect("c")
            await turn()
        assert "a hook raised" in caplog.text
        assert client.take_sent()[:4] == b"\x20\x03\x00\x88"
        assert client.closed


async def test_queue_of_a_client_that_is_away_says_once_that_it_is_full(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = MQTTSettings(sys_interval=0, max_queued_messages=2)
    async for broker in started(BrokerActor(settings)):
        view = MemoryConnection()
        FedConnection(view, broker.actor)
        kept = MQTTConnect("s", properties={"session_expiry_interval": 60})
        view.feed(encode_packet(kept) + encode_packet(MQTTSubscribe(1, [("t", 1)])))
        await turn()
        view.reset()
        await turn()
        with caplog.at_level(logging.WARNING, "blackbull.caps"):
            for _ in range(5):
                broker.actor.publish("t", b"x", qos=1)
            await turn()
        [record] = [each for each in caplog.records if each.name == "blackbull.caps"]
        assert record.__dict__["cap"] == "mqtt_max_queued_messages"
        assert broker.actor.broker.sessions["s"].dropped == 3


async def test_events_tell_of_each_packet_only_while_somebody_listens(broker: Broker) -> None:
    dispatcher = EventDispatcher()
    aggregator = EventAggregator(dispatcher)
    subscriber = await broker.client("s", "t")
    publisher = broker.connect("p", aggregator=aggregator)
    await turn()
    publisher.feed(publish("t", b"quiet"))
    await turn()
    assert broker.actor.broker.router.routes[b"t"].links
    events: list[tuple[str, object, object, object]] = []

    async def note(event: Event) -> None:
        detail = event.detail
        events.append(
            (event.name, detail["protocol"], detail["message_type"], detail["payload_size"])
        )

    dispatcher.on("message_received", note)
    dispatcher.on("message_sent", note)
    await turn()
    publisher.feed(PINGREQ)
    await turn()
    publisher.feed(publish("t", b"heard") * 2)
    await turn()
    await dispatcher.drain(1.0)
    received = ("message_received", "mqtt", "PUBLISH", 5)
    sent = ("message_sent", "mqtt", "PUBLISH", 5)
    assert events.count(received) == events.count(sent) == 2
    assert ("message_sent", "mqtt", "PINGRESP", 0) in events
    assert subscriber.take_sent().endswith(publish("t", b"heard") * 2)
    await dispatcher.aclose()


async def test_client_that_takes_short_packets_only_is_told_less_or_not_let_in(
    broker: Broker,
) -> None:
    """MQTT-3.1.2-24: no packet is longer than the client takes."""
    for longest, answer in ((19, 19), (8, 8), (5, 5), (4, 0)):
        view = MemoryConnection()
        FedConnection(view, broker.actor)
        connect = MQTTConnect(f"c{longest}", properties={"maximum_packet_size": longest})
        view.feed(encode_packet(connect))
        await turn()
        assert len(view.take_sent()) <= answer
        assert view.closed is (answer == 0)
        assert (f"c{longest}" in broker.actor.broker.sessions) is (answer > 0)


async def test_packets_that_are_written_are_counted(broker: Broker) -> None:
    client = await broker.client("c", "t")
    stats = broker.actor.broker.stats
    before = stats.messages_sent, stats.publish_sent
    client.feed(PINGREQ + publish("t", b"x") * 3 + publish("t", b"x", qos=1, packet_id=1))
    await turn()
    assert (stats.messages_sent, stats.publish_sent) == (before[0] + 6, before[1] + 4)


async def test_disconnect_closes_a_client_in_the_standards_words(broker: Broker) -> None:
    client = await broker.client("c")
    assert broker.actor.disconnect("c", reason_code=0x9D, server_reference="b.example")
    await turn()
    assert client.take_sent() == b"\xe0\x0e\x9d\x0c\x1c\x00\x09b.example"
    assert client.closed
    assert not broker.actor.disconnect("c")
    with pytest.raises(ValueError, match="0x04"):
        broker.actor.disconnect("c", reason_code=4)


async def test_stopped_actor_takes_nothing_and_says_nothing(broker: Broker) -> None:
    client = await broker.client("c")
    broker.actor.stop()
    await turn()
    client.feed(PINGREQ)
    client.reset()
    await turn()
    assert client.take_sent() == b""
