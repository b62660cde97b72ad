"""A broker for tests: no network, no clients, and nothing that happens later."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Final, Protocol

from blackbull.mqtt.client import Client
from blackbull.mqtt.payload import encode_payload
from blackbull.mqtt.tap import Message, Published, Tap, run_taps
from blackbull.mqtt.topics import topic_matches_filter, validate_topic_filter, validate_topic_name

MAX_CHAIN: Final = 1000
"""Messages that callbacks may publish because of one; more go round in a circle."""


class _Application(Protocol):
    extensions: dict[str, object]


class _Extension(Protocol):
    client: Client

    def iter_taps(self) -> Iterator[Tap]: ...


class MQTTTestBroker:
    """Hands messages to the ``on_message`` callbacks of an application, and waits for them.

    What a callback raises is raised by :meth:`publish`, and so is ``InvalidPayload`` for a payload
    that does not fit a schema. In an ``async with`` block it also takes what the application
    publishes, and its ``mqtt.subscribe()`` works::

        async with MQTTTestBroker(app) as broker:
            await broker.publish("sensors/attic/temperature", 31.0)
            assert broker.published == [Message("alerts/attic", b"hot")]

    Args:
        app: An application with an ``MQTTExtension``. It need not be served.

    Attributes:
        published: What the application published, in order.

    Raises:
        RuntimeError: *app* has no MQTT extension.
    """

    def __init__(self, app: _Application) -> None:
        extension = app.extensions.get("mqtt")
        if extension is None:
            raise RuntimeError("app has no MQTT extension: app.add_extension(MQTTExtension())")
        self._extension: _Extension = extension  # type: ignore[assignment] # the key says it
        self._local = _LocalBroker()
        self.published = self._local.published

    async def __aenter__(self) -> MQTTTestBroker:
        self._extension.client.attach(self._local)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._extension.client.detach()

    async def publish(
        self,
        topic: str,
        payload: object = b"",
        *,
        qos: int = 0,
        retain: bool = False,
        properties: Mapping[str, object] | None = None,
    ) -> None:
        """Publish a message as a client would, and wait for the callbacks that it reaches.

        Args:
            topic: A Topic Name.
            payload: Bytes, text, or what JSON has a form of.
            qos: 0, 1 or 2.
            retain: Keep it for those who subscribe later.
            properties: MQTT 5 properties by name.

        Raises:
            InvalidPayload: the payload does not fit the schema of a callback.
            TypeError: *payload* has no JSON form.
            ValueError: *topic* is no Topic Name.
            Exception: whatever a callback raises; those after it are not called.
        """
        message = Message(topic, encode_payload(payload), qos, retain, properties, "test")
        self._local.route(message)
        await self.drain()

    async def drain(self) -> None:
        """Hand to the callbacks what the application published by other ways than a callback.

        Raises:
            RuntimeError: callbacks publish in a circle.
            Exception: as :meth:`publish`.
        """
        waiting = self._local.waiting
        try:
            for _ in range(MAX_CHAIN):
                if not waiting:
                    return
                message = waiting.popleft()
                await run_taps(self._extension.iter_taps(), message, raise_exceptions=True)
        finally:
            waiting.clear()
        raise RuntimeError(f"callbacks published {MAX_CHAIN} messages in turn: is it a circle?")


class _LocalBroker:
    """The broker that the application publishes to."""

    def __init__(self) -> None:
        self.published: list[Message] = []
        self.waiting: deque[Message] = deque()
        self._retained: dict[str, Message] = {}
        self._local: list[_LocalSubscription] = []

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
        reached = self.route(message)
        self.published.append(message)
        return reached

    def add_local(
        self,
        filter: str,
        receive: Callable[[Published], bool],
        *,
        qos: int = 0,
        reliable: bool = False,
    ) -> _LocalSubscription:
        if not validate_topic_filter(filter):
            raise ValueError(f"{filter!r} is no topic filter")
        subscription = _LocalSubscription(self._local, filter, receive)
        for topic, message in self._retained.items():
            if topic_matches_filter(topic, filter):
                receive(message)
        return subscription

    def route(self, message: Message) -> int:
        """Take *message*; return how many subscriptions it reaches."""
        if not validate_topic_name(message.topic):
            raise ValueError(f"{message.topic!r} is no topic that messages can be published to")
        if message.retain:
            self._retained.pop(message.topic, None)
            if message.payload:
                self._retained[message.topic] = message
        self.waiting.append(message)
        matching = [
            each for each in self._local if topic_matches_filter(message.topic, each.filter)
        ]
        return sum(each.receive(message) for each in matching)


class _LocalSubscription:
    """A subscription of the application's."""

    def __init__(
        self,
        among: list[_LocalSubscription],
        filter: str,
        receive: Callable[[Published], bool],
    ) -> None:
        self.dropped = 0
        self.filter = filter
        self.receive = receive
        self._among = among
        among.append(self)

    def resume(self) -> None:
        """Nothing waits: what is not taken is dropped."""

    def close(self) -> None:
        """Unsubscribe. Again: nothing."""
        if self in self._among:
            self._among.remove(self)
