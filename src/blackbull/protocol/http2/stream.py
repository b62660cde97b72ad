"""A stream: one request and its response (RFC 9113 §5.1)."""

from __future__ import annotations

from typing import Final, final

from .flow import ReceiveWindow, SendQueue

# How far our response is
OWED: Final = 0
STARTED: Final = 1
ENDING: Final = 2
ENDED: Final = 3

UNBOUNDED: Final = 1 << 63
"""More bytes of content than anybody sends."""


@final
class Inbound:
    """A request's content, as it arrives.

    Args:
        window: Bytes that the peer may send unasked.
        expected: What content-length says; -1 if nothing does.
        max_body: The most bytes of content.

    Attributes:
        window: What the peer may send.
        expected: As above.
        max_body: As above.
        received: Bytes of content that arrived.
        unacknowledged: Bytes that were reported, and not consumed yet.
        seen: What had arrived when somebody looked last.
        discarding: Nobody wants the content any more.
    """

    __slots__ = (
        "discarding", "expected", "max_body", "received", "seen", "unacknowledged", "window",
    )  # fmt: skip

    def __init__(self, window: int, expected: int, max_body: int = UNBOUNDED) -> None:
        self.window = ReceiveWindow(window)
        self.expected = expected
        self.max_body = max_body
        self.received = 0
        self.seen = -1
        self.unacknowledged = 0
        self.discarding = False


@final
class Stream:
    """A request and its response.

    Args:
        id: The stream's number.
        window: Bytes of content that the peer lets us send; negative after it changed its mind.

    Attributes:
        receiving: The peer has not ended its side.
        sending: How far our response is.
        bodiless: The response can have no content, whatever its fields say.
        tunnel: The stream carries another protocol (RFC 9113 §8.5).
        inbound: The request's content; None where there is none.
        queue: The response's content; None until it has to wait.
        urgency: RFC 9218 §4.1.
        incremental: RFC 9218 §4.2.
        scheduled: Content waits for its turn, and there is credit for it.
    """

    __slots__ = (
        "bodiless", "id", "inbound", "incremental", "queue", "receiving", "scheduled", "sending",
        "tunnel", "urgency", "window",
    )  # fmt: skip

    def __init__(self, id: int, window: int) -> None:
        self.id = id
        self.window = window
        self.receiving = False
        self.sending: int = OWED
        self.bodiless = False
        self.tunnel = False
        self.inbound: Inbound | None = None
        self.queue: SendQueue | None = None
        self.urgency = 3
        self.incremental = False
        self.scheduled = False
