"""Reading figures as Prometheus does: with the parsers of the library that nobody here wrote."""

from __future__ import annotations

from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from blackbull import BlackBull
from tests.unit.app.doubles import Exchange, ask

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Scrape:
    """One answer of ``/metrics``.

    Args:
        text: What was answered.
        openmetrics: It is OpenMetrics, and not the older format.
    """

    def __init__(self, text: str, *, openmetrics: bool = True) -> None:
        parse = parse_openmetrics if openmetrics else parse_text
        self.families = {family.name: family for family in parse(text)}
        self._values = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of a sample; None if there is none."""
        return self._values.get((name, *sorted(labels.items())))

    def all(self, name: str) -> dict[tuple[str, ...], float]:
        """Return the values of every sample of that name by the values of its labels, in order."""
        return {
            tuple(value for _, value in key[1:]): number
            for key, number in self._values.items()
            if key[0] == name
        }


async def scrape(app: BlackBull, path: str = "/metrics", accept: str = OPENMETRICS) -> Scrape:
    """Ask *app* for its figures, in its own process."""
    exchange = await ask(app, Exchange("GET", path, fields=[(b"accept", accept.encode())]))
    assert exchange.status == 200
    openmetrics = exchange.start.headers.get(b"content-type")  # type: ignore[union-attr]
    assert openmetrics is not None
    return Scrape(exchange.text, openmetrics=openmetrics.startswith(b"application/openmetrics"))
