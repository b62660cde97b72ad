"""The application as a client of its own broker: it publishes, and it follows topics.

Nothing goes over a network: a message is handed to the broker, or by it, in the same process.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Protocol

from .payload import encode_payload
from .settings import Overflow
from .tally import Tally
from .tap import Message, Published
from .topics import validate_topic_filter

logger = logging.getLogger("blackbull.mqtt.client")

MAX_QUEUED: Final = 256
"""Messages that wait by default for whoever follows topics."""
MAX_QUEUED_BYTES: Final = 16_777_216
"""Bytes that those messages hold together; a message alone may be longer."""
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


class Messages:
    """The messages of some topics, as they come: use it in ``async with`` and ``async for``.

    Iterating ends when the server stops, or after :meth:`close`, with the last message that
    waited. Cancelling it loses nothing.

    Attributes:
        topic: The Topic Filter.
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
        if max_queued < 1:
            raise ValueError(f"max_queued is a number of messages, not {max_queued}")
        if qos not in {0, 1, 2}:
            raise ValueError(f"qos is 0, 1 or 2, not {qos!r}")
        if not validate_topic_filter(topic):
            raise ValueError(f"the topic filter {topic!r} contains a null character")
        self.topic = topic
        self._client = client
        self._qos = qos
        self._max_queued = max_queued
        self._drop_oldest = Overflow(overflow) is Overflow.DROP_OLDEST
        self._waiting: deque[Published] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self._drops = Tally()
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
        self._local = self._client.follow(self, qos=self._qos, receive=self._receive)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        self._waiting.clear()

    def __aiter__(self) -> Messages:
        return self

    async def __anext__(self) -> Message:
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            if self._local is None:
                raise RuntimeError("write: async with mqtt.subscribe(...) as messages")
            self._news.clear()
            await self._news.wait()
        publication = self._waiting.popleft()
        self._bytes -= publication.size
        return Message.of(publication)

    @property
    def dropped(self) -> int:
        """Messages that came too fast."""
        return self._drops.count

    @property
    def queued(self) -> int:
        """Messages that wait to be read."""
        return len(self._waiting)

    def close(self) -> None:
        """Unsubscribe; what waits can still be read. Again: nothing."""
        self._ended = True
        self._news.set()
        if self._local is not None:
            local, self._local = self._local, None
            self._client.forget(self)
            local.close()

    def _receive(self, publication: Published) -> bool:
        waiting = self._waiting
        size = publication.size
        while waiting and (
            len(waiting) >= self._max_queued or self._bytes + size > MAX_QUEUED_BYTES
        ):
            if self._drops.add():
                logger.warning(
                    "%r is read too slowly: %d messages dropped so far (%d may wait)",
                    self.topic, self._drops.count, self._max_queued,
                )  # fmt: skip
            if not self._drop_oldest:
                return False
            self._bytes -= waiting.popleft().size
        waiting.append(publication)
        self._bytes += size
        if len(waiting) == 1:
            self._news.set()
        return True


class Client:
    """Publishes and subscribes for the application, while the broker runs."""

    def __init__(self) -> None:
        self._broker: LocalBroker | None = None
        self._following: set[Messages] = set()

    @property
    def broker(self) -> LocalBroker:
        """The broker.

        Raises:
            RuntimeError: none runs in this process.
        """
        if self._broker is None:
            raise RuntimeError(
                "no MQTT broker runs in this process: it does while the application serves"
            )
        return self._broker

    def attach(self, broker: LocalBroker) -> None:
        """Use *broker* from now on."""
        self._broker = broker

    def detach(self) -> None:
        """The broker stops."""
        self._broker = None
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
            LimitExceeded: it cannot be retained, and goes to nobody.
            RuntimeError: no broker runs in this process.
            TypeError: *payload* has no JSON form.
            ValueError: *topic* is no Topic Name, or a property is impossible.
        """
        if qos not in {0, 1, 2}:
            raise ValueError(f"qos is 0, 1 or 2, not {qos!r}")
        content = encode_payload(payload)
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

    def follow(
        self, messages: Messages, *, qos: int, receive: Callable[[Published], bool]
    ) -> LocalSubscription:
        """Subscribe *receive* for *messages*, which are closed when the broker stops.

        Raises:
            RuntimeError: no broker runs in this process.
            ValueError: the broker does not accept the filter.
        """
        local = self.broker.add_local(messages.topic, receive, qos=qos)
        self._following.add(messages)
        return local

    def forget(self, messages: Messages) -> None:
        """*messages* are closed."""
        self._following.discard(messages)
