"""Sessions: what outlives a client's connection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias

from blackbull.errors import LimitExceeded

from ..codec.types import ReasonCode
from ..settings import MQTTSettings, Overflow

if TYPE_CHECKING:
    from .link import Link
    from .publication import Publication
    from .stats import Stats
    from .targets import Group

Entry: TypeAlias = "tuple[Publication, int, tuple[int, ...], Group | None]"
"""A message for one subscriber: what, the first byte of its packet, which Subscription
Identifiers go with it, and whose turn it was if the subscription is shared."""

DUP: Final = 0x08
PUBREL: Final = b"\x62\x02"


@dataclass(slots=True, frozen=True)
class Subscription:
    """What a client asked for with one Topic Filter.

    Attributes:
        filter: The Topic Filter as the client wrote it.
        qos: The highest QoS that it gets.
        no_local: It does not get what it publishes itself.
        retain_as_published: RETAIN is forwarded as it was set.
        retain_handling: 0: retained messages are sent, 1: unless it was subscribed, 2: never.
        identifier: The Subscription Identifier; 0 for none.

    Spec:
        MQTT 5.0 §3.8.3.1
    """

    filter: str
    qos: int
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0
    identifier: int = 0


class Subscriber(ABC):
    """Somebody whom messages are delivered to: a client's session, or a part of the application."""

    __slots__ = ("client_id", "link")

    client_id: str
    link: Link | None

    @property
    @abstractmethod
    def connected(self) -> bool:
        """It is there."""

    @property
    @abstractmethod
    def ready(self) -> bool:
        """It can take a message now, without queueing it."""

    @abstractmethod
    def deliver(
        self, publication: Publication, first: int, identifiers: tuple[int, ...],
        group: Group | None = None,
    ) -> None:  # fmt: skip
        """Take *publication*, with the first byte that its packet is to have."""


@dataclass(slots=True, frozen=True)
class Will:
    """The message that is published when a connection ends without its client saying so.

    Attributes:
        topic: Where.
        payload: What.
        qos: With which QoS.
        retain: Whether it is retained.
        properties: As a PUBLISH packet would have them.
        delay: Seconds that the client has to come back, before.

    Spec:
        MQTT 5.0 §3.1.2.5, §3.1.3.2
    """

    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: dict[str, object]
    delay: int


class Session(Subscriber):
    """A client's state: subscriptions, messages under way and messages that wait.

    Args:
        client_id: The Client Identifier.
        settings: The limits.
        stats: The broker's figures.

    Attributes:
        link: The client's connection; None while it is away.
        subscriptions: By Topic Filter, as the client wrote it.
        inflight: By Packet Identifier, in the order in which they were sent: the message, or None
            once the client has said PUBREC.
        queue: Messages that wait for their turn.
        received: Packet Identifiers of the QoS 2 messages that the client has not released.
        expiry: Session Expiry Interval, in seconds.
        expires_at: When the session ends if the client stays away; ``inf`` while it is there.
        will: What is published if the connection ends without a word.
        will_at: When; ``inf`` if it is not due.
        dropped: Messages that it did not get.

    Spec:
        MQTT 5.0 §4.1
    """

    __slots__ = (
        "_next_expiry", "_packet_id", "_queued_bytes", "_replay", "_settings", "_stats", "_told",
        "dropped", "expires_at", "expiry", "inflight", "queue", "received", "subscriptions", "will",
        "will_at",
    )  # fmt: skip

    def __init__(self, client_id: str, *, settings: MQTTSettings, stats: Stats) -> None:
        self.client_id = client_id
        self.link: Link | None = None
        self.subscriptions: dict[str, Subscription] = {}
        self.inflight: dict[int, Entry | None] = {}
        self.queue: deque[Entry] | None = None
        self.received: set[int] | None = None
        self.expiry = 0
        self.expires_at = inf
        self.will: Will | None = None
        self.will_at = inf
        self.dropped = 0
        self._told = False  # of a limit, since the client went away
        self._packet_id = 0
        self._queued_bytes = 0
        self._next_expiry = inf  # of what waits; none that waits expires before
        self._replay: deque[int] | None = None
        self._settings = settings
        self._stats = stats

    @property
    def connected(self) -> bool:
        """The client has a connection."""
        return self.link is not None

    @property
    def ready(self) -> bool:
        """A message can be sent to the client now."""
        link = self.link
        return link is not None and not link.congested and link.outstanding < link.window

    # ------------------------------------------------------------------ to the client

    def deliver(
        self, publication: Publication, first: int, identifiers: tuple[int, ...],
        group: Group | None = None,
    ) -> None:  # fmt: skip
        """Send *publication*, or let it wait; QoS 0 does not wait for a client that is away."""
        link = self.link
        if link is None:
            if first & 6:
                self._enqueue((publication, first, identifiers, group))
            else:
                self._stats.publish_dropped += 1
        elif not first & 6:
            if link.backlog is None:
                link.send_publication(publication, first, 0, identifiers)
            else:
                link.hold_behind((publication, first, identifiers, group))
        elif (
            self.queue
            or self._replay
            or link.congested
            or link.outstanding >= link.window
            or link.backlog is not None
        ):
            self._enqueue((publication, first, identifiers, group))
        elif link.plain and not identifiers and publication.expires_at == inf:
            self._transmit_plain(link, publication, first, group)
        else:
            self._transmit(link, (publication, first, identifiers, group))

    def _transmit_plain(
        self, link: Link, publication: Publication, first: int, group: Group | None
    ) -> None:
        """As :meth:`_transmit`, where there is nothing to add and nothing to look at."""
        inflight = self.inflight
        packet_id = self._packet_id % 65535 + 1
        while packet_id in inflight:
            packet_id = packet_id % 65535 + 1
        level = link.level
        if level == 5 and publication.head_key == 0x500 | first:
            packet = publication.head + packet_id.to_bytes(2, "big") + publication.tail
        else:
            packet = publication.packet(level, first, packet_id)
        if len(packet) > link.max_packet:  # it came with an alias, or is the application's
            self._stats.publish_dropped += 1
            return
        self._packet_id = packet_id
        inflight[packet_id] = (publication, first, (), group)
        link.outstanding += 1
        stats = link.stats
        stats.publish_sent += 1
        stats.messages_sent += 1
        if first & 2:
            stats.publish_sent_1 += 1
        else:
            stats.publish_sent_2 += 1
        out = link.out
        if not out:
            link.dirty.append(link)
        out.append(packet)

    def _transmit(self, link: Link, entry: Entry) -> None:
        """Send a message with QoS 1 or 2 under a Packet Identifier that is free."""
        inflight = self.inflight
        packet_id = self._packet_id % 65535 + 1
        while packet_id in inflight:
            packet_id = packet_id % 65535 + 1
        if link.send_publication(entry[0], entry[1], packet_id, entry[2]):
            self._packet_id = packet_id
            inflight[packet_id] = entry
            link.outstanding += 1

    def _enqueue(self, entry: Entry) -> None:
        queue = self.queue
        if queue is None:
            queue = self.queue = deque()
        size = entry[0].size
        settings = self._settings
        while len(queue) >= settings.max_queued_messages or (
            self._queued_bytes + size > settings.max_queued_bytes
        ):
            if self._next_expiry <= self._stats.now:
                self._drop_expired(queue)
                continue
            if len(queue) >= settings.max_queued_messages:
                self._overflow(len(queue) + 1)
            else:
                self._overflow(self._queued_bytes + size, of="bytes")
            if settings.overflow is Overflow.DROP_NEWEST or not queue:
                return
            self._queued_bytes -= queue.popleft()[0].size
        queue.append(entry)
        self._queued_bytes += size
        self._next_expiry = min(self._next_expiry, entry[0].expires_at)

    def _drop_expired(self, queue: deque[Entry]) -> None:
        now = self._stats.now
        kept = [entry for entry in queue if entry[0].expires_at > now]
        self._stats.publish_dropped += len(queue) - len(kept)
        self._next_expiry = min((entry[0].expires_at for entry in kept), default=inf)
        self._queued_bytes = sum(entry[0].size for entry in kept)
        queue.clear()
        queue.extend(kept)

    def _overflow(self, seen: int, *, of: str = "messages") -> None:
        self._stats.publish_dropped += 1
        self.dropped += 1
        settings = self._settings
        allowed = settings.max_queued_messages if of == "messages" else settings.max_queued_bytes
        limit = LimitExceeded(f"mqtt_max_queued_{of}", allowed=allowed, seen=seen)
        if self.link is not None:
            self.link.shell.record_limit(limit)
        elif not self._told:
            self._told = True
            self._stats.limits.append(limit)

    def pump(self) -> None:
        """Send what waits, as far as the client takes it."""
        link = self.link
        if link is None:
            return
        while (replay := self._replay) and not link.congested:
            if not self._send_again(link, replay[0]):
                return
            replay.popleft()
        if link.backlog is not None:
            link.catch_up()
            return  # what is retained is older than what waits
        queue = self.queue
        while queue and link.outstanding < link.window and not link.congested:
            entry = queue.popleft()
            self._queued_bytes -= entry[0].size
            if entry[0].expires_at <= self._stats.now:
                self._stats.publish_dropped += 1
            else:
                self._transmit(link, entry)

    def send_retained(self, link: Link, entry: Entry) -> bool:
        """Send a retained message; False: not before the client takes or acknowledges some."""
        if link.congested:
            return False
        if not entry[1] & 6:
            link.send_publication(entry[0], entry[1], 0, entry[2])
        elif self._replay or link.outstanding >= link.window:
            return False
        else:
            self._transmit(link, entry)
        return True

    def _send_again(self, link: Link, packet_id: int) -> bool:
        """Send anew what was under way when the last connection ended; False: not yet.

        Spec:
            MQTT 5.0 §4.4 (MQTT-4.4.0-1)
        """
        if packet_id not in self.inflight:
            return True
        entry = self.inflight[packet_id]
        if entry is None:
            link.send(PUBREL + packet_id.to_bytes(2, "big"))
            link.outstanding += 1  # its PUBCOMP makes room for no more than itself
            return True
        if link.outstanding >= link.window:
            return False
        if link.send_publication(entry[0], entry[1] | DUP, packet_id, entry[2]):
            link.outstanding += 1
        else:
            del self.inflight[packet_id]
        return True

    def resume(self, link: Link) -> None:
        """Go on over a new connection: what was under way is sent again, in its order."""
        self.link = link
        self._told = False
        self.expires_at = inf
        self._replay = deque(self.inflight) if self.inflight else None
        self.pump()

    # ------------------------------------------------------------------ what the client answers

    def acknowledged(self, packet_id: int, link: Link) -> int:
        """The client has said PUBACK.

        Returns:
            0, or the Reason Code of the protocol error.
        """
        entry = self.inflight.get(packet_id)
        if entry is None or entry[1] & 4:
            # An identifier that is not in use is no reason to end a connection: MQTT 5.0 §3.4.
            return ReasonCode.PROTOCOL_ERROR if packet_id in self.inflight else 0
        del self.inflight[packet_id]
        replay = self._replay
        if not replay or packet_id not in replay:  # what is not sent again yet takes no room
            link.outstanding -= 1
        if self.queue or replay or link.backlog is not None:
            self.pump()
        return 0

    def taken(self, packet_id: int, link: Link, reason: int) -> int:
        """The client has said PUBREC, with *reason*; it is answered with PUBREL or, refused, not.

        Returns:
            0, or the Reason Code of the protocol error.

        Spec:
            MQTT 5.0 §4.3.3 (MQTT-4.3.3-4)
        """
        if packet_id not in self.inflight:
            if link.level == 5 and reason < 0x80:
                link.send(b"\x62\x03" + packet_id.to_bytes(2, "big") + b"\x92")
            elif reason < 0x80:
                link.send(PUBREL + packet_id.to_bytes(2, "big"))
            return 0
        entry = self.inflight[packet_id]
        if entry is not None and not entry[1] & 4:
            return ReasonCode.PROTOCOL_ERROR
        if reason >= 0x80:
            self.completed(packet_id, link)
            return 0
        self.inflight[packet_id] = None
        link.send(PUBREL + packet_id.to_bytes(2, "big"))
        return 0

    def completed(self, packet_id: int, link: Link) -> None:
        """The client has said PUBCOMP, or refused a QoS 2 message."""
        if packet_id not in self.inflight:
            return
        del self.inflight[packet_id]
        replay = self._replay
        if not replay or packet_id not in replay:
            link.outstanding -= 1
        if self.queue or replay or link.backlog is not None:
            self.pump()

    # ------------------------------------------------------------------ the client leaves

    def hand_over(self, *, for_good: bool = False) -> list[Entry]:
        """Take out what a shared subscription gave to this client and another may have instead.

        A QoS 2 message that is under way stays: its delivery is completed here or never.

        Args:
            for_good: The session ends: a member that is away may have it, too.

        Spec:
            MQTT 5.0 §4.8.2 (MQTT-4.8.2-4, MQTT-4.8.2-5)
        """
        if not (self.inflight or self.queue):
            return []
        entries = [each for each in (*self.inflight.values(), *(self.queue or ())) if each]
        groups = {
            group: group.has_other(self, away=for_good)
            for group in {entry[3] for entry in entries}
            if group is not None
        }
        if not any(groups.values()):
            return []
        under_way = [
            packet_id
            for packet_id, entry in self.inflight.items()
            if entry is not None and not entry[1] & 4 and _belongs_to(entry, groups)
        ]
        handed = [entry for each in under_way if (entry := self.inflight.pop(each))]
        if self.queue:
            kept: deque[Entry] = deque()
            for entry in self.queue:
                (handed if _belongs_to(entry, groups) else kept).append(entry)
            self.queue = kept
            self._queued_bytes = sum(entry[0].size for entry in kept)
        return handed

    def keep_backlog(self, backlog: deque[Entry]) -> None:
        """The connection ended before its backlog was sent: QoS 1 and 2 messages wait on."""
        for entry in backlog:
            if entry[1] & 6:
                self._enqueue(entry)

    @property
    def queued_bytes(self) -> int:
        """What the messages that wait hold together."""
        return self._queued_bytes


def _belongs_to(entry: Entry, groups: Mapping[Group, bool]) -> bool:
    group = entry[3]
    return group is not None and groups[group]
