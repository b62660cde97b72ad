"""The chain of middleware around a handler, composed once, at startup.

A middleware is ``async def mw(conn, receive, send, call_next)``. It goes on with
``await call_next(conn, receive, send)``, possibly with a *send* of its own, or it answers itself
by sending. The last parameter may be called ``inner`` instead.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeAlias, cast

from blackbull.connection import Connection
from blackbull.errors import ConfigurationError
from blackbull.native import NativeHandler, Receive, Send
from blackbull.routing.handler.await_points import called
from blackbull.routing.handler.full import native_send
from blackbull.routing.handler.websocket import event_send

Middleware: TypeAlias = Callable[..., object]
"""``async (conn, receive, send, call_next)``."""

NEXT_NAMES = ("call_next", "inner")


def next_parameter(middleware: Middleware) -> str:
    """Return what *middleware* calls the rest of the chain: ``"call_next"`` or ``"inner"``.

    Raises:
        ConfigurationError: it has no such parameter, or it is not a coroutine function.
    """
    name = name_of(middleware)
    if isinstance(middleware, type):
        raise ConfigurationError(f"middleware {name} is a class: pass an instance, {name}()")
    if not callable(middleware):
        raise ConfigurationError(f"middleware {name} cannot be called")
    if not inspect.iscoroutinefunction(inspect.unwrap(called(middleware))):
        raise ConfigurationError(f"middleware {name} must be an async def")
    parameters = inspect.signature(middleware).parameters
    for candidate in NEXT_NAMES:
        if candidate in parameters:
            return candidate
    raise ConfigurationError(
        f"middleware {name} cannot go on to the handler: it takes ({', '.join(parameters)}); "
        "define it as async def mw(conn, receive, send, call_next)"
    )


def compose(middlewares: Sequence[Middleware], handler: NativeHandler) -> NativeHandler:
    """Return *handler* wrapped by *middlewares*, the first one outermost.

    Raises:
        ConfigurationError: a middleware has no ``call_next`` parameter.
    """
    for middleware in reversed(middlewares):
        handler = _Link(middleware, next_parameter(middleware), handler)
    return handler


def problems(middlewares: Iterable[Middleware]) -> list[str]:
    """Return what is wrong with each of *middlewares*; nothing when they can be composed."""
    found: list[str] = []
    for middleware in middlewares:
        try:
            next_parameter(middleware)
        except ConfigurationError as error:
            found.append(str(error))
    return found


def name_of(middleware: object) -> str:
    """Return how to call *middleware* in a message."""
    return getattr(middleware, "__qualname__", None) or type(middleware).__qualname__


class _Link:
    """One middleware and what follows it."""

    __slots__ = ("_call_next", "_middleware", "_parameter")

    def __init__(self, middleware: Middleware, parameter: str, call_next: NativeHandler) -> None:
        self._middleware = cast(Callable[..., Awaitable[object]], middleware)
        self._parameter = parameter
        self._call_next = call_next

    async def __call__(self, conn: Connection, receive: Receive, send: Send) -> None:
        # What a middleware sends may be any of the forms that handlers may send; the wrappers
        # around it see only typed messages.
        tolerant = native_send(send) if conn.type == "http" else event_send(conn, send)
        await self._middleware(conn, receive, tolerant, **{self._parameter: self._call_next})
