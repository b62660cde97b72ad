"""A broker for one application, as small as it can be: no network, no sessions, no retention."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from blackbull.mqtt.tap import Message, Published
from blackbull.mqtt.topics import topic_matches_filter


class FakeSubscription:
    """What the broker keeps of one local subscription."""

    def __init__(
        self,
        broker: FakeBroker,
        filter: str,
        receive: Callable[[Published], bool],
        *,
        reliable: bool,
        max_queued: int,
    ) -> None:
        self.dropped = 0
        self.filter = filter
        self.receive = receive
        self.reliable = reliable
        self.queue: deque[Published] = deque()
        self._broker = broker
        self._max_queued = max_queued if reliable else 0

    def deliver(self, message: Published) -> None:
        if self.queue or not self.receive(message):
            if len(self.queue) < self._max_queued:
                self.queue.append(message)
            else:
                self.dropped += 1

    def resume(self) -> None:
        while self.queue and self.receive(self.queue[0]):
            self.queue.popleft()

    def close(self) -> None:
        self._broker.subscriptions.remove(self)


class FakeBroker:
    """Delivers what is published to whoever subscribed here."""

    def __init__(self) -> None:
        self.subscriptions: list[FakeSubscription] = []
        self.published: list[Message] = []
        self.max_queued = 1000

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 0,
        retain: bool = False,
        properties: Mapping[str, object] | None = None,
    ) -> int:
        message = Message(topic, payload, qos, retain, properties)
        self.published.append(message)
        matching = [each for each in self.subscriptions if topic_matches_filter(topic, each.filter)]
        for each in matching:
            each.deliver(message)
        return len(matching)

    def add_local(
        self,
        filter: str,
        receive: Callable[[Published], bool],
        *,
        qos: int = 0,
        reliable: bool = False,
    ) -> FakeSubscription:
        subscription = FakeSubscription(
            self, filter, receive, reliable=reliable, max_queued=self.max_queued
        )
        self.subscriptions.append(subscription)
        return subscription
