"""Retained messages: the last one of each topic, for whoever subscribes later."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from blackbull.errors import LimitExceeded

from .retained import RetainedTree

if TYPE_CHECKING:
    from ..settings import MQTTSettings
    from .publication import Publication


class Retention:
    """The retained messages, and what they may hold together.

    Args:
        settings: The limits.

    Spec:
        MQTT 5.0 §3.3.1.3
    """

    __slots__ = ("_next_expiry", "_own", "_settings", "_tree", "bytes")

    def __init__(self, settings: MQTTSettings) -> None:
        self.bytes = 0
        self._settings = settings
        self._tree: RetainedTree[Publication] = RetainedTree()
        self._own: set[str] = set()
        self._next_expiry = inf  # none expires before

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
        if not self._fits(publication, topic) and self._next_expiry <= now:
            self.sweep(now)
        self._check(publication, topic)
        self.bytes += publication.size - self._counted(topic)
        self._own.discard(topic)
        self._tree.put(topic, publication)
        self._next_expiry = min(self._next_expiry, publication.expires_at)

    def _forget(self, topic: str) -> None:
        self.bytes -= self._counted(topic)
        self._own.discard(topic)
        self._tree.remove(topic)

    def _counted(self, topic: str) -> int:
        """Return what the message of *topic* counts for, in bytes."""
        known = None if topic in self._own else self._tree.get(topic)
        return 0 if known is None else known.size

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
        expired: list[str] = []
        self._next_expiry = inf
        for topic in self._tree:
            found = self._tree.get(topic)
            if found is not None and found.expires_at <= now:
                expired.append(topic)
            elif found is not None:
                self._next_expiry = min(self._next_expiry, found.expires_at)
        for topic in expired:
            self._forget(topic)

    def _fits(self, publication: Publication, topic: str) -> bool:
        try:
            self._check(publication, topic)
        except LimitExceeded:
            return False
        return True

    def _check(self, publication: Publication, topic: str) -> None:
        settings = self._settings
        new = topic in self._own or topic not in self._tree
        count = len(self._tree) - len(self._own) + new
        if count > settings.max_retained:
            raise LimitExceeded("mqtt_max_retained", allowed=settings.max_retained, seen=count)
        size = self.bytes + publication.size - self._counted(topic)
        if size > settings.max_retained_bytes:
            raise LimitExceeded(
                "mqtt_max_retained_bytes", allowed=settings.max_retained_bytes, seen=size
            )
