"""A broker as simple as it can be, which says of every packet whether it was to be expected."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

from blackbull.mqtt.messages import MQTTPublish, MQTTPubrel

NEVER = 0xFFFFFFFF
RELEASED = None
"""What is under way once the client has said PUBREC: its PUBREL."""


def matches(topic: str, topic_filter: str) -> bool:
    """The rule of MQTT 5.0 §4.7, level by level."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in {"+", "#"}:
        return False
    if wanted[-1] == "#":
        wanted.pop()
        levels = levels[: len(wanted)] if len(levels) >= len(wanted) else levels
    return len(wanted) == len(levels) and all(
        mine in {"+", its} for mine, its in zip(wanted, levels, strict=True)
    )


@dataclass(frozen=True)
class Sent:
    """A message that somebody published."""

    topic: str
    payload: bytes
    qos: int
    retain: bool = False
    expires_at: float = inf


@dataclass(frozen=True)
class Wanted:
    """A subscription."""

    qos: int
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0
    identifier: int = 0


@dataclass(frozen=True)
class Expected:
    """A message that one client is to get; those of one batch may come in any order."""

    sent: Sent
    qos: int
    retain: bool
    identifiers: tuple[int, ...]
    batch: int

    def seen_in(self, packet: MQTTPublish, level: int) -> bool:
        """Return True if *packet* is this message."""
        identifiers = packet.properties.get("subscription_identifier", [])
        return (
            packet.topic == self.sent.topic
            and packet.payload == self.sent.payload
            and packet.qos == self.qos
            and packet.retain == self.retain
            and sorted(identifiers) == (sorted(self.identifiers) if level == 5 else [])  # type: ignore[call-overload]
        )


@dataclass
class LastWill:
    """A will, and how long it waits."""

    sent: Sent
    delay: int


@dataclass
class Client:
    """What the broker has to know of one client."""

    name: str
    level: int = 5
    connected: bool = False
    expiry: int = 0
    expires_at: float = inf
    will: LastWill | None = None
    will_at: float = inf
    window: int = 65535
    quota: int = 65535
    subscriptions: dict[str, Wanted] = field(default_factory=dict)
    backlog: list[Expected] = field(default_factory=list)
    """Retained messages: they come before all that follows, as the window allows."""
    asked: dict[str, Wanted] = field(default_factory=dict)
    """Subscriptions whose retained messages come after these."""
    now: list[Expected] = field(default_factory=list)
    """QoS 0: to be delivered at once, or behind the backlog."""
    queue: list[Expected] = field(default_factory=list)
    """QoS 1 and 2: to be delivered as the window allows."""
    under_way: dict[int, Expected | None] = field(default_factory=dict)
    replay: list[int] = field(default_factory=list)
    """Packet identifiers of what is under way and was not sent again on this connection."""
    unreleased: set[int] = field(default_factory=set)
    """QoS 2 identifiers that the client used and has not released."""


class Model:
    """The sessions, the retained messages and the time."""

    def __init__(self) -> None:
        self.time = 0.0
        self.clients: dict[str, Client] = {}
        self.retained: dict[str, Sent] = {}
        self.shared: list[tuple[Sent, set[str]]] = []
        """QoS 0 messages of which one of several clients has to get one copy."""
        self.lost: list[tuple[Sent, set[str]]] = []
        """Those that one of them may have taken with it."""
        self._batches: Iterator[int] = itertools.count()

    # ------------------------------------------------------------------ connections

    def connect(self, fresh: Client, *, clean: bool) -> bool:
        """Let *fresh* in; return whether it has a session."""
        known = self.clients.get(fresh.name)
        if known is not None and known.connected:
            self.disconnect(known, with_will=True)
            known = self.clients.get(fresh.name)
        if known is not None and clean:
            self.forget(known)
            known = None
        if known is not None:
            fresh.subscriptions = known.subscriptions
            fresh.queue = known.queue
            fresh.under_way = known.under_way
            fresh.unreleased = known.unreleased
            fresh.replay = list(known.under_way)
        fresh.connected = True
        fresh.quota = fresh.window
        self.clients[fresh.name] = fresh
        return known is not None

    def disconnect(self, client: Client, *, with_will: bool) -> None:
        """The connection of *client* ends."""
        client.connected = False
        client.replay = []
        client.queue += [each for each in client.backlog if each.qos]
        client.backlog, client.now, client.asked = [], [], {}
        self.lost += [each for each in self.shared if client.name in each[1]]
        self.shared = [each for each in self.shared if client.name not in each[1]]
        if not with_will:
            client.will = None
        if client.will is not None:
            client.will_at = self.time + min(client.will.delay, client.expiry)
        if client.expiry == 0:
            self.forget(client)
            return
        client.expires_at = inf if client.expiry == NEVER else self.time + client.expiry
        if client.will_at <= self.time:
            self._bequeath(client, self.batch())

    def forget(self, client: Client) -> None:
        """End the session of *client*; its will does not wait any longer."""
        del self.clients[client.name]
        self._bequeath(client, self.batch())

    def _bequeath(self, client: Client, batch: int) -> None:
        will, client.will, client.will_at = client.will, None, inf
        if will is not None:
            self.publish(will.sent, client.name, batch=batch)

    def advance(self, seconds: float) -> None:
        """Let time pass: wills and sessions become due."""
        self.time += seconds
        batch = self.batch()
        due = [client for client in self.clients.values() if not client.connected]
        for client in due:
            if client.will is not None and client.will_at <= self.time:
                self._bequeath(client, batch)
        for client in due:
            if client.expires_at <= self.time:
                del self.clients[client.name]

    # ------------------------------------------------------------------ messages

    def batch(self) -> int:
        """Return a number for messages whose order among them is not told."""
        return next(self._batches)

    def publish(self, sent: Sent, source: str, *, batch: int | None = None) -> None:
        """Retain and deliver."""
        number = self.batch() if batch is None else batch
        if sent.retain and sent.payload:
            self.retained[sent.topic] = sent
        elif sent.retain:
            self.retained.pop(sent.topic, None)
        groups: dict[str, set[str]] = {}
        for client in self.clients.values():
            found = []
            for name, wanted in client.subscriptions.items():
                if name.startswith("$share/"):
                    if client.connected and matches(sent.topic, name.split("/", 2)[2]):
                        groups.setdefault(name, set()).add(client.name)
                elif matches(sent.topic, name):
                    found.append(wanted)
            if found and not (client.name == source and all(each.no_local for each in found)):
                self._expect(client, sent, found, number)
        self.shared += [(sent, members) for members in groups.values()]

    def subscribe(self, client: Client, name: str, wanted: Wanted) -> None:
        """Add or replace a subscription, and deliver what is retained."""
        new = name not in client.subscriptions
        client.subscriptions[name] = wanted
        handling = wanted.retain_handling
        if name.startswith("$share/") or handling == 2 or (handling == 1 and not new):
            return
        if client.backlog:
            client.asked[name] = wanted
        else:
            self._begin(client, name, wanted)

    def unsubscribe(self, client: Client, name: str) -> bool:
        """Remove a subscription; return whether there was one."""
        client.asked.pop(name, None)
        return client.subscriptions.pop(name, None) is not None

    def _begin(self, client: Client, name: str, wanted: Wanted) -> None:
        number = self.batch()
        for sent in self.retained.values():
            if matches(sent.topic, name) and sent.expires_at > self.time:
                identifiers = (wanted.identifier,) if wanted.identifier else ()
                qos = min(sent.qos, wanted.qos)
                client.backlog.append(Expected(sent, qos, True, identifiers, number))

    def _backlog_sent(self, client: Client) -> None:
        while client.asked and not client.backlog:
            name, wanted = next(iter(client.asked.items()))
            del client.asked[name]
            if client.subscriptions.get(name) is wanted:
                self._begin(client, name, wanted)

    def _expect(self, client: Client, sent: Sent, found: list[Wanted], batch: int) -> None:
        qos = min(sent.qos, max(each.qos for each in found))
        kept = sent.retain and any(each.retain_as_published for each in found)
        identifiers = tuple(each.identifier for each in found if each.identifier)
        expected = Expected(sent, qos, kept, identifiers, batch)
        if qos:
            client.queue.append(expected)
        elif client.connected:
            client.now.append(expected)

    # ------------------------------------------------------------------ what the broker sends

    def saw(self, client: Client, packet: MQTTPublish) -> None:
        """Judge a PUBLISH packet that *client* got."""
        if packet.qos == 0:
            assert not packet.dup
            self._saw_at_once(client, packet)
            return
        assert packet.packet_id
        assert client.quota > 0, "more is under way than the client takes"
        client.quota -= 1
        if client.replay:
            again = client.under_way[packet.packet_id]
            assert packet.packet_id == client.replay.pop(0), "not replayed in its order"
            assert packet.dup
            assert again is not None
            assert again.seen_in(packet, client.level)
            return
        assert not packet.dup
        assert packet.packet_id not in client.under_way, "the identifier is in use"
        waiting = client.backlog
        if not waiting:
            self._drop_expired(client)
            waiting = client.queue
        taken = _take(waiting, packet, client.level)
        assert taken is not None, f"{packet} is not what comes next: {waiting}"
        client.under_way[packet.packet_id] = taken
        self._backlog_sent(client)

    def saw_release(self, client: Client, packet: MQTTPubrel) -> bool:
        """Judge a PUBREL packet; False: it is no replay, but answers a PUBREC."""
        if not (client.replay and client.replay[0] == packet.packet_id):
            return False
        assert client.under_way[client.replay.pop(0)] is RELEASED
        return True

    def _saw_at_once(self, client: Client, packet: MQTTPublish) -> None:
        if _take(client.backlog, packet, client.level) is not None:
            self._backlog_sent(client)
            return
        if _take(client.now, packet, client.level) is not None:
            return
        for waiting in (self.shared, self.lost):
            for number, (sent, members) in enumerate(waiting):
                if client.name in members and sent.payload == packet.payload:
                    assert not packet.retain
                    del waiting[number]
                    return
        raise AssertionError(f"{client.name} was not to get {packet}")

    def _drop_expired(self, client: Client) -> None:
        client.queue = [each for each in client.queue if each.sent.expires_at > self.time]

    def settled(self) -> None:
        """Judge what is left when the broker has nothing more to say."""
        for _, members in self.shared:
            held = [name for name in members if self.clients[name].backlog]
            assert held, "a group's message went to nobody"
        for client in self.clients.values():
            if not client.connected:
                continue
            stalled = not client.quota and any(each.qos for each in client.backlog)
            if not stalled:
                assert not client.backlog, f"{client.name} did not get {client.backlog}"
                assert not client.now, f"{client.name} did not get {client.now}"
            if client.quota:
                self._drop_expired(client)
                assert not client.replay, "something was not sent again"
                assert not client.queue, f"{client.name} did not get {client.queue}"

    def answered(self, client: Client, packet_id: int, *, released: bool) -> None:
        """*client* has acknowledged: wholly, or with PUBREC if *released*."""
        if released:
            client.under_way[packet_id] = RELEASED
            return
        del client.under_way[packet_id]
        client.quota = min(client.quota + 1, client.window)


def _take(waiting: list[Expected], packet: MQTTPublish, level: int) -> Expected | None:
    """Take the message that *packet* is out of the batch that comes next."""
    for number, expected in enumerate(waiting):
        if expected.batch != waiting[0].batch:
            return None
        if expected.seen_in(packet, level):
            return waiting.pop(number)
    return None
