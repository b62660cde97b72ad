"""What one keep-alive GET may cost, counted where a noisy machine cannot disturb it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from blackbull import BlackBull
from blackbull.config import Settings
from blackbull.connection import Connection
from blackbull.log import LimitLog
from blackbull.log.access import AccessLog
from blackbull.native import Receive, Send
from blackbull.protocol.http1 import HeadParser, HTTP1RequestHead
from blackbull.response import Response
from blackbull.server.bindings.http1 import HTTP1Binding
from blackbull.server.bindings.service import EAGER, HTTPService
from blackbull.transport.memory import MemoryConnection
from tests.unit.log.entries import Pile

GET = b"GET /hello HTTP/1.1\r\nhost: a\r\naccept: */*\r\nconnection: keep-alive\r\n\r\n"


class Turns(AbstractContextManager["Turns"]):
    """Counts what is asked of the event loop meanwhile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loop = asyncio.get_running_loop()
        self.patch = monkeypatch
        self.soon = self.later = self.tasks = 0

    def __enter__(self) -> Turns:
        self._count("call_soon", "soon")
        self._count("call_at", "later")
        self._count("call_later", "later")
        self._count("create_task", "tasks")
        return self

    def __exit__(self, *error: object) -> None:
        self.patch.undo()

    def _count(self, name: str, kind: str) -> None:
        original: Callable[..., object] = getattr(self.loop, name)

        def counting(*args: object, **kwargs: object) -> object:
            setattr(self, kind, getattr(self, kind) + 1)
            return original(*args, **kwargs)

        self.patch.setattr(self.loop, name, counting)


class Application:
    """An application without any layer: one response, or one handler."""

    def __init__(self, outcome: object) -> None:
        self.outcome = outcome
        self.conns: list[Connection] = []

    def begin(self, conn: Connection) -> object:
        self.conns.append(conn)
        return self.outcome


def framework() -> BlackBull:
    app = BlackBull()

    @app.route(path="/hello")
    async def hello() -> str:
        return "hello"

    @app.route(path="/waits")
    async def waits() -> str:
        await asyncio.sleep(0)
        return "waited"

    @app.route(path="/item/{number:int}")
    async def item(number: int) -> dict[str, int]:
        return {"number": number}

    return app


class Recording(MemoryConnection):
    """Keeps what was sent as it was handed over."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[bytes] = []

    def send_parts(self, parts: list[bytes]) -> None:
        self.parts += parts
        super().send_parts(parts)


async def connect(
    app: object, *, access_log: AccessLog | None = None
) -> tuple[Recording, HTTPService]:
    """Return a connection that *app* serves, after a first request."""
    if isinstance(app, BlackBull):
        await app.startup()
    loop = asyncio.get_running_loop()
    service = HTTPService(app, Settings(), loop=loop, limits=LimitLog(), access_log=access_log)
    view = Recording()
    await HTTP1Binding(service).serve(view)
    view.feed(GET)
    while not view.sent:
        await asyncio.sleep(0)
    for _ in range(3):
        await asyncio.sleep(0)
    view.take_sent()
    view.writes = 0
    return view, service


@pytest.mark.parametrize("app", [Application(Response("hello")), framework()], ids=["bare", "full"])
async def test_get_with_a_handler_that_cannot_wait_costs_one_write_and_no_turn(
    app: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, service = await connect(app)
    with Turns(monkeypatch) as turns:
        for i in range(1, 51):
            view.feed(GET)
            assert view.writes == i
    assert (turns.soon, turns.later, turns.tasks) == (0, 0, 0)
    assert view.sent.count(b"HTTP/1.1 200 OK\r\n") == 50
    service.close()


async def test_get_with_a_path_parameter_costs_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    view, service = await connect(framework())
    with Turns(monkeypatch) as turns:
        for i in range(20):
            view.feed(GET.replace(b"/hello", b"/item/%d" % i))
    assert (turns.soon, turns.later, turns.tasks, view.writes) == (0, 0, 0, 20)
    assert b'{"number":19}' in view.sent
    service.close()


@pytest.mark.parametrize("app", [Application(Response("hello")), framework()], ids=["bare", "full"])
async def test_pipelined_requests_of_one_arrival_are_answered_in_one_write(
    app: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, service = await connect(app)
    with Turns(monkeypatch) as turns:
        view.feed(GET * 16)
    assert view.writes == 1
    assert view.sent.count(b"HTTP/1.1 200 OK\r\n") == 16
    assert (turns.soon, turns.later, turns.tasks) == (0, 0, 0)
    service.close()


@pytest.mark.parametrize("app", [Application(Response("hello")), framework()], ids=["bare", "full"])
async def test_access_log_costs_a_tuple_and_one_timer_for_all(
    app: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Pile()
    log = AccessLog(asyncio.get_running_loop(), desk, interval=60)
    view, service = await connect(app, access_log=log)
    log.close()
    desk.items.clear()
    with Turns(monkeypatch) as turns:
        for i in range(1, 51):
            view.feed(GET)
            assert view.writes == i
    # asyncio's call_later asks its call_at, so that one timer counts twice.
    assert (turns.soon, turns.later, turns.tasks) == (0, 2, 0)
    assert desk.items == []
    log.close()
    assert desk.sizes == [50]
    service.close()


async def test_head_that_is_repeated_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0

    def counting(self: HTTP1RequestHead, *args: object, **kwargs: object) -> None:
        nonlocal made
        made += 1
        original(self, *args, **kwargs)

    original = HTTP1RequestHead.__init__
    monkeypatch.setattr(HTTP1RequestHead, "__init__", counting)
    app = Application(Response("hello"))
    view, service = await connect(app)
    for _ in range(20):
        view.feed(GET)
    assert made == 1
    assert len({id(conn.head) for conn in app.conns}) == 1
    for i in range(10):
        view.feed(GET.replace(b"/hello", b"/%d" % i))
    assert made == 11
    service.close()


async def test_head_that_differs_in_its_target_does_not_parse_its_fields_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    view, service = await connect(Application(Response("hello")))
    sections: list[bytes] = []
    original = HeadParser.parse_fields

    def counting(self: HeadParser, block: bytes) -> object:
        sections.append(block)
        return original(self, block)

    monkeypatch.setattr(HeadParser, "parse_fields", counting)
    for i in range(10):
        view.feed(GET.replace(b"/hello", b"/%d" % i))
    assert sections == []
    service.close()


async def test_post_whose_content_came_along_costs_one_write_and_no_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = BlackBull()

    @app.route(path="/hello", methods=["GET", "POST"])
    async def size(body: bytes) -> str:
        return str(len(body))

    view, service = await connect(app)
    wire = b"POST /hello HTTP/1.1\r\nhost: a\r\ncontent-length: 1024\r\n\r\n" + bytes(1024)
    with Turns(monkeypatch) as turns:
        view.feed(wire * 4)
    assert (turns.soon, turns.later, turns.tasks, view.writes) == (0, 0, 0, 1)
    assert view.sent.count(b"\r\n\r\n1024") == 4
    service.close()


async def test_handler_that_waits_runs_in_one_task_and_answers_in_one_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    view, service = await connect(framework())
    wire = GET.replace(b"/hello", b"/waits")
    with Turns(monkeypatch) as turns:
        view.feed(wire)
        while not view.sent:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert view.writes == 1
    # On 3.12 and later the task begins in the arrival callback and is known to no create_task.
    assert turns.tasks == (0 if EAGER else 1)
    assert turns.later == 0
    service.close()


async def test_handler_that_could_wait_but_does_not_is_answered_as_early_as_python_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    current: list[asyncio.Task[None] | None] = []

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        current.append(asyncio.current_task())
        await receive()
        await send(Response("hello"))

    view, service = await connect(Application(handler))
    with Turns(monkeypatch) as turns:
        view.feed(GET)
        at_once = view.writes
        while not view.sent:
            await asyncio.sleep(0)
    assert at_once == (1 if sys.version_info >= (3, 12) else 0)
    assert view.writes == 1
    assert all(current)
    assert turns.later == 0
    service.close()


async def test_pipelined_requests_to_waiting_handlers_keep_their_order() -> None:
    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        if conn.path == "/0":
            await asyncio.sleep(0)
        await send(Response(conn.path))

    view, service = await connect(Application(handler))
    view.feed(b"".join(GET.replace(b"/hello", b"/%d" % i) for i in range(5)))
    while view.sent.count(b"HTTP/1.1") < 5:
        await asyncio.sleep(0)
    assert [part[:2] for part in view.sent.split(b"\r\n\r\n")[1:]] == [b"/%d" % i for i in range(5)]
    service.close()


async def test_response_large_is_not_copied() -> None:
    body = bytes(1 << 20)
    view, service = await connect(Application(Response("hello")))
    service.app.outcome = Response(body)
    view.feed(GET)
    assert any(part is body for part in view.parts)
    assert view.writes == 1
    service.close()
