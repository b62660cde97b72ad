"""Who gets a message: a subscriber for itself, or one member of a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .session import Subscriber, Subscription


class Target:
    """What one subscriber gets of a topic's messages, all of its subscriptions taken together."""

    __slots__ = ("filters_own", "identifiers", "qos", "retain_as_published", "subscriber")

    def __init__(self, subscriber: Subscriber, subscription: Subscription) -> None:
        self.subscriber = subscriber
        self.qos = subscription.qos
        self.retain_as_published = subscription.retain_as_published
        self.identifiers: tuple[int, ...] = ()
        if subscription.identifier:
            self.identifiers = (subscription.identifier,)
        self.filters_own = subscription.no_local

    def merge(self, subscription: Subscription) -> None:
        """Let another subscription of the same subscriber match as well (MQTT-3.3.4-2)."""
        self.qos = max(self.qos, subscription.qos)
        self.retain_as_published |= subscription.retain_as_published
        if subscription.identifier:
            self.identifiers += (subscription.identifier,)
        # Own messages are kept from it only if every matching subscription says so.
        self.filters_own &= subscription.no_local


class Group:
    """The members of one share name and filter; messages go round among them.

    Args:
        name: The ShareName.
        filter: The Topic Filter without ``$share/`` and the name.

    Attributes:
        members: Their subscriptions, in the order in which they joined.

    Spec:
        MQTT 5.0 §4.8.2
    """

    __slots__ = ("_ring", "_turn", "filter", "members", "name")

    def __init__(self, name: str, filter: str) -> None:
        self.name = name
        self.filter = filter
        self.members: dict[Subscriber, Subscription] = {}
        self._ring: list[Subscriber] = []
        self._turn = 0

    def join(self, member: Subscriber, subscription: Subscription) -> None:
        """Add *member*, or replace its subscription."""
        self.members[member] = subscription
        self._ring = list(self.members)

    def leave(self, member: Subscriber) -> None:
        """Remove *member*."""
        self.members.pop(member, None)
        self._ring = list(self.members)

    def targets(self) -> list[Target]:
        """Return what each member gets."""
        return [Target(member, subscription) for member, subscription in self.members.items()]

    def has_other(self, member: Subscriber) -> bool:
        """Return True when somebody else than *member* is there."""
        return any(other is not member and other.connected for other in self._ring)

    def next(self, *, qos: int, other_than: Subscriber | None = None) -> Subscriber | None:
        """Return whose turn it is: a member that can take a message now, if there is one.

        Args:
            qos: Of the message: with QoS 1 and 2 it may wait for a member that is away.
            other_than: A member that is passed over.
        """
        ring = self._ring
        size = len(ring)
        away: Subscriber | None = None
        busy: Subscriber | None = None
        for step in range(size):
            member = ring[(self._turn + step) % size]
            if member is other_than:
                continue
            if member.ready:
                self._turn = (self._turn + step + 1) % size
                return member
            if member.connected:
                busy = busy or member
            else:
                away = away or member
        chosen = busy or (away if qos else None)
        if chosen is not None:
            self._turn = (ring.index(chosen) + 1) % size
        return chosen
