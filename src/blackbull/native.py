"""The one seam between whoever serves and the application: typed messages, no dicts.

``NativeApp`` is what a server drives. Our own server, the ASGI guest adapter and the in-process
test client all call it with a :class:`~blackbull.connection.Connection`, a ``receive`` that
returns :data:`RequestMessage` and a ``send`` that takes :data:`ResponseMessage`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias, cast

from .connection import Connection
from .limits import LimitOverrides
from .messages import (
    InterimResponse,
    Receive,
    RequestBody,
    RequestDisconnected,
    RequestMessage,
    ResponseBody,
    ResponsePush,
    ResponseStart,
    ResponseTrailers,
)
from .protocol.head import RequestHead
from .response import Response, ResponseMessage, Send

__all__ = [
    "FindLimits",
    "InterimResponse",
    "NativeApp",
    "NativeHandler",
    "Receive",
    "RequestBody",
    "RequestDisconnected",
    "RequestMessage",
    "ResponseBody",
    "ResponseMessage",
    "ResponsePush",
    "ResponseStart",
    "ResponseTrailers",
    "Send",
    "find_limits",
]

NativeHandler: TypeAlias = Callable[[Connection, Receive, Send], Awaitable[None]]
FindLimits: TypeAlias = Callable[[RequestHead], LimitOverrides | None]


class NativeApp(Protocol):
    """An application, as servers drive it."""

    def begin(self, conn: Connection) -> Response | NativeHandler:
        """Answer at once if nothing has to be waited for; else say who answers in a task.

        Called in the callback that received the request, so it must not block. It never raises:
        what a handler raises has become an error response or the handler that makes one.
        """

    async def __call__(self, conn: Connection, receive: Receive, send: Send) -> None:
        """Answer one request; what :meth:`begin` starts, all of it in the current task."""

    async def startup(self) -> None:
        """Run before the first connection is accepted; an exception stops the server."""

    async def stopping(self) -> None:
        """End what would not end by itself: the server was told to stop, and waits for the rest.

        Called before connections are closed. It never raises, and does not wait for long.
        """

    async def shutdown(self) -> None:
        """Run after the last connection was closed."""


def find_limits(app: NativeApp) -> FindLimits | None:
    """Return what says which limits *app* sets for a request; None if it sets none for any.

    An application whose requests are not all alike has an attribute ``find_limits``, once it has
    started: from a request's head to what differs from the settings, before any content is read.
    """
    return cast("FindLimits | None", getattr(app, "find_limits", None))
