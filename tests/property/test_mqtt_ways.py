"""The quick ways through the broker and the one that decodes everything lead to the same place.

Two brokers are told the same; one of them is watched, so that it looks at every packet. What
clients hear is compared, and every client is as strict as those of the conversations.
"""

from __future__ import annotations

from collections import deque
from random import Random

import pytest

from tests.mqtt_packets import (
    AS_PUBLISHED,
    DISCONNECT,
    NO_LOCAL,
    PUBLISH,
    PUBREL,
    Packet,
    Will,
    connect,
    disconnect,
    pingreq,
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    subscribe,
    unsubscribe,
)
from tests.mqtt_world import World

TOPICS = ["a", "a/b", "a/c", "d", "$own/x"]
FILTERS = ["a", "a/+", "a/#", "#", "+", "d", "$own/#", "$share/g/a/#", "$share/h/a/#", "$share/g/d"]
NAMES = [("new", 5), ("other", 5), ("old", 4), ("aged", 4)]


def kind_of(packet: Packet) -> str:
    if packet.kind != PUBLISH:
        return "answer"
    return "reliable" if packet["qos"] else "at most once"


class Twins:
    """One client, at both brokers."""

    def __init__(self, quick: World, watched: World, name: str, level: int) -> None:
        self.ends = (quick.peer(name, level), watched.peer(name, level))
        self.name = name
        self.level = level
        self.connected = False
        self.owed: deque[Packet] = deque()
        self.packet_id = 0

    def do(self, *packets: Packet) -> None:
        for end in self.ends:
            end.dials(*packets)

    def compare(self) -> None:
        """Hear what has come, at both ends; it is the same, messages of a kind in their order.

        A message of QoS 0 may be sent before or after what waited for an acknowledgement.
        """
        if self.ends[0].line is None:
            return
        mine, theirs = (end.hears() for end in self.ends)
        for kind in ("answer", "reliable", "at most once"):
            quick = [str(each) for each in mine if kind_of(each) == kind]
            slow = [str(each) for each in theirs if kind_of(each) == kind]
            assert quick == slow, f"{self.name} hears {quick}, and {slow} if it is watched"
        for each in mine:
            self._owe(each)
        closed = {end.line.closed for end in self.ends if end.line is not None}
        assert len(closed) == 1
        self.connected = self.connected and closed == {False}

    def _owe(self, packet: Packet) -> None:
        if packet.kind == DISCONNECT:
            self.owed.clear()
        elif packet.kind == PUBREL:
            self.owed.append(pubcomp(int(str(packet["packet_id"]))))
        elif packet.kind == PUBLISH and packet["qos"]:
            answer = puback if packet["qos"] == 1 else pubrec
            self.owed.append(answer(int(str(packet["packet_id"]))))

    def next_id(self) -> int:
        self.packet_id = self.packet_id % 20 + 1
        return self.packet_id


class Story:
    """A sequence of things that clients do, from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.quick = World(receive_maximum=1000)
        self.watched = World(receive_maximum=1000)
        self.watched.broker.on_received = lambda kind, size: None
        self.watched.broker.router.observed = True
        self.clients = [Twins(self.quick, self.watched, *each) for each in NAMES]

    def play(self, batches: int) -> None:
        for _ in range(batches):
            for _ in range(self.random.randint(1, 5)):
                self.step(self.random.choice(self.clients))
            self.settle()
            if self.random.random() < 0.1:
                seconds = self.random.choice([0.5, 3, 20])
                self.quick.passes(seconds)
                self.watched.passes(seconds)
                self.settle()

    def settle(self) -> None:
        for client in self.clients:
            client.compare()

    def step(self, client: Twins) -> None:
        if not client.connected:
            self.joins(client)
            return
        random = self.random
        does = random.choices(
            [
                self.publishes,
                self.answers,
                self.subscribes,
                self.unsubscribes,
                self.goes,
                self.pings,
            ],
            [12, 8, 4, 1, 1, 1],
        )[0]
        does(client)

    def joins(self, client: Twins) -> None:
        random = self.random
        self.settle()
        fields: dict[str, object] = {"clean": random.random() < 0.3}
        if random.random() < 0.3:
            fields["will"] = Will(random.choice(TOPICS), b"will", random.randint(0, 2))
        if client.level == 5:
            fields["session_expiry_interval"] = random.choice([0, 5, 1000])
            fields |= random.choice([{}, {"receive_maximum": 2}, {"topic_alias_maximum": 2},
                                     {"maximum_packet_size": 30}])  # fmt: skip
        client.owed.clear()
        client.connected = True
        client.do(connect(**fields))
        # Before it knows what is sent again, it may not say anything about it.
        self.settle()

    def publishes(self, client: Twins) -> None:
        random = self.random
        topic, qos = random.choice(TOPICS), random.randint(0, 2)
        properties: dict[str, object] = {}
        if client.level == 5 and random.random() < 0.4:
            properties = random.choice([
                {"content_type": "x"}, {"message_expiry_interval": 4}, {"topic_alias": 1},
                {"user_property": [("k", "v")]},
            ])  # fmt: skip
        packets = []
        for _ in range(random.choice([1, 1, 1, 3])):
            packet_id = client.next_id()
            said = publish(
                topic, random.choice([b"", b"x", b"yy", b"z" * 30]), qos=qos, packet_id=packet_id,
                retain=random.random() < 0.2, dup=bool(qos) and random.random() < 0.1, **properties,
            )  # fmt: skip
            packets.append(said)
            if qos == 2 and random.random() < 0.7:
                packets.append(pubrel(packet_id))
        client.do(*packets)

    def answers(self, client: Twins) -> None:
        while client.owed and self.random.random() < 0.7:
            client.do(client.owed.popleft())

    def subscribes(self, client: Twins) -> None:
        random = self.random
        topic_filter = random.choice(FILTERS)
        options = random.randint(0, 2)
        properties: dict[str, object] = {}
        if client.level == 5:
            options |= random.choice([0, AS_PUBLISHED, 0 if "$share" in topic_filter else NO_LOCAL])
            if random.random() < 0.2:
                properties = {"subscription_identifier": random.randint(1, 300)}
        client.do(subscribe(100, (topic_filter, options), **properties))

    def unsubscribes(self, client: Twins) -> None:
        client.do(unsubscribe(101, self.random.choice(FILTERS)))

    def pings(self, client: Twins) -> None:
        client.do(pingreq())

    def goes(self, client: Twins) -> None:
        self.settle()
        if not client.connected:
            return
        client.connected = False
        client.owed.clear()
        if self.random.random() < 0.5:
            client.do(disconnect())
        else:
            for end in client.ends:
                end.vanishes()


@pytest.mark.parametrize("seed", range(60))
def test_quick_ways_and_the_slow_one_tell_clients_the_same(seed: int) -> None:
    Story(seed).play(40)
