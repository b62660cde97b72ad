"""``@as_middleware``: whatever a handler sends, a middleware's ``send`` sees one form of it.

A handler may answer with one :class:`~blackbull.response.Response` or in parts. A decorated
middleware that wraps ``send`` always sees the parts: one
:class:`~blackbull.native.ResponseStart`, then :class:`~blackbull.native.ResponseBody`. If its
first parameter is called ``scope``, it gets an ASGI scope and sees ASGI events.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from blackbull.connection import Connection
from blackbull.native import NativeHandler, Receive, Send

from .asgi_form import call_with_events
from .chain import Middleware, next_parameter
from .parts import in_parts

T = TypeVar("T", bound=Callable[..., object])


def as_middleware(target: T) -> T:
    """Normalise what *target*'s ``send`` wrappers see; *target* is a function or a class.

    A class is decorated once, for all its instances: its ``__call__`` is the middleware.

    Raises:
        ConfigurationError: *target* has no ``call_next`` parameter or is not ``async``.
    """
    if isinstance(target, type):
        call = target.__call__
        setattr(target, "__call__", _normalised(call, owners=1))  # noqa: B010 - mypy forbids a.b=
        return target
    return cast(T, _normalised(target, owners=0))


def _normalised(middleware: Middleware, *, owners: int) -> Middleware:
    """Return *middleware* with what it sees normalised.

    Args:
        middleware: A function, or a method that is not bound yet.
        owners: How many parameters are before the middleware's own: 1 for a method.
    """
    function = cast(Callable[..., Awaitable[object]], middleware)
    parameter = next_parameter(middleware)
    first = list(inspect.signature(middleware).parameters)[owners]

    @functools.wraps(middleware)
    async def normalised(*args: object, **following: NativeHandler) -> None:
        bound = functools.partial(function, *args[:owners])
        conn, receive, send = cast(tuple[Connection, Receive, Send], args[owners:])
        call_next = following[parameter]
        if first == "scope":
            await call_with_events(bound, parameter, conn, receive, send, call_next)
            return

        async def inner(conn: Connection, receive: Receive, send: Send) -> None:
            # A WebSocket is refused by a response in one piece.
            await call_next(conn, receive, in_parts(send) if conn.type == "http" else send)

        await bound(conn, receive, send, **{parameter: inner})

    return normalised
