"""What the routing tests share: a request without a server, and who answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from blackbull.connection import Connection, KnownEndpoint
from blackbull.native import (
    NativeHandler,
    RequestBody,
    RequestDisconnected,
    RequestMessage,
    ResponseMessage,
)
from blackbull.protocol.head import RequestHead
from blackbull.response import Response
from blackbull.routing import Route, make_route
from blackbull.routing.handler import Plan, ReturnConverters


def connection(
    method: str = "GET",
    path: str = "/",
    *,
    query: bytes = b"",
    content: bytes | None = b"",
    parts: list[bytes] | None = None,
    params: Mapping[str, object] | None = None,
) -> Connection:
    """Return a request; *parts* arrive through ``receive``, *content* has arrived already."""
    conn = Connection(RequestHead(method, path, query_string=query), KnownEndpoint())
    conn._content = None if parts is not None else content
    conn.receive = receiver(parts or [])
    if params is not None:
        conn.path_params = params
    return conn


def receiver(parts: list[bytes]) -> Callable[[], object]:
    """Return a ``receive`` of *parts*, and of a disconnection after them."""
    waiting = list(parts)

    async def receive() -> RequestMessage:
        if not waiting:
            return RequestDisconnected()
        data = waiting.pop(0)
        return RequestBody(data, bool(waiting))

    return receive


class Sent(list[ResponseMessage]):
    """Keeps what is sent."""

    async def __call__(self, message: ResponseMessage) -> None:
        self.append(message)


async def sent_by(handler: NativeHandler, conn: Connection) -> Sent:
    """Return what *handler* sends."""
    sent = Sent()
    await handler(conn, conn.receive, sent)
    return sent


async def response_of(handler: NativeHandler, conn: Connection) -> Response:
    """Return the one response that *handler* sends."""
    (response,) = await sent_by(handler, conn)
    assert isinstance(response, Response)
    return response


def plan_of(handler: Callable[..., object], path: str = "/") -> Plan:
    """Return the plan for *handler* at *path*."""
    return route_of(handler, path).plan


def route_of(
    handler: Callable[..., object], path: str = "/", *, methods: str = "GET", **more: object
) -> Route:
    """Return the route for *handler* at *path*."""
    return make_route(methods, path, handler=handler, converters=ReturnConverters(), **more)


__all__ = [
    "Sent",
    "connection",
    "plan_of",
    "receiver",
    "response_of",
    "route_of",
    "sent_by",
]
