"""The listening sockets that the supervisor keeps, so that they outlive every worker.

With several workers each of them gets a socket of its own for a TCP port, and the system spreads
connections over them (``SO_REUSEPORT``): event loops accept greedily, so one queue for all of
them would be emptied by whoever comes first. The first socket of a port is bound in the ordinary
way and made shareable afterwards, so that a port that is in use is still found.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, TypeAlias

from blackbull.errors import ConfigurationError
from blackbull.transport.accept_queue import stop_arrivals
from blackbull.transport.sockets import SocketFile, find_file, open_sockets
from blackbull.transport.where import InheritedFd, Tcp, Where

SHARES: Final = sys.platform == "linux"
"""Here the system spreads connections over the sockets that share a port."""

Key: TypeAlias = tuple[Where, str, int]
"""A place, what is served there, and how many of the same worker asked for the same before."""


@dataclass(slots=True)
class Held:
    """What is held for one key.

    Attributes:
        backlog: Connections that may wait to be accepted.
        slots: The sockets of each worker, by its index; 0 only where they share one queue.
        file: The file of a Unix socket.
    """

    backlog: int
    slots: dict[int, list[socket.socket]] = field(default_factory=dict)
    file: SocketFile | None = None


class HeldSockets:
    """Opens sockets when they are first asked for, and keeps them.

    Args:
        apart: Whether each worker gets a socket of its own for a TCP port, where that is possible.
    """

    def __init__(self, *, apart: bool) -> None:
        self._apart = apart
        self._held: dict[Key, Held] = {}
        self._over = False

    def open(self, key: Key, *, backlog: int, slot: int) -> list[socket.socket]:
        """Return the sockets of *key* for the worker *slot*; they stay ours.

        Raises:
            ConfigurationError: they cannot be opened.
        """
        if self._over:
            raise ConfigurationError("the program is ending")
        where = key[0]
        held = self._held.get(key)
        if held is None:
            opened = open_sockets(where, backlog=backlog)
            held = self._held[key] = Held(backlog, {slot: opened}, find_file(where))
        if slot in held.slots:
            return held.slots[slot]
        first = next(iter(held.slots.values()))
        if not (self._apart and isinstance(where, Tcp)):
            return first
        held.slots[slot] = share(first, backlog=held.backlog)
        return held.slots[slot]

    def apart(self) -> list[tuple[Key, int, list[socket.socket]]]:
        """Return what only the worker with that index accepts on."""
        return [
            (key, slot, sockets)
            for key, held in self._held.items()
            if len(held.slots) > 1
            for slot, sockets in held.slots.items()
        ]

    def keep(self, wanted: Iterable[Key]) -> None:
        """Close what is held and not *wanted*."""
        for key in set(self._held) - set(wanted):
            held = self._held.pop(key)
            for sock in chain.from_iterable(held.slots.values()):
                sock.close()
            if held.file is not None:
                held.file.remove()

    def close(self) -> None:
        """Close all; the files of Unix sockets are removed."""
        self.keep(())

    def leave_to_workers(self) -> None:
        """Close all as :meth:`close`, but let nobody begin to connect any more.

        Whoever is connected by now is accepted by the workers, which have the sockets as well.
        """
        self._over = True
        for (where, _, _), held in self._held.items():
            if not isinstance(where, InheritedFd):
                for sock in chain.from_iterable(held.slots.values()):
                    stop_arrivals(sock)
        self.close()

    def let_go(self) -> None:
        """Close all in a process that was forked: the files of Unix sockets stay."""
        for held in self._held.values():
            for sockets in held.slots.values():
                for sock in sockets:
                    sock.close()
        self._held.clear()


def share(first: list[socket.socket], *, backlog: int) -> list[socket.socket]:
    """Return sockets that share the ports of *first*, each with a queue of its own.

    Raises:
        ConfigurationError: the system refuses.
    """
    with ExitStack() as undo:
        opened = []
        try:
            for sock in first:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                other = undo.enter_context(socket.socket(sock.family, socket.SOCK_STREAM))
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                if sock.family == socket.AF_INET6:
                    only = sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
                    other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
                other.bind(sock.getsockname())
                other.listen(backlog)
                other.setblocking(False)
                opened.append(other)
        except OSError as error:
            raise ConfigurationError(
                f"the workers cannot share a port ({error.strerror}); set BB_SOCKET_REUSEPORT=0"
            ) from error
        undo.pop_all()
    return opened
