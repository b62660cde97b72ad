"""What a handler or a provider asks for, compiled from its signature once."""

from __future__ import annotations

import enum
import inspect
import sys
import types
import warnings
from collections import ChainMap
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, cast, get_args, get_origin, get_type_hints

from blackbull.connection import Connection
from blackbull.di import Depends, Form, Scope, provider_form, provider_name
from blackbull.routing.pattern import Placeholder
from blackbull.websocket import WebSocket
from blackbull.websocket_session import session_of

from .await_points import called, cannot_wait, finish
from .body import BodyReader, body_reader, is_body
from .coercion import EMPTY, QueryReader, bare, members, path_reader, query_reader, scalar

CONNECTION_NAMES: Final = frozenset({"scope", "conn", "connection"})
WEBSOCKET_NAMES: Final = frozenset({"ws", "websocket"})
NAMED_ONLY: Final = frozenset({
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
})  # fmt: skip


class Source(enum.StrEnum):
    """Where a parameter's value comes from."""

    PATH = "path"
    QUERY = "query"
    BODY = "body"
    CONNECTION = "connection"
    WEBSOCKET = "websocket"
    DEPENDS = "depends"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a handler.

    Attributes:
        name: Its name.
        source: Where its value comes from.
        annotation: Its type; ``inspect.Parameter.empty`` without one.
        default: Its default; ``inspect.Parameter.empty`` without one.
    """

    name: str
    source: Source
    annotation: object = EMPTY
    default: object = EMPTY

    @property
    def required(self) -> bool:
        """True without a default."""
        return self.default is EMPTY


class Dependency:
    """A provider with what it asks for itself.

    Attributes:
        provider: What makes the value.
        use_cache: True when a request shares the value.
        form: How the provider makes it.
        arguments: What the provider asks for.
        waits: True when making it may wait, or needs cleaning up.
    """

    __slots__ = ("arguments", "form", "provider", "use_cache", "waits")

    def __init__(self, depends: Depends, arguments: Arguments) -> None:
        self.provider = depends.provider
        self.use_cache = depends.use_cache
        self.form = provider_form(depends.provider)
        self.arguments = arguments
        self.waits = arguments.waits or not (
            self.form is Form.FUNCTION
            or (self.form is Form.COROUTINE and cannot_wait(self.provider))
        )

    async def resolve(self, conn: Connection, content: bytes, scope: Scope) -> object:
        """Return the value, made now unless the request has it already."""
        if self.use_cache and self.provider in scope.values:
            return scope.values[self.provider]
        arguments = await self.arguments.bind(conn, content, scope)
        value = await scope.provide(self.provider, self.form, arguments)
        if self.use_cache:
            scope.values[self.provider] = value
        return value

    def resolve_now(self, conn: Connection, content: bytes, scope: Scope) -> object:
        """:meth:`resolve` for a dependency that does not wait."""
        if self.use_cache and self.provider in scope.values:
            return scope.values[self.provider]
        value = self.provider(**self.arguments.bind_now(conn, content, scope))
        if self.form is Form.COROUTINE:
            value = finish(cast("Coroutine[object, object, object]", value))
        if self.use_cache:
            scope.values[self.provider] = value
        return value


class Arguments:
    """The compiled parameters of a function.

    Attributes:
        parameters: All of them, in order.
        path: Name and, where the text must be converted, how.
        connection: The names of those that take the connection.
        websocket: The names of those that take the WebSocket object.
        query: Name and reader.
        body: Name and reader of the one that takes the content, or None.
        depends: Name and dependency.
        takes_body: True if it, or a dependency, takes the content.
        waits: True if a dependency may wait.
    """

    __slots__ = (
        "body", "connection", "depends", "parameters", "path", "query", "takes_body", "waits",
        "websocket",
    )  # fmt: skip

    def __init__(self) -> None:
        self.parameters: list[Parameter] = []
        self.path: list[tuple[str, Callable[[object], object] | None]] = []
        self.connection: list[str] = []
        self.websocket: list[str] = []
        self.query: list[tuple[str, QueryReader]] = []
        self.body: tuple[str, BodyReader] | None = None
        self.depends: list[tuple[str, Dependency]] = []
        self.takes_body = False
        self.waits = False

    def read(self, conn: Connection, content: bytes) -> dict[str, object]:
        """Return all arguments but the dependencies.

        Raises:
            HTTPException: one is missing or does not fit.
        """
        values: dict[str, object] = {}
        if self.path:
            params = conn.path_params
            for name, convert in self.path:
                value = params[name]
                values[name] = value if convert is None else convert(value)
        for name in self.connection:
            values[name] = conn
        if self.query:
            query = conn.query_list
            for name, read in self.query:
                values[name] = read(query)
        if self.body is not None:
            values[self.body[0]] = self.body[1](content)
        return values

    def bind_now(self, conn: Connection, content: bytes, scope: Scope) -> dict[str, object]:
        """Return all arguments of a function of which none has to be waited for."""
        values = self.read(conn, content)
        for name, dependency in self.depends:
            values[name] = dependency.resolve_now(conn, content, scope)
        return values

    async def bind(self, conn: Connection, content: bytes, scope: Scope) -> dict[str, object]:
        """Return all arguments; cancelling leaves it to *scope* to clean up."""
        values = self.read(conn, content)
        for name, dependency in self.depends:
            values[name] = await dependency.resolve(conn, content, scope)
        return values


class WebSocketArguments(Arguments):
    """The compiled parameters of a function that serves a WebSocket."""

    __slots__ = ()

    def read(self, conn: Connection, content: bytes) -> dict[str, object]:
        """Return all arguments but the dependencies.

        Raises:
            HTTPException: one is missing or does not fit.
        """
        values = super().read(conn, content)
        session = session_of(conn) if self.websocket else None
        for name in self.websocket:
            values[name] = None if session is None else session.websocket
        return values


def compile_arguments(
    function: Callable[..., object],
    placeholders: Mapping[str, Placeholder],
    *,
    within: Collection[Callable[..., object]] = (),
    kind: type[Arguments] = Arguments,
) -> Arguments:
    """Return what *function* asks for.

    Args:
        function: A handler or a provider.
        placeholders: Those of its path.
        within: The providers that lead to *function*, for finding cycles.
        kind: :class:`WebSocketArguments` where a WebSocket is served.

    Raises:
        TypeError: a parameter cannot be served; the message names it.
    """
    name_of_function = provider_name(function)
    hints = annotations_of(function)
    arguments = kind()
    for parameter in inspect.signature(function).parameters.values():
        where = f"{name_of_function}: parameter {parameter.name!r}"
        if parameter.kind not in NAMED_ONLY:
            raise TypeError(f"{where} cannot be given by name: remove '*', '**' or '/'")
        annotation = hints.get(parameter.name, parameter.annotation)
        try:
            _add(arguments, parameter, annotation, placeholders, within=(*within, function))
        except TypeError as error:
            raise TypeError(f"{where}: {error}") from error
    arguments.takes_body = arguments.body is not None or any(
        dependency.arguments.takes_body for _, dependency in arguments.depends
    )
    arguments.waits = any(dependency.waits for _, dependency in arguments.depends)
    return arguments


def _add(
    arguments: Arguments,
    parameter: inspect.Parameter,
    annotation: object,
    placeholders: Mapping[str, Placeholder],
    *,
    within: Collection[Callable[..., object]],
) -> None:
    name, default = parameter.name, parameter.default
    depends = _depends(annotation, default)
    source = Source.QUERY
    if name in placeholders:
        source = Source.PATH
        if default is not EMPTY:
            warnings.warn(
                f"the default of {name!r} is never used: the path always gives it a value",
                RuntimeWarning,
                stacklevel=2,
            )
        explicit = placeholders[name].explicit
        arguments.path.append((name, None if explicit else path_reader(name, annotation)))
    elif depends is not None:
        source = Source.DEPENDS
        kind = type(arguments)
        dependency = _dependency(depends, placeholders, within, kind)
        arguments.depends.append((name, dependency))
    elif _is_connection(name, annotation):
        source = Source.CONNECTION
        arguments.connection.append(name)
    elif _is_websocket(name, annotation, arguments):
        source = Source.WEBSOCKET
        arguments.websocket.append(name)
    elif name == "body" or is_body(annotation):
        source = Source.BODY
        if isinstance(arguments, WebSocketArguments):
            raise TypeError("a WebSocket has no body: await its receive() instead")
        if arguments.body is not None:
            raise TypeError(f"{arguments.body[0]!r} takes the body already; there is only one")
        arguments.body = (name, body_reader(annotation, default))
    else:
        reader = query_reader(name, annotation, default)
        if reader is None:
            raise TypeError(
                f"{annotation!r} is neither a connection, a dataclass nor a type that a query can "
                "hold: str, int, float, bool, date and time types, UUID, Decimal, Enum, Literal, "
                "or a list of one of them"
            )
        arguments.query.append((name, reader))
    arguments.parameters.append(Parameter(name, source, annotation, default))


def _dependency(
    depends: Depends,
    placeholders: Mapping[str, Placeholder],
    within: Collection[Callable[..., object]],
    kind: type[Arguments],
) -> Dependency:
    if depends.provider in within:
        chain = " needs ".join(provider_name(item) for item in (*within, depends.provider))
        raise TypeError(f"the dependencies go in a circle: {chain}")
    return Dependency(
        depends, compile_arguments(depends.provider, placeholders, within=within, kind=kind)
    )


def _depends(annotation: object, default: object) -> Depends | None:
    if isinstance(default, Depends):
        return default
    if get_origin(annotation) is Annotated:
        for extra in get_args(annotation)[1:]:
            if isinstance(extra, Depends):
                return extra
    return None


def _is_connection(name: str, annotation: object) -> bool:
    if any(bare(member) is Connection for member in members(annotation)):
        return True
    if name == "request":
        return annotation is EMPTY
    # `scope: str` is a parameter of OAuth, not the connection.
    kinds = members(annotation)
    return name in CONNECTION_NAMES and all(scalar(kind) is None for kind in kinds)


def _is_websocket(name: str, annotation: object, arguments: Arguments) -> bool:
    kinds = members(annotation)
    annotated = any(bare(kind) is WebSocket for kind in kinds)
    if isinstance(arguments, WebSocketArguments):
        named = name in WEBSOCKET_NAMES and all(scalar(kind) is None for kind in kinds)
        return annotated or named
    if annotated:
        raise TypeError("only a route with scheme=Scheme.websocket has a WebSocket")
    return False


def annotations_of(function: Callable[..., object]) -> dict[str, object]:
    """Return the resolved annotations of *function*'s parameters.

    Names are looked up in its module and, for functions defined inside others, in the functions
    that are running now: an application factory's local classes are found while it registers.

    Raises:
        TypeError: an annotation cannot be resolved.
    """
    target = inspect.unwrap(called(function))
    if isinstance(target, type):
        target = target.__init__  # type: ignore[misc]
    written = {
        name: annotation
        for name, annotation in getattr(target, "__annotations__", {}).items()
        if name != "return"
    }
    if not any(isinstance(annotation, str) for annotation in written.values()):
        return written
    names: dict[str, Any] = getattr(target, "__globals__", {})
    holder = types.SimpleNamespace(__annotations__=written)
    try:
        return get_type_hints(holder, names, include_extras=True)
    except NameError:
        pass
    try:
        return get_type_hints(holder, names, dict(_running_names()), include_extras=True)
    except NameError as error:
        raise TypeError(
            f"{provider_name(function)}: {error}; define the types of its parameters at the top "
            "level of a module"
        ) from error


def _running_names() -> Mapping[str, object]:
    """Return the local names of the running functions outside this package, innermost first."""
    found: list[dict[str, object]] = []
    frame = sys._getframe(1)
    while True:
        module = frame.f_globals.get("__name__", "")
        if not module.startswith("blackbull.") and frame.f_locals is not frame.f_globals:
            found.append(dict(frame.f_locals))
        if frame.f_back is None:
            return ChainMap(*found)
        frame = frame.f_back
