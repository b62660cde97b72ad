"""What the broker counts."""

from __future__ import annotations

from dataclasses import dataclass, field

from blackbull.errors import LimitExceeded


@dataclass(slots=True)
class Stats:
    """The broker's time and figures since it started; ``$SYS`` topics show them.

    Attributes:
        now: Monotonic seconds, set before each batch.
        started: *now* when the broker was made.
        messages_received: Packets that came from clients.
        messages_sent: Packets that were written to clients.
        publish_received: PUBLISH packets that came.
        publish_received_1: Those of QoS 1 among them.
        publish_received_2: Those of QoS 2.
        publish_sent: PUBLISH packets that were written.
        publish_sent_1: Those of QoS 1 among them, each time that one was.
        publish_sent_2: Those of QoS 2.
        publish_dropped: Deliveries that a limit, an expiry or an absent client undid.
        bytes_received: Bytes that came.
        bytes_sent: Bytes that were written.
        connections_total: CONNECT packets that were accepted.
        clients_maximum: The most clients that were connected at a time.
        sessions_expired: Sessions that ended while their client was away.
        limits: Limits that fired for clients that are away; once for each absence.
    """

    now: float = 0.0
    started: float = 0.0
    messages_received: int = 0
    messages_sent: int = 0
    publish_received: int = 0
    publish_received_1: int = 0
    publish_received_2: int = 0
    publish_sent: int = 0
    publish_sent_1: int = 0
    publish_sent_2: int = 0
    publish_dropped: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    connections_total: int = 0
    clients_maximum: int = 0
    sessions_expired: int = 0
    limits: list[LimitExceeded] = field(default_factory=list)

    def count_received(self, qos: int) -> None:
        """Count a PUBLISH that came."""
        self.publish_received += 1
        if qos == 1:
            self.publish_received_1 += 1
        elif qos == 2:
            self.publish_received_2 += 1

    def count_sent(self, qos: int) -> None:
        """Count a PUBLISH that was written."""
        self.publish_sent += 1
        if qos == 1:
            self.publish_sent_1 += 1
        elif qos == 2:
            self.publish_sent_2 += 1
