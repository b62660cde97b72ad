"""The connections that tests use behave like connections."""

from __future__ import annotations

import asyncio

import pytest

from blackbull.errors import ConnectionLost
from blackbull.transport.memory import MemoryConnection, memory_pair


async def test_memory_pair_bytes_cross_and_the_end_too() -> None:
    left, right = memory_pair()
    assert (left.peername, left.sockname) == (right.sockname, right.peername)
    await left.writer.write(b"ping")
    assert await right.reader.read() == b"ping"
    await right.writer.write(b"pong")
    await right.writer.close()
    assert await left.reader.readexactly(4) == b"pong"
    assert await left.reader.read() == b""
    await left.writer.close()
    await asyncio.sleep(0)
    assert left.lost
    assert right.lost


async def test_memory_pair_abort_resets_the_other_end() -> None:
    left, right = memory_pair()
    assert right.reader is not None
    left.abort()
    with pytest.raises(ConnectionLost):
        await right.reader.read()


async def test_memory_connection_unread_gives_the_bytes_to_the_next_consumer() -> None:
    conn = MemoryConnection()
    conn.unread(b"ab")
    conn.feed(b"cd")
    conn.feed_eof()
    assert await conn.reader.read() == b"abcd"
    assert conn.reader.at_eof()


async def test_memory_connection_lost_before_attach_is_told() -> None:
    conn = MemoryConnection()
    conn.reset()
    with pytest.raises(ConnectionLost):
        await conn.reader.read()


def test_memory_deadline_not_set_cannot_expire() -> None:
    conn = MemoryConnection()
    conn.deadline.set(0)
    with pytest.raises(AssertionError):
        conn.deadline.expire()
