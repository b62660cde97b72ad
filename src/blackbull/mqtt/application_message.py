"""Application Messages, as the broker hands them to the application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from .payload import decode_json


class Published(Protocol):
    """What the broker hands over: an Application Message on its way to the subscribers."""

    @property
    def topic(self) -> str:
        """The Topic Name."""

    @property
    def payload(self) -> bytes:
        """The Application Message itself."""

    @property
    def qos(self) -> int:
        """The QoS with which it was published."""

    @property
    def retain(self) -> bool:
        """True if it was published to be retained."""

    @property
    def properties(self) -> Mapping[str, object]:
        """Its properties, by name."""

    @property
    def publisher(self) -> str:
        """The Client Identifier of who published it; ``""`` for the application."""

    @property
    def size(self) -> int:
        """Bytes that keeping it costs, about."""


class Message:
    """A message, as callbacks of the application get it. Several taps share one: do not change it.

    Args:
        topic: The Topic Name.
        payload: The Application Message.
        qos: The QoS with which it was published.
        retain: True if it was published to be retained.
        properties: MQTT 5 properties by name: ``{"content_type": "text/plain"}``.
        publisher: The Client Identifier of who published it; ``""`` for the application.
    """

    __slots__ = ("_properties", "_publication", "payload", "publisher", "qos", "retain", "topic")

    def __init__(
        self,
        topic: str,
        payload: bytes = b"",
        qos: int = 0,
        retain: bool = False,
        properties: Mapping[str, object] | None = None,
        publisher: str = "",
    ) -> None:
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
        self.publisher = publisher
        self._properties: Mapping[str, object] | None = properties or {}
        self._publication: Published | None = None

    @classmethod
    def of(cls, publication: Published) -> Message:
        """Return *publication* as a message; its properties are decoded when somebody asks."""
        if isinstance(publication, Message):
            return publication
        self = cls.__new__(cls)
        self.topic = publication.topic
        self.payload = publication.payload
        self.qos = publication.qos
        self.retain = publication.retain
        self.publisher = publication.publisher
        self._properties = None
        self._publication = publication
        return self

    @property
    def properties(self) -> Mapping[str, object]:
        """MQTT 5 properties by name; empty for a message of an MQTT 3.1.1 client."""
        if self._properties is None:
            assert self._publication is not None
            self._properties = self._publication.properties
        return self._properties

    @property
    def size(self) -> int:
        """Bytes that keeping it costs, about."""
        return len(self.topic) + len(self.payload)

    def text(self) -> str:
        """Return the payload as text.

        Raises:
            UnicodeDecodeError: it is no UTF-8.
        """
        return self.payload.decode()

    def json(self) -> object:
        """Return the value that the payload describes as JSON.

        Raises:
            ValueError: it is no JSON.
        """
        return decode_json(self.payload)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return self._key() == other._key() and self.properties == other.properties

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        shown = self.payload if len(self.payload) <= 64 else self.payload[:64] + b"..."
        return (
            f"Message(topic={self.topic!r}, payload={shown!r}, qos={self.qos}, "
            f"retain={self.retain})"
        )

    def _key(self) -> tuple[str, bytes, int, bool, str]:
        return (self.topic, self.payload, self.qos, self.retain, self.publisher)
