"""Peek and replay."""

from __future__ import annotations

import asyncio

import pytest

from blackbull.errors import IncompleteRead, LimitExceeded
from blackbull.transport.memory import MemoryConnection
from blackbull.transport.prefix import PrefixReader

STREAM = b"GET / HTTP/1.1\r\n\r\nrest"


def reader_of(prefix: bytes, rest: bytes, *, eof: bool = True) -> PrefixReader:
    conn = MemoryConnection()
    reader = conn.reader
    if rest:
        conn.feed(rest)
    if eof:
        conn.feed_eof()
    return PrefixReader(prefix, reader)


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
async def test_prefix_any_cut_replays_from_byte_zero(cut: int) -> None:
    """S16."""
    reader = reader_of(STREAM[:cut], STREAM[cut:])
    assert await reader.peek(16) == STREAM[:16]
    assert await reader.peek(4) == STREAM[:4]
    assert await reader.readuntil(b"\r\n") == b"GET / HTTP/1.1\r\n"
    assert await reader.readexactly(2) == b"\r\n"
    assert not reader.at_eof()
    data = b""
    while part := await reader.read(3):
        data += part
    assert data == b"rest"
    assert reader.at_eof()


@pytest.mark.parametrize("cut", range(4))
async def test_prefix_stream_ends_early_raises_with_everything(cut: int) -> None:
    for reading in ("readexactly", "readuntil"):
        reader = reader_of(b"abc"[:cut], b"abc"[cut:])
        with pytest.raises(IncompleteRead) as caught:
            await (reader.readexactly(4) if reading == "readexactly" else reader.readuntil())
        assert caught.value.partial == b"abc"


async def test_prefix_readuntil_too_long_raises() -> None:
    reader = reader_of(b"abcd", b"efgh\n", eof=False)
    with pytest.raises(LimitExceeded):
        await reader.readuntil(limit=6)
    assert await reader.readuntil() == b"abcdefgh\n"


async def test_prefix_cancelled_read_loses_nothing() -> None:
    conn = MemoryConnection()
    reader = PrefixReader(b"ab", conn.reader)
    task = asyncio.create_task(reader.readexactly(4))
    await asyncio.sleep(0)
    conn.feed(b"c")
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    conn.feed(b"d")
    assert await reader.readexactly(4) == b"abcd"


async def test_prefix_read_all_returns_the_prefix_without_waiting() -> None:
    reader = reader_of(b"ab", b"", eof=False)
    assert await reader.read() == b"ab"
