"""Middleware: code around handlers; :mod:`blackbull.middleware.chain` says how."""

from __future__ import annotations

from .chain import Middleware, compose
from .normalise import as_middleware
from .opening import websocket
from .trusted_proxy import TrustedProxy

__all__ = ["Middleware", "TrustedProxy", "as_middleware", "compose", "websocket"]
