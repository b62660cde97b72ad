"""Figures of workers that live, and of those that have ended."""

from __future__ import annotations

import json

from blackbull.server.workers.ledger import Ledger, decode_figures, encode_figures
from blackbull.worker import Figures


def test_figures_survive_the_channel() -> None:
    figures = Figures({"requests": 3.0}, {"open": 1.5}, index=2)
    assert decode_figures(json.loads(json.dumps(encode_figures(figures)))) == figures


def test_others_are_all_but_who_asks() -> None:
    ledger = Ledger()
    assert ledger.others(1) == []
    ledger.post(1, Figures({"a": 1.0}, index=0))
    ledger.post(2, Figures({"a": 2.0}, {"g": 2.0}, index=1))
    ledger.post(2, Figures({"a": 5.0}, {"g": 0.0}, index=1))
    assert ledger.others(1) == [Figures({"a": 5.0}, {"g": 0.0}, index=1)]
    assert ledger.others(3) == [Figures({"a": 1.0}, index=0), *ledger.others(1)]


def test_counters_of_the_dead_are_kept_and_their_gauges_are_not() -> None:
    ledger = Ledger()
    for pid, counted in ((1, 3.0), (2, 4.0)):
        ledger.post(pid, Figures({"a": counted, f"only {pid}": 1.0}, {"g": 9.0}, index=0))
        ledger.end(pid)
    ledger.end(7)
    assert ledger.others(3) == [Figures({"a": 7.0, "only 1": 1.0, "only 2": 1.0})]
