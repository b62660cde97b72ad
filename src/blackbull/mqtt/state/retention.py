"""Retained messages: the last one of each topic, for whoever subscribes later."""

from __future__ import annotations

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

    __slots__ = ("_own", "_settings", "_tree", "bytes")

    def __init__(self, settings: MQTTSettings) -> None:
        self.bytes = 0
        self._settings = settings
        self._tree: RetainedTree[Publication] = RetainedTree()
        self._own = 0

    def __len__(self) -> int:
        """Topics with a retained message, those of the broker itself included."""
        return len(self._tree)

    def keep(self, publication: Publication, *, now: float) -> None:
        """Retain *publication* in place of what its topic had; without payload: retain nothing.

        Raises:
            LimitExceeded: there is no room for it; what was there stays.
        """
        topic = publication.topic
        known = self._tree.get(topic)
        if publication.payload_at == len(publication.tail):
            if known is not None:
                self._tree.remove(topic)
                self.bytes -= known.size
            return
        freed = 0 if known is None else known.size
        if not self._fits(publication.size - freed, new=known is None):
            self.sweep(now)
            known = self._tree.get(topic)
            freed = 0 if known is None else known.size
            self._check(publication.size - freed, new=known is None)
        self._tree.put(topic, publication)
        self.bytes += publication.size - freed

    def show(self, publication: Publication) -> None:
        """Retain a message of the broker itself, which no limit counts."""
        if self._tree.get(publication.topic) is None:
            self._own += 1
        self._tree.put(publication.topic, publication)

    def matching(self, filter: str, *, now: float) -> list[Publication]:
        """Return what *filter* matches and has not expired."""
        return [found for _, found in self._tree.match(filter) if found.expires_at > now]

    def sweep(self, now: float) -> None:
        """Forget what has expired."""
        for filter in ("#", "$SYS/#"):
            expired = [(at, old) for at, old in self._tree.match(filter) if old.expires_at <= now]
            for topic, publication in expired:
                self._tree.remove(topic)
                self.bytes -= publication.size

    def _fits(self, size: int, *, new: bool) -> bool:
        try:
            self._check(size, new=new)
        except LimitExceeded:
            return False
        return True

    def _check(self, size: int, *, new: bool) -> None:
        settings = self._settings
        count = len(self._tree) - self._own + new
        if count > settings.max_retained:
            raise LimitExceeded("mqtt_max_retained", allowed=settings.max_retained, seen=count)
        if self.bytes + size > settings.max_retained_bytes:
            raise LimitExceeded(
                "mqtt_max_retained_bytes",
                allowed=settings.max_retained_bytes,
                seen=self.bytes + size,
            )
