"""What pulling protocols read."""

from __future__ import annotations

import asyncio

import pytest

from blackbull.errors import ConnectionLost, IncompleteRead, LimitExceeded
from blackbull.transport.memory import MemoryConnection
from blackbull.transport.reader import StreamReader


def attached(max_buffered: int = 262144) -> tuple[MemoryConnection, StreamReader]:
    conn = MemoryConnection()
    reader = StreamReader(conn, max_buffered=max_buffered)
    conn.attach(reader)
    return conn, reader


async def until_waiting(reader: StreamReader) -> None:
    while reader._waiter is None:
        await asyncio.sleep(0)


async def test_read_data_buffered_returns_the_very_chunk() -> None:
    conn, reader = attached()
    chunk = bytes(1000)
    conn.feed(chunk)
    assert await reader.read(1024) is chunk


async def test_read_less_than_buffered_leaves_the_rest() -> None:
    """S03."""
    conn, reader = attached()
    conn.feed(b"abc")
    conn.feed(b"def")
    assert await reader.read(2) == b"ab"
    assert await reader.read(0) == b""
    assert await reader.read() == b"cdef"


async def test_read_at_the_end_returns_nothing_again_and_again() -> None:
    conn, reader = attached()
    conn.feed(b"x")
    conn.feed_eof()
    assert not reader.at_eof()
    assert await reader.read() == b"x"
    assert reader.at_eof()
    assert await reader.read() == b""
    assert await reader.read(5) == b""


async def test_read_waiting_is_woken_by_data() -> None:
    conn, reader = attached()
    task = asyncio.create_task(reader.read(10))
    await until_waiting(reader)
    conn.feed(b"hello")
    assert await task == b"hello"


async def test_read_cancelled_loses_nothing() -> None:
    conn, reader = attached()
    task = asyncio.create_task(reader.readexactly(4))
    await until_waiting(reader)
    conn.feed(b"ab")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    conn.feed(b"cd")
    assert await reader.readexactly(4) == b"abcd"


async def test_read_cancelled_after_it_was_woken_loses_nothing() -> None:
    conn, reader = attached()
    task = asyncio.create_task(reader.read())
    await until_waiting(reader)
    conn.feed(b"ab")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await reader.read() == b"ab"


async def test_read_by_two_tasks_raises_in_the_second() -> None:
    conn, reader = attached()
    task = asyncio.create_task(reader.read())
    await until_waiting(reader)
    with pytest.raises(RuntimeError, match="one task"):
        await reader.read()
    conn.feed(b"x")
    assert await task == b"x"


@pytest.mark.parametrize("cut", range(1, 10))
async def test_readexactly_any_segmentation_gives_the_same_bytes(cut: int) -> None:
    """S03."""
    conn, reader = attached()
    stream = b"0123456789"
    conn.feed(stream[:cut])
    conn.feed(stream[cut:])
    assert await reader.readexactly(3) == b"012"
    assert await reader.readexactly(0) == b""
    assert await reader.readexactly(7) == b"3456789"


async def test_readexactly_stream_ends_first_raises_with_the_partial_bytes() -> None:
    conn, reader = attached()
    conn.feed(b"abc")
    conn.feed_eof()
    with pytest.raises(IncompleteRead) as caught:
        await reader.readexactly(4)
    assert caught.value.partial == b"abc"
    assert reader.at_eof()


async def test_readexactly_negative_size_is_refused() -> None:
    _, reader = attached()
    with pytest.raises(ValueError, match="-1"):
        await reader.readexactly(-1)


async def test_readexactly_more_than_the_buffer_allows_is_satisfied() -> None:
    """A read larger than the high-water mark must not wait for a peer that we have paused."""
    conn, reader = attached(max_buffered=8)
    task = asyncio.create_task(reader.readexactly(100))
    await until_waiting(reader)
    for _ in range(10):
        assert conn.reading
        conn.feed(b"0123456789")
    assert await task == b"0123456789" * 10


async def test_readexactly_large_starts_while_paused_is_satisfied() -> None:
    conn, reader = attached(max_buffered=8)
    conn.feed(b"0123456789")
    assert not conn.reading
    conn.feed(b"0123456789")
    assert await reader.readexactly(20) == b"0123456789" * 2


@pytest.mark.parametrize("cut", range(1, 12))
async def test_readuntil_any_segmentation_finds_the_separator(cut: int) -> None:
    """S03."""
    conn, reader = attached()
    stream = b"one\r\ntwo\r\nx"
    conn.feed(stream[:cut])
    if cut < len(stream):
        conn.feed(stream[cut:])
    assert await reader.readuntil(b"\r\n") == b"one\r\n"
    assert await reader.readuntil(b"\r\n") == b"two\r\n"
    conn.feed_eof()
    with pytest.raises(IncompleteRead) as caught:
        await reader.readuntil(b"\r\n")
    assert caught.value.partial == b"x"


async def test_readuntil_one_byte_at_a_time_finds_the_separator() -> None:
    conn, reader = attached()
    task = asyncio.create_task(reader.readuntil(b"\r\n"))
    for byte in b"ab\rc\r\nrest":
        await until_waiting(reader) if not task.done() else None
        conn.feed(bytes([byte]))
        await asyncio.sleep(0)
    assert await task == b"ab\rc\r\n"
    assert await reader.read() == b"rest"


@pytest.mark.parametrize(("line", "fits"), [(b"123456\r\n", True), (b"1234567\r\n", False)])
async def test_readuntil_limit_counts_the_separator(*, line: bytes, fits: bool) -> None:
    conn, reader = attached()
    conn.feed(line)
    if fits:
        assert await reader.readuntil(b"\r\n", limit=8) == line
    else:
        with pytest.raises(LimitExceeded) as caught:
            await reader.readuntil(b"\r\n", limit=8)
        assert (caught.value.limit, caught.value.allowed) == ("readuntil", 8)
        assert await reader.read() == line


async def test_readuntil_takes_64_kib_unless_told_otherwise() -> None:
    for length, fits in ((65536, True), (65537, False)):
        conn, reader = attached()
        conn.feed(b"x" * (length - 1) + b"\n")
        if fits:
            assert len(await reader.readuntil()) == length
        else:
            with pytest.raises(LimitExceeded) as caught:
                await reader.readuntil()
            assert caught.value.allowed == 65536


async def test_readuntil_without_a_separator_is_refused() -> None:
    _, reader = attached()
    with pytest.raises(ValueError, match="separator"):
        await reader.readuntil(b"")


async def test_peek_consumes_nothing() -> None:
    conn, reader = attached()
    task = asyncio.create_task(reader.peek(4))
    await until_waiting(reader)
    conn.feed(b"ab")
    conn.feed(b"cdef")
    assert await task == b"abcd"
    assert await reader.peek(2) == b"ab"
    assert await reader.read() == b"abcdef"
    conn.feed_eof()
    assert await reader.peek(2) == b""


async def test_peek_stream_ends_first_returns_what_there_is() -> None:
    conn, reader = attached()
    conn.feed(b"ab")
    conn.feed_eof()
    assert await reader.peek(4) == b"ab"


async def test_reader_nobody_reads_pauses_the_peer_and_resumes_it() -> None:
    conn, reader = attached(max_buffered=10)
    conn.feed(b"0123456789")
    assert conn.reading
    conn.feed(b"x")
    assert not conn.reading
    conn.feed(b"held back")
    assert await reader.read(5) == b"01234"
    assert not conn.reading
    assert await reader.read(5) == b"56789"
    assert conn.reading
    assert await reader.read() == b"xheld back"


async def test_reader_one_large_chunk_pauses_and_reading_it_resumes() -> None:
    conn, reader = attached(max_buffered=10)
    conn.feed(bytes(11))
    assert not conn.reading
    assert await reader.read() == bytes(11)
    assert conn.reading


async def test_reader_reset_returns_what_arrived_then_raises() -> None:
    conn, reader = attached()
    conn.feed(b"last")
    conn.reset()
    assert await reader.read() == b"last"
    with pytest.raises(ConnectionLost):
        await reader.read()
    with pytest.raises(ConnectionLost):
        await reader.readexactly(1)


async def test_reader_reset_wakes_who_waits() -> None:
    conn, reader = attached()
    task = asyncio.create_task(reader.readuntil())
    await until_waiting(reader)
    conn.reset()
    with pytest.raises(ConnectionLost):
        await task


async def test_reader_our_own_close_ends_the_stream() -> None:
    conn, reader = attached()
    task = asyncio.create_task(reader.read())
    await until_waiting(reader)
    conn.close()
    assert await task == b""


async def test_reader_shutdown_ends_the_stream() -> None:
    conn, reader = attached()
    conn.feed(b"under way")
    conn.shutdown()
    assert await reader.read() == b"under way"
    conn.feed(b"on its way")
    assert await reader.read() == b"on its way"
    conn.deadline.expire()
    conn.feed(b"too late")
    assert await reader.read() == b""


async def test_reader_shutdown_without_grace_ends_the_stream_at_once() -> None:
    conn, reader = attached()
    conn.going.grace = 0
    conn.shutdown()
    assert await reader.read() == b""


async def test_reader_deadline_passes_aborts_the_connection() -> None:
    conn, _ = attached()
    conn.deadline.set(1.0)
    conn.deadline.expire()
    assert conn.aborted
    await asyncio.sleep(0)
