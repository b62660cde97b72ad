"""What the peer of one connection did wrong, for the log."""

from __future__ import annotations

import logging
from typing import Protocol

from blackbull.abc import Address
from blackbull.errors import LimitExceeded, RemoteProtocolError
from blackbull.log import LimitLog

logger = logging.getLogger("blackbull.server")


class Source(Protocol):
    """Whom complaints are about; asked when there is one."""

    @property
    def peername(self) -> Address | None:
        """The peer's address."""

    @property
    def connection_id(self) -> str:
        """Tells connections apart."""


class Complaints:
    """Records limits that a peer passed, and rules that it broke.

    Args:
        log: Takes the limits.
        source: The connection.
        protocol: The name of what is spoken on it.
    """

    __slots__ = ("_log", "_protocol", "_recorded", "_source")

    def __init__(self, log: LimitLog, source: Source, *, protocol: str) -> None:
        self._log = log
        self._source = source
        self._protocol = protocol
        self._recorded = False

    def record(self, limit: str, *, requested: float, allowed: float, path: str = "") -> None:
        """Record that the peer passed *limit*."""
        self._recorded = True
        self._log.record(
            limit,
            peer=self._source.peername,
            protocol=self._protocol,
            path=path,
            requested=requested,
            allowed=allowed,
            key=self._source.connection_id,
        )

    def report(self, error: RemoteProtocolError, *, path: str = "") -> None:
        """Record a limit; log any other error."""
        if isinstance(error, LimitExceeded):
            self.record(error.limit, requested=error.seen, allowed=error.allowed, path=path)
        else:
            logger.info("%s: %s (%s)", self._source.peername, error, error.spec)

    def close(self) -> None:
        """The connection is over: say how often a limit was passed, if that was not said yet."""
        if self._recorded:
            self._recorded = False
            self._log.close(self._source.connection_id)
