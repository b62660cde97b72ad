"""Having the system notice that a peer's machine is not there any more."""

from __future__ import annotations

import socket
from typing import Final

PROBES: Final = 3
"""Times that a silent peer's system is asked within the timeout."""


def notice_vanished(sock: socket.socket, *, timeout_ms: int) -> None:
    """Let connections that *sock* accepts end when the peer's system acknowledges nothing.

    Args:
        sock: A listening socket; what it accepts inherits its options.
        timeout_ms: Milliseconds. Of a silent peer it takes that long until it is asked, and as
            long again until it is given up. 0: what the system takes, which can be hours.

    Spec:
        RFC 9293 §3.8.3, §3.8.4; RFC 5482 §4
    """
    if sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if not timeout_ms or not hasattr(socket, "TCP_USER_TIMEOUT"):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
    seconds = timeout_ms / 1000
    # Linux: they are whole seconds, at most 32767.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _whole(seconds))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _whole(seconds / PROBES))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)


def _whole(seconds: float) -> int:
    return min(max(round(seconds), 1), 32767)
