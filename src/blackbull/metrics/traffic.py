"""What the server is told to count: requests, connections, WebSockets, refusals."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from blackbull.abc import Address
from blackbull.connection import Connection
from blackbull.observer import Observer
from blackbull.routing.router import Router

from .family import Family, Labels, Sample
from .latency import SECONDS, Histogram

METHODS: Final = frozenset(
    ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
)
"""The methods of RFC 9110 §9.3 and RFC 5789: what else a client makes up is one method to us."""

OTHER: Final = "other"
NO_ROUTE: Final = "none"
"""The route of what no route serves: a path is the client's choice, and never a label."""

NO_PROTOCOL: Final = "none"
"""The protocol of a connection that ended before it said anything."""

ABORTED: Final = "aborted"
"""The status where there was none: the client left, or the server refused its content."""

MAX_REMEMBERED: Final = 4096
"""Requests that are known at sight; when there are more, they are learnt anew."""

MAX_REMEMBERED_PATH: Final = 256
"""Characters of a path, with the method, that is remembered."""

_HTTP: Final = "blackbull_http_"
_WEBSOCKET: Final = "blackbull_websocket"

REQUESTS: Final = Family(f"{_HTTP}requests", "counter", "Requests that have been answered.")
DURATION: Final = Family(
    f"{_HTTP}request_duration_seconds", "histogram", "From the head of a request to its answer."
)
RECEIVED: Final = Family(
    f"{_HTTP}request_bytes", "counter", "Bytes of content that requests had, as far as taken."
)
SENT: Final = Family(f"{_HTTP}response_bytes", "counter", "Bytes of content that answers had.")
IN_PROGRESS: Final = Family(f"{_HTTP}requests_in_progress", "gauge", "Requests under way.")
EXCEPTIONS: Final = Family(f"{_HTTP}exceptions", "counter", "Bugs: exceptions that are no answer.")
REFUSALS: Final = Family(
    f"{_HTTP}refusals", "counter", "What the server itself refused: malformed, too large, too slow."
)
CONNECTIONS: Final = Family("blackbull_connections", "counter", "Connections accepted.")
OPEN: Final = Family("blackbull_connections_open", "gauge", "Connections open.")
HANDSHAKES: Final = Family("blackbull_tls_handshake_failures", "counter", "Peers without TLS.")
LIMITS: Final = Family("blackbull_limits", "counter", "Limits that peers went past.")
WEBSOCKETS: Final = Family(f"{_WEBSOCKET}s", "counter", "WebSockets that were accepted.")
WEBSOCKETS_OPEN: Final = Family(f"{_WEBSOCKET}s_open", "gauge", "WebSockets open.")
MESSAGES: Final = Family(f"{_WEBSOCKET}_messages", "counter", "Messages of WebSockets.")
MESSAGE_BYTES: Final = Family(
    f"{_WEBSOCKET}_message_bytes", "counter", "What they had: bytes, or characters of text."
)


class _Answers:
    """Requests alike: the same method, route and status."""

    __slots__ = ("count", "duration", "received", "sent")

    def __init__(self, duration: Histogram) -> None:
        self.count = 0
        self.received = 0
        self.sent = 0
        self.duration = duration


class _Sockets:
    """The WebSockets of one route."""

    __slots__ = ("accepted", "open", "received", "received_size", "sent", "sent_size")

    def __init__(self) -> None:
        self.accepted = 0
        self.open = 0
        self.received = 0
        self.received_size = 0
        self.sent = 0
        self.sent_size = 0


class Traffic(Observer):
    """Counts, in plain numbers: they become samples when somebody asks.

    Args:
        router: Tells the route of a request.
        buckets: Upper bounds of the histogram, in seconds.
    """

    def __init__(self, router: Router, *, buckets: Sequence[float] = SECONDS) -> None:
        self._router = router
        self._buckets = buckets
        self._known: dict[tuple[str, str, int], _Answers] = {}
        self._answers: dict[tuple[str, str, int], _Answers] = {}
        self._durations: dict[tuple[str, str], Histogram] = {}
        self._exceptions: Counter[tuple[str, str]] = Counter()
        self._refusals: Counter[tuple[str, str]] = Counter()
        self._connections: Counter[str] = Counter()
        self._closed: Counter[str] = Counter()
        self._sockets: dict[str, _Sockets] = {}
        self._limits: Counter[tuple[str, str]] = Counter()
        self._open: dict[int, _Sockets] = {}
        self._in_progress = 0
        self._handshakes = 0

    # ------------------------------------------------------------------ an observer

    def exchange_begun(self, conn: Connection) -> None:
        if conn.type == "http":
            self._in_progress += 1

    def exchange_failed(self, conn: Connection, error: Exception) -> None:
        self._exceptions[self._route(conn), type(error).__name__] += 1

    def exchange_ended(
        self,
        conn: Connection,
        status: int,
        *,
        received: int,
        sent: int,
        seconds: float,
        waited: bool,
    ) -> None:
        if conn.type != "http":
            self._find(conn, status).count += 1
            sockets = self._open.pop(id(conn), None)
            if sockets is not None:
                sockets.open -= 1
            return
        head = conn.head
        key = (head.method, head.path, status)
        answers = self._known.get(key)
        if answers is None:
            answers = self._find(conn, status)
            self._remember(key, answers)
        answers.count += 1
        answers.received += received
        answers.sent += sent
        duration = answers.duration
        duration.counts[bisect_left(duration.bounds, seconds)] += 1
        duration.total += seconds
        if waited:
            self._in_progress -= 1

    def websocket_opened(self, conn: Connection) -> None:
        route = self._route(conn)
        sockets = self._sockets.get(route)
        if sockets is None:
            sockets = self._sockets[route] = _Sockets()
        self._open[id(conn)] = sockets
        sockets.accepted += 1
        sockets.open += 1

    def websocket_message(self, conn: Connection, size: int, *, received: bool) -> None:
        sockets = self._open[id(conn)]
        if received:
            sockets.received += 1
            sockets.received_size += size
        else:
            sockets.sent += 1
            sockets.sent_size += size

    def refused(
        self, status: int, protocol: str, *, peer: Address | None, conn: Connection | None
    ) -> None:
        self._refusals[protocol, str(status)] += 1

    def connection_opened(self, protocol: str) -> None:
        self._connections[protocol] += 1

    def connection_closed(self, protocol: str, seconds: float) -> None:
        self._closed[protocol] += 1

    def limit_hit(self, limit: str, protocol: str) -> None:
        self._limits[limit, protocol] += 1

    def handshake_failed(self, reason: str) -> None:
        self._handshakes += 1

    # ------------------------------------------------------------------ samples

    def samples(self) -> Iterator[Sample]:
        """Yield all that was counted."""
        yield from self._of_requests()
        for (method, route), duration in self._durations.items():
            if any(duration.counts):
                yield from duration.samples(DURATION, (("method", method), ("route", route)))
        yield Sample(IN_PROGRESS, "", (), self._in_progress)
        for (route, kind), count in self._exceptions.items():
            yield Sample(EXCEPTIONS, "_total", (("exception", kind), ("route", route)), count)
        for (protocol, status), count in self._refusals.items():
            yield Sample(REFUSALS, "_total", (("protocol", protocol), ("status", status)), count)
        for protocol, count in self._connections.items():
            labels = (("protocol", protocol or NO_PROTOCOL),)
            yield Sample(CONNECTIONS, "_total", labels, count)
            yield Sample(OPEN, "", labels, count - self._closed[protocol])
        for (limit, protocol), count in self._limits.items():
            yield Sample(LIMITS, "_total", (("limit", limit), ("protocol", protocol)), count)
        yield Sample(HANDSHAKES, "_total", (), self._handshakes)
        for route, sockets in self._sockets.items():
            yield from _of_sockets(sockets, (("route", route),))

    def _of_requests(self) -> Iterator[Sample]:
        received: Counter[Labels] = Counter()
        sent: Counter[Labels] = Counter()
        for (method, route, status), answers in self._answers.items():
            labels: Labels = (("method", method), ("route", route))
            received[labels] += answers.received
            sent[labels] += answers.sent
            labels = (*labels, ("status", str(status or ABORTED)))
            yield Sample(REQUESTS, "_total", labels, answers.count)
        for family, sizes in ((RECEIVED, received), (SENT, sent)):
            for labels, size in sizes.items():
                yield Sample(family, "_total", labels, size)

    # ------------------------------------------------------------------ inside

    def _find(self, conn: Connection, status: int) -> _Answers:
        head = conn.head
        route = self._route(conn)
        method = head.method if head.method in METHODS or route != NO_ROUTE else OTHER
        answers = self._answers.get((method, route, status))
        if answers is None:
            duration = self._durations.get((method, route))
            if duration is None:
                duration = self._durations[method, route] = Histogram(self._buckets)
            answers = self._answers[method, route, status] = _Answers(duration)
        return answers

    def _remember(self, key: tuple[str, str, int], answers: _Answers) -> None:
        # Methods and paths are the client's choice: what is kept of them is bounded.
        if len(key[0]) + len(key[1]) <= MAX_REMEMBERED_PATH:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            self._known[key] = answers

    def _route(self, conn: Connection) -> str:
        head = conn.head
        return self._router.template(head.method, head.path, conn.type) or NO_ROUTE


def _of_sockets(sockets: _Sockets, labels: Labels) -> Iterator[Sample]:
    yield Sample(WEBSOCKETS, "_total", labels, sockets.accepted)
    yield Sample(WEBSOCKETS_OPEN, "", labels, sockets.open)
    received = (*labels, ("direction", "received"))
    sent = (*labels, ("direction", "sent"))
    yield Sample(MESSAGES, "_total", received, sockets.received)
    yield Sample(MESSAGES, "_total", sent, sockets.sent)
    yield Sample(MESSAGE_BYTES, "_total", received, sockets.received_size)
    yield Sample(MESSAGE_BYTES, "_total", sent, sockets.sent_size)
