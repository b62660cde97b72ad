"""Where programs look for the names of routing; they live in :mod:`blackbull.routing`."""

from __future__ import annotations

from .errors import HTTPException
from .routing import (
    Match,
    MethodNotApplicable,
    PathNotRegistered,
    Route,
    RouteInfo,
    Router,
)
from .utils import Scheme

__all__ = [
    "HTTPException",
    "Match",
    "MethodNotApplicable",
    "PathNotRegistered",
    "Route",
    "RouteInfo",
    "Router",
    "Scheme",
]
