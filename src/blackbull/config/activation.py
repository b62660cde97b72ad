"""What systemd passes to a service: sockets that it has opened, and whom to tell how it goes.

Spec:
    sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..errors import ConfigurationError

FIRST_FD: Final = 3
UNNAMED: Final = "unknown"


@dataclass(frozen=True, slots=True)
class PassedSocket:
    """A listening socket that systemd has opened for this process.

    Attributes:
        fd: Its descriptor.
        name: ``FileDescriptorName=`` of its unit; the unit's own name unless it says one.
    """

    fd: int
    name: str


@dataclass(frozen=True, slots=True)
class Notifying:
    """Whom this process tells how it goes.

    Attributes:
        address: The path of a Unix socket; with ``@`` in front, an abstract one.
        watchdog: Seconds within which it has to give a sign of life; 0: none is waited for.
    """

    address: str
    watchdog: float


def passed_sockets(
    *, child: bool = False, environ: Mapping[str, str] | None = None
) -> tuple[PassedSocket, ...]:
    """Return the sockets that were passed to this process.

    Args:
        child: They may have been passed to the parent, which has left them to us.
        environ: The variables; the process's own when None.

    Raises:
        ConfigurationError: the variables contradict each other.
    """
    environ = os.environ if environ is None else environ
    whose = _number(environ, "LISTEN_PID")
    if whose is None or whose not in ((os.getpid(), os.getppid()) if child else (os.getpid(),)):
        return ()
    count = _number(environ, "LISTEN_FDS") or 0
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    if names == [""]:
        names = [UNNAMED] * count
    if len(names) != count:
        raise ConfigurationError(
            f"LISTEN_FDNAMES names {len(names)} sockets, but LISTEN_FDS is {count}: "
            "whoever started this process has to set both"
        )
    return tuple(PassedSocket(FIRST_FD + i, name) for i, name in enumerate(names))


def notifying(environ: Mapping[str, str] | None = None) -> Notifying | None:
    """Return whom to tell how this process goes, if anybody waits for it."""
    environ = os.environ if environ is None else environ
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")) or len(address) < 2:
        return None
    microseconds = environ.get("WATCHDOG_USEC", "")
    whose = environ.get("WATCHDOG_PID") or str(os.getpid())
    watched = microseconds.isascii() and microseconds.isdigit() and whose == str(os.getpid())
    return Notifying(address, int(microseconds) / 1e6 if watched else 0.0)


def _number(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ConfigurationError(
            f"{name} must be a whole number, not {text!r}: whoever started this process sets it"
        )
    return int(text)
