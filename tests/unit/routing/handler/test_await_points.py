from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator

import pytest

from blackbull.routing.handler.await_points import cannot_wait, finish, makes_calls


async def plain(x: int = 1) -> int:
    async def inner() -> None:
        await asyncio.sleep(0)

    return x + len(repr(inner))


async def awaits() -> None:
    await asyncio.sleep(0)


async def awaits_in_branch(x: int = 0) -> None:
    if x:
        try:
            x += 1
        finally:
            await asyncio.sleep(0)


async def loops(source: AsyncIterator[int]) -> None:
    async for _ in source:
        pass


async def enters(lock: asyncio.Lock) -> None:
    async with lock:
        pass


async def comprehends(source: AsyncIterator[int]) -> list[int]:
    return [item async for item in source]


async def comprehends_with_await() -> list[None]:
    return [await asyncio.sleep(0) for _ in range(2)]


async def generates() -> AsyncIterator[int]:
    yield 1


def not_async() -> None:
    """Runs in a thread."""


class Callable:
    async def __call__(self) -> str:
        return "called"

    async def method(self) -> str:
        return "method"

    async def waiting(self) -> None:
        await asyncio.sleep(0)


@functools.wraps(plain)
async def wrapping() -> int:
    return await plain()


@pytest.mark.parametrize(
    "function",
    [plain, Callable(), Callable().method, functools.partial(plain, 2)],
)
def test_cannot_wait_without_await_point_is_true(function: object) -> None:
    assert cannot_wait(function)


@pytest.mark.parametrize(
    "function",
    [
        awaits,
        awaits_in_branch,
        loops,
        enters,
        comprehends,
        comprehends_with_await,
        generates,
        not_async,
        Callable().waiting,
        functools.partial(awaits),
        wrapping,
        print,
        Callable,
        lambda: plain(),  # noqa: PLW0108 - what it is about
    ],
)
def test_cannot_wait_with_await_point_or_unknown_is_false(function: object) -> None:
    assert not cannot_wait(function)


def test_finish_gives_the_value() -> None:
    assert finish(Callable().method()) == "method"


def test_finish_passes_what_the_coroutine_raises() -> None:
    async def fails() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        finish(fails())


def test_finish_of_a_coroutine_that_waits_raises() -> None:
    with pytest.raises(RuntimeError, match="waited"):
        finish(awaits())


def test_makes_calls_looks_for_calls() -> None:
    async def constant() -> dict[str, object]:
        return {"message": "hello"}

    async def calls() -> str:
        return str(1)

    assert not makes_calls(constant)
    assert makes_calls(calls)
    assert makes_calls(print)
