"""Telling an ASGI 3.0 application from what looks a little like one."""

from __future__ import annotations

import inspect
from typing import TypeGuard

from .types import ASGIApplication

_NOTHING = object()


def is_asgi_app(app: object) -> TypeGuard[ASGIApplication]:
    """Return True if *app* can be called as ``await app(scope, receive, send)``.

    Only the signature is looked at; nothing is called. A class counts if its instances can be
    awaited.

    Spec:
        ASGI 3.0, "Applications"
    """
    if isinstance(app, type) and not hasattr(app, "__await__"):
        return False
    return _takes(app, 3)


def explain_no_asgi(app: object) -> str:
    """Return why *app* is no ASGI 3.0 application, and the cure."""
    name = getattr(app, "__qualname__", None) or type(app).__qualname__
    if not callable(app):
        return f"{name} is no ASGI 3.0 application: it cannot be called"
    if _takes(app, 1):
        return (
            f"{name} is an ASGI 2 application: call it as ASGI 3, for example with "
            "asgiref.compatibility.guarantee_single_callable(app)"
        )
    if _takes(app, 2):
        return f"{name} looks like a WSGI application: wrap it, for example with a2wsgi"
    if _takes(app, 0):
        return f"{name} takes no arguments: if it makes the application, name what it returns"
    return f"{name} is no ASGI 3.0 application: it must take (scope, receive, send)"


def _takes(app: object, count: int) -> bool:
    """Return True if *app* can be called with *count* positional arguments."""
    if not callable(app):
        return False
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return False
    try:
        signature.bind(*[_NOTHING] * count)
    except TypeError:
        return False
    return True
