"""The border to prometheus-client: its registries are read, and its formats are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from blackbull.errors import MissingExtra

from .family import Across, Family, Sample

try:
    from prometheus_client import (
        REGISTRY,
        CollectorRegistry,
        Counter,
        Gauge,
        Histogram,
        Metric,
        ProcessCollector,
        generate_latest,
    )
    from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST
    from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
except ImportError:
    CollectorRegistry = None  # type: ignore[assignment,misc,unused-ignore]

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

OPENMETRICS: Final = "application/openmetrics-text"
PLAIN: Final = "text/plain"
PLAIN_TYPE: Final = f"{PLAIN}; version=0.0.4; charset=utf-8"


def require() -> None:
    """Check that prometheus-client is there.

    Raises:
        MissingExtra: it is not installed.
    """
    if CollectorRegistry is None:
        raise MissingExtra(
            "metrics need the package prometheus-client: pip install 'blackbull[metrics]'"
        )


class Registries:
    """What the program counts with prometheus-client: by itself, and through the extension.

    Args:
        registry: Where the program counts by itself; the library's own registry if None.
    """

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._theirs = REGISTRY if registry is None else registry
        self._ours = CollectorRegistry()
        self._across: dict[str, Across] = {}
        if self._theirs is not REGISTRY:
            ProcessCollector(registry=self._ours)  # which the library's own registry has

    def counter(self, name: str, text: str, labels: Sequence[str]) -> Counter:
        """Return a new counter."""
        return Counter(name, text, labels, registry=self._ours)

    def gauge(self, name: str, text: str, labels: Sequence[str], *, across: Across) -> Gauge:
        """Return a new gauge, of which several workers' values amount to *across*."""
        made = Gauge(name, text, labels, registry=self._ours)
        self._across[name] = across
        return made

    def histogram(
        self, name: str, text: str, labels: Sequence[str], *, buckets: Sequence[float]
    ) -> Histogram:
        """Return a new histogram."""
        return Histogram(name, text, labels, buckets=buckets, registry=self._ours)

    def samples(self) -> Iterator[Sample]:
        """Yield everything that was counted."""
        yield from read(self._ours, self._across)
        yield from read(self._theirs, {})


def read(collector: Collector, across: Mapping[str, Across]) -> Iterator[Sample]:
    """Yield what *collector* has.

    Args:
        collector: A registry, or one of its collectors.
        across: What several workers' values of a gauge amount to, by its name; each is shown if
            nothing is said.
    """
    for metric in collector.collect():
        mode = across.get(metric.name, Across.WORKER)
        family = Family(metric.name, metric.type, metric.documentation, mode)
        for sample in metric.samples:
            suffix = sample.name.removeprefix(metric.name)
            # When a series was made is no number that several workers could share.
            if suffix != "_created":
                yield Sample(family, suffix, tuple(sample.labels.items()), sample.value)


def render(
    families: Iterable[tuple[Family, Sequence[Sample]]], *, openmetrics: bool
) -> tuple[bytes, str]:
    """Return *families* in OpenMetrics, or else in Prometheus' text format, and its media type.

    Spec:
        OpenMetrics 1.0.0; Prometheus text format 0.0.4
    """
    made = _Families([_metric(family, samples) for family, samples in families])
    text: bytes
    if openmetrics:
        text = generate_openmetrics(made)  # type: ignore[no-untyped-call,unused-ignore]
        media_type: str = CONTENT_TYPE_LATEST
        return text, media_type
    text = generate_latest(made)  # type: ignore[arg-type,unused-ignore]
    return text, PLAIN_TYPE


def prefers_openmetrics(accept: str) -> bool:
    """Return True if a client that sent this ``accept`` field wants OpenMetrics.

    Spec:
        RFC 9110 §12.5.1
    """
    weights = {OPENMETRICS: 0.0, PLAIN: 0.0}
    for part in accept.split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        if name in weights:
            weights[name] = max(weights[name], _weight(parameters))
    return 0 < weights[OPENMETRICS] >= weights[PLAIN]


def _weight(parameters: Iterable[str]) -> float:
    for each in parameters:
        if each.startswith("q="):
            try:
                return float(each[2:])
            except ValueError:
                return 0.0
    return 1.0


def _metric(family: Family, samples: Sequence[Sample]) -> Metric:
    metric = Metric(family.name, family.text, family.kind)
    for sample in samples:
        metric.add_sample(family.name + sample.suffix, dict(sample.labels), sample.value)
    return metric


class _Families:
    """Families in the shape of a registry."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """Return them."""
        return self._metrics
