"""Groups of routes that share middleware and limits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from blackbull.limits import LimitOverrides, given
from blackbull.middleware import Middleware
from blackbull.routing.route import WEBSOCKET
from blackbull.utils import Scheme

if TYPE_CHECKING:
    from .application import BlackBull

F = TypeVar("F", bound=Callable[..., object])


class RouteGroup:
    """Registers routes whose middleware begins with the group's.

    Args:
        app: The application that the routes belong to.
        middlewares: The group's middleware, the outermost first.
        limits: Those of its routes that have none of their own.
    """

    def __init__(
        self,
        app: BlackBull,
        middlewares: Sequence[Middleware] = (),
        *,
        limits: LimitOverrides | None = None,
    ) -> None:
        self._app = app
        self._middlewares = tuple(middlewares)
        self._limits = limits or LimitOverrides()

    def route(
        self,
        methods: str | Iterable[str] = "GET",
        path: str | re.Pattern[str] = "/",
        *,
        scheme: Scheme | str = Scheme.http,
        middlewares: Sequence[Middleware] = (),
        name: str = "",
        allow_origins: Iterable[str] | str | None = None,
        max_message_size: int | None = None,
        max_body_size: int | None = None,
        body_timeout: float | None = None,
        body_total_timeout: float | None = None,
        min_body_rate: float | None = None,
        request_timeout: float | None = None,
    ) -> Callable[[F], F]:
        """Register a handler, as :meth:`BlackBull.route` does, inside the group's middleware."""
        limits = LimitOverrides(
            max_body_size=max_body_size,
            body_timeout=body_timeout,
            body_total_timeout=body_total_timeout,
            min_body_rate=min_body_rate,
            request_timeout=request_timeout,
        )
        if scheme != WEBSOCKET:
            limits = limits.within(self._limits)
        return self._app.route(
            methods,
            path,
            scheme=scheme,
            middlewares=(*self._middlewares, *middlewares),
            name=name,
            allow_origins=allow_origins,
            max_message_size=max_message_size,
            **given(limits),
        )

    def group(
        self,
        middlewares: Sequence[Middleware] = (),
        *,
        max_body_size: int | None = None,
        body_timeout: float | None = None,
        body_total_timeout: float | None = None,
        min_body_rate: float | None = None,
        request_timeout: float | None = None,
    ) -> RouteGroup:
        """Return a group inside this one: its middleware runs within this group's."""
        limits = LimitOverrides(
            max_body_size=max_body_size,
            body_timeout=body_timeout,
            body_total_timeout=body_total_timeout,
            min_body_rate=min_body_rate,
            request_timeout=request_timeout,
        )
        return RouteGroup(
            self._app,
            (*self._middlewares, *middlewares),
            limits=limits.within(self._limits),
        )
