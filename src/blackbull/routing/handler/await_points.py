"""Whether a coroutine can wait, and running one that cannot."""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Callable, Coroutine
from types import CodeType, FunctionType, MethodType
from typing import Final, TypeVar

T = TypeVar("T")

# What `await`, `async for` and `async with` compile to, on CPython 3.11 to 3.13. A coroutine
# suspends through SEND and YIELD_VALUE; the others are named so that a renamed one is not missed.
AWAITING: Final = frozenset({
    "BEFORE_ASYNC_WITH", "GET_AITER", "GET_ANEXT", "GET_AWAITABLE", "SEND", "YIELD_VALUE",
})  # fmt: skip


def cannot_wait(function: Callable[..., object]) -> bool:
    """Return True if *function* is an ``async def`` whose code holds no await point.

    Such a coroutine ends at the first step, so it needs neither a task nor an event loop. False
    for whatever cannot be looked into.
    """
    code = _code(function)
    return (
        code is not None
        and bool(code.co_flags & inspect.CO_COROUTINE)
        and all(instruction.opname not in AWAITING for instruction in dis.get_instructions(code))
    )


def yields_at_once(function: Callable[..., object]) -> bool:
    """Return True if *function* is an async generator function that waits nowhere but at yield."""
    code = _code(function)
    return (
        code is not None
        and bool(code.co_flags & inspect.CO_ASYNC_GENERATOR)
        and not any(
            instruction.opname in AWAITING and instruction.opname != "YIELD_VALUE"
            for instruction in dis.get_instructions(code)
        )
    )


def makes_calls(function: Callable[..., object]) -> bool:
    """Return False if the code of *function* calls nothing; True if that is not known."""
    code = _code(function)
    if code is None:
        return True
    names = {instruction.opname for instruction in dis.get_instructions(code)}
    # Intrinsics are the interpreter's own: every coroutine of CPython 3.12 has one.
    return any(name.startswith("CALL") and "INTRINSIC" not in name for name in names)


def finish(coroutine: Coroutine[object, object, T]) -> T:
    """Run a coroutine that cannot wait and return its value.

    Raises:
        RuntimeError: it waited.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        value: T = stop.value
        return value
    coroutine.close()
    raise RuntimeError(f"{coroutine!r} waited, though its code has no await point")


def called(function: Callable[..., object]) -> Callable[..., object]:
    """Return what runs when *function* is called: of an instance, its class's ``__call__``."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function) or isinstance(function, type):
        return function
    method: Callable[..., object] = type(function).__call__
    return method


def _code(function: Callable[..., object]) -> CodeType | None:
    target = called(function)
    if isinstance(target, MethodType):
        target = target.__func__
    return target.__code__ if isinstance(target, FunctionType) else None
