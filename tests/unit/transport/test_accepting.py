"""Accepting on asyncio's loops, and what is done when that fails."""

from __future__ import annotations

import asyncio
import errno
import os
import socket

import pytest

from blackbull.transport import accepting as module
from blackbull.transport.accepting import SelectorAccepting


class Listener:
    """A listening socket whose next attempts to accept fail as the test says."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.errors: list[int] = []
        self.attempts = 0

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()

    def accept(self) -> tuple[socket.socket, object]:
        self.attempts += 1
        if self.errors:
            number = self.errors.pop(0)
            raise OSError(number, os.strerror(number))
        return self._sock.accept()


class Greeter(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")
        transport.close()


class Hall:
    """A listener that greets whoever comes."""

    def __init__(self) -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        sock.setblocking(False)
        self.port = sock.getsockname()[1]
        self.listener = Listener(sock)
        self.told: list[int | None] = []
        self.accepting = SelectorAccepting(
            asyncio.get_running_loop(), self.listener, Greeter,  # type: ignore[arg-type]
            scarce=lambda error: self.told.append(error.errno),
        )  # fmt: skip

    async def hear(self) -> bytes:
        """Return what somebody who comes is told."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(5):
                return await reader.read()
        finally:
            writer.close()


@pytest.fixture
async def hall():  # type: ignore[no-untyped-def]
    made = Hall()
    yield made
    made.accepting.close()
    made.accepting.close()


async def test_connection_is_accepted_once_it_is_started(hall: Hall) -> None:
    waits = asyncio.ensure_future(hall.hear())
    for _ in range(5):
        await asyncio.sleep(0)
    assert hall.listener.attempts == 0
    await hall.accepting.start_serving()
    assert await waits == b"hello"


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EPROTO, errno.EHOSTUNREACH])
async def test_error_of_one_connection_keeps_nobody_else_out(hall: Hall, number: int) -> None:
    hall.listener.errors = [number]
    await hall.accepting.start_serving()
    assert await hall.hear() == b"hello"
    assert hall.told == []


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
async def test_shortage_closes_who_waits_and_is_told_once(hall: Hall, number: int) -> None:
    await hall.accepting.start_serving()
    for _ in range(3):
        hall.listener.errors = [number]
        assert await hall.hear() == b""
    assert hall.told == [number]
    assert await hall.hear() == b"hello"


async def test_shortage_without_a_reserve_is_waited_for(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_spare_file", lambda: None)
    monkeypatch.setattr(module, "PAUSE", 0.01)
    await hall.accepting.start_serving()
    hall.listener.errors = [errno.EMFILE] * 3
    assert await hall.hear() == b"hello"
    assert hall.listener.attempts < 10


async def test_closing_during_the_wait_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_spare_file", lambda: None)
    monkeypatch.setattr(module, "PAUSE", 0.01)
    hall = Hall()
    await hall.accepting.start_serving()
    hall.listener.errors = [errno.EMFILE]
    _, writer = await asyncio.open_connection("127.0.0.1", hall.port)
    while not hall.told:
        await asyncio.sleep(0)
    hall.accepting.close()
    await asyncio.sleep(0.03)
    assert hall.listener.attempts == 1
    writer.close()
