"""The proxies of a server, which say on whose behalf they connect (PROXY protocol)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from math import inf
from time import monotonic
from typing import Final

from blackbull.forwarding import LOCAL, TrustedProxies
from blackbull.log import LimitLog
from blackbull.log.caps import render_peer
from blackbull.transport.deadline import Wheel
from blackbull.transport.proxied import MakeProtocol, ProxiedProtocol

from .admission import Admission

logger = logging.getLogger("blackbull.proxy")

PRIVATE: Final = (
    *LOCAL, "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16",
    "fc00::/7", "fe80::/10",
)  # fmt: skip
"""Who is trusted where nobody is named: this machine and networks that nobody outside is in."""

TOLD_EVERY: Final = 10.0
"""Seconds between two warnings; what happens between them is logged at INFO."""


UNTRUSTED: Final = "it is no trusted proxy; name it in proxy_protocol if it should be one"


class Proxies:
    """Answers for the headers of one listener's connections.

    Args:
        trusted: Who may say where a connection comes from, as :class:`TrustedProxies` has it;
            True for :data:`PRIVATE`.
        admission: Counts the connections whose header is waited for.
        limits: Where limits that fire are recorded.
        timeout: Seconds that a header may take; 0: as long as it likes.

    Raises:
        ConfigurationError: one of *trusted* is no address and no network.
    """

    def __init__(
        self,
        trusted: bool | Iterable[str],
        *,
        admission: Admission,
        limits: LimitLog,
        timeout: float,
    ) -> None:
        self.timeout = timeout
        self._trusted = TrustedProxies(PRIVATE if isinstance(trusted, bool) else trusted)
        self._admission = admission
        self._limits = limits
        self._waiting: set[ProxiedProtocol] = set()
        self._told_at = -inf

    def protocol_factory(self, make: MakeProtocol, wheel: Wheel) -> Callable[[], ProxiedProtocol]:
        """Return what makes the protocol of each connection, *make* that behind its header."""
        return lambda: ProxiedProtocol(make, wheel, introductions=self)

    @property
    def waiting(self) -> bool:
        """Headers are waited for."""
        return bool(self._waiting)

    def close(self) -> None:
        """Wait for no header any more: nothing was asked yet."""
        for proxied in list(self._waiting):
            proxied.drop()

    # What a connection tells about its header

    def begun(self, proxied: ProxiedProtocol) -> bool:
        """Take note; return False if the peer has no say here, or there are too many."""
        self._waiting.add(proxied)
        counted = self._admission.opens(None, protocol="proxy")
        if counted and not self._trusted.trusts(proxied.peername):
            self.failed(proxied, UNTRUSTED)
            return False
        return counted

    def failed(self, proxied: ProxiedProtocol, reason: str) -> None:
        """Log why there is no header; that somebody only looked whether we are there is no news."""
        now = monotonic()
        level = logging.INFO if reason else logging.DEBUG
        if reason and now - self._told_at >= TOLD_EVERY:
            self._told_at = now
            level = logging.WARNING
        reason = reason or "the peer left without a word"
        logger.log(level, "connection from %s dropped: %s", render_peer(proxied.peername), reason)

    def timed_out(self, proxied: ProxiedProtocol) -> None:
        """Record that a header took too long."""
        self._limits.record(
            "header_timeout",
            peer=proxied.peername,
            protocol="proxy",
            requested=self.timeout,
            allowed=self.timeout,
        )

    def over(self, proxied: ProxiedProtocol) -> None:
        """Forget the connection: it is served now, or gone."""
        self._waiting.discard(proxied)
        self._admission.opened(None)
