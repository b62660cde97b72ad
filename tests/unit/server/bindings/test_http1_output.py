"""How what is sent on an HTTP/1.1 connection is gathered, and who waits for a client to read it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from blackbull.config import Settings
from blackbull.log import LimitLog
from blackbull.protocol.http1 import HTTP1Connection
from blackbull.response import Response
from blackbull.server.bindings.http1_output import LARGE, MAX_BATCH, Output
from blackbull.server.bindings.service import HTTPService
from blackbull.transport.memory import MemoryConnection
from tests.conformance.peer import App

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


class Opened:
    """An output, where it goes, and the machine that owes the responses."""

    def __init__(self, service: HTTPService) -> None:
        self.view = MemoryConnection()
        self.machine = HTTP1Connection(service.parser)
        self.output = Output(self.view, self.machine, service=service)

    def answer(self, content: bytes) -> None:
        """Answer a request."""
        self.machine.receive(GET)
        self.machine.next_event()
        self.output.send_response(Response(content, 200, "text/plain"))


@contextlib.contextmanager
def opened() -> Iterator[Opened]:
    loop = asyncio.get_running_loop()
    service = HTTPService(App({}), Settings(), loop=loop, limits=LimitLog())
    try:
        yield Opened(service)
    finally:
        service.close()


async def test_responses_of_one_arrival_leave_in_one_write() -> None:
    with opened() as each:
        each.output.fed = True
        for _ in range(3):
            each.answer(b"hello")
        each.output.flush_soon()
        await asyncio.sleep(0)
        assert each.view.writes == 0
        each.output.fed = False
        each.output.flush()
        assert each.view.writes == 1
        assert each.view.take_sent().count(b"hello") == 3


async def test_parts_of_one_turn_leave_when_it_ends() -> None:
    with opened() as each:
        each.output.send(b"a")
        each.output.flush_soon()
        each.output.send(b"b")
        each.output.flush_soon()
        assert each.view.writes == 0
        await asyncio.sleep(0)
        assert each.view.writes == 1
        assert each.view.take_sent() == b"ab"


async def test_content_that_is_large_follows_its_head_uncopied() -> None:
    with opened() as each:
        each.answer(b"x" * LARGE)
        each.output.flush()
        assert each.view.writes == 1
        assert each.view.take_sent().endswith(b"\r\n\r\n" + b"x" * LARGE)


async def test_no_more_is_gathered_than_a_batch() -> None:
    with opened() as each:
        each.output.fed = True
        each.output.send(b"x" * (MAX_BATCH - 1))
        assert each.view.writes == 0
        each.output.send(b"x")
        assert each.view.writes == 1


async def test_whoever_waits_for_the_client_goes_on_when_it_reads_or_is_gone() -> None:
    for release in ("resume", "close", "lose"):
        with opened() as each:
            each.output.paused = True
            waiting = asyncio.ensure_future(each.output.drain())
            await asyncio.sleep(0)
            assert not waiting.done()
            getattr(each.output, release)()
            await waiting


async def test_nothing_is_sent_to_a_client_that_is_gone() -> None:
    with opened() as each:
        each.output.send(b"a")
        each.output.flush_soon()
        each.output.lose()
        await asyncio.sleep(0)
        assert each.view.take_sent() == b""
