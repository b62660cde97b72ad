"""ASGI 3.0, at the border: other servers run our applications, our server runs theirs."""

from __future__ import annotations

from blackbull.native import ResponseBody, ResponseStart

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
)

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
    "as_native_app",
    "is_asgi_app",
    "parse_response_event",
    "serve_scope",
]
