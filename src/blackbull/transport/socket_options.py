"""What a listening socket is told of the connections that it will accept: they inherit it."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from .vanished import notice_vanished


@dataclass(frozen=True, slots=True)
class SocketOptions:
    """Options of connections.

    Attributes:
        user_timeout_ms: Milliseconds that a peer's system may acknowledge nothing; 0: the system's.
        send_buffer: Bytes that the system keeps for a peer; 0: it finds out what is good.
        receive_buffer: Bytes that it keeps of a peer's, and offers it as TCP's window; 0: as above.
    """

    user_timeout_ms: int = 0
    send_buffer: int = 0
    receive_buffer: int = 0

    def apply(self, sock: socket.socket) -> None:
        """Set them on *sock*, which listens. The system may take less, or twice as much.

        Spec:
            socket(7), SO_SNDBUF and SO_RCVBUF
        """
        notice_vanished(sock, timeout_ms=self.user_timeout_ms)
        if self.send_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.send_buffer)
        if self.receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
