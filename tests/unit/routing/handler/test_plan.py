from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from blackbull.connection import Connection
from blackbull.di import Depends
from blackbull.errors import ClientDisconnected, HTTPException
from blackbull.native import ResponseBody, ResponseStart
from blackbull.response import Response, StreamingResponse
from blackbull.routing.handler import ReturnConverters, compile_handler
from tests.unit.routing.driving import connection, plan_of, response_of, sent_by

seen: contextvars.ContextVar[str] = contextvars.ContextVar("seen", default="nothing")


@dataclass
class Item:
    name: str


async def hello():
    return "hello"


async def path_one(id: int):
    return f"{id!r}"


async def path_two(id: int, name: str):
    return f"{id!r} {name}"


async def path_bare(id: int):
    return f"{id!r}"


async def takes_conn(conn):
    return conn.method


async def takes_scope(scope):
    return scope["path"]


async def takes_request(request: Connection):
    return request.path


async def takes_query(page: int = 1):
    return f"{page!r}"


async def takes_body(body):
    return body


async def takes_item(item: Item):
    return item


async def takes_all(id: int, conn, item: Item, page: int = 1):
    return [id, conn.method, item, page]


def five() -> int:
    return 5


async def five_async() -> int:
    return 5


async def takes_depends(a=Depends(five), b=Depends(five_async)):
    return [a, b]


class Handler:
    async def __call__(self, id: int):
        return f"called {id}"

    async def method(self):
        return "method"


CASES = [
    (hello, "/", {}, b"hello"),
    (path_one, "/{id:int}", {"params": {"id": 7}}, b"7"),
    (path_two, "/{id:int}/{name}", {"params": {"id": 7, "name": "x"}}, b"7 x"),
    (path_bare, "/{id}", {"params": {"id": "7"}}, b"7"),
    (takes_conn, "/", {"method": "PUT"}, b"PUT"),
    (takes_conn, "/{x}", {"params": {"x": "1"}}, b"GET"),
    (takes_scope, "/", {"path": "/a"}, b"/a"),
    (takes_request, "/", {"path": "/b"}, b"/b"),
    (takes_query, "/", {"query": b"page=3"}, b"3"),
    (takes_query, "/", {}, b"1"),
    (takes_body, "/", {"content": b"data"}, b"data"),
    (takes_item, "/", {"content": b'{"name":"n"}'}, b'{"name":"n"}'),
    (
        takes_all,
        "/{id:int}",
        {"params": {"id": 7}, "content": b'{"name":"n"}', "query": b"page=2"},
        b'[7,"GET",{"name":"n"},2]',
    ),
    (takes_depends, "/", {}, b"[5,5]"),
    (Handler(), "/{id:int}", {"params": {"id": 1}}, b"called 1"),
    (Handler().method, "/", {}, b"method"),
    (functools.partial(path_two, name="p"), "/{id:int}", {"params": {"id": 7}}, b"7 p"),
]


@pytest.mark.parametrize(("handler", "path", "request_", "expected"), CASES)
async def test_handler_answers_the_same_at_once_and_in_a_task(
    handler: object, path: str, request_: dict[str, object], expected: bytes
) -> None:
    plan = plan_of(handler, path)
    assert plan.immediate is not None
    assert not plan.full
    response = plan.immediate(connection(**request_))
    assert isinstance(response, Response)
    assert response.body == expected
    assert (await response_of(plan.run, connection(**request_))).body == expected


@pytest.mark.parametrize(
    ("handler", "path"), [(takes_body, "/"), (takes_item, "/"), (takes_all, "/{id:int}")]
)
async def test_immediate_with_content_still_to_come_hands_over_to_run(
    handler: object, path: str
) -> None:
    plan = plan_of(handler, path)
    assert plan.immediate is not None
    request = functools.partial(
        connection, parts=[b'{"na', b'me":"n"}'], params={"id": 7}, query=b"page=2"
    )
    assert plan.immediate(request()) is plan.run
    at_once = connection(content=b'{"name":"n"}', params={"id": 7}, query=b"page=2")
    response = plan.immediate(at_once)
    assert isinstance(response, Response)
    assert (await response_of(plan.run, request())).body == response.body


def test_immediate_that_needs_no_content_does_not_wait_for_it() -> None:
    response = plan_of(takes_query).immediate(connection(parts=[b"later"], query=b"page=2"))
    assert isinstance(response, Response)
    assert response.body == b"2"


@pytest.mark.parametrize(
    ("handler", "path", "request_", "status"),
    [
        (takes_query, "/", {"query": b"page=x"}, 400),
        (takes_item, "/", {"content": b"{}"}, 400),
        (path_bare, "/{id}", {"params": {"id": "x"}}, 404),
    ],
)
async def test_handler_with_arguments_that_do_not_fit_raises(
    handler: object, path: str, request_: dict[str, object], status: int
) -> None:
    plan = plan_of(handler, path)
    with pytest.raises(HTTPException) as caught:
        plan.immediate(connection(**request_))
    assert caught.value.status == status
    with pytest.raises(HTTPException) as caught:
        await sent_by(plan.run, connection(**request_))
    assert caught.value.status == status


async def test_handler_that_raises_lets_it_pass() -> None:
    async def fails(x: int = 0):
        return 1 / x

    async def stops():
        raise StopIteration

    for handler, error in [(fails, ZeroDivisionError), (stops, RuntimeError)]:
        plan = plan_of(handler)
        with pytest.raises(error):
            plan.immediate(connection())
        with pytest.raises(error):
            await sent_by(plan.run, connection())


async def test_handler_that_waits_has_no_immediate() -> None:
    async def waits(x: int = 1):
        await asyncio.sleep(0)
        return f"{x}"

    plan = plan_of(waits)
    assert plan.immediate is None
    assert (await response_of(plan.run, connection(query=b"x=2"))).body == b"2"


async def test_handler_that_is_a_plain_function_runs_in_a_thread() -> None:
    def where(page: int = 1):
        return [page, threading.current_thread() is threading.main_thread(), seen.get()]

    plan = plan_of(where)
    assert plan.immediate is None
    seen.set("copied")
    assert (await response_of(plan.run, connection())).body == b'[1,false,"copied"]'


async def test_handler_that_returns_a_coroutine_is_awaited() -> None:
    plan = plan_of(lambda: hello())  # noqa: PLW0108 - what it is about
    assert (await response_of(plan.run, connection())).body == b"hello"


async def test_handler_that_is_an_async_generator_streams() -> None:
    closed = []

    async def numbers(count: int) -> AsyncIterator[str]:
        try:
            for number in range(count):
                await asyncio.sleep(0)
                yield str(number)
        finally:
            closed.append(True)

    plan = plan_of(numbers)
    assert plan.immediate is None
    start, *parts = await sent_by(plan.run, connection(query=b"count=2"))
    assert isinstance(start, ResponseStart)
    assert parts == [ResponseBody(b"0", True), ResponseBody(b"1", True), ResponseBody()]
    assert closed == [True]


async def test_handler_that_returns_a_stream_hands_it_over_at_once() -> None:
    async def numbers() -> AsyncIterator[str]:
        yield "1"

    async def handler():
        return StreamingResponse(numbers())

    plan = plan_of(handler)
    stream = plan.immediate(connection())
    assert isinstance(stream, StreamingResponse)
    assert len(await sent_by(stream, connection())) == 3
    assert len(await sent_by(plan.run, connection())) == 3


def test_converter_registered_later_is_used() -> None:
    class Money: ...

    async def handler():
        return Money()

    converters = ReturnConverters()
    plan = compile_handler(handler, placeholders={}, converters=converters)
    with pytest.raises(TypeError, match="Money"):
        plan.immediate(connection())
    converters.register(Money, lambda _: "money")
    response = plan.immediate(connection())
    assert isinstance(response, Response)
    assert response.body == b"money"


def test_immediate_keeps_context_variables_apart() -> None:
    async def handler():
        before = seen.get()
        seen.set("changed")
        return before

    plan = plan_of(handler)
    seen.set("outside")
    for _ in range(2):
        assert plan.immediate(connection()).body == b"outside"
    assert seen.get() == "outside"


async def test_run_with_another_receive_reads_from_it() -> None:
    async def receive():
        return {"type": "http.request", "body": b"replaced", "more_body": False}

    conn = connection(parts=[b"original"])
    sent = []

    async def send(message: object) -> None:
        sent.append(message)

    await plan_of(takes_body).run(conn, receive, send)
    assert sent[0].body == b"replaced"


async def test_run_of_a_client_that_leaves_raises() -> None:
    conn = connection(parts=[])
    with pytest.raises(ClientDisconnected):
        await sent_by(plan_of(takes_body).run, conn)
    assert conn.disconnected


async def test_full_handler_gets_connection_and_asgi_channels() -> None:
    async def handler(scope, receive, send):
        event = await receive()
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode() + event["body"]})

    plan = plan_of(handler)
    assert plan.full
    assert plan.immediate is None
    assert plan.parameters == ()
    response = await response_of(plan.run, connection(path="/p", parts=[b"data"]))
    assert (response.status, response.body) == (201, b"/pdata")


async def test_full_handler_by_its_star_arguments_is_called_with_three() -> None:
    async def stars(*args):
        await args[2](Response(args[0].path))

    async def chained(conn, receive, send, call_next=None):
        await send(Response("chained"))

    assert (await response_of(plan_of(stars).run, connection(path="/x"))).body == b"/x"
    assert (await response_of(plan_of(chained).run, connection())).body == b"chained"


async def _alone(receive): ...
async def _only_send(conn, send): ...
async def _keywords(**kwargs): ...
async def _four(scope, receive, send, extra): ...
def _not_async(scope, receive, send): ...


@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        (_alone, "takes 'receive' alone"),
        (_only_send, "takes 'send' alone"),
        (_keywords, "cannot be called with"),
        (_four, "cannot be called with"),
        (_not_async, "make it an async def"),
    ],
)
def test_full_handler_of_the_wrong_shape_raises(handler: object, problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        plan_of(handler)


def test_plan_lists_parameters_and_returns() -> None:
    async def handler(id: int, page: int = 1) -> dict[str, int]:
        return {"id": id, "page": page}

    plan = plan_of(handler, "/{id:int}")
    assert [(item.name, str(item.source), item.required) for item in plan.parameters] == [
        ("id", "path", True),
        ("page", "query", False),
    ]
    assert plan.handler is handler
    assert plan.returns == "dict[str, int]"


async def test_generator_that_cannot_wait_is_answered_at_once() -> None:
    async def numbers(count: int) -> AsyncIterator[str | bytes]:
        for number in range(count):
            yield str(number)
        yield b"."

    immediate = plan_of(numbers).immediate
    assert immediate is not None
    reply = immediate(connection(query=b"count=3"))
    assert isinstance(reply, Response)
    assert reply.body == b"012."
    assert reply.content_type == b"text/plain; charset=utf-8"


async def test_generator_that_cannot_wait_streams_what_is_large() -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield bytes(1000)

    immediate = plan_of(endless).immediate
    assert immediate is not None
    reply = immediate(connection())
    assert not isinstance(reply, Response)
    start, *parts = await sent_by(reply, connection())
    assert isinstance(start, ResponseStart)
    sizes = [len(part.data) for part in parts if isinstance(part, ResponseBody)]
    assert sizes[0] == 66000
    assert sizes[1:] == [1000] * 34 + [0]


async def test_generator_that_cannot_wait_and_raises_has_not_begun_an_answer() -> None:
    async def broken() -> AsyncIterator[str]:
        yield "1"
        raise LookupError("broken")

    immediate = plan_of(broken).immediate
    assert immediate is not None
    with pytest.raises(LookupError):
        immediate(connection())
