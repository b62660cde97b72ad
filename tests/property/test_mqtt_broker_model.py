"""The pure broker beside a model of it: whatever happens in whatever order, they agree."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from blackbull.mqtt.messages import (
    MQTTConnack,
    MQTTConnect,
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
    SubscriptionOptions,
    decode_packet,
    encode_packet,
)
from blackbull.mqtt.settings import MQTTSettings
from blackbull.mqtt.state.broker import Broker
from blackbull.mqtt.state.inbound import Inbound
from blackbull.mqtt.state.link import Shell
from tests.property.mqtt_model import (
    NEVER,
    RELEASED,
    Client,
    LastWill,
    Model,
    Sent,
    Wanted,
)
from tests.spec import spec

NAMES = ("ann", "bob", "cyd")
TOPICS = ("a", "a/b", "a/b/c", "b", "/", "$x/a")
FILTERS = ("a", "a/+", "a/#", "+", "#", "+/b", "/", "+/+", "$x/+", "will/+")
GROUPS = ("$share/g/a/#", "$share/h/a/#", "$share/g/+")

names = st.sampled_from(NAMES)
qos_levels = st.integers(0, 2)
seconds = st.sampled_from([0.5, 1.0, 2.0, 5.0, 30.0])


class Wire(Shell):
    """A client's connection, without a network."""

    peername = None
    transport = "tcp"
    certificate = None

    def __init__(self, broker: Broker, level: int) -> None:
        self.level = level
        self.link = broker.open(self)
        self.inbound = Inbound(broker, self.link)
        self.ids = itertools.count(1)

    def say(self, packet: MQTTMessage) -> None:
        self.inbound.receive(encode_packet(packet, level=self.level))

    def heard(self) -> list[MQTTMessage]:
        data = b"".join(self.link.out)
        self.link.out.clear()
        packets = []
        while data:
            packet, used = decode_packet(data, level=self.level)
            packets.append(packet)
            data = data[used:]
        return packets

    def flush(self) -> None:
        raise AssertionError("only an actor writes")

    def park(self, decision: Awaitable[Any], then: Callable[[Any], None]) -> None:
        raise AssertionError("nobody has to decide anything")

    def record_limit(self, limit: Exception) -> None:
        raise AssertionError(f"no limit is near, but {limit}")


class BrokerAndModel(RuleBasedStateMachine):
    """S37 to S41, in any order that a test would not think of."""

    def __init__(self) -> None:
        super().__init__()
        settings = MQTTSettings(sys_interval=0, topic_alias_maximum=0)
        self.broker = Broker(settings, new_client_id=lambda: "unused")
        self.broker.start(0.0)
        self.model = Model()
        self.wires: dict[str, Wire] = {}
        self.payloads = itertools.count(1)

    # ------------------------------------------------------------------ rules

    @rule(
        name=names,
        level=st.sampled_from([4, 5]),
        clean=st.booleans(),
        expiry=st.sampled_from([0, 2, 10, NEVER]),
        window=st.sampled_from([1, 2, 3, 65535]),
        will=st.none() | st.tuples(qos_levels, st.booleans(), st.sampled_from([0, 1, 5])),
    )
    def connect(
        self,
        name: str,
        level: int,
        clean: bool,
        expiry: int,
        window: int,
        will: tuple[int, bool, int] | None,
    ) -> None:
        if level == 4:
            expiry, window = 0 if clean else NEVER, 65535
        client = Client(name, level=level, expiry=expiry, window=min(window, 1024))
        connect = {"client_id": name, "clean_start": clean, "proto_level": level}
        if level == 5:
            connect["properties"] = {"session_expiry_interval": expiry, "receive_maximum": window}
        if will is not None:
            sent = Sent(f"will/{name}", self.payload(), will[0], retain=will[1])
            client.will = LastWill(sent, will[2] if level == 5 else 0)
            connect |= {
                "will_topic": sent.topic, "will_payload": sent.payload, "will_qos": sent.qos,
                "will_retain": sent.retain,
            }  # fmt: skip
            if level == 5:
                connect["will_properties"] = {"will_delay_interval": will[2]}
        old = self.wires.get(name)
        wire = Wire(self.broker, level)
        wire.say(MQTTConnect(**connect))
        self.wires[name] = wire
        present = self.model.connect(client, clean=clean)
        if old is not None:
            last = old.heard()
            assert old.link.ending
            assert [each.reason_code for each in last if isinstance(each, MQTTDisconnect)] == (
                [0x8E] if old.level == 5 else []
            )
            old.inbound.lost()
        (connack,) = self.settle()[name]
        assert isinstance(connack, MQTTConnack)
        assert (connack.session_present, connack.reason_code) == (present, 0)

    @precondition(lambda self: self.wires)
    @rule(data=st.data(), reason=st.sampled_from([0, 0, 4]), shorten=st.none() | st.just(2))
    def disconnect(self, data: st.DataObject, reason: int, shorten: int | None) -> None:
        client, wire = self.somebody(data)
        properties = {}
        if client.level == 4:
            reason = 0
        elif shorten is not None and client.expiry:
            properties["session_expiry_interval"] = client.expiry = shorten
        wire.say(MQTTDisconnect(reason, properties))
        self.left(client, wire, with_will=reason != 0)

    @precondition(lambda self: self.wires)
    @rule(data=st.data())
    def vanish(self, data: st.DataObject) -> None:
        client, wire = self.somebody(data)
        wire.inbound.lost()
        self.left(client, wire, with_will=True)

    @precondition(lambda self: self.wires)
    @rule(
        data=st.data(),
        name=st.sampled_from(FILTERS + GROUPS),
        qos=qos_levels,
        options=st.tuples(st.booleans(), st.booleans(), st.integers(0, 2)),
        identifier=st.integers(0, 3),
    )
    def subscribe(
        self,
        data: st.DataObject,
        name: str,
        qos: int,
        options: tuple[bool, bool, int],
        identifier: int,
    ) -> None:
        client, wire = self.somebody(data)
        no_local, retain_as_published, retain_handling = options
        if name in GROUPS:
            qos, no_local, retain_as_published = 0, False, False
        if client.level == 4:
            no_local, retain_as_published, retain_handling, identifier = False, False, 0, 0
        wanted = Wanted(qos, no_local, retain_as_published, retain_handling, identifier)
        option = SubscriptionOptions(
            qos, no_local=no_local, retain_as_published=retain_as_published,
            retain_handling=retain_handling,
        )  # fmt: skip
        properties = {"subscription_identifier": [identifier]} if identifier else {}
        packet_id = next(wire.ids)
        wire.say(MQTTSubscribe(packet_id, [(name, qos)], properties, [option]))
        self.model.subscribe(client, name, wanted)
        (suback,) = self.settle()[client.name]
        assert isinstance(suback, MQTTSuback)
        assert (suback.packet_id, list(suback.reason_codes)) == (packet_id, [qos])

    @precondition(lambda self: self.wires)
    @rule(data=st.data(), name=st.sampled_from(FILTERS + GROUPS))
    def unsubscribe(self, data: st.DataObject, name: str) -> None:
        client, wire = self.somebody(data)
        packet_id = next(wire.ids)
        wire.say(MQTTUnsubscribe(packet_id, [name]))
        had = self.model.unsubscribe(client, name)
        (unsuback,) = self.settle()[client.name]
        assert isinstance(unsuback, MQTTUnsuback)
        assert unsuback.packet_id == packet_id
        if client.level == 5:
            assert list(unsuback.reason_codes) == [0 if had else 0x11]

    @precondition(lambda self: self.wires)
    @rule(
        data=st.data(),
        topic=st.sampled_from(TOPICS),
        qos=qos_levels,
        retain=st.booleans(),
        empty=st.sampled_from([False, False, False, True]),
        expiry=st.sampled_from([None, None, 1, 5]),
        twice=st.booleans(),
    )
    def publish(
        self,
        data: st.DataObject,
        topic: str,
        qos: int,
        retain: bool,
        empty: bool,
        expiry: int | None,
        twice: bool,
    ) -> None:
        client, wire = self.somebody(data)
        if client.level == 4:
            expiry = None
        payload = b"" if empty and retain else self.payload()
        until = float("inf") if expiry is None else self.model.time + expiry
        sent = Sent(topic, payload, qos, retain, until)
        properties = {} if expiry is None else {"message_expiry_interval": expiry}
        packet_id = next(wire.ids) if qos else None
        while packet_id in client.unreleased:
            packet_id = next(wire.ids)
        packet = MQTTPublish(topic, payload, qos, packet_id, retain, False, properties)
        wire.say(packet)
        self.model.publish(sent, client.name)
        answers = self.settle()[client.name]
        if qos == 0:
            assert not answers
            return
        (answer,) = answers
        assert isinstance(answer, MQTTPuback if qos == 1 else MQTTPubrec)
        assert answer.packet_id == packet_id
        assert answer.reason_code in {0, 0x10}
        if qos == 2:
            client.unreleased.add(packet_id or 0)
        if qos == 2 and twice:
            again = MQTTPublish(topic, payload, qos, packet_id, retain, True, properties)
            wire.say(again)
            (answer,) = self.settle()[client.name]
            assert isinstance(answer, MQTTPubrec)

    @precondition(lambda self: any(self.here(name).unreleased for name in self.wires))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from([n for n in self.wires if self.here(n).unreleased]))
        client, wire = self.here(name), self.wires[name]
        packet_id = data.draw(st.sampled_from(sorted(client.unreleased)))
        wire.say(MQTTPubrel(packet_id))
        client.unreleased.remove(packet_id)
        (pubcomp,) = self.settle()[name]
        assert pubcomp == MQTTPubcomp(packet_id)

    @precondition(lambda self: any(self.open_ids(name) for name in self.wires))
    @rule(data=st.data(), refuse=st.sampled_from([False, False, False, True]))
    def acknowledge(self, data: st.DataObject, refuse: bool) -> None:
        name = data.draw(st.sampled_from([n for n in self.wires if self.open_ids(n)]))
        client, wire = self.here(name), self.wires[name]
        packet_id = data.draw(st.sampled_from(self.open_ids(name)))
        expected = client.under_way[packet_id]
        reason = 0x80 if refuse and client.level == 5 else 0
        if expected is RELEASED:
            wire.say(MQTTPubcomp(packet_id))
            self.model.answered(client, packet_id, released=False)
            assert not self.settle()[name]
        elif expected.qos == 1:
            wire.say(MQTTPuback(packet_id, reason))
            self.model.answered(client, packet_id, released=False)
            assert not self.settle()[name]
        else:
            wire.say(MQTTPubrec(packet_id, reason))
            self.model.answered(client, packet_id, released=not reason)
            assert self.settle()[name] == ([] if reason else [MQTTPubrel(packet_id)])

    @precondition(lambda self: self.wires)
    @rule(data=st.data())
    def ping(self, data: st.DataObject) -> None:
        client, wire = self.somebody(data)
        wire.say(MQTTPingreq())
        assert self.settle()[client.name] == [MQTTPingresp()]

    @rule(passed=seconds)
    def wait(self, passed: float) -> None:
        self.model.advance(passed)
        self.broker.stats.now += passed
        assert not any(self.settle().values())

    # ------------------------------------------------------------------ what holds at any time

    @invariant()
    def sessions_are_those_of_the_model(self) -> None:
        assert self.broker.sessions.keys() == self.model.clients.keys()
        assert self.broker.connected == len(self.wires)
        for name, client in self.model.clients.items():
            session = self.broker.sessions[name]
            assert session.subscriptions.keys() == client.subscriptions.keys()
            assert list(session.inflight) == list(client.under_way)
            assert (session.link is not None) == client.connected

    @invariant()
    def retained_messages_are_those_of_the_model(self) -> None:
        now = self.model.time
        for topic in (*TOPICS, *(f"will/{name}" for name in NAMES)):
            found = self.broker.retention.matching(topic, now=now)
            kept = self.model.retained.get(topic)
            wanted = [] if kept is None or kept.expires_at <= now else [kept.payload]
            assert [each.payload for each in found] == wanted

    def teardown(self) -> None:
        """When everybody is gone for good, nothing is left."""
        for name in list(self.wires):
            wire = self.wires[name]
            client = self.here(name)
            wire.inbound.lost()
            self.left(client, wire, with_will=True)
        for name in list(self.broker.sessions):
            self.broker.end_session(self.broker.sessions[name])
        assert not self.broker.sessions
        assert len(self.broker.router.subscriptions) == 0
        assert len(self.broker.router.groups) == 0

    # ------------------------------------------------------------------ inside

    def settle(self) -> dict[str, list[MQTTMessage]]:
        """Let the broker finish its batch; return what is no message, by client."""
        if self.broker.due <= self.broker.stats.now:
            self.broker.tick()
        while self.broker.go_on():
            pass
        self.broker.router.settle()
        self.broker.dirty.clear()
        answers: dict[str, list[MQTTMessage]] = {}
        for name, wire in self.wires.items():
            client = self.here(name)
            answers[name] = []
            for packet in wire.heard():
                if isinstance(packet, MQTTPublish):
                    self.model.saw(client, packet)
                elif not (
                    isinstance(packet, MQTTPubrel) and self.model.saw_release(client, packet)
                ):
                    answers[name].append(packet)
            assert not wire.link.ending
        self.model.settled()
        return answers

    def left(self, client: Client, wire: Wire, *, with_will: bool) -> None:
        del self.wires[client.name]
        assert wire.link.ending
        assert not wire.heard()
        wire.inbound.lost()
        self.model.disconnect(client, with_will=with_will)
        assert not any(self.settle().values())

    def here(self, name: str) -> Client:
        return self.model.clients[name]

    def somebody(self, data: st.DataObject) -> tuple[Client, Wire]:
        name = data.draw(st.sampled_from(sorted(self.wires)))
        return self.here(name), self.wires[name]

    def open_ids(self, name: str) -> list[int]:
        """Return what the client can acknowledge: what it got on this connection."""
        client = self.here(name)
        return [each for each in client.under_way if each not in client.replay]

    def payload(self) -> bytes:
        return b"%d" % next(self.payloads)


BrokerAndModel.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestBroker = spec("MQTT 5.0 §4")(BrokerAndModel.TestCase)
