"""The table of routes: registration, look-up, URLs."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import TypeAlias

from blackbull.errors import ConfigurationError
from blackbull.limits import LimitOverrides
from blackbull.native import FindLimits
from blackbull.protocol.head import RequestHead

from .route import (
    Match,
    MethodNotApplicable,
    PathNotRegistered,
    Route,
    RouteInfo,
    handler_name,
)
from .trie import Trie
from .validate import problems

Table: TypeAlias = dict[str, Route]
"""Routes of one path, by method."""

StaticLimits: TypeAlias = dict[str, dict[str, LimitOverrides | None]]
"""What routes without placeholders say about their requests, by path and method."""

# A longer path is looked up each time: what a client sends must not fill the memory.
MAX_REMEMBERED_PATH = 256


class _Lane:
    """The routes of one scheme."""

    __slots__ = ("regexes", "trie")

    def __init__(self) -> None:
        self.trie: Trie[Table] = Trie()
        self.regexes: dict[tuple[str, int], tuple[Callable[[str], re.Match[str] | None], Table]]
        self.regexes = {}


class Router:
    """Routes by scheme, path and method.

    More exact paths win over less exact ones, whatever the order of registration; regular
    expressions come last, in the order of registration. A route for GET serves HEAD too, unless
    HEAD has its own (RFC 9110 §9.3.2).

    Args:
        cache_max: How many look-ups of paths with placeholders are remembered; 0 for none.

    Attributes:
        routes: Every route, in the order of registration.
        static: From path to method to route, for HTTP paths without placeholders; filled by
            :meth:`freeze`, empty before.
        frozen: True after :meth:`freeze`.
    """

    __slots__ = (
        "_cache_max", "_lanes", "_named", "_older", "_recent", "frozen", "routes", "static",
    )  # fmt: skip

    def __init__(self, *, cache_max: int = 2048) -> None:
        self._cache_max = cache_max
        self._lanes: dict[str, _Lane] = {}
        self._named: dict[str, Route] = {}
        # Two generations: when the recent one is full it becomes the older one. What is used
        # stays; nothing has to be moved for each look-up.
        self._recent: dict[tuple[str, str, str], Match] = {}
        self._older: dict[tuple[str, str, str], Match] = {}
        self.routes: list[Route] = []
        self.static: dict[str, Table] = {}
        self.frozen = False

    def add(self, route: Route) -> None:
        """Register *route*; nothing is registered when this raises.

        Raises:
            ConfigurationError: another handler has the same path and method.
            RuntimeError: the router is frozen.
            ValueError: another route has the same name.
        """
        if self.frozen:
            raise RuntimeError(
                f"{route.path_text} was registered after the start: register routes before run()"
            )
        taken = self._named.get(route.name) if route.name else None
        if taken is not None:
            raise ValueError(
                f"the name {route.name!r} belongs to {taken.path_text}: choose another one"
            )
        table = self._table(route)
        for method in route.methods:
            if method in table:
                raise ConfigurationError(
                    f"{method} {route.path_text} has two handlers, "
                    f"{handler_name(table[method].handler)} and {handler_name(route.handler)}: "
                    "remove one or change its path"
                )
        table.update(dict.fromkeys(route.methods, route))
        if route.name:
            self._named[route.name] = route
        self.routes.append(route)
        self._recent.clear()
        self._older.clear()

    def find(self, method: str, path: str, scheme: str = "http") -> Match:
        """Return the route for a request, with the values of its placeholders.

        Args:
            method: Case-sensitive.
            path: Percent-decoded, without the query.
            scheme: ``"http"`` or ``"websocket"``.

        Raises:
            MethodNotApplicable: routes match the path, but not the method.
            PathNotRegistered: no route matches the path.
        """
        key = (method, path, scheme)
        match = self._recent.get(key)
        if match is None:
            match = self._older.get(key) or self._search(method, path, scheme)
            if self._cache_max and len(path) <= MAX_REMEMBERED_PATH:
                self._remember(key, match)
        return match

    def template(self, method: str, path: str, scheme: str = "http") -> str:
        """Return the path of the route that serves a request, as it was registered.

        Args:
            method: Case-sensitive; a WebSocket's, over HTTP/2 as well, is of no matter.
            path: Percent-decoded, without the query.
            scheme: ``"http"`` or ``"websocket"``.

        Returns:
            ``""`` if no route does; a regular expression's source.
        """
        table = self.static.get(path)
        if scheme == "http" and table is not None and method in table:
            return table[method].path_text
        try:
            return self.find("GET" if scheme != "http" else method, path, scheme).route.path_text
        except (PathNotRegistered, MethodNotApplicable):
            return ""

    def freeze(self) -> None:
        """Refuse registrations from now on and build :attr:`static`."""
        self.frozen = True
        self.static = {}
        for route in self.routes:
            if route.scheme == "http" and route.pattern is not None and route.pattern.is_static:
                table = self.static.setdefault(route.pattern.path, {})
                table.update(dict.fromkeys(route.methods, route))
        for table in self.static.values():
            if "GET" in table:
                table.setdefault("HEAD", table["GET"])

    def limits_finder(self) -> FindLimits | None:
        """Return what finds the limits that a request's route sets; None if no route sets any."""
        limited = [route for route in self.routes if route.limits is not None]
        if not limited:
            return None
        static = {
            path: {method: route.limits for method, route in table.items()}
            for path, table in self.static.items()
        }
        if all(route.pattern is not None and route.pattern.is_static for route in limited):
            return functools.partial(_find_static, static)
        return functools.partial(self._find_limits, static)

    def _find_limits(self, static: StaticLimits, head: RequestHead) -> LimitOverrides | None:
        table = static.get(head.path)
        if table is not None and head.method in table:
            return table[head.method]
        try:
            return self.find(head.method, head.path).route.limits
        except (PathNotRegistered, MethodNotApplicable):
            return None

    def validate(self) -> None:
        """Check every route.

        Raises:
            ConfigurationError: lists all that is wrong.
        """
        found = problems(self.routes)
        if found:
            raise ConfigurationError("\n".join(found))

    def url_path_for(self, name: str, /, **params: object) -> str:
        """Return the path of the route called *name*.

        Raises:
            KeyError: there is no such route.
            ValueError: *params* do not fit its placeholders, or its path is a regular expression.
        """
        route = self._named.get(name)
        if route is None:
            raise KeyError(f"no route is named {name!r}")
        if route.pattern is None:
            raise ValueError(f"the route {name!r} is a regular expression, not a template")
        return route.pattern.build(params)

    def info(self) -> list[RouteInfo]:
        """Return one entry per method of every route, in the order of registration."""
        return [
            RouteInfo(method, route.path_text, route.name)
            for route in self.routes
            for method in route.methods
        ]

    def _table(self, route: Route) -> Table:
        """Return the table that *route* belongs in, made when it is not there yet."""
        lane = self._lanes.setdefault(route.scheme, _Lane())
        if route.pattern is not None:
            node = lane.trie.place(route.pattern)
            if node.value is None:
                node.value = {}
            return node.value
        assert not isinstance(route.path, str)
        key = (route.path.pattern, route.path.flags)
        return lane.regexes.setdefault(key, (route.path.fullmatch, {}))[1]

    def _search(self, method: str, path: str, scheme: str) -> Match:
        allowed: set[str] = set()

        def choose(table: Table) -> Route | None:
            route = table.get(method)
            if route is None and method == "HEAD":
                route = table.get("GET")
            if route is None:
                allowed.update(table)
            return route

        lane = self._lanes.get(scheme)
        if lane is not None:
            found = lane.trie.find(path, choose)
            if found is not None:
                route, values = found
                return Match(route, dict(zip(route.placeholders, values, strict=True)))
            for fullmatch, table in lane.regexes.values():
                matched = fullmatch(path)
                chosen = None if matched is None else choose(table)
                if matched is not None and chosen is not None:
                    return Match(chosen, dict(matched.groupdict()))
        if not allowed:
            raise PathNotRegistered(path)
        if "GET" in allowed:
            allowed.add("HEAD")
        raise MethodNotApplicable(allowed)

    def _remember(self, key: tuple[str, str, str], match: Match) -> None:
        if len(self._recent) >= (self._cache_max + 1) // 2:
            self._older = self._recent
            self._recent = {}
        self._recent[key] = match


def _find_static(static: StaticLimits, head: RequestHead) -> LimitOverrides | None:
    table = static.get(head.path)
    return None if table is None else table.get(head.method)
