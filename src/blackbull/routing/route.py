"""What is registered, and what a look-up answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from blackbull.errors import BlackBullError
from blackbull.limits import LimitOverrides
from blackbull.protocol.grammar import is_token

from .handler.plan import Immediate, Plan, compile_handler
from .handler.returns import ReturnConverters
from .handler.websocket import compile_websocket_handler
from .origins import Origins
from .pattern import CONVERTERS, PathPattern, Placeholder, parse_path

Handler: TypeAlias = Callable[..., object]
Middleware: TypeAlias = Callable[..., object]

WEBSOCKET: Final = "websocket"
"""The scheme of routes that serve WebSockets."""


class PathNotRegistered(BlackBullError, KeyError):
    """No route matches the path: 404."""

    def __str__(self) -> str:
        return f"no route matches {self.args[0]!r}"


class MethodNotApplicable(BlackBullError):
    """Routes match the path, but none of them with this method: 405.

    Attributes:
        allowed_methods: What the ``allow`` field of the answer names (RFC 9110 §15.5.6).
    """

    def __init__(self, allowed_methods: Iterable[str]) -> None:
        self.allowed_methods = tuple(sorted(allowed_methods))
        super().__init__(f"the path allows {', '.join(self.allowed_methods)}")


class RouteInfo(NamedTuple):
    """One method of one route."""

    method: str
    path: str
    name: str = ""


class Route:
    """One handler at one path.

    Args:
        methods: One method or several.
        path: As :func:`~blackbull.routing.pattern.parse_path` reads it, or a compiled regular
            expression, whose named groups are placeholders, for the whole path.
        handler: What the user wrote.
        plan: How to call it.
        name: For :meth:`Router.url_path_for`; ``""`` for none.
        middlewares: What runs around the handler, the outermost first.
        scheme: ``"http"`` or ``"websocket"``.
        origins: Who may open the WebSocket; None: everybody.
        max_message_size: Bytes that a message from the client may have; None: as the settings say.
        limits: What requests may take, where it is not as the settings say.

    Attributes:
        pattern: The parsed path; None for a regular expression.
        placeholders: By name, in the order of the path.
        immediate: The plan's, unless there are middlewares: answers in the arrival callback.

    Raises:
        ValueError: a method is no token, or *path* is malformed.
    """

    __slots__ = (
        "handler", "immediate", "limits", "max_message_size", "methods", "middlewares", "name",
        "origins", "path", "pattern", "placeholders", "plan", "scheme",
    )  # fmt: skip

    def __init__(
        self,
        methods: str | Iterable[str],
        path: str | re.Pattern[str],
        *,
        handler: Handler,
        plan: Plan,
        name: str = "",
        middlewares: Sequence[Middleware] = (),
        scheme: str = "http",
        origins: Origins | None = None,
        max_message_size: int | None = None,
        limits: LimitOverrides | None = None,
    ) -> None:
        self.methods = method_names(methods)
        self.path = path
        self.pattern: PathPattern | None = parse_path(path) if isinstance(path, str) else None
        self.placeholders = placeholders_of(path)
        self.handler = handler
        self.plan = plan
        self.name = name
        self.middlewares = tuple(middlewares)
        self.scheme = str(scheme)
        self.origins = origins
        self.max_message_size = max_message_size
        self.limits = limits or None
        self.immediate: Immediate | None = None if self.middlewares else plan.immediate

    @property
    def path_text(self) -> str:
        """The path as text; a regular expression's source."""
        return self.path if isinstance(self.path, str) else self.path.pattern

    def __repr__(self) -> str:
        return f"<Route {' '.join(self.methods)} {self.path_text} to {handler_name(self.handler)}>"


class Match:
    """A route and what its placeholders matched.

    Attributes:
        route: The route.
    """

    __slots__ = ("_params", "route")

    def __init__(self, route: Route, params: dict[str, object]) -> None:
        self.route = route
        self._params = params

    @property
    def params(self) -> dict[str, object]:
        """The converted values by placeholder: a new dict each time, for a match is shared."""
        return self._params.copy()


def make_route(
    methods: str | Iterable[str],
    path: str | re.Pattern[str],
    *,
    handler: Handler,
    converters: ReturnConverters,
    name: str = "",
    middlewares: Sequence[Middleware] = (),
    scheme: str = "http",
    allow_origins: Iterable[str] | str | None = None,
    max_message_size: int | None = None,
    limits: LimitOverrides | None = None,
) -> Route:
    """Return the route for *handler*, compiled; see :class:`Route` for the arguments.

    Raises:
        TypeError: the handler's signature cannot be served.
        ValueError: as :class:`Route`; an origin is malformed; an option does not go with *scheme*.
    """
    if scheme not in {"http", WEBSOCKET}:
        raise ValueError(f"{str(scheme)!r} is no scheme: it is Scheme.http or Scheme.websocket")
    placeholders = placeholders_of(path)
    if scheme == WEBSOCKET:
        if method_names(methods) != ("GET",):
            raise ValueError(f"{path!r} is a WebSocket: it has no methods, leave them out")
        if limits:
            raise ValueError(
                f"{path!r} is a WebSocket: of a request's limits it has none but max_message_size"
            )
        if max_message_size is not None and max_message_size <= 0:
            raise ValueError(f"max_message_size is a number of bytes, not {max_message_size}")
        plan = compile_websocket_handler(handler, placeholders=placeholders)
    elif allow_origins is not None or max_message_size is not None:
        raise ValueError(
            f"{path!r}: allow_origins and max_message_size are for scheme=Scheme.websocket"
        )
    else:
        plan = compile_handler(handler, placeholders=placeholders, converters=converters)
    return Route(
        methods,
        path,
        handler=handler,
        plan=plan,
        name=name,
        middlewares=middlewares,
        scheme=scheme,
        origins=None if allow_origins is None else Origins(allow_origins),
        max_message_size=max_message_size,
        limits=limits,
    )


def placeholders_of(path: str | re.Pattern[str]) -> Mapping[str, Placeholder]:
    """Return the placeholders of *path*; the named groups of a regular expression are text.

    Raises:
        ValueError: *path* is malformed.
    """
    if isinstance(path, str):
        return parse_path(path).placeholders
    text = CONVERTERS["str"]
    return {name: Placeholder(name, text, explicit=False) for name in path.groupindex}


def method_names(methods: str | Iterable[str]) -> tuple[str, ...]:
    """Return the methods as text, each once, in the order given.

    Raises:
        ValueError: there is none, or one is no token.

    Spec:
        RFC 9110 §9.1
    """
    given = [methods] if isinstance(methods, str) else list(methods)
    names = tuple(dict.fromkeys(str(getattr(item, "value", item)) for item in given))
    if not names:
        raise ValueError("a route needs at least one method")
    for name in names:
        if not name.isascii() or not is_token(name.encode("ascii")):
            raise ValueError(f"{name!r} is no method: it must be a token, such as 'GET'")
    return names


def handler_name(handler: object) -> str:
    """Return how to call *handler* in a message."""
    name = getattr(handler, "__qualname__", None) or type(handler).__qualname__
    module = getattr(handler, "__module__", None)
    return f"{module}.{name}" if module else str(name)
