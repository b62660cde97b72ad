"""How a handler is called: decided once, when it is registered.

A handler that cannot wait is answered by :attr:`Plan.immediate` in the callback in which its
request arrived; every other one by :attr:`Plan.run` in a task.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import copy_context
from typing import Any, Final, TypeAlias, cast

from blackbull.connection import Connection
from blackbull.content import native_receive
from blackbull.di import Scope
from blackbull.native import NativeHandler, Receive, Send
from blackbull.response import Response, StreamingResponse
from blackbull.routing.pattern import Placeholder

from .await_points import called, cannot_wait, makes_calls, yields_at_once
from .full import handler_receive, native_send
from .parameters import Arguments, Parameter, compile_arguments
from .returns import ReturnConverters
from .streams import Items, gather

Immediate: TypeAlias = Callable[[Connection], Response | NativeHandler]
CoroutineHandler: TypeAlias = Callable[..., Coroutine[Any, Any, object]]
StreamHandler: TypeAlias = Callable[..., Items]
ReadOne: TypeAlias = Callable[[Connection], object]

NEXT_NAMES: Final = frozenset({"call_next", "inner"})
VARIADIC: Final = frozenset({inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD})
WAITED: Final = "a handler without an await point has waited"


class Plan:
    """How one handler is called.

    Attributes:
        handler: What the user wrote.
        full: True for ``(scope, receive, send)``.
        immediate: Answers at once, in the arrival callback, or returns :attr:`run` when the
            content is not there yet; None when the handler may wait. Exceptions pass through.
        run: Answers in a task.
        parameters: Of a handler that is not full, in order.
        returns: The annotation of what it returns, unresolved.
    """

    __slots__ = ("full", "handler", "immediate", "parameters", "returns", "run")

    def __init__(
        self,
        handler: Callable[..., object],
        run: NativeHandler,
        *,
        immediate: Immediate | None = None,
        full: bool = False,
        parameters: tuple[Parameter, ...] = (),
    ) -> None:
        self.handler = handler
        self.run = run
        self.immediate = immediate
        self.full = full
        self.parameters = parameters
        self.returns: object = inspect.signature(handler).return_annotation


def compile_handler(
    handler: Callable[..., object],
    *,
    placeholders: Mapping[str, Placeholder],
    converters: ReturnConverters,
) -> Plan:
    """Return how to call *handler*.

    Args:
        handler: ``async def`` or, to run in a thread, ``def``; full when it takes *receive* and
            *send*, or ``*args``, ``**kwargs``, ``call_next`` or ``inner``.
        placeholders: Those of its path.
        converters: Make responses of what it returns.

    Raises:
        TypeError: its signature cannot be served; the message names the parameter.
    """
    if is_full(handler):
        return Plan(handler, _run_full(handler), full=True)
    arguments = compile_arguments(handler, placeholders)
    run = _Simple(handler, arguments, converters)
    immediate: Immediate | None = None
    if cannot_wait(handler) and not arguments.waits:
        immediate = _immediate(
            cast("CoroutineHandler", handler), arguments, placeholders, converters, run=run
        )
    elif yields_at_once(handler) and not arguments.waits and not arguments.depends:
        immediate = _gathered(cast("StreamHandler", handler), arguments, converters, run=run)
    if immediate is not None and (arguments.depends or makes_calls(handler)):
        immediate = _isolated(immediate)
    return Plan(handler, run, immediate=immediate, parameters=tuple(arguments.parameters))


def is_full(handler: Callable[..., object]) -> bool:
    """Return True if *handler* is called with connection, ``receive`` and ``send``.

    Raises:
        TypeError: it takes one of ``receive`` and ``send`` without the other, cannot be called
            with three arguments, or is not ``async``.
    """
    signature = inspect.signature(handler)
    names = signature.parameters.keys()
    both = {"receive", "send"} & names
    if len(both) == 1:
        raise TypeError(
            f"{_name(handler)} takes {both.pop()!r} alone: take (scope, receive, send) or neither"
        )
    variadic = any(item.kind in VARIADIC for item in signature.parameters.values())
    if not both and not variadic and not NEXT_NAMES & names:
        return False
    try:
        signature.bind(None, None, None)
    except TypeError:
        raise TypeError(
            f"{_name(handler)}{signature} cannot be called with (scope, receive, send)"
        ) from None
    if not inspect.iscoroutinefunction(called(handler)):
        raise TypeError(f"{_name(handler)} takes receive and send: make it an async def")
    return True


def _run_full(handler: Callable[..., object]) -> NativeHandler:
    full = cast("Callable[..., Awaitable[object]]", handler)

    async def run(conn: Connection, receive: Receive, send: Send) -> None:
        await full(conn, handler_receive(receive), native_send(send))

    return run


class _Simple:
    """Runs a handler that takes values and returns one."""

    __slots__ = ("_arguments", "_converters", "_handler", "_returns_awaitable", "_threaded")

    def __init__(
        self, handler: Callable[..., object], arguments: Arguments, converters: ReturnConverters
    ) -> None:
        function = called(handler)
        self._handler = handler
        self._arguments = arguments
        self._converters = converters
        self._returns_awaitable = inspect.iscoroutinefunction(function)
        self._threaded = not self._returns_awaitable and not inspect.isasyncgenfunction(function)

    async def __call__(self, conn: Connection, receive: Receive, send: Send) -> None:
        """Answer; cancelling cancels the handler, but for one that runs in a thread."""
        if receive != conn.receive:
            # A middleware has its own, and may make it give ASGI events.
            conn.receive = native_receive(receive)
        arguments = self._arguments
        content = await conn.body() if arguments.takes_body else b""
        scope = Scope()
        if not arguments.depends:
            await self._answer(arguments.read(conn, content), conn, receive, send)
            return
        try:
            values = await arguments.bind(conn, content, scope)
            await self._answer(values, conn, receive, send)
        except BaseException as error:
            await scope.close(error)
            raise
        await scope.close()

    async def _answer(
        self, values: dict[str, object], conn: Connection, receive: Receive, send: Send
    ) -> None:
        if self._threaded:
            value = await asyncio.to_thread(self._handler, **values)
        else:
            value = self._handler(**values)
        if self._returns_awaitable or inspect.isawaitable(value):
            value = await cast("Awaitable[object]", value)
        response = self._converters.respond(value)
        if isinstance(response, Response):
            await send(response)
        else:
            await response(conn, receive, send)


def _immediate(
    handler: CoroutineHandler,
    arguments: Arguments,
    placeholders: Mapping[str, Placeholder],
    converters: ReturnConverters,
    *,
    run: NativeHandler,
) -> Immediate:
    """Return the shortest way from a connection to *handler*'s answer."""
    names = [item.name for item in arguments.parameters]
    if not names:
        return _without_arguments(handler, converters)
    read = _read_one(arguments) if len(names) == 1 else None
    if read is not None:
        return _with_one(handler, read, converters, run if arguments.takes_body else None)
    if len(arguments.path) == len(names) == len(placeholders) and not any(
        convert for _, convert in arguments.path
    ):
        return _with_path(handler, converters)
    return _with_all(handler, arguments, converters, run)


def _read_one(arguments: Arguments) -> ReadOne | None:
    if arguments.path:
        name, convert = arguments.path[0]
        if convert is None:
            return lambda conn: conn.path_params[name]
        return lambda conn: convert(conn.path_params[name])
    if arguments.connection:
        return lambda conn: conn
    if arguments.query:
        _, read_query = arguments.query[0]
        return lambda conn: read_query(conn.query_list)
    if arguments.body is not None:
        _, read_body = arguments.body
        return lambda conn: read_body(cast("bytes", conn._content))
    return None


# The four shapes repeat their few lines: a call more would cost each request more than the rest.


def _without_arguments(handler: CoroutineHandler, converters: ReturnConverters) -> Immediate:
    renders, respond = converters.table, converters.respond

    def immediate(conn: Connection) -> Response | NativeHandler:
        try:
            handler().send(None)
        except StopIteration as stop:
            value = stop.value
            render = renders.get(type(value))
            return respond(value) if render is None else render(value)
        raise RuntimeError(WAITED)

    return immediate


def _with_one(
    handler: CoroutineHandler,
    read: ReadOne,
    converters: ReturnConverters,
    run: NativeHandler | None,
) -> Immediate:
    """*run* is given when the argument is made of the content, which may not be there yet."""
    renders, respond = converters.table, converters.respond

    def immediate(conn: Connection) -> Response | NativeHandler:
        if run is not None and conn._content is None:
            return run
        argument = read(conn)
        try:
            handler(argument).send(None)
        except StopIteration as stop:
            value = stop.value
            render = renders.get(type(value))
            return respond(value) if render is None else render(value)
        raise RuntimeError(WAITED)

    return immediate


def _with_path(handler: CoroutineHandler, converters: ReturnConverters) -> Immediate:
    renders, respond = converters.table, converters.respond

    def immediate(conn: Connection) -> Response | NativeHandler:
        try:
            handler(**conn.path_params).send(None)
        except StopIteration as stop:
            value = stop.value
            render = renders.get(type(value))
            return respond(value) if render is None else render(value)
        raise RuntimeError(WAITED)

    return immediate


def _with_all(
    handler: CoroutineHandler,
    arguments: Arguments,
    converters: ReturnConverters,
    run: NativeHandler,
) -> Immediate:
    renders, respond = converters.table, converters.respond

    def immediate(conn: Connection) -> Response | NativeHandler:
        content = conn._content
        if content is None:
            if arguments.takes_body:
                return run
            content = b""
        values = arguments.bind_now(conn, content, Scope())
        try:
            handler(**values).send(None)
        except StopIteration as stop:
            value = stop.value
            render = renders.get(type(value))
            return respond(value) if render is None else render(value)
        raise RuntimeError(WAITED)

    return immediate


def _gathered(
    handler: StreamHandler,
    arguments: Arguments,
    converters: ReturnConverters,
    *,
    run: NativeHandler,
) -> Immediate:
    """Return the way to an async generator that waits nowhere but at yield."""

    def immediate(conn: Connection) -> Response | NativeHandler:
        content = conn._content
        if (content is None and arguments.takes_body) or not converters.streams:
            return run
        items = handler(**arguments.bind_now(conn, content or b"", Scope()))
        return StreamingResponse(items) if conn.method == "HEAD" else gather(items)

    return immediate


def _isolated(immediate: Immediate) -> Immediate:
    """Return *immediate* in a context of its own, as a task has one.

    Else a context variable that one request sets would be seen by the next.
    """

    def isolated(conn: Connection) -> Response | NativeHandler:
        return copy_context().run(immediate, conn)

    return isolated


def _name(handler: object) -> str:
    return getattr(handler, "__qualname__", None) or type(handler).__qualname__
