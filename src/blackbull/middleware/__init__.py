"""Middleware: code around handlers. The seam only; see :mod:`blackbull.middleware.chain`."""

from __future__ import annotations

from .chain import Middleware, compose
from .normalise import as_middleware

__all__ = ["Middleware", "as_middleware", "compose"]
