"""Handlers of errors: what they may take, and what becomes of what they return."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, cast

from blackbull.connection import Connection
from blackbull.native import NativeHandler, Receive, Send
from blackbull.response import Response
from blackbull.routing.handler.full import handler_receive, native_send

Convert: TypeAlias = Callable[[object], Response | NativeHandler]
"""Makes a response of a handler's value; TypeError for a type that no converter knows."""

CONNECTION_NAMES: Final = frozenset({"conn", "connection", "request", "scope"})
ERROR_NAMES: Final = frozenset({"exc", "error", "exception"})
PLAIN_STATUSES: Final = frozenset({200, 204})
"""What a value that says nothing about its status is given."""


class ErrorHandler:
    """One handler of errors.

    It takes, by name, any of the connection (``conn``) and the exception (``exc``) and returns
    what a route's handler may return; what is no :class:`Response` gets the error's status. With
    both ``receive`` and ``send`` it answers itself.

    Args:
        func: The application's function.
        convert: Makes a response of what it returns.

    Raises:
        TypeError: *func* takes something else.
    """

    def __init__(self, func: Callable[..., object], convert: Convert) -> None:
        self.name = getattr(func, "__qualname__", None) or repr(func)
        self._func = func
        self._convert = convert
        self._parameters = tuple(inspect.signature(func).parameters)
        self._full = {"receive", "send"} <= set(self._parameters)
        self._is_async = inspect.iscoroutinefunction(func)
        known = CONNECTION_NAMES | ERROR_NAMES | ({"receive", "send"} if self._full else set())
        if unknown := [name for name in self._parameters if name not in known]:
            raise TypeError(
                f"error handler {self.name} takes {', '.join(unknown)}: "
                "it is given conn and exc, or conn, receive and send"
            )

    async def __call__(
        self, conn: Connection, error: Exception, status: int, receive: Receive, send: Send
    ) -> Response | NativeHandler | None:
        """Return the answer to *error*, which has *status*; None when a full handler has sent it.

        Raises:
            Exception: whatever the handler raises; TypeError for a value without a converter.
        """
        given: dict[str, object] = dict.fromkeys(CONNECTION_NAMES, conn)
        given |= dict.fromkeys(ERROR_NAMES, error)
        if self._full:
            given |= {"receive": handler_receive(receive), "send": native_send(send)}
        arguments = {name: given[name] for name in self._parameters}
        if self._is_async:
            value = await cast(Awaitable[object], self._func(**arguments))
        else:
            value = await asyncio.to_thread(self._func, **arguments)
        if self._full:
            return None
        reply = self._convert(value)
        if isinstance(reply, Response) and reply is not value and reply.status in PLAIN_STATUSES:
            reply.status = status
        return reply
