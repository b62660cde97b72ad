"""The extension that tells OpenTelemetry what happens."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from blackbull.extension import Extension

from . import spans

if TYPE_CHECKING:
    from opentelemetry.trace import Span, TracerProvider

    from blackbull.app.application import BlackBull


class TracingExtension(Extension["BlackBull"]):
    """Makes a server span of every request and of every WebSocket.

    ::

        app.add_extension(TracingExtension(exclude=["/healthz", "/metrics"]))

    A span belongs to the trace that the request's ``traceparent`` names, is current in whatever
    answers the request, and has the exceptions that are bugs. Where spans go is what the program
    says: it sets up a tracer provider of the OpenTelemetry SDK.

    Args:
        tracer_provider: Makes tracers; None: the one that the program has set.
        exclude: Paths whose requests have no span.

    Raises:
        MissingExtra: opentelemetry-api is not installed.
    """

    extension_key = "tracing"

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        exclude: Iterable[str] = (),
    ) -> None:
        spans.require()
        self._tracer = spans.make_tracer(_version(), tracer_provider)
        self._exclude = tuple(exclude)

    def init_app(self, app: BlackBull) -> None:
        """Watch what is answered.

        Raises:
            RuntimeError: *app* has such an extension already.
        """
        self._register(app)
        app.observers.append(spans.ServerSpans(self._tracer, app.router, exclude=self._exclude))

    def message(
        self, message: spans.Published, *, template: str = ""
    ) -> AbstractContextManager[Span]:
        """Make a span of the work on an MQTT message: ``with tracing.message(msg): ...``.

        It belongs to the trace that the message's user property ``traceparent`` names.

        Args:
            message: What came.
            template: The topic filter that it came by, in the name of the span.
        """
        return spans.message_span(self._tracer, message, template=template)

    def user_properties(self) -> dict[str, object]:
        """Return MQTT properties that carry the current trace, for a message to be published."""
        return {spans.USER_PROPERTY: spans.carried()}


def _version() -> str:
    try:
        return version("blackbull")
    except PackageNotFoundError:  # run from a checkout
        return "unknown"
