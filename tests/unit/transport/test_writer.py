"""What pulling protocols write."""

from __future__ import annotations

import asyncio

import pytest

from blackbull.errors import ConnectionLost, WriteTimeout
from blackbull.transport.memory import MemoryConnection
from blackbull.transport.writer import LEAST_TAKEN, StreamWriter


async def turns(n: int = 3) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


def paused(conn: MemoryConnection) -> StreamWriter:
    """Return the writer of *conn*, whose peer has stopped to take our bytes."""
    assert conn.reader is not None
    writer = conn.writer
    conn.pause_writing()
    return writer


async def test_write_peer_takes_it_goes_out_without_waiting() -> None:
    """S03."""
    conn = MemoryConnection()
    writing = conn.writer.write(b"hello")
    with pytest.raises(StopIteration):
        writing.send(None)
    assert conn.sent == b"hello"


async def test_write_nothing_writes_nothing() -> None:
    conn = MemoryConnection()
    await conn.writer.write(b"")
    assert conn.writes == 0


async def test_writelines_several_parts_are_one_write() -> None:
    conn = MemoryConnection()
    await conn.writer.writelines([b"a", b"b", b"c"])
    assert (bytes(conn.sent), conn.writes) == (b"abc", 1)


async def test_write_paused_waits_until_resumed() -> None:
    conn = MemoryConnection()
    writer = paused(conn)
    first = asyncio.create_task(writer.write(b"1"))
    second = asyncio.create_task(writer.writelines([b"2"]))
    await turns()
    assert conn.sent == b"12"
    assert not first.done()
    assert not second.done()
    conn.resume_writing()
    await asyncio.gather(first, second)
    await writer.write(b"3")
    assert conn.sent == b"123"


async def test_write_paused_and_cancelled_leaves_others_waiting() -> None:
    conn = MemoryConnection()
    writer = paused(conn)
    first = asyncio.create_task(writer.write(b"1"))
    second = asyncio.create_task(writer.write(b"2"))
    await turns()
    first.cancel()
    await turns()
    assert first.cancelled()
    assert not second.done()
    conn.resume_writing()
    await second


async def test_write_connection_lost_while_waiting_raises() -> None:
    conn = MemoryConnection()
    writer = paused(conn)
    task = asyncio.create_task(writer.write(b"1"))
    await turns()
    conn.reset()
    with pytest.raises(ConnectionLost):
        await task
    with pytest.raises(ConnectionLost):
        await writer.write(b"2")
    assert conn.sent == b"1"


async def test_close_twice_closes_once_and_ends_writing() -> None:
    """S03."""
    conn = MemoryConnection()
    writer = conn.writer
    await writer.write(b"bye")
    await writer.close()
    await writer.close()
    assert conn.closed
    assert not conn.aborted
    with pytest.raises(ConnectionLost):
        await writer.write(b"more")
    assert conn.sent == b"bye"
    await turns()


async def test_write_peer_takes_nothing_times_out_and_resets() -> None:
    conn = MemoryConnection()
    writer = StreamWriter(conn, timeout=0.01)
    writer.writing_paused()
    with pytest.raises(WriteTimeout, match=r"0\.01 s"):
        async with asyncio.timeout(5):
            await writer.write(b"x")
    assert conn.aborted
    with pytest.raises(WriteTimeout):
        await writer.write(b"x")
    await turns()


async def test_write_slow_peer_that_takes_some_is_given_more_time() -> None:
    conn = MemoryConnection()
    taken = (0, 20_000, LEAST_TAKEN, LEAST_TAKEN - 1)
    remaining = [100_000 - sum(taken[: turn + 1]) for turn in range(4)]
    writer = StreamWriter(conn, timeout=0.01, queued=lambda: remaining.pop(0))
    writer.writing_paused()
    with pytest.raises(WriteTimeout):
        async with asyncio.timeout(5):
            await writer.write(b"x")
    assert remaining == []
    await turns()


async def test_write_resumed_in_time_leaves_no_timer() -> None:
    conn = MemoryConnection()
    writer = StreamWriter(conn, timeout=60.0)
    writer.writing_paused()
    task = asyncio.create_task(writer.write(b"x"))
    await turns()
    assert writer._timer is not None
    writer.writing_resumed()
    await task
    assert writer._timer is None
