from __future__ import annotations

import asyncio
import socket

import pytest

from blackbull.transport.socket_options import SocketOptions
from tests.conformance.peer import App, connected, serving


def buffers(sock: socket.socket) -> tuple[int, int]:
    return (
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF),
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
    )


def test_options_that_are_not_given_are_the_systems() -> None:
    with socket.socket() as untouched, socket.socket() as sock:
        SocketOptions().apply(sock)
        assert buffers(sock) == buffers(untouched)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_buffers_of_every_family_are_set(family: socket.AddressFamily) -> None:
    """socket(7): Linux doubles what it is given."""
    with socket.socket(family) as sock:
        SocketOptions(send_buffer=20_000, receive_buffer=30_000).apply(sock)
        assert buffers(sock) == (40_000, 60_000)


async def test_connections_inherit_the_buffers_of_the_settings() -> None:
    how = {"socket_sndbuf": 20_000, "socket_rcvbuf": 30_000}
    async with serving(App(), **how) as server, connected(server):
        while not server.connections:
            await asyncio.sleep(0.01)
        view = next(iter(server.connections))
        assert buffers(view._transport.get_extra_info("socket")) == (40_000, 60_000)
