"""ASGI 3.0, at the border: other servers run our applications, our server runs theirs.

The names are loaded when they are first used: an application that nobody hosts loads no border.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from blackbull.messages import ResponseBody, ResponseStart

if TYPE_CHECKING:
    from .guest import serve_scope
    from .host import HostedApp, as_native_app, is_asgi_app
    from .messages import parse_response_event
    from .types import (
        ASGIApplication,
        ASGIEvent,
        ASGIReceiveCallable,
        ASGIReceiveEvent,
        ASGISendCallable,
        ASGISendEvent,
        ASGIVersions,
        HTTPDisconnectEvent,
        HTTPRequestEvent,
        HTTPResponseBodyEvent,
        HTTPResponseEarlyHintEvent,
        HTTPResponseStartEvent,
        HTTPResponseTrailersEvent,
        HTTPScope,
        LifespanEvent,
        LifespanScope,
        Scope,
        WebSocketAcceptEvent,
        WebSocketCloseEvent,
        WebSocketConnectEvent,
        WebSocketDisconnectEvent,
        WebSocketReceiveEvent,
        WebSocketScope,
        WebSocketSendEvent,
    )

_HOME = {
    "HostedApp": "host",
    "as_native_app": "host",
    "is_asgi_app": "host",
    "parse_response_event": "messages",
    "serve_scope": "guest",
}

__all__ = [
    "ASGIApplication",
    "ASGIEvent",
    "ASGIReceiveCallable",
    "ASGIReceiveEvent",
    "ASGISendCallable",
    "ASGISendEvent",
    "ASGIVersions",
    "HTTPDisconnectEvent",
    "HTTPRequestEvent",
    "HTTPResponseBodyEvent",
    "HTTPResponseEarlyHintEvent",
    "HTTPResponseStartEvent",
    "HTTPResponseTrailersEvent",
    "HTTPScope",
    "HostedApp",
    "LifespanEvent",
    "LifespanScope",
    "ResponseBody",
    "ResponseStart",
    "Scope",
    "WebSocketAcceptEvent",
    "WebSocketCloseEvent",
    "WebSocketConnectEvent",
    "WebSocketDisconnectEvent",
    "WebSocketReceiveEvent",
    "WebSocketScope",
    "WebSocketSendEvent",
    "as_native_app",
    "is_asgi_app",
    "parse_response_event",
    "serve_scope",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'blackbull.asgi' has no attribute {name!r}")
    home = importlib.import_module(f"blackbull.asgi.{_HOME.get(name, 'types')}")
    value: object = getattr(home, name)
    globals()[name] = value
    return value
