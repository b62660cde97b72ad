"""The application as a client of its own broker: it publishes, and it follows topics.

Where the broker runs in this process, a message is handed to it, or by it, without a detour; in
another worker of several, it takes a stream between the two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Protocol

from .payload import encode_payload
from .settings import Overflow
from .tap import Message, Published
from .topics import validate_topic_filter
from .waiting import MAX_QUEUED, MAX_QUEUED_BYTES, Waiting

__all__ = ["EXACTLY_ONCE", "MAX_QUEUED", "MAX_QUEUED_BYTES", "Client", "Messages", "Overflow"]

EXACTLY_ONCE: Final = 2


class LocalSubscription(Protocol):
    """A subscription of the application's, as the broker keeps it."""

    @property
    def dropped(self) -> int:
        """Messages that were not taken and could not wait."""

    def resume(self) -> None:
        """Deliver what waits."""

    def close(self) -> None:
        """Unsubscribe."""


class LocalBroker(Protocol):
    """What the application needs of the broker."""

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 0,
        retain: bool = False,
        properties: Mapping[str, object] | None = None,
    ) -> int:
        """Publish a message; return how many subscribers it reaches."""

    def add_local(
        self,
        filter: str,
        receive: Callable[[Published], bool],
        *,
        qos: int = 0,
        reliable: bool = False,
    ) -> LocalSubscription:
        """Subscribe *receive*, which returns False when it cannot take a message now."""


class DistantBroker(Protocol):
    """What the application needs of a broker that runs in another worker."""

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 0,
        retain: bool = False,
        properties: Mapping[str, object] | None = None,
    ) -> int:
        """Publish a message; return how many subscribers it reaches."""

    async def follow(
        self,
        waiting: Waiting[Published],
        *,
        qos: int,
        receive: Callable[[Published], object],
        lost: Callable[[int], None],
    ) -> LocalSubscription:
        """Subscribe *receive*; tell *lost* how many messages have not come as far as here."""


class Messages:
    """The messages of some topics, as they come: use it in ``async with`` and ``async for``.

    Iterating ends when the server stops, or after :meth:`close`, with the last message that
    waited. Cancelling it loses nothing.

    Attributes:
        topic: The Topic Filter.
        qos: The highest QoS.
        waiting: What has come and was not read.
        dropped: Messages that came too fast.
    """

    def __init__(
        self,
        client: Client,
        topic: str,
        *,
        qos: int = EXACTLY_ONCE,
        max_queued: int = MAX_QUEUED,
        overflow: Overflow | str = Overflow.DROP_OLDEST,
    ) -> None:
        if qos not in {0, 1, 2}:
            raise ValueError(f"qos is 0, 1 or 2, not {qos!r}")
        if not validate_topic_filter(topic):
            raise ValueError(f"the topic filter {topic!r} contains a null character")
        self.topic = topic
        self._client = client
        self.qos = qos
        self.waiting: Waiting[Published] = Waiting(topic, max_queued=max_queued, overflow=overflow)
        self._news = asyncio.Event()
        self._lost = 0
        self._local: LocalSubscription | None = None
        self._ended = False

    async def __aenter__(self) -> Messages:
        """Subscribe.

        Raises:
            RuntimeError: no broker runs here, or this was entered before.
            ValueError: the broker does not accept the filter.
        """
        if self._local is not None or self._ended:
            raise RuntimeError("messages are followed once: call subscribe() again")
        local = await self._client.follow(self)
        if self._ended:
            local.close()
        else:
            self._local = local
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        self.waiting.clear()

    def __aiter__(self) -> Messages:
        return self

    async def __anext__(self) -> Message:
        while not self.waiting:
            if self._ended:
                raise StopAsyncIteration
            if self._local is None:
                raise RuntimeError("write: async with mqtt.subscribe(...) as messages")
            self._news.clear()
            await self._news.wait()
        return Message.of(self.waiting.take())

    @property
    def dropped(self) -> int:
        """Messages that came too fast."""
        return self.waiting.dropped + self._lost

    @property
    def queued(self) -> int:
        """Messages that wait to be read."""
        return len(self.waiting)

    def close(self) -> None:
        """Unsubscribe; what waits can still be read. Again: nothing."""
        self._ended = True
        self._news.set()
        self._client.forget(self)
        if self._local is not None:
            local, self._local = self._local, None
            local.close()

    def receive(self, publication: Published) -> bool:
        """Take a message; return False if it was dropped."""
        taken = self.waiting.offer(publication)
        if len(self.waiting) == 1:
            self._news.set()
        return taken

    def lost(self, count: int) -> None:
        """Take note that *count* messages in all were dropped before they came here."""
        self._lost = count


class Client:
    """Publishes and subscribes for the application, while the broker runs."""

    def __init__(self) -> None:
        self._broker: LocalBroker | None = None
        self._distant: DistantBroker | None = None
        self._following: set[Messages] = set()

    @property
    def broker(self) -> LocalBroker:
        """The broker.

        Raises:
            RuntimeError: none runs in this process.
        """
        if self._distant is not None:
            raise RuntimeError("the MQTT broker runs in worker 0, and only that one has this")
        if self._broker is None:
            raise RuntimeError(
                "no MQTT broker runs in this process: it does while the application serves"
            )
        return self._broker

    def attach(self, broker: LocalBroker) -> None:
        """Use *broker* from now on."""
        self._broker = broker
        self._distant = None

    def attach_distant(self, broker: DistantBroker) -> None:
        """Use *broker*, which runs elsewhere, from now on."""
        self._broker = None
        self._distant = broker

    def detach(self) -> None:
        """The broker stops."""
        self._broker = self._distant = None
        self.end_following()

    def end_following(self) -> None:
        """Whoever follows topics reads what waits, and then ends."""
        for messages in tuple(self._following):
            messages.close()

    async def publish(
        self,
        topic: str,
        payload: object = b"",
        *,
        qos: int = 0,
        retain: bool = False,
        properties: Mapping[str, object] | None = None,
    ) -> int:
        """Publish a message; when this returns, it is on its way to every subscriber.

        Args:
            topic: A Topic Name.
            payload: Bytes, text (UTF-8), or what JSON has a form of.
            qos: 0, 1 or 2: how it is delivered to those who subscribed with that much.
            retain: Keep it for those who subscribe later; with an empty payload: keep none.
            properties: MQTT 5 properties by name: ``{"message_expiry_interval": 60}``.

        Returns:
            How many subscribers it is on its way to.

        Raises:
            ConnectionLost: the worker that has the broker did not answer.
            LimitExceeded: it cannot be retained, and goes to nobody.
            RuntimeError: no broker runs.
            TypeError: *payload* has no JSON form.
            ValueError: *topic* is no Topic Name, or a property is impossible.
        """
        if qos not in {0, 1, 2}:
            raise ValueError(f"qos is 0, 1 or 2, not {qos!r}")
        content = encode_payload(payload)
        if self._distant is not None:
            return await self._distant.publish(
                topic, content, qos=qos, retain=retain, properties=properties
            )
        return self.broker.publish(topic, content, qos=qos, retain=retain, properties=properties)

    def subscribe(
        self,
        topic: str,
        *,
        qos: int = EXACTLY_ONCE,
        max_queued: int = MAX_QUEUED,
        overflow: Overflow | str = Overflow.DROP_OLDEST,
    ) -> Messages:
        """Follow topics: ``async with mqtt.subscribe("sensors/#") as messages``.

        Retained messages come first.

        Args:
            topic: A Topic Filter.
            qos: The highest QoS that ``msg.qos`` shows.
            max_queued: Messages that wait while the reader is busy.
            overflow: Which message is dropped when one more comes.

        Raises:
            ValueError: *topic* is no Topic Filter, or another argument is impossible.
        """
        return Messages(self, topic, qos=qos, max_queued=max_queued, overflow=overflow)

    async def follow(self, messages: Messages) -> LocalSubscription:
        """Subscribe *messages*, which are closed when the server stops.

        Raises:
            RuntimeError: no broker runs.
            ValueError: the broker does not accept the filter.
        """
        if self._distant is None:
            local = self.broker.add_local(messages.topic, messages.receive, qos=messages.qos)
            self._following.add(messages)
            return local
        self._following.add(messages)
        try:
            return await self._distant.follow(
                messages.waiting, qos=messages.qos, receive=messages.receive, lost=messages.lost
            )
        except BaseException:
            self._following.discard(messages)
            raise

    def forget(self, messages: Messages) -> None:
        """*messages* are closed."""
        self._following.discard(messages)
