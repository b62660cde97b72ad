"""The broker's figures, for whoever collects those of extensions; ``$SYS`` has nearly the same."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Final

from blackbull.extension import Figure

from .state.broker import Broker

FEW: Final = 1000
"""Sessions that are looked at every time."""

SECONDS: Final = 10.0
"""How old a count of what many sessions have may be."""


class Census:
    """Counts what belongs to sessions, not more often than can be afforded where there are many.

    Attributes:
        subscriptions: How many there are.
        inflight: Messages of QoS 1 and 2 that clients have not acknowledged.
        queued: Messages that wait for clients.
    """

    __slots__ = ("_counted_at", "inflight", "queued", "subscriptions")

    def __init__(self) -> None:
        self._counted_at = -inf
        self.subscriptions = 0
        self.inflight = 0
        self.queued = 0

    def figures(self, broker: Broker) -> Iterator[Figure]:
        """Yield everything there is to show of *broker*."""
        self._count(broker)
        stats = broker.stats
        yield _state("clients_connected", broker.connected, "Clients that are connected.")
        yield _state("sessions", len(broker.sessions), "Sessions, connected or not.")
        yield _state("subscriptions", self.subscriptions, "Subscriptions of all sessions.")
        yield _state("retained_messages", len(broker.retention), "Messages that are retained.")
        yield _state("retained_bytes", broker.retention.bytes, "Bytes of retained messages.")
        yield _state("inflight_messages", self.inflight, "Messages of QoS 1 and 2 under way.")
        yield _state("queued_messages", self.queued, "Messages that wait for their clients.")
        yield _count("connections", stats.connections_total, "CONNECT packets accepted.")
        yield _count("sessions_expired", stats.sessions_expired, "Sessions that have expired.")
        yield _count("packets_received", stats.messages_received, "Packets of all types received.")
        yield _count("packets_sent", stats.messages_sent, "Packets of all types sent.")
        yield _count("received_bytes", stats.bytes_received, "Bytes received.")
        yield _count("sent_bytes", stats.bytes_sent, "Bytes sent.")
        yield _count("messages_dropped", stats.publish_dropped, "Messages not delivered.")
        first, second = stats.publish_received_1, stats.publish_received_2
        counts = (stats.publish_received - first - second, first, second)
        yield from _by_qos("messages_received", counts, "PUBLISH packets received.")
        first, second = stats.publish_sent_1, stats.publish_sent_2
        counts = (stats.publish_sent - first - second, first, second)
        yield from _by_qos("messages_sent", counts, "PUBLISH packets sent.")

    def _count(self, broker: Broker) -> None:
        now = broker.stats.now
        sessions = broker.sessions
        if len(sessions) > FEW and now - self._counted_at < SECONDS:
            return
        self._counted_at = now
        self.subscriptions = sum(len(each.subscriptions) for each in sessions.values())
        self.inflight = sum(len(each.inflight) for each in sessions.values())
        self.queued = sum(len(each.queue) for each in sessions.values() if each.queue)


def _state(name: str, value: int, text: str) -> Figure:
    return Figure(name, value, text)


def _count(name: str, value: int, text: str) -> Figure:
    return Figure(name, value, text, grows=True)


def _by_qos(name: str, counts: tuple[int, int, int], text: str) -> Iterator[Figure]:
    for qos, value in enumerate(counts):
        yield Figure(name, value, text, labels={"qos": str(qos)}, grows=True)
