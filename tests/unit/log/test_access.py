"""The access log of a loop: batches, bounds, and who gets what."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Callable, Iterator

import pytest

from blackbull.config import Settings
from blackbull.log.access import MAX_BYTES, AccessLog, open_access_log
from blackbull.log.context import RequestIdFilter
from blackbull.log.handler import BatchWriteHandler
from blackbull.log.thread import Lines
from blackbull.response import Response
from tests.unit.log.entries import PEER, Pile, entry, request


class Keeping(logging.Handler):
    """Keeps records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def access(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., logging.Logger]]:
    """Returns the access log's logger, heard by the given handlers and nobody else."""
    logger = logging.getLogger("blackbull.access")
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "handlers", [])

    def heard_by(*handlers: logging.Handler, level: int = logging.INFO) -> logging.Logger:
        # pytest gives loggers that do not propagate a handler of its own.
        logger.handlers[:] = handlers
        logger.setLevel(level)
        return logger

    yield heard_by
    logger.setLevel(logging.NOTSET)


async def test_entries_are_handed_over_together() -> None:
    desk = Pile()
    log = AccessLog(asyncio.get_running_loop(), desk, interval=0.001)
    for _ in range(5):
        log.add(entry(request()))
    assert desk.items == []
    while not desk.items:
        await asyncio.sleep(0.001)
    assert desk.sizes == [5]


async def test_batch_that_is_full_does_not_wait() -> None:
    desk = Pile()
    log = AccessLog(asyncio.get_running_loop(), desk, batch_size=3, interval=60)
    for _ in range(7):
        log.answered(request(), Response("x"), log.now())
    assert desk.sizes == [3, 3]
    log.close()
    assert desk.sizes == [3, 3, 1]


async def test_lines_are_handed_over_before_they_are_more_than_may_wait() -> None:
    desk = Pile()
    log = AccessLog(
        asyncio.get_running_loop(), desk, batch_size=2, interval=60,
        render=lambda entries: Lines(b"x" * (MAX_BYTES // 2), len(entries)),
    )  # fmt: skip
    for _ in range(5):
        log.add(entry(request()))
    assert [len(item.text) for item in desk.items if isinstance(item, Lines)] == [MAX_BYTES]
    log.close()
    assert [len(item.text) for item in desk.items if isinstance(item, Lines)] == [
        MAX_BYTES, MAX_BYTES // 2,
    ]  # fmt: skip


async def test_entries_beyond_what_may_wait_are_lost_and_counted() -> None:
    desk = Pile()
    log = AccessLog(asyncio.get_running_loop(), desk, batch_size=2, max_queued=4)
    for _ in range(10):
        log.add(entry(request()))
    assert desk.sizes == [2, 2]
    assert desk.lost == 6
    for item in desk.items:
        assert isinstance(item, list)
        item.clear()
    for _ in range(2):
        log.add(entry(request()))
    assert desk.sizes == [0, 0, 2]


async def test_answer_is_an_entry_with_what_is_known() -> None:
    desk = Pile()
    log = AccessLog(asyncio.get_running_loop(), desk, batch_size=1)
    conn = request("POST", "/a")
    conn._content = b"1234"
    log.answered(conn, Response("abc", 201), log.now())
    ((head, peer, noted, status, sent, received, began, ended, details),) = desk.items[0]
    assert head is conn.head
    assert (peer, noted, details) == (PEER, None, None)
    assert (status, sent, received) == (201, 3, 4)
    assert ended >= began


async def test_log_that_is_off_is_none(access: Callable[..., logging.Logger]) -> None:
    access(Keeping())
    loop = asyncio.get_running_loop()
    assert open_access_log(loop, Settings(access_log=False)) is None


async def test_log_that_nobody_hears_is_none(access: Callable[..., logging.Logger]) -> None:
    loop = asyncio.get_running_loop()
    access()
    assert open_access_log(loop, Settings()) is None
    access(logging.NullHandler())
    assert open_access_log(loop, Settings()) is None
    access(Keeping(), level=logging.WARNING)
    assert open_access_log(loop, Settings()) is None
    access(Keeping())
    assert open_access_log(loop, Settings()) is not None


async def test_handler_of_ours_is_given_records_where_entries_would_not_do(
    access: Callable[..., logging.Logger],
) -> None:
    stream = io.StringIO()
    handler = BatchWriteHandler(stream, background=False)
    handler.setFormatter(logging.Formatter("mine %(status)s"))
    handler.addFilter(RequestIdFilter())
    loop = asyncio.get_running_loop()
    access(handler, level=logging.WARNING)
    assert open_access_log(loop, Settings()) is None
    access(handler)
    log = open_access_log(loop, Settings(async_logging=False))
    assert log is not None
    log.add(entry(request(), 204))
    await log.aclose()
    assert stream.getvalue() == "mine 204\n"
    handler.close()


@pytest.mark.parametrize("background", [True, False])
async def test_handlers_of_the_program_get_standard_records(
    access: Callable[..., logging.Logger], background: bool
) -> None:
    handler = Keeping()
    access(handler)
    loop = asyncio.get_running_loop()
    log = open_access_log(loop, Settings(async_logging=background))
    assert log is not None
    conn = request("GET", "/a")
    conn.log(who="me")
    log.ended(conn, 200, sent=7, received=0, began=log.now() - 0.5, details={"close_code": 1000})
    log.ended(conn, 0, sent=0, received=0, began=log.now(), details={"disconnected": True})
    await log.aclose()
    first, second = handler.records
    assert first.name == "blackbull.access"
    assert first.levelno == logging.INFO
    assert first.getMessage().startswith('192.0.2.7 "GET /a HTTP/1.1" 200 7 50')
    told = vars(first)
    assert (told["client_ip"], told["method"], told["path"]) == ("192.0.2.7", "GET", "/a")
    assert (told["http_version"], told["status"], told["response_bytes"]) == ("1.1", 200, 7)
    assert told["duration_ms"] >= 500
    assert (told["close_code"], told["who"]) == (1000, "me")
    assert vars(second)["status"] is None
    assert vars(second)["disconnected"] is True


async def test_handler_that_raises_costs_nothing_but_its_record(
    access: Callable[..., logging.Logger],
) -> None:
    class Failing(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            raise RuntimeError

    kept = Keeping()
    access(Failing(), kept)
    log = open_access_log(asyncio.get_running_loop(), Settings())
    assert log is not None
    log.add(entry(request()))
    await log.aclose()
    assert kept.records == []


async def test_handler_of_ours_gets_entries_and_not_records(
    access: Callable[..., logging.Logger],
) -> None:
    class Unused(BatchWriteHandler):
        def emit(self, record: logging.LogRecord) -> None:
            raise AssertionError("a record was made")

    lines: list[str] = []

    class Stream:
        def write(self, text: str, /) -> None:
            lines.append(text)

        def flush(self) -> None:
            pass

    handler = Unused(Stream())
    access(handler)
    log = open_access_log(asyncio.get_running_loop(), Settings())
    assert log is not None
    log.add(entry(request()))
    await log.aclose()
    handler.close()
    assert len(lines) == 1
