"""Routing: from a method and a path to the plan that answers."""

from __future__ import annotations

from .route import (
    Match,
    MethodNotApplicable,
    PathNotRegistered,
    Route,
    RouteInfo,
    make_route,
    placeholders_of,
)
from .router import Router

__all__ = [
    "Match",
    "MethodNotApplicable",
    "PathNotRegistered",
    "Route",
    "RouteInfo",
    "Router",
    "make_route",
    "placeholders_of",
]
