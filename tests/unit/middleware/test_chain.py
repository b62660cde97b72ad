"""What a middleware must be, and how a chain is composed."""

from __future__ import annotations

import functools

import pytest

from blackbull.connection import Connection
from blackbull.errors import ConfigurationError
from blackbull.middleware.chain import Middleware, compose, next_parameter, problems
from blackbull.native import NativeHandler, Receive, Send
from blackbull.response import Response
from tests.unit.app.doubles import Exchange


async def answer(conn: Connection, receive: Receive, send: Send) -> None:
    await send(Response("answer"))


async def through(conn: Connection, receive: Receive, send: Send, call_next: NativeHandler) -> None:
    await call_next(conn, receive, send)


async def old_name(conn: Connection, receive: Receive, send: Send, inner: NativeHandler) -> None:
    await inner(conn, receive, send)


async def by_keyword(
    conn: Connection, receive: Receive, send: Send, *, call_next: NativeHandler
) -> None:
    await call_next(conn, receive, send)


async def configured(
    prefix: str, conn: Connection, receive: Receive, send: Send, call_next: NativeHandler
) -> None:
    await call_next(conn, receive, send)


class Instance:
    async def __call__(
        self, conn: Connection, receive: Receive, send: Send, call_next: NativeHandler
    ) -> None:
        await call_next(conn, receive, send)


@functools.wraps(through)
def decorated(*args: object, **kwargs: object) -> object:
    return through(*args, **kwargs)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "middleware",
    [
        through,
        old_name,
        by_keyword,
        Instance(),
        Instance().__call__,
        decorated,
        functools.partial(configured, "x"),
    ],
)
async def test_compose_every_kind_of_middleware_goes_on(middleware: Middleware) -> None:
    exchange = Exchange()
    handler = compose([middleware, middleware], answer)
    await handler(exchange.conn, exchange.receive, exchange.send)
    assert exchange.text == "answer"


def test_compose_nothing_is_the_handler_itself() -> None:
    assert compose([], answer) is answer


def plain(conn: Connection, receive: Receive, send: Send, call_next: NativeHandler) -> None: ...


@pytest.mark.parametrize(
    ("middleware", "cure"),
    [
        (answer, "define it as async def mw"),
        (plain, "must be an async def"),
        (Instance, r"pass an instance, Instance\(\)"),
        ("through", "cannot be called"),
    ],
)
def test_next_parameter_impossible_middleware_says_the_cure(
    middleware: Middleware, cure: str
) -> None:
    with pytest.raises(ConfigurationError, match=cure):
        next_parameter(middleware)


def test_problems_lists_every_one() -> None:
    assert len(problems([answer, through, plain])) == 2
