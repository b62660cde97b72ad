"""From a topic to its subscribers, and the message to each of them.

Whom a topic reaches is found out once and remembered until a subscription changes. Messages of
QoS 0 that follow one another to the same subscribers, with nothing to be changed for any of them,
are collected as they came and joined once for all: that is a *run*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..codec.types import ReasonCode
from .publication import Publication
from .session import Entry, Subscriber, Subscription
from .stats import Stats
from .subscriptions import SubscriptionTree
from .targets import Group, Target

if TYPE_CHECKING:
    from .link import Link

MAX_REMEMBERED: Final = 200_000
"""What remembered routes may cost before all are forgotten: one for each subscriber of each, two
for the route, one for every 64 bytes of its topic."""


class Route:
    """Whom the messages of one topic reach.

    Attributes:
        targets: Every subscriber that is not in a group.
        groups: The shared subscriptions.
        tapped: The application looks at them.
        links: The clients that can be given a message just as it came, when they are all that
            there is and all speak ``level``; else None.
        group: The shared subscription whose members can be, when it is all that there is.
        level: The protocol level of *links* or of the group's members; 0 if there are none.
        refusal: The Reason Code with which messages are refused; 0: they are not.
    """

    __slots__ = ("group", "groups", "level", "links", "refusal", "tapped", "targets")

    def __init__(self, targets: list[Target], groups: list[Group], *, tapped: bool) -> None:
        self.targets = targets
        self.groups = groups
        self.tapped = tapped
        self.links: list[Link] | None = None
        self.group: Group | None = None
        self.level = 0
        self.refusal = 0

    @property
    def empty(self) -> bool:
        """Nobody gets them."""
        return not (self.targets or self.groups or self.tapped)

    def find_plain(self) -> None:
        """Find out whether messages can be handed on just as they came."""
        if self.tapped or (self.groups and (self.targets or len(self.groups) > 1)):
            return
        group = self.groups[0] if self.groups else None
        targets = self.targets if group is None else group.targets()
        links: list[Link] = []
        level = 0
        for target in targets:
            link = target.subscriber.link
            if link is None:
                if target.subscriber.connected:
                    return
                continue
            if target.identifiers or target.filters_own or not link.plain:
                return
            if level and link.level != level:
                return
            level = link.level
            links.append(link)
        self.level = level
        if group is None:
            self.links = links
        else:
            self.group = group


def belongs_to_broker(topic: str) -> bool:
    """Return True for a topic that clients read and the broker alone writes (§4.7.2)."""
    return topic.startswith("$SYS") and topic[4:5] in {"", "/"}


def _refusing(reason: int) -> Route:
    route = Route([], [], tapped=True)
    route.refusal = reason
    return route


DENIED: Final = _refusing(ReasonCode.NOT_AUTHORIZED)
"""Where a publisher may not publish."""
INVALID: Final = _refusing(ReasonCode.TOPIC_NAME_INVALID)
"""Where nobody may publish."""


class Router:
    """The subscriptions, and the way of a message to them.

    Args:
        stats: The broker's figures.
        dirty: The broker's list of links that have something to write.

    Attributes:
        subscriptions: Those of single subscribers.
        groups: The shared ones.
        taps: The filters of the application's taps.
        routes: What is remembered, by Topic Name; emptied in place when a subscription changes.
        generation: Counts these changes.
        tapped: Messages that the application's taps are to see, oldest first.
        observed: Every message is looked at one by one, because somebody wants to know of each.
    """

    def __init__(self, *, stats: Stats, dirty: list[Link]) -> None:
        self.subscriptions: SubscriptionTree[Subscriber, Subscription] = SubscriptionTree()
        self.groups: SubscriptionTree[str, Group] = SubscriptionTree()
        self.taps: SubscriptionTree[object, object] = SubscriptionTree()
        self.routes: dict[bytes, Route] = {}
        self.generation = 0
        self.tapped: list[Publication] = []
        self.observed = False
        self._by_name: dict[tuple[str, str], Group] = {}
        self._dirty = dirty
        self._stats = stats
        self._remembered = 0
        self._link_lists: dict[tuple[Link, ...], list[Link]] = {}
        self._run_links: list[Link] | None = None
        self._run: list[bytes] = []
        self._run_count = 0

    # ------------------------------------------------------------------ subscriptions

    def subscribe(self, subscriber: Subscriber, subscription: Subscription, filter: str) -> bool:
        """Add or replace a subscription; *filter* is it without ``$share``; True if it is new."""
        self.forget_routes()
        return self.subscriptions.add(filter, subscriber, subscription) is None

    def unsubscribe(self, subscriber: Subscriber, filter: str) -> None:
        """Remove a subscription."""
        self.forget_routes()
        self.subscriptions.remove(filter, subscriber)

    def join(
        self, subscriber: Subscriber, subscription: Subscription, *, name: str, filter: str
    ) -> None:
        """Add or replace a shared subscription."""
        self.forget_routes()
        group = self._by_name.get((name, filter))
        if group is None:
            group = self._by_name[name, filter] = Group(name, filter)
            self.groups.add(filter, name, group)
        group.join(subscriber, subscription)

    def leave(self, subscriber: Subscriber, *, name: str, filter: str) -> None:
        """Remove a shared subscription."""
        group = self._by_name.get((name, filter))
        if group is None:
            return
        self.forget_routes()
        group.leave(subscriber)
        if not group.members:
            self.groups.remove(filter, name)
            del self._by_name[name, filter]

    def forget_routes(self) -> None:
        """Find out anew whom each topic reaches."""
        self.settle()
        self.generation += 1
        self.routes.clear()
        self._link_lists.clear()
        self._remembered = 0

    # ------------------------------------------------------------------ routes

    def route(self, raw_topic: bytes, topic: str) -> Route:
        """Return whom *topic* reaches."""
        route = self.routes.get(raw_topic)
        if route is None:
            route = self._match(topic)
            if belongs_to_broker(topic):
                return route  # what is remembered any client may publish to
            cost = len(route.targets) + 2 + len(raw_topic) // 64
            self._remembered += cost
            if self._remembered > MAX_REMEMBERED:
                self.routes.clear()
                self._link_lists.clear()
                self._remembered = cost
            self.routes[raw_topic] = route
        return route

    def _match(self, topic: str) -> Route:
        targets: dict[Subscriber, Target] = {}
        for subscriber, subscription in self.subscriptions.match(topic):
            known = targets.get(subscriber)
            if known is None:
                targets[subscriber] = Target(subscriber, subscription)
            else:
                known.merge(subscription)
        groups = [group for _, group in self.groups.match(topic)] if len(self.groups) else []
        tapped = bool(len(self.taps) and self.taps.match(topic))
        route = Route(list(targets.values()), groups, tapped=tapped)
        if not self.observed:
            route.find_plain()
        if route.links is not None:
            # Routes to the same clients share one list: their messages make one run.
            route.links = self._link_lists.setdefault(tuple(route.links), route.links)
        return route

    # ------------------------------------------------------------------ messages

    def run(self, route: Route, packets: bytes, count: int) -> None:
        """Send QoS 0 packets just as they came to the links of *route*.

        Args:
            route: One with ``links``, of the level that *packets* are of.
            packets: Whole PUBLISH packets, one after another.
            count: How many.
        """
        if route.links is not self._run_links:
            self.settle()
            self._run_links = route.links
        self._run.append(packets)
        self._run_count += count

    def deal(self, group: Group, packets: bytes, size: int) -> None:
        """Send QoS 0 packets just as they came to the members of *group*, one after another.

        Args:
            group: One whose members can be given them.
            packets: Whole PUBLISH packets.
            size: How long each of them is.
        """
        self.settle()
        stats = self._stats
        for at in range(0, len(packets), size):
            member = group.next(qos=0, generation=self.generation)
            link = None if member is None else member.link
            if link is None:
                stats.publish_dropped += 1
                continue
            packet = packets[at : at + size]
            if link.congested:
                link.hold(packet, count=1)
            else:
                link.send(packet)
            stats.publish_sent += 1

    def settle(self) -> None:
        """Give the run to its links: before anything else is sent to anybody."""
        links = self._run_links
        if links is None:
            return
        self._run_links = None
        run = self._run
        packets = run[0] if len(run) == 1 else b"".join(run)
        run.clear()
        count = self._run_count
        self._run_count = 0
        self._stats.publish_sent += count * len(links)
        dirty = self._dirty
        written = len(links)
        for link in links:
            if link.congested:
                link.hold(packets, count=count)
                written -= 1
                continue
            out = link.out
            if not out:
                dirty.append(link)
            out.append(packets)
        self._stats.messages_sent += count * written
        if count > 1:
            for link in links:
                if not link.congested:
                    link.folded += count - 1

    def publish(self, publication: Publication, route: Route, source: Subscriber | None) -> None:
        """Deliver *publication* to everybody on its *route*.

        Args:
            publication: The message.
            route: Whom its topic reaches.
            source: Who published it, for No Local.
        """
        self.settle()
        published = publication.qos
        retain = publication.retain
        for target in route.targets:
            subscriber = target.subscriber
            if target.filters_own and subscriber is source:
                continue
            qos = target.qos if target.qos < published else published
            first = 0x30 | qos << 1
            if retain and target.retain_as_published:
                first |= 1
            subscriber.deliver(publication, first, target.identifiers)
        for group in route.groups:
            self._deliver_shared(publication, group, None)
        if route.tapped:
            self.tapped.append(publication)

    def _deliver_shared(
        self, publication: Publication, group: Group, other_than: Subscriber | None
    ) -> None:
        member = group.next(qos=publication.qos, generation=self.generation, other_than=other_than)
        if member is None:
            self._stats.publish_dropped += 1
            return
        subscription = group.members[member]
        first = 0x30 | min(subscription.qos, publication.qos) << 1
        if publication.retain and subscription.retain_as_published:
            first |= 1
        identifiers = (subscription.identifier,) if subscription.identifier else ()
        member.deliver(publication, first, identifiers, group)

    def hand_on(self, entries: list[Entry], *, left_by: Subscriber) -> None:
        """Deliver to another member of its group what *left_by* left undone."""
        for publication, _, _, group in entries:
            if group is not None:
                self._deliver_shared(publication, group, left_by)
