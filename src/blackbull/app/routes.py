"""Where handlers are registered: the application, and groups of routes within it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from blackbull.limits import LimitOverrides
from blackbull.middleware import Middleware
from blackbull.routing.handler.returns import ReturnConverters
from blackbull.routing.route import WEBSOCKET, make_route
from blackbull.routing.router import Router
from blackbull.utils import Scheme

F = TypeVar("F", bound=Callable[..., object])


class Routes:
    """Registers handlers: what an application and its groups have in common.

    Args:
        router: The table of routes.
        converters: What is made of that which handlers return.
        middlewares: What runs around every handler that is registered here, the outermost first.
        limits: Those of its routes that have none of their own.
    """

    def __init__(
        self,
        router: Router,
        converters: ReturnConverters,
        *,
        middlewares: Sequence[Middleware] = (),
        limits: LimitOverrides | None = None,
    ) -> None:
        self.router = router
        self._converters = converters
        self._shared_middlewares = tuple(middlewares)
        self._shared_limits = limits or LimitOverrides()

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
        """Register the decorated function as the handler of *path*.

        Args:
            methods: One method or several; case-sensitive. A WebSocket has none.
            path: Text with placeholders such as ``{id:int}``, or a compiled regular expression.
            scheme: What kind of exchange the route serves.
            middlewares: What runs around this handler only, the outermost first.
            name: For :meth:`url_path_for`.
            allow_origins: Whose pages may open the WebSocket: origins, ``"self"``, ``"null"``;
                None or ``"*"``: all. A client that names no origin is no browser and is let in.
            max_message_size: Bytes that a message to the WebSocket may have.
            max_body_size: Bytes of content that a request may have; 0: none at all.
            body_timeout: Seconds that the next part of the content may take to arrive; 0: no limit.
            body_total_timeout: Seconds that it may be waited for in all; 0: no limit.
            min_body_rate: Bytes per second that must arrive on average; 0: no limit.
            request_timeout: Seconds until the request fails, handler and all; 0: no limit.

        The last six are as the group says where they are None, and as the settings say without one.

        Raises:
            ConfigurationError: another handler has the same path and method.
            RuntimeError: the application has started.
            TypeError: the handler takes something that cannot be given.
            ValueError: *path*, a method or an origin is malformed, a limit is negative, *name* is
                taken, or an option does not go with *scheme*.
        """
        if isinstance(methods, str) and methods.startswith("/"):
            raise ValueError(f"the path is not the first argument: write route(path={methods!r})")
        limits = LimitOverrides(
            max_body_size=max_body_size,
            body_timeout=body_timeout,
            body_total_timeout=body_total_timeout,
            min_body_rate=min_body_rate,
            request_timeout=request_timeout,
        )
        if scheme != WEBSOCKET:
            limits = limits.within(self._shared_limits)

        def register(handler: F) -> F:
            self.router.add(
                make_route(
                    methods,
                    path,
                    handler=handler,
                    converters=self._converters,
                    name=name,
                    middlewares=(*self._shared_middlewares, *middlewares),
                    scheme=scheme,
                    allow_origins=allow_origins,
                    max_message_size=max_message_size,
                    limits=limits,
                )
            )
            return handler

        return register

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
        """Return a group of routes, within this one if this is a group.

        Its routes run inside *middlewares*, the outermost first, and have its limits, which are
        those of :meth:`route`, where they have none of their own.

        Raises:
            ValueError: a limit is negative.
        """
        return RouteGroup(
            self,
            middlewares,
            limits=LimitOverrides(
                max_body_size=max_body_size,
                body_timeout=body_timeout,
                body_total_timeout=body_total_timeout,
                min_body_rate=min_body_rate,
                request_timeout=request_timeout,
            ),
        )


class RouteGroup(Routes):
    """Routes that share middleware and limits.

    Args:
        outer: The application, or the group around this one.
        middlewares: The group's middleware, the outermost first; it runs within the outer one's.
        limits: Those of its routes that have none of their own.
    """

    def __init__(
        self,
        outer: Routes,
        middlewares: Sequence[Middleware] = (),
        *,
        limits: LimitOverrides | None = None,
    ) -> None:
        super().__init__(
            outer.router,
            outer._converters,
            middlewares=(*outer._shared_middlewares, *middlewares),
            limits=(limits or LimitOverrides()).within(outer._shared_limits),
        )
