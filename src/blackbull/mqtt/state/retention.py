"""Retained messages: the last one of each topic, for whoever subscribes later."""

from __future__ import annotations

import heapq
from math import inf
from typing import TYPE_CHECKING, Final

from blackbull.errors import LimitExceeded

from .retained import RetainedTree

if TYPE_CHECKING:
    from ..settings import MQTTSettings
    from .publication import Publication


LEVEL: Final = 256
"""Bytes that each further level of a topic costs, about, where no other topic has it."""


class Retention:
    """The retained messages, and what they may hold together.

    Args:
        settings: The limits.

    Spec:
        MQTT 5.0 §3.3.1.3
    """

    __slots__ = ("_expiring", "_own", "_settings", "_tree", "bytes")

    def __init__(self, settings: MQTTSettings) -> None:
        self.bytes = 0
        self._settings = settings
        self._tree: RetainedTree[Publication] = RetainedTree()
        self._own: set[str] = set()
        self._expiring: list[tuple[float, str]] = []  # a heap; some may be out of date

    def __len__(self) -> int:
        """Topics with a retained message, those of the broker itself included."""
        return len(self._tree)

    def keep(self, publication: Publication, *, now: float) -> None:
        """Retain *publication* in place of what its topic had; without payload: retain nothing.

        Raises:
            LimitExceeded: there is no room for it; what was there stays.
        """
        topic = publication.topic
        if publication.payload_at == len(publication.tail):
            self._forget(topic)
            return
        if self._expiring and self._expiring[0][0] <= now:
            self.sweep(now)
        self.bytes += self._check(publication, topic)
        self._own.discard(topic)
        self._tree.put(topic, publication)
        if publication.expires_at != inf:
            self._note(publication.expires_at, topic)

    @property
    def noted(self) -> int:
        """Notes about what expires when."""
        return len(self._expiring)

    def _note(self, expires_at: float, topic: str) -> None:
        if len(self._expiring) > 2 * len(self._tree) + 64:
            self._expiring = list({note for note in self._expiring if self._expires(*note)})
            heapq.heapify(self._expiring)
        heapq.heappush(self._expiring, (expires_at, topic))

    def _expires(self, at: float, topic: str) -> bool:
        """Return True when the message of *topic* is still one that expires *at* that time."""
        known = self._tree.get(topic)
        return known is not None and known.expires_at == at

    def _forget(self, topic: str) -> None:
        self.bytes -= self._counted(topic)
        self._own.discard(topic)
        self._tree.remove(topic)

    def _counted(self, topic: str) -> int:
        """Return what the message of *topic* counts for, in bytes."""
        known = None if topic in self._own else self._tree.get(topic)
        return 0 if known is None else known.size + LEVEL * topic.count("/")

    def show(self, publication: Publication) -> None:
        """Retain a message of the broker itself, which no limit counts."""
        topic = publication.topic
        self.bytes -= self._counted(topic)
        self._own.add(topic)
        self._tree.put(topic, publication)

    def matching(self, filter: str, *, now: float) -> list[Publication]:
        """Return what *filter* matches and has not expired."""
        return [found for _, found in self._tree.match(filter) if found.expires_at > now]

    def sweep(self, now: float) -> None:
        """Forget what has expired."""
        while self._expiring and self._expiring[0][0] <= now:
            at, topic = heapq.heappop(self._expiring)
            if self._expires(at, topic):
                self._forget(topic)

    def _check(self, publication: Publication, topic: str) -> int:
        """Return how many bytes *publication* adds.

        Raises:
            LimitExceeded: there is no room for it.
        """
        settings = self._settings
        new = topic in self._own or topic not in self._tree
        count = len(self._tree) - len(self._own) + new
        if count > settings.max_retained:
            raise LimitExceeded("mqtt_max_retained", allowed=settings.max_retained, seen=count)
        known = None if new else self._tree.get(topic)
        more = -known.size if known is not None else LEVEL * topic.count("/")
        added = publication.size + more
        size = self.bytes + added
        if size > settings.max_retained_bytes:
            raise LimitExceeded(
                "mqtt_max_retained_bytes", allowed=settings.max_retained_bytes, seen=size
            )
        return added
