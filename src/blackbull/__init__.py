"""BlackBull: HTTP, raw TCP protocols and more, served by one Python process.

The names below are loaded when they are first used: importing the package loads no server.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blackbull.app import BlackBull
    from blackbull.config import Settings
    from blackbull.connection import Connection
    from blackbull.cookies import cookie_header
    from blackbull.di import Depends
    from blackbull.errors import ClientDisconnected, HTTPException, WebSocketDisconnect
    from blackbull.event import Event, EventHandler
    from blackbull.extension import Extension
    from blackbull.headers import Headers
    from blackbull.messages import ResponseBody, ResponseStart
    from blackbull.middleware import as_middleware
    from blackbull.request import (
        cookies_from_headers,
        parse_cookies,
        read_body,
        read_json,
        read_text,
    )
    from blackbull.response import (
        EventSourceResponse,
        JSONResponse,
        RedirectResponse,
        Response,
        StreamingResponse,
        WebSocketResponse,
    )
    from blackbull.routing.route import RouteInfo
    from blackbull.transport.listener import InheritedFd, Listener, Tcp, Unix
    from blackbull.transport.tls import TLSFiles
    from blackbull.websocket import WebSocket

__version__ = "0.1.0"

_HOME = {
    "BlackBull": "app",
    "ClientDisconnected": "errors",
    "Connection": "connection",
    "Depends": "di",
    "Event": "event",
    "EventHandler": "event",
    "EventSourceResponse": "response",
    "Extension": "extension",
    "HTTPException": "errors",
    "Headers": "headers",
    "InheritedFd": "transport.listener",
    "JSONResponse": "response",
    "Listener": "transport.listener",
    "RedirectResponse": "response",
    "Response": "response",
    "ResponseBody": "messages",
    "ResponseStart": "messages",
    "RouteInfo": "routing.route",
    "Settings": "config",
    "StreamingResponse": "response",
    "TLSFiles": "transport.tls",
    "Tcp": "transport.listener",
    "Unix": "transport.listener",
    "WebSocket": "websocket",
    "WebSocketDisconnect": "errors",
    "WebSocketResponse": "response",
    "as_middleware": "middleware",
    "cookie_header": "cookies",
    "cookies_from_headers": "request",
    "parse_cookies": "request",
    "read_body": "request",
    "read_json": "request",
    "read_text": "request",
}

__all__ = [
    "BlackBull",
    "ClientDisconnected",
    "Connection",
    "Depends",
    "Event",
    "EventHandler",
    "EventSourceResponse",
    "Extension",
    "HTTPException",
    "Headers",
    "InheritedFd",
    "JSONResponse",
    "Listener",
    "RedirectResponse",
    "Response",
    "ResponseBody",
    "ResponseStart",
    "RouteInfo",
    "Settings",
    "StreamingResponse",
    "TLSFiles",
    "Tcp",
    "Unix",
    "WebSocket",
    "WebSocketDisconnect",
    "WebSocketResponse",
    "as_middleware",
    "cookie_header",
    "cookies_from_headers",
    "parse_cookies",
    "read_body",
    "read_json",
    "read_text",
]


def __getattr__(name: str) -> object:
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module 'blackbull' has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"blackbull.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
