# ruff: noqa: B008 - Depends in a default is the subject
from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

import pytest

from blackbull.connection import Connection
from blackbull.di import Depends, Form, Scope, provider_form
from blackbull.errors import HTTPException
from blackbull.response import Response
from tests.unit.routing.driving import connection, plan_of, response_of, sent_by


async def coroutine() -> str:
    await asyncio.sleep(0)
    return "coroutine"


async def generator() -> AsyncIterator[str]:
    yield "generator"


def function() -> str:
    return "function"


class Settings:
    def __init__(self, page: int = 1) -> None:
        self.page = page


def not_async() -> Iterator[str]:
    yield "x"


def recording(log: list[str], name: str):
    async def provider() -> AsyncIterator[str]:
        log.append(f"{name} opened")
        try:
            yield name
        except BaseException as error:
            log.append(f"{name} saw {type(error).__name__}")
            raise
        finally:
            log.append(f"{name} closed")

    return provider


@pytest.mark.parametrize("provider", [coroutine, generator, function])
async def test_depends_on_any_form_gives_its_value(provider) -> None:
    async def handler(value=Depends(provider)):
        return value

    response = await response_of(plan_of(handler).run, connection())
    assert response.body.decode() == provider.__name__


async def test_depends_on_a_class_makes_an_instance() -> None:
    async def handler(settings=Depends(Settings)):
        return f"{settings.page}"

    plan = plan_of(handler)
    assert plan.immediate(connection(query=b"page=3")).body == b"3"
    assert (await response_of(plan.run, connection(query=b"page=4"))).body == b"4"


async def test_depends_in_annotated_gives_its_value() -> None:
    async def handler(value: Annotated[str, Depends(function)]):
        return value

    assert (await response_of(plan_of(handler).run, connection())).body == b"function"


async def test_depends_provider_takes_what_a_handler_takes() -> None:
    async def user(request: Connection, id: int, body, page: int = 1) -> list[object]:
        return [request.method, id, body.decode(), page]

    def nested(user=Depends(user)) -> dict[str, object]:
        return {"user": user}

    async def handler(id: int, nested=Depends(nested)):
        return nested

    plan = plan_of(handler, "/{id:int}")
    request = {"params": {"id": 7}, "query": b"page=2"}
    expected = b'{"user":["GET",7,"data",2]}'
    assert plan.immediate(connection(content=b"data", **request)).body == expected
    late = connection(parts=[b"da", b"ta"], **request)
    assert plan.immediate(late) is plan.run
    assert (await response_of(plan.run, late)).body == expected


@pytest.mark.parametrize(("use_cache", "calls"), [(True, 1), (False, 3)])
@pytest.mark.parametrize("waits", [True, False])
async def test_depends_shares_one_value_per_request_unless_told(
    use_cache: bool, calls: int, waits: bool
) -> None:
    made: list[int] = []

    async def waiting() -> int:
        await asyncio.sleep(0)
        made.append(1)
        return len(made)

    def ready() -> int:
        made.append(1)
        return len(made)

    provider = waiting if waits else ready

    def nested(value=Depends(provider, use_cache=use_cache)) -> int:
        return value

    async def handler(
        a=Depends(provider, use_cache=use_cache),
        b=Depends(provider, use_cache=use_cache),
        c=Depends(nested),
    ):
        return [a, b, c]

    plan = plan_of(handler)
    assert (plan.immediate is None) is waits
    for _ in range(2):
        made.clear()
        response = await response_of(plan.run, connection())
        assert len(made) == calls
        if plan.immediate is not None:
            made.clear()
            assert plan.immediate(connection()).body == response.body
            assert len(made) == calls


async def test_depends_generators_close_after_the_response_last_first() -> None:
    log: list[str] = []

    async def handler(a=Depends(recording(log, "a")), b=Depends(recording(log, "b"))):
        return a + b

    async def send(message: object) -> None:
        assert isinstance(message, Response)
        log.append(f"sent {message.body.decode()}")

    conn = connection()
    plan = plan_of(handler)
    assert plan.immediate is None
    await plan.run(conn, conn.receive, send)
    assert log == ["a opened", "b opened", "sent ab", "b closed", "a closed"]


@pytest.mark.parametrize("error", [HTTPException(404), KeyError("x"), asyncio.CancelledError()])
async def test_depends_generator_sees_the_handlers_exception(error: BaseException) -> None:
    log: list[str] = []

    async def handler(a=Depends(recording(log, "a"))):
        raise error

    with pytest.raises(type(error)) as caught:
        await sent_by(plan_of(handler).run, connection())
    assert caught.value is error
    assert log == ["a opened", f"a saw {type(error).__name__}", "a closed"]


async def test_depends_generator_cannot_swallow_the_handlers_exception() -> None:
    async def swallowing() -> AsyncIterator[str]:
        with contextlib.suppress(KeyError):
            yield "x"

    async def handler(a=Depends(swallowing)):
        raise KeyError(a)

    with pytest.raises(KeyError):
        await sent_by(plan_of(handler).run, connection())


async def test_depends_generator_may_replace_the_handlers_exception() -> None:
    async def replacing() -> AsyncIterator[str]:
        try:
            yield "x"
        except KeyError:
            raise HTTPException(404) from None

    log: list[str] = []

    async def handler(a=Depends(recording(log, "a")), b=Depends(replacing)):
        raise KeyError(b)

    with pytest.raises(HTTPException):
        await sent_by(plan_of(handler).run, connection())
    assert log == ["a opened", "a saw HTTPException", "a closed"]


async def test_depends_provider_that_fails_closes_those_before() -> None:
    log: list[str] = []

    async def failing() -> AsyncIterator[str]:
        raise KeyError("x")
        yield "x"

    async def handler(a=Depends(recording(log, "a")), b=Depends(failing)):
        return "never"

    with pytest.raises(KeyError):
        await sent_by(plan_of(handler).run, connection())
    assert log == ["a opened", "a saw KeyError", "a closed"]


async def test_depends_generator_that_yields_twice_or_never_raises() -> None:
    async def twice() -> AsyncIterator[int]:
        for number in range(2):
            yield number

    async def never() -> AsyncIterator[int]:
        for number in range(0):
            yield number

    async def first(a=Depends(twice)):
        return "x"

    async def second(a=Depends(never)):
        return "x"

    with pytest.raises(RuntimeError, match="twice yields more than once"):
        await sent_by(plan_of(first).run, connection())
    with pytest.raises(RuntimeError, match="never did not yield"):
        await sent_by(plan_of(second).run, connection())


async def test_depends_of_a_cancelled_request_cleans_up() -> None:
    log: list[str] = []
    waiting = asyncio.Event()

    async def handler(a=Depends(recording(log, "a"))):
        waiting.set()
        await asyncio.Event().wait()

    conn = connection()
    task = asyncio.create_task(sent_by(plan_of(handler).run, conn))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["a opened", "a saw CancelledError", "a closed"]


async def test_depends_generator_outlives_a_stream() -> None:
    log: list[str] = []

    async def handler(a=Depends(recording(log, "a"))) -> AsyncIterator[str]:
        log.append("streaming")
        yield a
        log.append("streamed")

    sent = await sent_by(plan_of(handler).run, connection())
    assert [getattr(message, "data", None) for message in sent] == [None, b"a", b""]
    assert log == ["a opened", "streaming", "streamed", "a closed"]


async def test_scope_close_without_generators_raises_what_it_is_given() -> None:
    await Scope().close()
    with pytest.raises(KeyError):
        await Scope().close(KeyError("x"))


def test_depends_on_a_generator_that_is_not_async_raises() -> None:
    async def handler(a=Depends(not_async)):
        return a

    with pytest.raises(TypeError, match="not_async is a generator: make it an async def"):
        plan_of(handler)


def test_depends_on_what_cannot_be_called_raises() -> None:
    with pytest.raises(TypeError, match="takes a function, not 3"):
        Depends(3)


def test_depends_shows_its_provider() -> None:
    assert repr(Depends(function)) == "Depends(function)"


async def unguarded() -> AsyncIterator[int]:
    value = 3
    yield value
    value += 1


async def guarded() -> AsyncIterator[int]:
    try:
        yield 3
    finally:
        function()


async def guarded_by_with() -> AsyncIterator[int]:
    async with asyncio.Lock():
        yield 3
    function()


async def without_cleanup() -> AsyncIterator[int]:
    """Yields and ends."""
    yield 3


def test_provider_form_warns_of_cleanup_that_may_be_skipped() -> None:
    with pytest.warns(RuntimeWarning, match="unguarded: what follows the yield is skipped"):
        assert provider_form(unguarded) is Form.GENERATOR


@pytest.mark.parametrize("provider", [guarded, guarded_by_with, without_cleanup, generator])
def test_provider_form_of_guarded_cleanup_is_silent(provider) -> None:
    # Warnings are errors here.
    assert provider_form(provider) is Form.GENERATOR


class Callable:
    async def __call__(self) -> str:
        return "called"


@pytest.mark.parametrize(
    ("provider", "form"),
    [
        (coroutine, Form.COROUTINE),
        (function, Form.FUNCTION),
        (Settings, Form.FUNCTION),
        (Callable(), Form.COROUTINE),
        (len, Form.FUNCTION),
    ],
)
def test_provider_form_is_told_by_its_kind(provider, form: Form) -> None:
    assert provider_form(provider) is form
