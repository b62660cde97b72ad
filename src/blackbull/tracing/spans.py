"""The border to opentelemetry-api: spans are begun, made current, and ended.

Attributes have the stable names of OpenTelemetry's semantic conventions for HTTP (1.23 and later).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Token
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final, Protocol

from blackbull.connection import Connection
from blackbull.errors import MissingExtra
from blackbull.native import NativeHandler, Receive, Send
from blackbull.observed import SWITCHED
from blackbull.observer import Begin, Observer
from blackbull.response import Response
from blackbull.routing.router import Router

try:
    from opentelemetry import propagate, trace
    from opentelemetry.context import Context, attach, detach
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode
except ImportError:
    Context = None  # type: ignore[assignment,misc,unused-ignore]

if TYPE_CHECKING:
    from opentelemetry.propagators.textmap import TextMapPropagator
    from opentelemetry.trace import Tracer, TracerProvider

METHODS: Final = frozenset(
    ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
)
OTHER: Final = "_OTHER"
FAILED: Final = "blackbull.tracing.failed"
"""Among a request's ``state``: its span has an exception already."""

USER_PROPERTY: Final = "user_property"


class Published(Protocol):
    """A message of a broker."""

    @property
    def topic(self) -> str:
        """The Topic Name."""

    @property
    def properties(self) -> Mapping[str, object]:
        """MQTT 5 properties by name."""


def require() -> None:
    """Check that opentelemetry-api is there.

    Raises:
        MissingExtra: it is not installed.
    """
    if Context is None:
        raise MissingExtra(
            "tracing needs the package opentelemetry-api: pip install 'blackbull[otel]'"
        )


def make_tracer(version: str, provider: TracerProvider | None) -> Tracer:
    """Return our tracer of *provider*, of the program's own if None."""
    return trace.get_tracer("blackbull", version, provider)


class ServerSpans(Observer):
    """Makes a span of every request and every WebSocket, current in all that answers it.

    Args:
        tracer: Makes spans.
        router: Tells the route of a request.
        exclude: Paths that have none.
    """

    def __init__(self, tracer: Tracer, router: Router, *, exclude: Iterable[str] = ()) -> None:
        self._tracer = tracer
        self._router = router
        self._exclude = frozenset(exclude)
        # By the identity of a request, which has a place here while something answers it.
        self._recording: dict[int, Span] = {}

    # ------------------------------------------------------------------ an observer

    def wrap(self, begin: Begin) -> Begin:
        return partial(self._begin, begin)

    def exchange_failed(self, conn: Connection, error: Exception) -> None:
        span = self._recording.get(id(conn))
        if span is not None:
            conn.state[FAILED] = True
            span.record_exception(error)
            span.set_attribute("error.type", _name(error))
            span.set_status(Status(StatusCode.ERROR, str(error)))

    def exchange_ended(
        self,
        conn: Connection,
        status: int,
        *,
        received: int,
        sent: int,
        seconds: float,
        waited: bool,
    ) -> None:
        span = self._recording.get(id(conn))
        if span is None:
            return
        if not status:
            span.set_attribute("error.type", "disconnected")
            return
        span.set_attribute("http.response.status_code", int(status))  # it may be an HTTPStatus
        if status >= 500 and not conn.state.pop(FAILED, False):
            span.set_attribute("error.type", str(status))
            span.set_status(Status(StatusCode.ERROR))

    def websocket_opened(self, conn: Connection) -> None:
        span = self._recording.get(id(conn))
        if span is not None:
            span.set_attribute("http.response.status_code", SWITCHED)

    # ------------------------------------------------------------------ inside

    def _begin(self, begin: Begin, conn: Connection) -> Response | NativeHandler:
        if conn.head.path in self._exclude:
            return begin(conn)
        span = self._start(conn)
        context = trace.set_span_in_context(span, Context())
        token = self._enter(conn, span, context)
        try:
            reply = begin(conn)
        finally:
            self._leave(conn, token)
        if not isinstance(reply, Response):
            return partial(self._run, reply, span, context)
        span.end()
        return reply

    async def _run(
        self,
        handler: NativeHandler,
        span: Span,
        context: Context,
        conn: Connection,
        receive: Receive,
        send: Send,
    ) -> None:
        token = self._enter(conn, span, context)
        try:
            await handler(conn, receive, send)
        finally:
            self._leave(conn, token)
            span.end()

    def _enter(self, conn: Connection, span: Span, context: Context) -> Token[Context]:
        if span.is_recording():
            self._recording[id(conn)] = span
        token: Token[Context] = attach(context)
        return token

    def _leave(self, conn: Connection, token: Token[Context]) -> None:
        detach(token)
        self._recording.pop(id(conn), None)

    def _start(self, conn: Connection) -> Span:
        head = conn.head
        method = head.method if head.method in METHODS else OTHER
        route = self._router.template(head.method, head.path, conn.type)
        shown = "HTTP" if method == OTHER else method
        client = conn.client
        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "url.path": head.path,
            "url.scheme": conn.scheme,
            "network.protocol.version": head.http_version,
        }
        if route:
            attributes["http.route"] = route
        if method == OTHER:
            attributes["http.request.method_original"] = head.method
        if client is not None:
            attributes["client.address"] = client[0]
        return self._tracer.start_span(
            f"{shown} {route}" if route else shown,
            context=parent_of(head.fields),
            kind=SpanKind.SERVER,
            attributes=attributes,
        )


def parent_of(fields: Iterable[tuple[bytes, bytes]]) -> Context:
    """Return the context that a request's *fields* carry; an empty one if they carry none.

    Spec:
        W3C Trace Context §3.2, §4.3
    """
    wanted = _wanted(propagate.get_global_textmap())
    carrier: dict[str, list[str]] = {}
    for raw_name, value in fields:
        if raw_name in wanted:
            carrier.setdefault(wanted[raw_name], []).append(value.decode("latin-1"))
    if not carrier:
        return Context()
    if len(carrier.get("traceparent", ())) > 1:
        del carrier["traceparent"]  # which of them is meant, nobody knows
    return _extract(carrier)


@contextmanager
def message_span(tracer: Tracer, message: Published, *, template: str) -> Iterator[Span]:
    """Make a span of the work on *message*, current in the block; see the extension's method."""
    carrier: dict[str, list[str]] = {}
    pairs = message.properties.get(USER_PROPERTY, ())
    if isinstance(pairs, Iterable):
        for name, value in pairs:
            carrier.setdefault(str(name).lower(), []).append(str(value))
    attributes = {
        "messaging.system": "mqtt",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": message.topic,
    }
    if template:
        attributes["messaging.destination.template"] = template
    with tracer.start_as_current_span(
        f"process {template}" if template else "process",
        context=_extract(carrier),
        kind=SpanKind.CONSUMER,
        attributes=attributes,
    ) as span:
        yield span


def carried() -> list[tuple[str, str]]:
    """Return the current context as names and values."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return list(carrier.items())


@lru_cache(8)
def _wanted(propagator: TextMapPropagator) -> Mapping[bytes, str]:
    """Return the fields that *propagator* reads."""
    return {name.lower().encode("latin-1"): name for name in propagator.fields}


def _extract(carrier: Mapping[str, list[str]]) -> Context:
    context: Context = propagate.extract(carrier, Context()) if carrier else Context()
    return context


def _name(error: Exception) -> str:
    kind = type(error)
    within = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return within + kind.__qualname__
