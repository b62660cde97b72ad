"""The events ``message_received`` and ``message_sent``, while somebody listens to them."""

from __future__ import annotations

from typing import Final

from blackbull.abc import Aggregator

from .codec.varint import decode_variable_byte_integer
from .state.broker import Broker
from .state.inbound import describe
from .state.link import Link

MESSAGE_RECEIVED: Final = "message_received"
MESSAGE_SENT: Final = "message_sent"
PROTOCOL: Final = "mqtt"


class Observation:
    """Emits an event for each packet, which costs the broker its short cuts while it lasts.

    Args:
        broker: Whose packets.

    Attributes:
        aggregator: The event system; None while there is none.
        sent: Somebody listens to ``message_sent``.
    """

    __slots__ = ("_broker", "_received", "aggregator", "sent")

    def __init__(self, broker: Broker) -> None:
        self.aggregator: Aggregator | None = None
        self.sent = False
        self._broker = broker
        self._received = False

    def look(self, aggregator: Aggregator) -> None:
        """Find out whether somebody listens now."""
        received = aggregator.has_listeners(MESSAGE_RECEIVED)
        sent = aggregator.has_listeners(MESSAGE_SENT)
        if received is self._received and sent is self.sent:
            return
        self._received = received
        self.sent = sent
        self._broker.on_received = self._on_received if received else None
        self._broker.router.observed = received or sent
        self._broker.router.forget_routes()

    def on_sent(self, link: Link) -> None:
        """Emit an event for each packet that is about to be written to *link*."""
        if self.aggregator is None:
            return
        for packet in link.out:
            _, used = decode_variable_byte_integer(packet, 1)
            kind, size = describe(packet[0], packet[1 + used :], link.level)
            self.aggregator.message_sent_soon(PROTOCOL, kind, size)

    def _on_received(self, message_type: str, size: int) -> None:
        if self.aggregator is not None:
            self.aggregator.message_received_soon(PROTOCOL, message_type, size)
