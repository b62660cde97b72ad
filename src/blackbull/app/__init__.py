"""The application layer."""

from __future__ import annotations

from .application import BlackBull
from .routes import RouteGroup

__all__ = ["BlackBull", "RouteGroup"]
