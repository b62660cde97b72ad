"""Subscriptions of the application itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from .session import Subscriber

if TYPE_CHECKING:
    from .publication import Publication
    from .routing import Router
    from .stats import Stats
    from .targets import Group


class LocalSubscriber(Subscriber):
    """A part of the application that is delivered messages.

    Args:
        receive: Takes a message; False: not now.
        stats: The broker's figures.
        max_queued: Messages that wait until it says :meth:`resume`; 0: those it does not take
            are dropped.
        max_bytes: What those that wait may hold together.

    Attributes:
        dropped: Messages that it did not get.
        queue: Messages that wait.
    """

    __slots__ = (
        "_bytes", "_max_bytes", "_max_queued", "_receive", "_stats", "dropped", "queue",
    )  # fmt: skip

    def __init__(
        self,
        receive: Callable[[Publication], bool],
        *,
        stats: Stats,
        max_queued: int = 0,
        max_bytes: int = 0,
    ) -> None:
        self.client_id = ""
        self.link = None
        self.dropped = 0
        self.queue: deque[Publication] = deque()
        self._receive = receive
        self._bytes = 0
        self._max_bytes = max_bytes
        self._max_queued = max_queued
        self._stats = stats

    @property
    def connected(self) -> bool:
        """It is always there."""
        return True

    @property
    def ready(self) -> bool:
        """Nothing waits for it."""
        return not self.queue

    def deliver(
        self, publication: Publication, first: int, identifiers: tuple[int, ...],
        group: Group | None = None,
    ) -> None:  # fmt: skip
        """Hand *publication* over, or let it wait, or drop it."""
        if not self.queue and self._receive(publication):
            return
        held = self._bytes + publication.size
        if len(self.queue) < self._max_queued and held <= self._max_bytes:
            self._bytes = held
            self.queue.append(publication)
        else:
            self.dropped += 1
            self._stats.publish_dropped += 1

    def resume(self) -> None:
        """Hand over what waits, as far as it is taken."""
        while self.queue and self._receive(self.queue[0]):
            self._bytes -= self.queue.popleft().size


class LocalSubscription:
    """A subscription of the application, until it is closed."""

    __slots__ = ("_filter", "_router", "_subscriber")

    def __init__(self, router: Router, subscriber: LocalSubscriber, filter: str) -> None:
        self._router = router
        self._subscriber = subscriber
        self._filter = filter

    @property
    def dropped(self) -> int:
        """Messages that were not taken and could not wait."""
        return self._subscriber.dropped

    @property
    def queued(self) -> int:
        """Messages that wait."""
        return len(self._subscriber.queue)

    def resume(self) -> None:
        """Ask for what waits."""
        self._subscriber.resume()

    def close(self) -> None:
        """Take nothing more. Again: nothing."""
        self._router.unsubscribe(self._subscriber, self._filter)
        self._subscriber.queue.clear()
