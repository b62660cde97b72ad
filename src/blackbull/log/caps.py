"""The limit log: one record on ``blackbull.caps`` for every limit that fired.

A peer decides how often a limit fires, so the log is bounded too: the first hit of a connection on
a limit is one WARNING, its further hits are counted and told in one summary; and one limit writes
at most ``burst`` records per second, whoever hits it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ..errors import LimitExceeded
from .escape import escape

Address = tuple[str, int | None]

logger = logging.getLogger("blackbull.caps")

WINDOW = 1.0
"""Seconds over which the records of one limit are counted against ``burst``."""


class _Hits:
    """The hits of one connection on one limit, after the first."""

    __slots__ = ("cap", "path", "peer", "protocol", "suppressed")

    def __init__(self, cap: str, peer: str, *, protocol: str, path: str) -> None:
        self.cap = cap
        self.peer = peer
        self.protocol = protocol
        self.path = path
        self.suppressed = 0


class _Window:
    """How many records of one limit were written in the current second, and how many were not."""

    __slots__ = ("suppressed", "until", "written")

    def __init__(self, until: float) -> None:
        self.until = until
        self.written = 0
        self.suppressed = 0


class LimitLog:
    """Writes the records of all connections of one server.

    Args:
        max_tracked: Connections whose hits are remembered; the oldest is forgotten first.
        burst: Records per limit and second; the rest of a flood is summarised.
        clock: Returns monotonic seconds.

    Attributes:
        on_hit: Called with a limit's name and the protocol whenever a limit fires, whatever
            becomes of its record.
    """

    def __init__(
        self,
        *,
        max_tracked: int = 4096,
        burst: int = 100,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_tracked = max_tracked
        self._burst = burst
        self._clock = clock
        self._hits: dict[object, dict[str, _Hits]] = {}
        self._windows: dict[str, _Window] = {}
        self.on_hit: Callable[[str, str], None] | None = None

    def record(
        self,
        limit: LimitExceeded | str,
        *,
        peer: Address | None = None,
        protocol: str = "",
        path: str = "",
        requested: float | None = None,
        allowed: float | None = None,
        key: object = None,
    ) -> None:
        """Record that *limit* fired.

        The record carries ``cap``, ``requested``, ``limit``, ``peer``, ``scope_path`` and
        ``protocol`` as attributes; the peer's text in them is escaped.

        Args:
            limit: The limit's name, or the error that says it.
            peer: The peer's address.
            protocol: The name of the protocol that was spoken.
            path: The path of the request, if there was one.
            requested: What the peer sent or asked for; default: as the error says.
            allowed: The limit's value; default: as the error says.
            key: Tells connections apart (a ``connection_id``); *peer* when None. Hits without
                either are never summarised per connection.
        """
        if isinstance(limit, LimitExceeded):
            requested = limit.seen if requested is None else requested
            allowed = limit.allowed if allowed is None else allowed
            limit = limit.limit
        if self.on_hit is not None:
            self.on_hit(limit, protocol)
        key = peer if key is None else key
        if key is not None:
            known = self._hits.get(key)
            if known is not None and limit in known:
                known[limit].suppressed += 1
                return
        if not self._admit(limit):
            return
        shown = render_peer(peer)
        path = escape(path)
        if key is not None:
            if key not in self._hits and len(self._hits) >= self._max_tracked:
                self.close(next(iter(self._hits)))
            hits = _Hits(limit, shown, protocol=protocol, path=path)
            self._hits.setdefault(key, {})[limit] = hits
        logger.warning(
            "%s%s (peer=%s protocol=%s path=%s)",
            limit,
            "" if requested is None else f": {requested} exceeds {allowed}",
            shown,
            protocol or "-",
            path or "-",
            extra={
                "cap": limit,
                "requested": requested,
                "limit": allowed,
                "peer": shown,
                "scope_path": path,
                "protocol": protocol,
            },
        )

    def close(self, key: object) -> None:
        """Forget the connection *key* (or peer address), with a summary of what was suppressed."""
        for hits in self._hits.pop(key, {}).values():
            if hits.suppressed:
                _log_summary(hits.cap, hits.suppressed, hits=hits)

    def flush(self) -> None:
        """Summarise everything that was suppressed, and forget it."""
        for key in list(self._hits):
            self.close(key)
        for cap, window in self._windows.items():
            if window.suppressed:
                _log_summary(cap, window.suppressed, hits=None)
        self._windows.clear()

    def _admit(self, cap: str) -> bool:
        now = self._clock()
        window = self._windows.get(cap)
        if window is None or now >= window.until:
            if window is not None and window.suppressed:
                _log_summary(cap, window.suppressed, hits=None)
            window = self._windows[cap] = _Window(now + WINDOW)
        if window.written >= self._burst:
            window.suppressed += 1
            return False
        window.written += 1
        return True


def _log_summary(cap: str, suppressed: int, *, hits: _Hits | None) -> None:
    peer = "many" if hits is None else hits.peer
    logger.warning(
        "%s: suppressed=%d more (peer=%s)",
        cap,
        suppressed,
        peer,
        extra={
            "cap": cap,
            "requested": None,
            "limit": None,
            "peer": peer,
            "scope_path": "" if hits is None else hits.path,
            "protocol": "" if hits is None else hits.protocol,
            "suppressed": suppressed,
        },
    )


def render_peer(peer: Address | None) -> str:
    """Return *peer* as text for a log line: ``host:port``, ``[v6]:port``, a path, or ``-``."""
    if peer is None:
        return "-"
    host, port = peer
    host = escape(host) or "unix"
    if port is None:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
