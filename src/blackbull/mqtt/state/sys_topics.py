"""``$SYS``: the broker's figures, under Mosquitto's names."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from .publication import Publication, make_publication

if TYPE_CHECKING:
    from .broker import Broker


class SysTopics:
    """The figures that are published every so often, if they changed.

    Args:
        version: Of the broker.
        interval: Seconds between two looks; 0: never.

    Attributes:
        due: When to look next.
    """

    __slots__ = ("_interval", "_shown", "_version", "due")

    def __init__(self, *, version: str, interval: float) -> None:
        self._version = version
        self._interval = interval
        self._shown: dict[str, str] = {}
        self.due = inf

    def start(self, now: float) -> None:
        """Look for the first time at *now*."""
        self.due = now if self._interval > 0 else inf

    def changed(self, broker: Broker) -> list[Publication]:
        """Return what is to be published now."""
        now = broker.stats.now
        self.due = now + self._interval
        publications = []
        for name, text in self._figures(broker).items():
            if self._shown.get(name) != text:
                self._shown[name] = text
                topic = f"$SYS/broker/{name}"
                publications.append(make_publication(topic, text.encode(), retain=True))
        return publications

    def _figures(self, broker: Broker) -> dict[str, str]:
        stats = broker.stats
        sessions = len(broker.sessions)
        figures: dict[str, object] = {
            "version": self._version,
            "uptime": f"{int(stats.now - stats.started)} seconds",
            "clients/total": sessions,
            "clients/connected": broker.connected,
            "clients/active": broker.connected,
            "clients/disconnected": sessions - broker.connected,
            "clients/inactive": sessions - broker.connected,
            "clients/maximum": stats.clients_maximum,
            "clients/expired": stats.sessions_expired,
            "messages/received": stats.messages_received,
            "messages/sent": stats.messages_sent,
            "messages/stored": len(broker.retention),
            "publish/messages/received": stats.publish_received,
            "publish/messages/sent": stats.publish_sent,
            "publish/messages/dropped": stats.publish_dropped,
            "bytes/received": stats.bytes_received,
            "bytes/sent": stats.bytes_sent,
            "retained messages/count": len(broker.retention),
            "store/messages/count": len(broker.retention),
            "store/messages/bytes": broker.retention.bytes,
            "subscriptions/count": sum(
                len(session.subscriptions) for session in broker.sessions.values()
            ),
        }
        return {name: str(value) for name, value in figures.items()}
