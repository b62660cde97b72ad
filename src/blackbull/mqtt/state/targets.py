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

    __slots__ = ("_generation", "_here", "_ring", "_turn", "filter", "members", "name")

    def __init__(self, name: str, filter: str) -> None:
        self.name = name
        self.filter = filter
        self.members: dict[Subscriber, Subscription] = {}
        self._ring: list[Subscriber] = []
        self._here: list[Subscriber] = []
        self._generation = -1
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

    def has_other(self, member: Subscriber, *, away: bool) -> bool:
        """Return True when somebody else than *member* is there, or a member at all if *away*."""
        return any(other is not member and (away or other.connected) for other in self._ring)

    def next(
        self, *, qos: int, generation: int, other_than: Subscriber | None = None
    ) -> Subscriber | None:
        """Return whose turn it is: a member that can take a message now, if there is one.

        Args:
            qos: Of the message: with QoS 1 and 2 it may wait for a member that is away.
            generation: The router's: as long as it is the same, nobody has come or gone.
            other_than: A member that is passed over.
        """
        if generation != self._generation:
            self._generation = generation
            self._here = [member for member in self._ring if member.connected]
        here = self._here
        size = len(here)
        busy = -1
        for step in range(size):
            at = (self._turn + step) % size
            member = here[at]
            if member is other_than:
                continue
            if member.ready:
                self._turn = at + 1
                return member
            if busy < 0:
                busy = at
        if busy >= 0:
            self._turn = busy + 1
            return here[busy]
        return self._next_away(other_than) if qos else None

    def _next_away(self, other_than: Subscriber | None) -> Subscriber | None:
        for _ in range(2):
            if self._ring:
                at = self._turn % len(self._ring)
                self._turn = at + 1
                if self._ring[at] is not other_than:
                    return self._ring[at]
        return None
