"""What is answered when a request fails: the application's own handlers, else the default pages."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final, TypeAlias, TypeVar

from blackbull.connection import Connection
from blackbull.errors import ConfigurationError, HTTPException, RemoteProtocolError
from blackbull.event_aggregator import EventAggregator
from blackbull.native import NativeHandler, Receive, Send
from blackbull.observer import Observer, tell
from blackbull.response import Response
from blackbull.routing.route import MethodNotApplicable, PathNotRegistered

from .error_handler import Convert, ErrorHandler
from .outgoing import Outgoing
from .pages import error_page

logger = logging.getLogger("blackbull.app")

ErrorKey: TypeAlias = int | type[Exception]
K = TypeVar("K")

WITH_STATUS: Final = (
    HTTPException, PathNotRegistered, MethodNotApplicable, RemoteProtocolError
)  # fmt: skip
"""The classes of errors that are answers: they name their status and are no bugs."""


def own_status(error: Exception) -> int | None:
    """Return the status that *error* itself names; None for a bug."""
    if isinstance(error, HTTPException):
        return error.status
    if isinstance(error, PathNotRegistered):
        return HTTPStatus.NOT_FOUND
    if isinstance(error, MethodNotApplicable):
        return HTTPStatus.METHOD_NOT_ALLOWED
    if isinstance(error, RemoteProtocolError) and 400 <= error.code <= 599:
        return error.code
    return None


def status_of(error: Exception) -> int:
    """Return the status that answers *error*; 500 unless it names another one."""
    return own_status(error) or HTTPStatus.INTERNAL_SERVER_ERROR


def headers_of(error: Exception) -> dict[str, str]:
    """Return the fields that the answer to *error* must carry (RFC 9110 §15.5.6: Allow)."""
    if isinstance(error, HTTPException):
        return error.headers
    if isinstance(error, MethodNotApplicable):
        return {"allow": ", ".join(error.allowed_methods)}
    return {}


class ErrorResponder:
    """Chooses and makes the answer to an error.

    Args:
        events: Where bugs are announced, as ``error``.
        convert: Makes a response of what an error handler returns.
        observers: Who is told of bugs.

    Attributes:
        development: True puts tracebacks on the default pages.
    """

    def __init__(
        self, events: EventAggregator, convert: Convert, *, observers: Sequence[Observer] = ()
    ) -> None:
        self.development = False
        self._events = events
        self._convert = convert
        self._observers = observers
        self._by_status: dict[int, ErrorHandler] = {}
        self._by_class: dict[type[Exception], ErrorHandler] = {}

    def register(self, key: ErrorKey, func: Callable[..., object]) -> None:
        """Let *func* answer errors with the status *key* or of the class *key*.

        Raises:
            ValueError: *key* is no error status.
            TypeError: *key* is neither a status nor an exception class, or *func* takes
                something that an error handler is not given.
            ConfigurationError: *key* has a handler already.
        """
        handler = ErrorHandler(func, self._convert)
        given: object = key
        if isinstance(given, type) and issubclass(given, Exception):
            _register(self._by_class, given, given.__name__, handler)
        elif isinstance(key, int):
            if not 400 <= key <= 599:
                raise ValueError(f"on_error takes a status from 400 to 599, not {int(key)}")
            _register(self._by_status, int(key), str(int(key)), handler)
        else:
            raise TypeError(f"on_error takes a status or an Exception class, not {key!r}")

    def expects(self, error: Exception) -> bool:
        """Return True unless *error* is a bug, that is, without an answer of its own."""
        if own_status(error) is not None:
            return True
        return any(cls in self._by_class for cls in type(error).__mro__ if cls is not Exception)

    def reply(self, conn: Connection, error: Exception) -> Response | NativeHandler:
        """Return the answer to *error*, or the handler that makes it. Never raises."""
        handler = self._find(error)
        if not self.expects(error):
            self._note(conn, error)
            if self._events.has_error_listeners():
                return functools.partial(self._announce_and_answer, error, handler)
        if handler is None:
            return self._page(conn, error)
        return functools.partial(self._answer, error, handler)

    async def report(self, conn: Connection, error: Exception) -> None:
        """Log and announce an *error* that can no longer be answered."""
        self._note(conn, error)
        await self._announce(conn, error)

    def _find(self, error: Exception) -> ErrorHandler | None:
        status = status_of(error)
        is_answer = own_status(error) is not None
        for cls in type(error).__mro__:
            if cls in self._by_class:
                return self._by_class[cls]
            if is_answer and cls in WITH_STATUS:
                # A catch-all for bugs is not asked about errors that are answers.
                return self._by_status.get(status)
        return self._by_status.get(status)

    async def _announce_and_answer(
        self,
        error: Exception,
        handler: ErrorHandler | None,
        conn: Connection,
        receive: Receive,
        send: Send,
    ) -> None:
        await self._announce(conn, error)
        if handler is None:
            await send(self._page(conn, error))
        else:
            await self._answer(error, handler, conn, receive, send)

    async def _announce(self, conn: Connection, error: Exception) -> None:
        try:
            await self._events.on_error(conn, error)
        except Exception:
            logger.exception("an interceptor of the error event failed")

    async def _answer(
        self,
        error: Exception,
        handler: ErrorHandler,
        conn: Connection,
        receive: Receive,
        send: Send,
    ) -> None:
        status = status_of(error)
        conn.state["error_status"] = status
        conn.state["error_exception"] = error
        if isinstance(error, MethodNotApplicable):
            conn.state["allowed_methods"] = error.allowed_methods
        out = Outgoing(send)
        try:
            reply = await handler(conn, error, status, receive, out.send)
        except Exception as failure:
            if out.started:
                raise
            # A handler that raises an HTTPException chose another answer; any other is a bug.
            if not isinstance(failure, HTTPException):
                self._note(conn, failure)
            reply = self._page(conn, failure)
        if reply is None:
            return
        if isinstance(reply, Response):
            _complete(reply, error)
            await send(reply)
        else:
            await reply(conn, receive, send)

    def _note(self, conn: Connection, error: Exception) -> None:
        """Log a bug, and tell whoever watches."""
        logger.error("%s %r failed", conn.head.method, conn.head.path, exc_info=error)
        tell(self._observers, lambda each: each.exchange_failed(conn, error))

    def _page(self, conn: Connection, error: Exception) -> Response:
        show = self.development
        try:
            headers = headers_of(error)
            return error_page(
                conn, status_of(error), error=error, headers=headers, development=show
            )
        except ValueError as unsafe:
            # The error's own fields cannot be sent: that is a bug like any other.
            self._note(conn, unsafe)
            return error_page(conn, 500, error=unsafe, development=show)


def _register(handlers: dict[K, ErrorHandler], key: K, name: str, handler: ErrorHandler) -> None:
    if key in handlers:
        raise ConfigurationError(
            f"on_error({name}) is {handlers[key].name} already; "
            f"{handler.name} needs another status or class"
        )
    handlers[key] = handler


def _complete(reply: Response, error: Exception) -> None:
    present = {name for name, _ in reply.fields}
    for name, value in headers_of(error).items():
        if name.lower().encode("ascii") not in present:
            reply.add_header(name, value)
