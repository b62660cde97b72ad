"""Middleware: code around handlers; :mod:`blackbull.middleware.chain` says how."""

from __future__ import annotations

from .chain import Middleware, compose
from .normalise import as_middleware
from .opening import websocket

__all__ = ["Middleware", "as_middleware", "compose", "websocket"]
