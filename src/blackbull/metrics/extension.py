"""The extension that serves figures to Prometheus."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from blackbull.app.own_routes import OwnRoutes, own_routes
from blackbull.connection import Connection
from blackbull.errors import HTTPException, TransportError
from blackbull.extension import Extension, Figure
from blackbull.forwarding import TrustedProxies
from blackbull.middleware import Middleware
from blackbull.response import Response
from blackbull.worker import Worker

from . import exposition
from .family import Across, Family, Merged, Sample, to_figures
from .latency import SECONDS, check_bounds
from .runtime import LagProbe, worker_samples
from .traffic import Traffic

if TYPE_CHECKING:
    import prometheus_client

    from blackbull.app.application import BlackBull

logger = logging.getLogger("blackbull.metrics")

COLLECT_SECONDS: Final = 2.0
"""How long the figures of the other workers are waited for."""

POST_SECONDS: Final = 1.0
"""How often a worker shows its figures to the others."""


class MetricsExtension(Extension["BlackBull"]):
    """Serves ``/metrics``, in Prometheus' text format or in OpenMetrics.

    ::

        metrics = app.add_extension(MetricsExtension(allow="10.0.0.0/8"))
        orders = metrics.counter("shop_orders", "Orders taken.", labels=["country"])

        orders.labels("no").inc()

    It counts requests, connections, WebSockets, limits, the event loop, the process, and what other
    extensions show. Several workers answer with the same: the figures of all of them.

    Args:
        path: Where it is served.
        allow: Addresses and networks that may read it, ``"unix"`` for Unix sockets; others get 403.
            None: everybody.
        middlewares: What runs around it, the outermost first.
        port: A port of its own, on which nothing else of the application is served; None: the
            application's. An extension that has the same port shares it.
        tls: Speak TLS on that port.
        buckets: Upper bounds of the histogram of durations, in seconds.
        registry: A registry of prometheus-client whose figures are served as well; the library's
            own if None.

    Raises:
        ConfigurationError: *allow* names no address.
        MissingExtra: prometheus-client is not installed.
        ValueError: *buckets* cannot be.
    """

    extension_key = "metrics"

    def __init__(
        self,
        *,
        path: str = "/metrics",
        allow: str | Iterable[str] | None = None,
        middlewares: Sequence[Middleware] = (),
        port: int | None = None,
        tls: object = False,
        buckets: Sequence[float] = SECONDS,
        registry: prometheus_client.CollectorRegistry | None = None,
    ) -> None:
        exposition.require()
        self.path = path
        self.port = port
        self.tls = tls
        self._allowed = None if allow is None else TrustedProxies(allow)
        self._middlewares = tuple(middlewares)
        self._buckets = check_bounds(buckets)
        self._registries = exposition.Registries(registry)
        self._lag = LagProbe()
        self._traffic: Traffic | None = None
        self._app: BlackBull | None = None
        self._port: OwnRoutes | None = None
        self._timer: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------------ the program's figures

    def counter(
        self, name: str, text: str, *, labels: Sequence[str] = ()
    ) -> prometheus_client.Counter:
        """Return a new counter: ``inc()`` it. The workers' counts are added up.

        Raises:
            ValueError: *name* or a label cannot be, or *name* is taken.
        """
        return self._registries.counter(name, text, labels)

    def gauge(
        self, name: str, text: str, *, labels: Sequence[str] = (), across: Across | str = Across.SUM
    ) -> prometheus_client.Gauge:
        """Return a new gauge: ``set()`` it.

        Args:
            name: Its name.
            text: What it is.
            labels: The names of its labels.
            across: What the workers' values amount to: ``"sum"``, ``"max"``, ``"min"``, or
                ``"worker"`` to show each.

        Raises:
            ValueError: *name*, a label or *across* cannot be, or *name* is taken.
        """
        return self._registries.gauge(name, text, labels, across=Across(across))

    def histogram(
        self,
        name: str,
        text: str,
        *,
        labels: Sequence[str] = (),
        buckets: Sequence[float] = SECONDS,
    ) -> prometheus_client.Histogram:
        """Return a new histogram: it ``observe()``s values. The workers' counts are added up.

        Raises:
            ValueError: *name*, a label or *buckets* cannot be, or *name* is taken.
        """
        return self._registries.histogram(name, text, labels, buckets=buckets)

    # ------------------------------------------------------------------ an extension

    def init_app(self, app: BlackBull) -> None:
        """Register the route, and watch.

        Raises:
            ConfigurationError: the path or the port is taken.
            RuntimeError: *app* has such an extension already.
        """
        self._register(app)
        self._app = app
        self._traffic = Traffic(app.router, buckets=self._buckets)
        app.observers.append(self._traffic)
        host = app
        if self.port is not None:
            self._port = own_routes(app, "metrics", port=self.port, tls=self.tls)
            host = self._port.routes
        host.route(path=self.path, middlewares=self._middlewares)(self._answer)

    async def startup(self, app: BlackBull) -> None:
        """Look at the loop from now on; show the other workers what there is, if there are any."""
        loop = asyncio.get_running_loop()
        self._lag.start(loop)
        if app.worker.count > 1:
            self._post(loop, app.worker)

    async def shutdown(self, app: BlackBull) -> None:
        """Show the other workers what there is, for the last time."""
        self._lag.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            app.worker.post(to_figures(self.samples(), index=app.worker.index))
        if self._port is not None:
            await self._port.aclose()

    def samples(self) -> Iterator[Sample]:
        """Yield this worker's figures."""
        if self._app is None or self._traffic is None:
            return
        yield from worker_samples(self._app.worker)
        yield from self._traffic.samples()
        yield from self._lag.samples()
        for key, extension in self._app.extensions.items():
            yield from _of_extension(key, extension)
        yield from self._registries.samples()

    # ------------------------------------------------------------------ inside

    def _post(self, loop: asyncio.AbstractEventLoop, worker: Worker) -> None:
        worker.post(to_figures(self.samples(), index=worker.index))
        self._timer = loop.call_later(POST_SECONDS, self._post, loop, worker)

    async def _answer(self, conn: Connection) -> Response:
        if self._allowed is not None and not self._allowed.trusts(conn.client):
            raise HTTPException(403, "these figures are not for everybody")
        openmetrics = exposition.prefers_openmetrics(
            (conn.headers.get_combined(b"accept") or b"").decode("latin-1")
        )
        merged = await self._merged()
        # Many figures take a while, which would be a pause for everybody else.
        text, media_type = await asyncio.to_thread(
            exposition.render, merged.families(), openmetrics=openmetrics
        )
        fields = {"cache-control": "no-store", "vary": "accept"}
        return Response(text, 200, media_type, fields)

    async def _merged(self) -> Merged:
        assert self._app is not None
        worker = self._app.worker
        merged = Merged(several=worker.count > 1)
        samples = list(self.samples())
        merged.add(samples, index=worker.index)
        if worker.count > 1:
            # Whoever is asked next must not answer with less: a count that falls is a restart.
            worker.post(to_figures(samples, index=worker.index))
        try:
            async with asyncio.timeout(COLLECT_SECONDS):
                posted = await worker.collect()
        except (TransportError, TimeoutError) as error:
            logger.warning(
                "the figures of the other workers are missing: %s", str(error) or "too late"
            )
            posted = []
        for figures in posted:
            merged.add_posted(figures)
        return merged


def _of_extension(key: str, extension: object) -> Iterator[Sample]:
    if not isinstance(extension, Extension):
        return
    try:
        figures = list(extension.figures())
    except Exception:
        logger.exception("the extension %r cannot show its figures", key)
        return
    for figure in figures:
        yield _of_figure(key, figure)


def _of_figure(key: str, figure: Figure) -> Sample:
    kind, suffix = ("counter", "_total") if figure.grows else ("gauge", "")
    family = Family(f"blackbull_{key}_{figure.name}", kind, figure.text)
    return Sample(family, suffix, tuple(figure.labels.items()), figure.value)
