"""The opening of the sockets that a server listens on."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import stat
from dataclasses import dataclass
from typing import Final, Protocol

from blackbull.errors import ConfigurationError

from .where import ANY_HOST, MAX_PORT, Tcp, Unix, Where, host_port

BACKLOG: Final = 2048

_ATTEMPTS: Final = 16
_ABSENT: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def open_sockets(where: Where, *, backlog: int = BACKLOG) -> list[socket.socket]:
    """Open what *where* names: bound, listening, not blocking.

    Args:
        where: The place.
        backlog: Connections that may wait to be accepted.

    Returns:
        One socket, or several when a host name has several addresses.

    Raises:
        ConfigurationError: it cannot be opened; one line that says how to mend it.
    """
    if isinstance(where, Tcp):
        return _open_tcp(where, backlog)
    if isinstance(where, Unix):
        return [_open_unix(where, backlog)]
    if isinstance(where.fd, str):
        raise ConfigurationError(
            f"{where}: systemd has passed no socket of that name; "
            "check FileDescriptorName= in its unit"
        )
    return [_adopt(where.fd, backlog)]


@dataclass(frozen=True, slots=True)
class SocketFile:
    """The file of a Unix socket, wherever this process goes meanwhile.

    Attributes:
        path: Its absolute path.
        identity: Its device and inode.
    """

    path: str
    identity: tuple[int, int]

    def remove(self) -> None:
        """Remove it, unless there is another one by now: that is another program's."""
        with contextlib.suppress(OSError):
            if _identity(self.path) == self.identity:
                os.unlink(self.path)


def find_file(where: Where) -> SocketFile | None:
    """Return the file of a Unix socket that was just opened; None for other places."""
    if not isinstance(where, Unix):
        return None
    with contextlib.suppress(OSError):
        return SocketFile(os.path.abspath(where.path), _identity(where.path))
    return None


def _identity(path: str) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino


class SocketSource(Protocol):
    """Where a server gets its listening sockets from."""

    def open(self, where: Where, *, backlog: int, name: str) -> list[socket.socket]:
        """Return sockets as :func:`open_sockets` does; the caller closes them.

        Args:
            where: The place.
            backlog: Connections that may wait to be accepted.
            name: What is to be served there; several things can ask for any free port.

        Raises:
            ConfigurationError: as there.
        """

    def release(self, where: Where) -> None:
        """Take note that the sockets of *where* are closed and not wanted again."""


class OwnSockets:
    """Opens sockets in this process, for it alone."""

    def __init__(self) -> None:
        self._files: dict[Where, SocketFile | None] = {}

    def open(self, where: Where, *, backlog: int, name: str) -> list[socket.socket]:
        """Open what *where* names."""
        opened = open_sockets(where, backlog=backlog)
        self._files[where] = find_file(where)
        return opened

    def release(self, where: Where) -> None:
        """Remove the file of a Unix socket."""
        file = self._files.pop(where, None)
        if file is not None:
            file.remove()


def describe(sock: socket.socket) -> str:
    """Return where *sock* listens, as people write it: ``[::1]:8000``, ``unix:/run/app.sock``."""
    name = sock.getsockname()
    if isinstance(name, tuple):
        host, port = name[:2]
        return host_port("*" if is_dual_stack(sock) else host, port)
    return f"unix:{name}"


def is_dual_stack(sock: socket.socket) -> bool:
    """Return True if *sock* listens on every interface, IPv6 and IPv4."""
    if sock.family != socket.AF_INET6 or sock.getsockname()[0] != "::":
        return False
    return not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


def _open_tcp(where: Tcp, backlog: int) -> list[socket.socket]:
    if not 0 <= where.port <= MAX_PORT:
        raise ConfigurationError(f"{where.port} is no port; choose one from 1 to {MAX_PORT}")
    addresses = _resolve(where)
    attempt = 1
    while True:
        try:
            return _listen_on_all(addresses, port=where.port, backlog=backlog)
        except OSError as error:
            # The free port that one address got may be taken on the next one.
            again = where.port == 0 and len(addresses) > 1 and error.errno == errno.EADDRINUSE
            if not again or attempt == _ATTEMPTS:
                raise ConfigurationError(_tcp_trouble(where, error)) from error
            attempt += 1


def _listen_on_all(
    addresses: list[tuple[int, str]], *, port: int, backlog: int
) -> list[socket.socket]:
    """Listen on every address that the machine has, on the port that the first one got."""
    opened: list[socket.socket] = []
    absent: OSError | None = None
    for family, host in addresses:
        try:
            opened.append(_listen(family, host, port=port, backlog=backlog))
            port = int(opened[0].getsockname()[1])
        except OSError as error:
            if error.errno not in _ABSENT:
                for sock in opened:
                    sock.close()
                raise
            absent = error
    if absent is not None and not opened:
        raise absent
    return opened


def _resolve(where: Tcp) -> list[tuple[int, str]]:
    host = where.host.strip("[]")
    if host in ANY_HOST:
        if socket.has_dualstack_ipv6():
            return [(socket.AF_INET6, "::")]
        return [(socket.AF_INET, "0.0.0.0")]
    try:
        found = socket.getaddrinfo(
            host, where.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(
            f"cannot listen on {where}: {host!r} is no address of this machine; "
            "give host= an address that is, such as 127.0.0.1"
        ) from error
    return list(dict.fromkeys((int(each[0]), str(each[4][0])) for each in found))


def _listen(family: int, host: str, *, port: int, backlog: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        sock.bind((host, port))
        sock.listen(backlog)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _tcp_trouble(where: Tcp, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            cure = "the port is in use; stop the program that uses it or choose another port"
        case errno.EACCES:
            cure = "the system does not allow it; choose a port above 1023"
        case errno.EADDRNOTAVAIL:
            cure = "this machine has no such address; give host= one that it has"
        case _:
            cure = f"{error.strerror}; choose another host or port"
    return f"cannot listen on {where}: {cure}"


def _open_unix(where: Unix, backlog: int) -> socket.socket:
    if not hasattr(socket, "AF_UNIX"):
        raise ConfigurationError("this platform has no Unix sockets; listen on a TCP port")
    path = where.path
    _clear_the_way(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # From its first moment on nobody else may connect, so the mode is not set afterwards.
    mask = os.umask(0o777 & ~where.mode)
    try:
        sock.bind(path)
        if where.group is not None:
            _give_to_group(path, where.group)
        sock.listen(backlog)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise ConfigurationError(
            f"cannot listen on unix:{path}: {error.strerror or error}; choose another path"
        ) from error
    except ConfigurationError:
        sock.close()
        os.unlink(path)
        raise
    finally:
        os.umask(mask)
    return sock


def _give_to_group(path: str, group: str) -> None:
    try:
        shutil.chown(path, group=int(group) if group.isdigit() else group)
    except LookupError:
        raise ConfigurationError(
            f"there is no group {group!r}: give unix:{path} one that this system has"
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"cannot give unix:{path} to the group {group!r} ({error.strerror}): "
            "let this user be in it"
        ) from error


def _clear_the_way(path: str) -> None:
    try:
        found = os.lstat(path)
    except OSError:
        return  # binding tells what is wrong with the path
    if not stat.S_ISSOCK(found.st_mode):
        raise ConfigurationError(
            f"cannot listen on unix:{path}: the file there is no socket; "
            "remove it yourself or choose another path"
        )
    if not _remove_stale(path):
        raise ConfigurationError(
            f"cannot listen on unix:{path}: another program listens there; "
            "stop it or choose another path"
        )


def _remove_stale(path: str) -> bool:
    """Remove the socket at *path* unless somebody listens there."""
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.setblocking(False)
        probe.connect(path)
    except ConnectionRefusedError:
        os.unlink(path)
        return True
    except FileNotFoundError:
        return True
    except OSError:
        return False  # its backlog is full, or it is not ours to touch
    finally:
        probe.close()
    return False


def _adopt(fd: int, backlog: int) -> socket.socket:
    try:
        sock = socket.socket(fileno=fd)
    except OSError as error:
        raise ConfigurationError(
            f"fd://{fd} is no open socket; let the parent process pass one that listens"
        ) from error
    try:
        if sock.type != socket.SOCK_STREAM:
            raise ConfigurationError(f"fd://{fd} is no stream socket; pass one that is")
        sock.set_inheritable(False)
        sock.setblocking(False)
        sock.listen(backlog)
    except OSError as error:
        sock.detach()
        raise ConfigurationError(
            f"fd://{fd} cannot listen ({error.strerror}); bind it before passing it on"
        ) from error
    except ConfigurationError:
        sock.detach()
        raise
    return sock
