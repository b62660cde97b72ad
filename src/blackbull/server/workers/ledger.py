"""What the workers have counted, kept for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from blackbull.worker import Figures

from .channel import Content


def encode_figures(figures: Figures) -> Content:
    """Return *figures* as JSON can hold them."""
    return {
        "counters": dict(figures.counters),
        "gauges": dict(figures.gauges),
        "index": figures.index,
    }


def decode_figures(encoded: object) -> Figures:
    """Return what :func:`encode_figures` was given."""
    content = cast("Content", encoded)
    return Figures(
        cast("Mapping[str, float]", content["counters"]),
        cast("Mapping[str, float]", content["gauges"]),
        cast("int | None", content["index"]),
    )


class Ledger:
    """The latest figures of each process, and the sum of what those that ended had counted."""

    def __init__(self) -> None:
        self._latest: dict[int, Figures] = {}
        self._ended: dict[str, float] = {}

    def post(self, pid: int, figures: Figures) -> None:
        """Keep *figures* instead of what the process posted before."""
        self._latest[pid] = figures

    def end(self, pid: int) -> None:
        """Add what the process has counted to the sum, and forget its gauges."""
        figures = self._latest.pop(pid, None)
        if figures is not None:
            for name, value in figures.counters.items():
                self._ended[name] = self._ended.get(name, 0.0) + value

    def others(self, pid: int) -> list[Figures]:
        """Return what all processes but this one have counted; those that ended in one."""
        found = [figures for other, figures in self._latest.items() if other != pid]
        return [Figures(dict(self._ended)), *found] if self._ended else found
