"""Who is let in: how many connections there may be, altogether and from one address."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sized
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from blackbull.abc import Address, Refusal
from blackbull.log import LimitLog
from blackbull.transport.socket_protocol import SocketProtocol

OVERTIME: Final = 16
"""Connections that may begin when there are too many, so that they can be told so."""

Origin: TypeAlias = str | bytes


class Origins(Protocol):
    """How many connections there are of each address."""

    def add(self, origin: Origin) -> int:
        """Count one more of *origin*; return how many there are now."""

    def remove(self, origin: Origin) -> None:
        """Count one less of *origin*."""


class OwnOrigins(dict[Origin, int]):
    """Those of this process alone; who has none any more is forgotten."""

    def add(self, origin: Origin) -> int:
        """Count one more of *origin*; return how many there are now."""
        count = self[origin] = self.get(origin, 0) + 1
        return count

    def remove(self, origin: Origin) -> None:
        """Count one less of *origin*."""
        count = self.get(origin, 0) - 1
        if count > 0:
            self[origin] = count
        else:
            self.pop(origin, None)


@dataclass(frozen=True, slots=True)
class Excess:
    """Why a connection is one too many.

    Attributes:
        limit: The setting.
        seen: How many there are with it.
        allowed: How many there may be.
        why: What the peer is told.
    """

    limit: str
    seen: int
    allowed: int
    why: Refusal = Refusal.OVERLOADED


class Admission:
    """Counts connections; whatever it does costs the same, however many there are.

    Args:
        connections: Those that are served.
        max_connections: How many there may be.
        max_per_address: How many of one address; 0: as many as there may be at all.
        limits: Where limits that fire are recorded.
        origins: Counts those of each address; those of this process if None.

    Attributes:
        origins: Counts those of each address.
        opening: What may become a connection: those that shake hands, or wait for a header.
    """

    __slots__ = ("_connections", "_limits", "_max", "_max_per_address", "opening", "origins")

    def __init__(
        self,
        connections: Sized,
        *,
        max_connections: int,
        max_per_address: int,
        limits: LimitLog,
        origins: Origins | None = None,
    ) -> None:
        self._connections = connections
        self._max = max_connections
        self._max_per_address = max_per_address
        self._limits = limits
        self.opening = 0
        self.origins = OwnOrigins() if origins is None else origins

    def unbounded(self) -> Admission:
        """Return what lets everybody in."""
        return Admission((), max_connections=sys.maxsize, max_per_address=0, limits=self._limits)

    def opens(self, peer: Address | None, *, protocol: str) -> bool:
        """Count what may become a connection, and refuse it if its words would never be heard.

        Args:
            peer: Where it comes from; None if that is not known yet, or does not matter.
            protocol: What it does first, for the record.
        """
        self.opening += 1
        seen = len(self._connections) + self.opening
        excess = None
        if seen > self._max + OVERTIME:
            excess = Excess("max_connections", seen, self._max)
        if self._max_per_address and (origin := origin_of(peer)) is not None:
            count = self.origins.add(origin)
            if count > self._max_per_address + OVERTIME and excess is None:
                excess = Excess("max_connections_per_address", count, self._max_per_address)
        if excess is None:
            return True
        self._limits.record(
            excess.limit, peer=peer, protocol=protocol, requested=excess.seen,
            allowed=excess.allowed,
        )  # fmt: skip
        return False

    def opened(self, peer: Address | None) -> None:
        """Count it no longer: it is a connection now, or never will be one."""
        self.opening -= 1
        self._leave(peer)

    def enter(self, view: SocketProtocol) -> Excess | None:
        """Count *view*, which is among the connections; return why it cannot stay, if so."""
        seen = len(self._connections)
        if self._max_per_address:
            origin = origin_of(view.peername)
            if origin is not None:
                count = self.origins.add(origin)
                if count > self._max_per_address and seen <= self._max:
                    return Excess(
                        "max_connections_per_address", count, self._max_per_address, Refusal.CROWDED
                    )
        if seen > self._max:
            return Excess("max_connections", seen, self._max)
        return None

    def leave(self, view: SocketProtocol) -> None:
        """Count *view* no longer."""
        if self._max_per_address:
            self._leave(view.peername)

    def _leave(self, peer: Address | None) -> None:
        if self._max_per_address and (origin := origin_of(peer)) is not None:
            self.origins.remove(origin)


def origin_of(peer: Address | None) -> Origin | None:
    """Return what connections of one client have in common; None where that cannot be told.

    That is an IPv4 address, the first 64 bits of an IPv6 address, which one subscriber has all
    of, and nothing for a Unix socket.
    """
    if peer is None or peer[1] is None:
        return None
    host = peer[0]
    if ":" not in host:
        return host
    try:
        return socket.inet_pton(socket.AF_INET6, host.partition("%")[0])[:8]
    except OSError:
        return host
