"""Families of figures, and how the figures of several workers become one.

A *sample* is one number of a family: what follows the family's name, and labels. Between workers it
goes by a key, which is text, so that whoever carries it needs to know nothing about it.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from blackbull.worker import Figures

Labels: TypeAlias = tuple[tuple[str, str], ...]

WORKER: Final = "worker"
"""The label that tells workers apart."""

REMEMBERED: Final = 16384


class Across(enum.StrEnum):
    """What several workers' values of one gauge amount to."""

    SUM = "sum"
    """Their sum: what is open, under way, in a queue."""
    MAX = "max"
    """The largest."""
    MIN = "min"
    """The smallest."""
    WORKER = "worker"
    """Nothing: each is shown, under the label ``worker`` if there are several."""


@dataclass(frozen=True, slots=True)
class Family:
    """What several samples have in common.

    Attributes:
        name: Of a counter without ``_total``.
        kind: ``"counter"``, ``"gauge"``, ``"histogram"``, ``"summary"``, ``"info"``,
            ``"stateset"`` or ``"unknown"``.
        text: What it is, in a sentence.
        across: What several workers' values amount to; of use to what is no count only.
    """

    name: str
    kind: str
    text: str = ""
    across: Across = Across.SUM

    @property
    def grows(self) -> bool:
        """Its samples are counts: those of workers that have ended still matter."""
        return self.kind in {"counter", "histogram", "summary"}


class Sample(NamedTuple):
    """One number of a family.

    Attributes:
        family: What it belongs to.
        suffix: What follows the family's name: ``"_total"``, ``"_bucket"``, ``""``, ...
        labels: Names and values.
        value: The number.
    """

    family: Family
    suffix: str
    labels: Labels
    value: float


@lru_cache(REMEMBERED)
def encode_key(family: Family, suffix: str, labels: Labels) -> str:
    """Return the key of a sample."""
    # Those of a histogram are many, and every worker has what they are made of.
    text = "" if family.kind == "histogram" else family.text
    return json.dumps([family.name, family.kind, text, family.across, suffix, labels])


@lru_cache(REMEMBERED)
def decode_key(key: str) -> tuple[Family, str, Labels]:
    """Return the family, the suffix and the labels of a sample.

    Raises:
        ValueError: *key* is none of ours.
    """
    try:
        name, kind, text, across, suffix, labels = json.loads(key)
        return Family(name, kind, text, Across(across)), suffix, tuple((n, v) for n, v in labels)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{key!r} is the key of no sample") from error


def to_figures(samples: Iterable[Sample], *, index: int) -> Figures:
    """Return *samples* as a worker posts them."""
    counters: dict[str, float] = {}
    gauges: dict[str, float] = {}
    for family, suffix, labels, value in samples:
        kept = counters if family.grows else gauges
        kept[encode_key(family, suffix, labels)] = value
    return Figures(counters, gauges, index)


class Merged:
    """The figures of all workers.

    Args:
        several: There can be more than one: what is of a worker says of which.
    """

    def __init__(self, *, several: bool) -> None:
        self._several = several
        self._samples: dict[str, dict[tuple[str, Labels], float]] = {}
        self._families: dict[str, Family] = {}

    def add(self, samples: Iterable[Sample], *, index: int | None) -> None:
        """Add what the worker with that index counted; None: those that have ended."""
        for sample in samples:
            self._add(sample, index)

    def add_posted(self, figures: Figures) -> None:
        """Add what another worker has posted; what cannot be understood is left out."""
        for posted in (figures.counters, figures.gauges):
            self.add(_decoded(posted), index=figures.index)

    def families(self) -> list[tuple[Family, list[Sample]]]:
        """Return every family with its samples, in the order in which a format wants them."""
        merged = []
        for name, values in self._samples.items():
            family = self._families[name]
            samples = [Sample(family, suffix, labels, value)
                       for (suffix, labels), value in values.items()]  # fmt: skip
            if family.kind == "histogram":
                samples.sort(key=_place)
            merged.append((family, samples))
        return merged

    def _add(self, sample: Sample, index: int | None) -> None:
        family, suffix, labels, value = sample
        known = self._families.get(family.name)
        if known is None:
            self._families[family.name] = family
        elif known.kind != family.kind:
            return  # workers that disagree run different programs: the first one is right
        elif not known.text and family.text:
            self._families[family.name] = family
        if family.across == Across.WORKER and not family.grows and self._several:
            labels = (*labels, (WORKER, str(index)))
        values = self._samples.setdefault(family.name, {})
        key = (suffix, labels)
        if key not in values:
            values[key] = value
        elif family.grows or family.across == Across.SUM:
            values[key] += value
        elif family.across == Across.MIN:
            values[key] = min(values[key], value)
        else:
            values[key] = max(values[key], value)


def _decoded(posted: Mapping[str, float]) -> Iterable[Sample]:
    for key, value in posted.items():
        try:
            family, suffix, labels = decode_key(key)
        except ValueError:
            continue
        yield Sample(family, suffix, labels, value)


_ORDER: Final = {"_bucket": 0, "_count": 1, "_sum": 2}


def _place(sample: Sample) -> tuple[Labels, int, float]:
    # OpenMetrics 1.0: buckets in order, and what has the same labels together.
    rest = tuple(pair for pair in sample.labels if pair[0] != "le")
    bound = next((float(value) for name, value in sample.labels if name == "le"), 0.0)
    return rest, _ORDER.get(sample.suffix, 3), bound
