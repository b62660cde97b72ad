"""A histogram that costs an addition and a search among a dozen numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final

from .family import Family, Labels, Sample

SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of buckets, in seconds: of handlers that wait for nothing, and of those that do."""


class Histogram:
    """Counts of values by size.

    Args:
        bounds: The upper bounds of the buckets, in ascending order; a last one has none.

    Attributes:
        bounds: As above.
        counts: How many values each bucket has, not those before it.
        total: The sum of all values.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count *value*."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def samples(self, family: Family, labels: Labels) -> Iterator[Sample]:
        """Yield the samples: the buckets with those before them, the count, the sum."""
        bounds = (*map(_text, self.bounds), "+Inf")
        sums = list(accumulate(self.counts))
        for bound, count in zip(bounds, sums, strict=True):
            yield Sample(family, "_bucket", (*labels, ("le", bound)), count)
        yield Sample(family, "_count", labels, sums[-1])
        yield Sample(family, "_sum", labels, self.total)


def check_bounds(bounds: Sequence[float]) -> tuple[float, ...]:
    """Return *bounds* if buckets can have them.

    Raises:
        ValueError: there are none, one is not positive or finite, or they do not ascend.
    """
    ascending = all(a < b for a, b in pairwise(bounds))
    if not bounds or not ascending or not bounds[0] > 0 or bounds[-1] == float("inf"):
        raise ValueError(f"buckets are positive seconds in ascending order, not {bounds!r}")
    return tuple(map(float, bounds))


def _text(bound: float) -> str:
    return repr(bound)
