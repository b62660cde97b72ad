"""Lines on their way: what waits, what is lost, and that it is said."""

from __future__ import annotations

import errno
import io
import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from blackbull.errors import ConfigurationError
from blackbull.log.formatters import PlainFormatter
from blackbull.log.handler import BatchWriteHandler
from blackbull.log.outputs import MAX_BACKLOG, LineOutput
from blackbull.log.sinks import DescriptorSink, FileSink, Sink, StreamSink, SyslogSink
from blackbull.log.thread import MAX_ITEMS, Item, LogThread, Output
from tests.unit.log.entries import entry, request


class Taking(Sink):
    """Takes so many bytes, or fails.

    Attributes:
        got: What it took.
        room: Bytes that it takes.
        error: What it raises instead.
    """

    def __init__(self) -> None:
        self.got = b""
        self.room = 1 << 30
        self.error: OSError | None = None

    def write(self, block: bytes) -> int:
        if self.error is not None:
            raise self.error
        taken = block[: self.room]
        self.room -= len(taken)
        self.got += taken
        return len(taken)


def without_time(data: bytes) -> list[str]:
    return [line.partition("Z ")[2] or line for line in data.decode().splitlines()]


def test_entries_and_lines_are_written_in_their_order() -> None:
    sink = Taking()
    output = LineOutput(PlainFormatter(), sink)
    output.take([entry(request()), entry(request("POST"))])
    output.take("ready")
    assert not output.retry(0.0)
    assert without_time(sink.got) == [
        '192.0.2.7 "GET / HTTP/1.1" 200 0 0.0ms',
        '192.0.2.7 "POST / HTTP/1.1" 200 0 0.0ms',
        "ready",
    ]


def test_sink_that_is_full_gets_the_rest_later() -> None:
    sink = Taking()
    sink.room = 3
    output = LineOutput(PlainFormatter(), sink)
    output.take("12345")
    assert output.retry(0.0)
    output.take("67")
    sink.room = 1000
    assert not output.retry(0.0)
    assert sink.got == b"12345\n67\n"


def test_backlog_is_bounded_and_what_is_lost_is_said_behind_what_waited() -> None:
    sink = Taking()
    sink.room = 0
    output = LineOutput(PlainFormatter(), sink)
    line = "x" * 65535
    for _ in range(MAX_BACKLOG // 65536 + 7):
        output.take(line)
        assert output.retry(0.0)
    sink.room = 1 << 30
    assert not output.retry(0.0)
    lines = without_time(sink.got)
    assert lines[:-1] == [line] * (MAX_BACKLOG // 65536)
    assert lines[-1] == "WARNING blackbull.log: 7 log records lost"


def test_more_than_may_wait_is_written_where_nothing_waits() -> None:
    sink = Taking()
    output = LineOutput(PlainFormatter(), sink)
    output.take("x" * (2 * MAX_BACKLOG))
    assert not output.retry(0.0)
    assert len(sink.got) == 2 * MAX_BACKLOG + 1


def test_disk_that_is_full_loses_records_and_says_so_when_there_is_room() -> None:
    sink = Taking()
    sink.error = OSError(errno.ENOSPC, "full")
    output = LineOutput(PlainFormatter(), sink)
    for _ in range(3):
        output.take([entry(request()), entry(request())])
        assert not output.retry(0.0)
    output.lose(4)
    sink.error = None
    output.take("after")
    output.retry(0.0)
    assert without_time(sink.got) == ["", "after", "WARNING blackbull.log: 10 log records lost"]


def test_entry_without_a_text_costs_only_itself() -> None:
    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError

    conn = request()
    conn.state["access_log"].what = Hostile()  # type: ignore[attr-defined]
    sink = Taking()
    output = LineOutput(PlainFormatter(), sink)
    output.take([entry(request("PUT")), entry(conn)])
    output.retry(0.0)
    lines = without_time(sink.got)
    assert lines == [
        '192.0.2.7 "PUT / HTTP/1.1" 200 0 0.0ms',
        "WARNING blackbull.log: 1 log records lost",
    ]


# Sinks


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe's two ends."""
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):
            os.close(end)


def test_pipe_that_is_not_read_is_not_waited_for(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    sink = DescriptorSink(writer)
    block = b"".join(b"%06d\n" % number for number in range(100_000))
    written = sink.write(block)
    assert 0 < written < len(block)
    assert block[:written].endswith(b"\n")
    assert sink.write(block[written:]) == 0
    assert os.read(reader, 1 << 20) == block[:written]


def test_pipe_is_written_in_pieces_that_stay_whole(pipe: tuple[int, int]) -> None:
    _, writer = pipe
    pieces: list[bytes] = []
    sink = DescriptorSink(writer)
    original = os.write

    def recording(fd: int, data: bytes) -> int:
        pieces.append(data)
        return original(fd, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", recording)
        sink.write(b"".join(b"%099d\n" % number for number in range(100)))
    assert len(pieces) == 3
    assert all(len(piece) <= 4096 and piece.endswith(b"\n") for piece in pieces)


def test_pipe_whose_reader_is_gone_takes_everything(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    sink = DescriptorSink(writer)
    os.close(reader)
    assert sink.write(b"x\n") == 2
    assert sink.gone
    assert sink.write(b"yy\n") == 3


def test_file_that_was_rotated_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    sink = FileSink(str(path))
    sink.write(b"1\n")
    path.rename(tmp_path / "log.1")
    sink.write(b"2\n")
    path.unlink()
    sink.write(b"3\n")
    sink.close()
    assert (tmp_path / "log.1").read_text() == "before\n1\n"
    assert path.read_text() == "3\n"


def test_file_that_was_truncated_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "log"
    sink = FileSink(str(path))
    sink.write(b"1\n")
    os.truncate(path, 0)  # logrotate's copytruncate
    sink.write(b"2\n")
    sink.close()
    assert path.read_text() == "2\n"


def test_file_whose_directory_is_gone_is_written_on(tmp_path: Path) -> None:
    directory = tmp_path / "logs"
    directory.mkdir()
    path = directory / "log"
    sink = FileSink(str(path))
    path.unlink()
    directory.rmdir()
    assert sink.write(b"1\n") == 2
    directory.mkdir()
    sink.write(b"2\n")
    sink.close()
    assert path.read_text() == "2\n"


def test_file_that_cannot_be_opened_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be opened: Is a directory"):
        FileSink(str(tmp_path))


def test_stream_that_was_closed_is_gone() -> None:
    stream = io.StringIO()
    sink = StreamSink(stream)
    sink.write(b"x\n")
    assert stream.getvalue() == "x\n"
    stream.close()
    assert sink.write(b"y\n") == 2
    assert sink.gone


def test_stream_that_raises_anything_costs_its_lines_only() -> None:
    class Broken(io.StringIO):
        def write(self, text: str, /) -> int:
            raise RuntimeError

    handler = BatchWriteHandler(Broken(), background=False)
    handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "hello", None, None))
    handler.close()


def test_program_without_a_stderr_logs_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    handler = BatchWriteHandler(background=False)
    handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "hello", None, None))
    handler.close()


def test_syslog_gets_a_datagram_for_each_line() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        sink = SyslogSink(f"127.0.0.1:{receiver.getsockname()[1]}")
        sink.write(b"one\ntwo\n")
        got = [receiver.recv(1000).decode() for _ in range(2)]
        sink.close()
    host = socket.gethostname()
    assert got == [f"<14>1 - {host} blackbull {os.getpid()} - - {each}" for each in ("one", "two")]


def test_syslog_line_too_long_for_a_datagram_is_cut() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        sink = SyslogSink(f"127.0.0.1:{receiver.getsockname()[1]}")
        sink.write(b"x" * 100_000 + b"\nnext\n")
        got = [receiver.recv(100_000) for _ in range(2)]
        sink.close()
    assert [got[0][-1:], got[1][-5:]] == [b"x", b" next"]


def test_syslog_socket_of_the_system(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        sink = SyslogSink(path)
        sink.write(b"one\n")
        assert receiver.recv(1000).endswith(b" - - one")
        sink.close()


@pytest.mark.parametrize(
    "address",
    [
        "nowhere",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:70000",
        "/no/socket",
        "/dev/null",
        "/" + "a" * 300,
    ],
)
def test_syslog_address_that_is_none_is_a_mistake(address: str) -> None:
    with pytest.raises(ConfigurationError):
        SyslogSink(address)


# The thread


class Stuck(Output):
    """Writes when it is let."""

    def __init__(self) -> None:
        self.taken: list[Item] = []
        self.lost = 0
        self.closed = threading.Event()
        self.busy = threading.Event()
        self.go_on = threading.Event()

    def take(self, item: Item) -> None:
        self.busy.set()
        assert self.go_on.wait(10)
        self.taken.append(item if isinstance(item, str) else list(item))

    def lose(self, count: int) -> None:
        self.lost += count

    def close(self) -> None:
        self.closed.set()


def test_thread_that_is_stuck_keeps_nobody_waiting_and_loses_the_newest() -> None:
    output = Stuck()
    desk = LogThread(output)
    desk.put("first")
    assert output.busy.wait(10)
    for number in range(MAX_ITEMS + 5):
        desk.put(str(number))
    desk.close(0.0)  # it does not wait for ever, either
    output.go_on.set()
    assert output.closed.wait(10)
    assert len(output.taken) == MAX_ITEMS + 1
    assert output.lost == 5


def test_thread_empties_batches_that_were_written() -> None:
    output = Stuck()
    output.go_on.set()
    desk = LogThread(output)
    batch = [entry(request())]
    desk.put(batch)
    desk.close(10)
    assert batch == []
    assert len(output.taken) == 1


def test_thread_is_started_by_the_first_item_only() -> None:
    before = threading.active_count()
    desk = LogThread(Stuck())
    assert threading.active_count() == before
    desk.close(1.0)


# The handler


def test_handler_writes_records_to_a_stream_in_a_thread() -> None:
    stream = io.StringIO()
    handler = BatchWriteHandler(stream, batch_size=2, flush_interval=0.001)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger = logging.Logger("x")
    logger.addHandler(handler)
    for number in range(5):
        logger.info("%d", number)
    handler.close()
    assert stream.getvalue().splitlines() == [f"INFO {number}" for number in range(5)]


def test_handler_in_the_foreground_has_written_when_it_returns() -> None:
    stream = io.StringIO()
    handler = BatchWriteHandler(stream, background=False)
    handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "hello", None, None))
    assert stream.getvalue().endswith("Z INFO x: hello\n")
    handler.close()
