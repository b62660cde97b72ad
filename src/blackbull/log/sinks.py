"""Where lines of log go: a descriptor, a file that may be rotated, a stream, syslog.

A sink takes blocks of whole lines and is called by one thread. It may wait for a disk, since nobody
waits for the thread; it does not wait for the reader of a pipe, which may never read again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import stat
from abc import ABC, abstractmethod
from typing import Final, Protocol

from ..errors import ConfigurationError

PIPE_BUF: Final = select.PIPE_BUF
"""Bytes that a pipe takes in one piece, whoever else writes to it (POSIX write())."""

MAX_DATAGRAM: Final = 65000
"""Bytes of a datagram: a longer one is refused by the system, and what is behind it lost."""

GONE: Final = frozenset({errno.EPIPE, errno.EBADF, errno.EIO, errno.ENXIO})
"""Errors after which nobody reads any more."""


class Stream(Protocol):
    """A text stream."""

    def write(self, text: str, /) -> object:
        """Take *text*."""

    def flush(self) -> object:
        """Let it be seen."""


class Sink(ABC):
    """Takes lines.

    Attributes:
        gone: Nobody will ever read what is written; writing does nothing.
        fd: What to poll before writing on, if a write came short; -1: nothing.
    """

    gone = False
    fd = -1

    @abstractmethod
    def write(self, block: bytes) -> int:
        """Write *block*, lines with their ends, as far as it is taken; return how many bytes were.

        Raises:
            OSError: it cannot be written; it is not known how much was.
        """

    def close(self) -> None:
        """Write no more."""


class DescriptorSink(Sink):
    """An open file descriptor that is somebody else's: stderr.

    What goes to a pipe or a terminal is written in pieces that arrive whole beside those of other
    processes, and only when there is room.

    Args:
        fd: The descriptor.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._regular = stat.S_ISREG(os.fstat(fd).st_mode)

    def write(self, block: bytes) -> int:
        if self.gone:
            return len(block)
        try:
            return write_all(self.fd, block) if self._regular else self._write_pieces(block)
        except OSError as error:
            if error.errno not in GONE:
                raise
            self.gone = True
            return len(block)

    def _write_pieces(self, block: bytes) -> int:
        written = 0
        while written < len(block) and writable(self.fd, 0.0):
            end = min(written + PIPE_BUF, len(block))
            if end < len(block):
                end = block.rfind(b"\n", written, end) + 1 or end
            try:
                written += os.write(self.fd, block[written:end])
            except BlockingIOError:  # it is somebody's who does not wait either
                break
        return written


class FileSink(Sink):
    """A file that is appended to; opened again when another one has its name.

    Args:
        path: Its path.

    Raises:
        ConfigurationError: it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._identity: tuple[int, int] | None = None
        try:
            self._open()
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise ConfigurationError(f"the log file {path!r} cannot be opened: {reason}") from error

    def write(self, block: bytes) -> int:
        self._follow()
        # One write: lines of several processes that append to the same file stay whole.
        return write_all(self._fd, block)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _follow(self) -> None:
        try:
            found = os.stat(self._path)
            identity = (found.st_dev, found.st_ino)
        except OSError:
            identity = None
        if identity is None or identity != self._identity:
            # If that fails, what is open is written to.
            with contextlib.suppress(OSError):
                self._open()

    def _open(self) -> None:
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        found = os.fstat(fd)
        self.close()
        self._fd = fd
        self._identity = (found.st_dev, found.st_ino)


class Nowhere(Sink):
    """Stands where a program has no stderr."""

    gone = True

    def write(self, block: bytes) -> int:
        return len(block)


class StreamSink(Sink):
    """A text stream without a descriptor: what a program has put in the place of stderr.

    Args:
        stream: The stream.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def write(self, block: bytes) -> int:
        try:
            self._stream.write(block.decode(errors="replace"))
            self._stream.flush()
        except ValueError:  # it was closed
            self.gone = True
        except OSError:
            raise
        except Exception as error:  # it is the program's, and may raise what it likes
            raise OSError(errno.EIO, "the stream cannot be written") from error
        return len(block)


class SyslogSink(Sink):
    """A syslog receiver: a datagram for each line (RFC 5424, RFC 5426).

    Args:
        address: ``host:port``, or the path of a Unix socket.

    Raises:
        ConfigurationError: there is no such address.
    """

    priority: Final = 1 * 8 + 6  # facility user, severity informational

    def __init__(self, address: str) -> None:
        self._where, self._socket = syslog_socket(address)
        self._host = socket.gethostname() or "-"

    def write(self, block: bytes) -> int:
        # RFC 5424 §6: <PRI>VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG
        head = f"<{self.priority}>1 - {self._host} blackbull {os.getpid()} - - ".encode()
        for line in block.splitlines():
            self._socket.sendto((head + line)[:MAX_DATAGRAM], self._where)
        return len(block)

    def close(self) -> None:
        self._socket.close()


def syslog_socket(address: str) -> tuple[str | tuple[str, int], socket.socket]:
    """Return where to send to, and a datagram socket for it.

    Raises:
        ConfigurationError: *address* is neither ``host:port`` nor the path of a socket.
    """
    if "/" in address:
        if not is_socket(address):
            raise ConfigurationError(f"there is no syslog socket {address!r}")
        return address, datagram_socket(socket.AF_UNIX)
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) <= 65535:
        raise ConfigurationError(
            f"{address!r} is no syslog address: write host:port, or the path of a socket"
        )
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0]
    except OSError as error:
        raise ConfigurationError(f"the syslog host {host!r} is not known") from error
    return (str(found[4][0]), int(found[4][1])), datagram_socket(found[0])


def is_socket(path: str) -> bool:
    """Return whether *path* is a socket that this user can reach."""
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def datagram_socket(family: int) -> socket.socket:
    """Return a datagram socket that never waits."""
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.setblocking(False)
    return made


def write_all(fd: int, block: bytes) -> int:
    """Write *block* to a file, all of it.

    Raises:
        OSError: it cannot be written; a part of it may have been.
    """
    written = os.write(fd, block)
    while written < len(block):
        written += os.write(fd, block[written:])
    return written


def writable(fd: int, seconds: float) -> bool:
    """Return whether *fd* takes bytes, or has an error to tell, within *seconds*."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(seconds * 1000.0))
