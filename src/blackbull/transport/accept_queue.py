"""The connections that the system has established for a listener, and nobody has taken yet.

A socket that is closed while somebody waits there resets them, although they were told that they
are connected. So whoever stops listening first takes all of them.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
from contextlib import suppress
from typing import Final

SO_ATTACH_FILTER: Final = 26  # socket(7), of Linux; the socket module has no name for it

# Classic BPF over a TCP segment: drop what has SYN and no ACK (RFC 9293 §3.1), keep all else.
_ONLY_ESTABLISHED: Final = (
    (0x30, 0, 0, 13),  # load the byte of the flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK of it
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # keep
)


def duplicate(sock: socket.socket) -> socket.socket:
    """Return another handle of *sock*, so that it stays open when its owner closes it."""
    return socket.socket(fileno=os.dup(sock.fileno()))


def stop_arrivals(sock: socket.socket) -> None:
    """Let nobody begin to connect to *sock*, if the system can do that; for TCP on Linux.

    Whoever tries is not answered, asks again after a second, and finds who listens by then.
    Only for a socket that no other process listens on.
    """
    if sys.platform != "linux" or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in _ONLY_ESTABLISHED))
    program = struct.pack("HL", len(_ONLY_ESTABLISHED), ctypes.addressof(code))
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def take_established(sock: socket.socket, *, at_most: int) -> list[socket.socket]:
    """Return the connections that wait at *sock*, which does not block; the caller closes them.

    Args:
        sock: It listens.
        at_most: Where others go on connecting, there is always one more.
    """
    found: list[socket.socket] = []
    with suppress(OSError):  # BlockingIOError: nobody is left; another one: nobody can be taken
        while len(found) < at_most:
            connection, _ = sock.accept()
            connection.setblocking(False)
            found.append(connection)
    return found
