"""The dispatcher's own duties: isolation, tasks, errors; who wins stands in tests/golden."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest

from blackbull.abc import ConnectionView, ProtocolBinding, Refusal
from blackbull.errors import IncompleteRead
from blackbull.server.connection_actor import BindingRunner, ConnectionActor, begin_connection
from blackbull.server.drain import end_tasks
from blackbull.transport.memory import MemoryConnection


class Report:
    """Keeps what the runner reports."""

    def __init__(self) -> None:
        self.errors: list[tuple[str, Exception]] = []

    async def __call__(self, view: ConnectionView, error: Exception) -> None:
        self.errors.append((view.connection_id, error))


class Echo(ProtocolBinding):
    """Pulls, and raises what it is told to."""

    name = "echo"

    def __init__(self, *, bad: bytes = b"\x00") -> None:
        self.bad = bad

    async def serve(self, conn: ConnectionView) -> None:
        while data := await conn.reader.read():
            if data == self.bad:
                raise LookupError("bad byte")
            await conn.writer.write(data)


class Fed(ProtocolBinding):
    """Fed, and misbehaves as it is told to."""

    name = "fed"
    fed = True

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def serve(self, conn: ConnectionView) -> None:
        if self.error is not None:
            raise self.error
        await asyncio.sleep(0)


class Asked(ProtocolBinding):
    """Records what it is asked, and answers from a list."""

    def __init__(
        self, name: str, read: int, answers: Sequence[bool | Exception | None] = (False,)
    ) -> None:
        self.name = name
        self.detection_read = read
        self.answers = list(answers)
        self.prefixes: list[bytes] = []
        self.served = 0

    def detect(self, prefix: bytes, alpn: str | None) -> bool | None:
        self.prefixes.append(prefix)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def serve(self, conn: ConnectionView) -> None:
        self.served += 1

    __hash__ = None  # type: ignore[assignment]


async def settle() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


def ask(
    *candidates: ProtocolBinding, fallback: ProtocolBinding | None = None
) -> tuple[MemoryConnection, BindingRunner]:
    conn = MemoryConnection()
    runner = BindingRunner()
    begin_connection(conn, candidates, fallback=fallback, runner=runner, timeout=5.0)
    return conn, runner


async def test_runner_handler_returns_closes_the_connection() -> None:
    """S05."""
    runner = BindingRunner()
    conn = MemoryConnection()
    runner.serve(Echo(), conn)
    await settle()
    assert len(runner.tasks) == 1
    conn.feed(b"hello")
    conn.feed_eof()
    await settle()
    assert conn.sent == b"hello"
    assert conn.lost
    assert runner.tasks == set()


async def test_runner_handler_raises_is_reported_and_others_live_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """S05."""
    report = Report()
    runner = BindingRunner(on_error=report)
    binding = Echo()
    good, bad = MemoryConnection(), MemoryConnection()
    runner.serve(binding, good)
    runner.serve(binding, bad)
    bad.feed(b"\x00")
    await settle()
    assert bad.lost
    ((where, error),) = report.errors
    assert where == bad.connection_id
    assert isinstance(error, LookupError)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    good.feed(b"still here")
    await settle()
    assert good.sent == b"still here"
    good.feed_eof()
    await settle()


async def test_runner_peer_breaks_off_is_one_line_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Record(ProtocolBinding):
        name = "record"

        async def serve(self, conn: ConnectionView) -> None:
            await conn.reader.readexactly(10)

    caplog.set_level(logging.INFO, logger="blackbull")
    report = Report()
    runner = BindingRunner(on_error=report)
    conn = MemoryConnection()
    runner.serve(Record(), conn)
    conn.feed(b"half")
    conn.feed_eof()
    await settle()
    assert isinstance(report.errors[0][1], IncompleteRead)
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert record.exc_info is None


async def test_runner_report_fails_is_logged_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(view: ConnectionView, error: Exception) -> None:
        raise OSError("no listener")

    runner = BindingRunner(on_error=broken)
    conn = MemoryConnection()
    runner.serve(Echo(), conn)
    conn.feed(b"\x00")
    await settle()
    assert conn.lost
    assert [r.getMessage().endswith("could not be reported") for r in caplog.records] == [
        False,
        True,
    ]


async def test_runner_fed_binding_raises_is_reported_and_closed() -> None:
    report = Report()
    runner = BindingRunner(on_error=report)
    conn = MemoryConnection()
    runner.serve(Fed(ValueError("no")), conn)
    await settle()
    assert conn.lost
    assert isinstance(report.errors[0][1], ValueError)


async def test_runner_fed_binding_waits_is_a_bug_and_aborted() -> None:
    report = Report()
    runner = BindingRunner(on_error=report)
    conn = MemoryConnection()
    runner.serve(Fed(), conn)
    await settle()
    assert conn.aborted
    assert "must not wait" in str(report.errors[0][1])


async def test_runner_refusal_raises_is_reported_and_aborted() -> None:
    class Rude(Echo):
        async def refuse(self, conn: ConnectionView, why: Refusal) -> None:
            raise KeyError(why)

    report = Report()
    runner = BindingRunner(on_error=report)
    conn = MemoryConnection()
    runner.refuse(Rude(), conn, Refusal.OVERLOADED)
    await settle()
    assert conn.aborted
    assert isinstance(report.errors[0][1], KeyError)


async def test_runner_task_that_is_cancelled_closes_its_connection() -> None:
    report = Report()
    runner = BindingRunner(on_error=report)
    conn = MemoryConnection()
    runner.serve(Echo(), conn)
    await settle()
    (task,) = runner.tasks
    await end_tasks(runner.tasks, within=5.0)
    assert task.cancelled()
    assert conn.closed
    assert report.errors == []
    await settle()
    assert runner.tasks == set()


async def test_runner_protocol_that_reads_ends_when_the_server_stops() -> None:
    runner = BindingRunner()
    conn = MemoryConnection()
    runner.serve(Echo(), conn)
    await settle()
    (task,) = runner.tasks
    conn.shutdown()
    conn.deadline.expire()
    await asyncio.wait({task}, timeout=5.0)
    assert not task.cancelled()
    assert task.done()


async def test_actor_each_is_asked_with_exactly_what_it_wants() -> None:
    three, line = Asked("three", 3), Asked("line", -1)
    begin, maybe = Asked("begin", 0), Asked("maybe", 2, [None, None, False])
    fallback = Asked("fallback", -1)
    conn, _ = ask(line, three, begin, maybe, fallback=fallback)
    conn.feed(b"abcdef\r\nmore")
    await settle()
    assert begin.prefixes == [b""]
    assert three.prefixes == [b"abc"]
    assert maybe.prefixes == [b"ab", b"abc", b"abcd"]
    assert line.prefixes == [b"abcdef\r\n"]
    assert fallback.prefixes == []
    assert fallback.served == 1


async def test_actor_detector_raises_is_logged_and_taken_for_no(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken, sound = Asked("broken", 1, [IndexError()]), Asked("sound", 1, [True])
    conn, _ = ask(broken, sound)
    conn.feed(b"x")
    await settle()
    assert sound.served == 1
    assert "broken" in caplog.text


async def test_actor_two_would_claim_it_the_first_registered_wins() -> None:
    one, two = Asked("one", 1, [True]), Asked("two", 1, [True])
    conn, _ = ask(one, two)
    conn.feed(b"x")
    await settle()
    assert (one.served, two.served, two.prefixes) == (1, 0, [])


async def test_actor_claim_without_a_byte_decides_at_once() -> None:
    at_once = Asked("at once", 0, [True])
    conn, _ = ask(at_once)
    assert conn.protocol == "at once"
    await settle()
    assert at_once.served == 1


async def test_actor_bytes_that_come_before_the_task_starts_are_not_lost() -> None:
    echo = Echo()
    first = Asked("first", 1, [False])
    conn, _ = ask(first, fallback=echo)
    conn.feed(b"a")
    conn.feed(b"b")
    conn.feed_eof()
    await settle()
    assert conn.sent == b"ab"
    assert conn.lost


async def test_actor_after_the_choice_is_deaf() -> None:
    chosen: list[str] = []
    conn = MemoryConnection()
    actor = ConnectionActor(
        conn,
        [Asked("never", 9)],
        fallback=None,
        runner=BindingRunner(),
        timeout=5.0,
        on_chosen=lambda view: chosen.append(view.protocol),
    )
    actor.start()
    conn.going.grace = 0
    conn.shutdown()
    actor.data_received(b"late")
    actor.eof_received()
    actor.deadline_expired()
    actor.shutdown()
    actor.connection_lost(None)
    assert chosen == [""]
    assert conn.closed
    await settle()


async def test_actor_one_protocol_only_needs_no_actor() -> None:
    conn, _ = ask(fallback=Echo())
    assert conn.protocol == "echo"
    conn.feed_eof()
    await settle()
    assert conn.lost


async def test_actor_no_protocol_at_all_closes() -> None:
    conn, _ = ask()
    assert conn.closed
    await settle()
