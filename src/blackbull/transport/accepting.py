"""Accepting connections, also when there is no descriptor left for one.

Connections that wait make a listening socket readable for as long as they wait, so an event loop
that cannot accept one comes back at once, and for ever. libuv sheds them: it keeps a descriptor
in reserve, and uses it to accept and close whoever waits. asyncio's server neither does that nor
stops for long, and reports every attempt; so on its loops connections are accepted here, in the
same manner.
"""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
from collections.abc import Callable
from math import inf
from typing import Final, Protocol, TypeAlias

BATCH: Final = 128
"""Connections that are accepted in one turn of the loop."""

PAUSE: Final = 0.1
"""Seconds after which accepting is tried again if not even the reserve is left."""

LAST_FILES: Final = 16
"""Descriptors that no connection is served on, so that it can be told so, and logs be written."""

TOLD_EVERY: Final = 10.0
"""Seconds between two complaints about the same shortage."""

MakeProtocol: TypeAlias = Callable[[], asyncio.Protocol]

_SCARCE: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_OF_ONE: Final = (
    errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ENETDOWN, errno.ENOPROTOOPT,
    errno.EHOSTDOWN, errno.ENONET, errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH,
)  # fmt: skip
"""Errors of the connection that was to be accepted, not of accepting: accept(2)."""


class Accepting(Protocol):
    """The accepting of one listening socket."""

    async def start_serving(self) -> None:
        """Accept from now on."""

    def close(self) -> None:
        """Accept no more, and close the socket."""


async def accepting(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    make: MakeProtocol,
    *,
    backlog: int,
    scarce: Callable[[OSError], None],
) -> Accepting:
    """Return what accepts the connections of *sock* on *loop*, once it is started.

    Args:
        loop: The loop that serves them.
        sock: It listens, and does not block; whoever accepts from it closes it.
        make: Makes the protocol of a connection.
        backlog: Connections that may wait for being accepted.
        scarce: Told that there is no descriptor for those that wait, if that is known.
    """
    if isinstance(loop, asyncio.SelectorEventLoop):
        return SelectorAccepting(loop, sock, make, scarce=scarce)
    return await loop.create_server(make, sock=sock, backlog=backlog, start_serving=False)


class SelectorAccepting:
    """The accepting of one listening socket on a loop of asyncio.

    The arguments are those of :func:`accepting`.
    """

    __slots__ = (
        "_loop", "_make", "_reserve", "_resume", "_scarce", "_sock", "_tasks", "_told_at",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        make: MakeProtocol,
        *,
        scarce: Callable[[OSError], None],
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._make = make
        self._scarce = scarce
        self._reserve: int | None = None
        self._resume: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[object]] = set()
        self._told_at = -inf

    async def start_serving(self) -> None:
        """Accept from now on."""
        self._reserve = _spare_file()
        self._loop.add_reader(self._sock, self._accept)

    def close(self) -> None:
        """Accept no more, and close the socket."""
        if self._resume is not None:
            self._resume.cancel()
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._sock.close()
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None

    def _accept(self) -> None:
        for _ in range(BATCH):
            try:
                conn, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _OF_ONE:
                    continue
                if error.errno not in _SCARCE:
                    raise
                self._shed(error)
                return
            task = self._loop.create_task(self._begin(conn))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _begin(self, conn: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make, conn)
        except BaseException:
            conn.close()
            raise

    def _shed(self, error: OSError) -> None:
        """Close whoever waits: nobody is to wait for what we do not have."""
        now = self._loop.time()
        if now - self._told_at >= TOLD_EVERY:
            self._told_at = now
            self._scarce(error)
        if self._reserve is None:
            self._reserve = _spare_file()
        if self._reserve is None:
            self._loop.remove_reader(self._sock)
            self._resume = self._loop.call_later(PAUSE, self._again)
            return
        os.close(self._reserve)
        for _ in range(BATCH):
            try:
                conn, _ = self._sock.accept()
            except OSError:
                break
            conn.close()
        self._reserve = _spare_file()

    def _again(self) -> None:
        self._loop.add_reader(self._sock, self._accept)


def max_files() -> int:
    """Return how many files the process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1_000_000 if soft == resource.RLIM_INFINITY else soft


def last_file_number() -> int:
    """Return the number from which on descriptors are kept for other things than connections."""
    files = max_files()
    return max(files - LAST_FILES, files // 2)


def _spare_file() -> int | None:
    try:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
