"""Groups of routes that share middleware."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from blackbull.middleware import Middleware
from blackbull.utils import Scheme

if TYPE_CHECKING:
    from .application import BlackBull

F = TypeVar("F", bound=Callable[..., object])


class RouteGroup:
    """Registers routes whose middleware begins with the group's.

    Args:
        app: The application that the routes belong to.
        middlewares: The group's middleware, the outermost first.
    """

    def __init__(self, app: BlackBull, middlewares: Sequence[Middleware] = ()) -> None:
        self._app = app
        self._middlewares = tuple(middlewares)

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
    ) -> Callable[[F], F]:
        """Register a handler, as :meth:`BlackBull.route` does, inside the group's middleware."""
        return self._app.route(
            methods,
            path,
            scheme=scheme,
            middlewares=(*self._middlewares, *middlewares),
            name=name,
            allow_origins=allow_origins,
            max_message_size=max_message_size,
        )

    def group(self, middlewares: Sequence[Middleware] = ()) -> RouteGroup:
        """Return a group inside this one: its middleware runs within this group's."""
        return RouteGroup(self._app, (*self._middlewares, *middlewares))
