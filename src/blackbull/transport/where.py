"""Places to listen, and how they are written.

The text of a place is stable: whoever parses it gets an equal place, in another process, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from blackbull.errors import ConfigurationError

UNIX_MODE: Final = 0o660
ANY_HOST: Final = ("", "*", "::")
MAX_PORT: Final = 65535

_FORMS: Final = "write host:port, :port, [IPv6 address]:port, unix:/path or fd://3"


@dataclass(frozen=True, slots=True)
class Tcp:
    """A TCP port.

    Attributes:
        port: 0 takes any free port.
        host: A name or an address, IPv6 with or without brackets; a name with several addresses
            is listened to on all of them. ``""``, ``"*"`` and ``"::"`` mean every interface,
            IPv4 and IPv6; ``"0.0.0.0"`` every interface, IPv4 only.
    """

    port: int
    host: str = "127.0.0.1"

    def __str__(self) -> str:
        return host_port(self.host.strip("[]") or "*", self.port)


@dataclass(frozen=True, slots=True)
class Unix:
    """A Unix socket.

    Attributes:
        path: Its file. A socket that nobody listens to any more is replaced, nothing else is.
        mode: Who may connect: the file's permissions, from its first moment on.
        group: The group that the file belongs to; None: the process's own.
    """

    path: str
    mode: int = UNIX_MODE
    group: str | None = None

    def __str__(self) -> str:
        said = [f"mode={self.mode:04o}"] if self.mode != UNIX_MODE else []
        if self.group is not None:
            said.append(f"group={self.group}")
        return f"unix:{self.path}{'?' if said else ''}{'&'.join(said)}"


@dataclass(frozen=True, slots=True)
class InheritedFd:
    """A listening socket that whoever started the process has opened.

    Attributes:
        fd: The file descriptor, or the name that systemd gave it; ``"systemd"`` means all that
            it passed.
    """

    fd: int | str

    def __str__(self) -> str:
        return f"fd://{self.fd}"


Where: TypeAlias = Tcp | Unix | InheritedFd


def host_port(host: str, port: int) -> str:
    """Return host and port as people write them: ``[::1]:8000``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_where(text: str) -> Where:
    """Return the place that *text* names, without options.

    Args:
        text: ``host:port``, ``:port`` (every interface), ``port`` (127.0.0.1),
            ``[address]:port``, ``unix:/path`` or ``fd://3``.

    Raises:
        ConfigurationError: it names none; one line that says what to write.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path or "\0" in path:
            raise ConfigurationError(f"{text!r} has no path: write unix:/run/app.sock")
        return Unix(path)
    if text.startswith("fd:"):
        return _parse_fd(text)
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif re.fullmatch(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%\w+)?", host):
        raise ConfigurationError(f"{text!r} is no place to listen: write [{host}]:{port} for IPv6")
    elif ":" in host:
        raise ConfigurationError(f"{text!r} is no place to listen: {_FORMS}")
    if not re.fullmatch(r"[0-9]{1,9}", port) or re.search(r"[\s/?\[\]]", host):
        raise ConfigurationError(f"{text!r} is no place to listen: {_FORMS}")
    if int(port) > MAX_PORT:
        raise ConfigurationError(f"{text!r}: {port} is no port, give one from 0 to {MAX_PORT}")
    return Tcp(int(port), host or "*") if colon else Tcp(int(port))


def _parse_fd(text: str) -> InheritedFd:
    fd = text.removeprefix("fd:").removeprefix("//")
    if re.fullmatch(r"[0-9]{1,9}", fd):
        return InheritedFd(int(fd))
    if re.fullmatch(r"-?[0-9]+", fd) or not re.fullmatch(r"[^\s/?&]+", fd):
        raise ConfigurationError(
            f"{text!r} names no socket: write fd://3, fd://NAME or fd://systemd"
        )
    return InheritedFd(fd)
