"""Families: keys carry samples between workers, and merging adds up what can be added up."""

from __future__ import annotations

import pytest

from blackbull.metrics.family import (
    Across,
    Family,
    Labels,
    Merged,
    Sample,
    decode_key,
    encode_key,
    to_figures,
)
from blackbull.metrics.latency import Histogram, check_bounds
from blackbull.worker import Figures

COUNTER = Family("requests", "counter", "All of them.")
SUM = Family("open", "gauge", "All of them.")
MAX = Family("highest", "gauge", "", Across.MAX)
MIN = Family("lowest", "gauge", "", Across.MIN)
EACH = Family("memory", "gauge", "", Across.WORKER)
TIMES = Family("seconds", "histogram", "Times.")


def samples(worker: int) -> list[Sample]:
    return [
        Sample(COUNTER, "_total", (("route", "/"),), 1 + worker),
        Sample(SUM, "", (), 1 + worker),
        Sample(MAX, "", (), 1 + worker),
        Sample(MIN, "", (), 1 + worker),
        Sample(EACH, "", (), 1 + worker),
    ]


def merge(*posted: Figures, several: bool = True) -> dict[str, dict[tuple[str, Labels], float]]:
    merged = Merged(several=several)
    merged.add(samples(0), index=0)
    for figures in posted:
        merged.add_posted(figures)
    return {
        family.name: {(each.suffix, each.labels): each.value for each in found}
        for family, found in merged.families()
    }


@pytest.mark.parametrize("labels", [(), (("a", "b"), ("c", 'd"\\\n\u00e9'))])
def test_key_brings_back_what_it_was_made_of(labels: Labels) -> None:
    family = Family("requests", "counter", "All of them.", Across.MAX)
    assert decode_key(encode_key(family, "_total", labels)) == (family, "_total", labels)


@pytest.mark.parametrize(
    "key", ["", "[]", "7", '["a","b","","c","d",[]]', '["a","b","","sum","d",[1]]']
)
def test_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="the key of no sample"):
        decode_key(key)


def test_workers_figures_become_one() -> None:
    assert merge(to_figures(samples(1), index=1), to_figures(samples(2), index=2)) == {
        "requests": {("_total", (("route", "/"),)): 6},
        "open": {("", ()): 6},
        "highest": {("", ()): 3},
        "lowest": {("", ()): 1},
        "memory": {
            ("", (("worker", "0"),)): 1, ("", (("worker", "1"),)): 2, ("", (("worker", "2"),)): 3,
        },
    }  # fmt: skip


def test_counts_of_workers_that_ended_are_kept() -> None:
    ended = Figures(to_figures(samples(9), index=1).counters, {}, None)
    merged = merge(ended)
    assert merged["requests"] == {("_total", (("route", "/"),)): 11}
    assert merged["open"] == {("", ()): 1}


def test_only_worker_needs_no_label() -> None:
    assert merge(several=False)["memory"] == {("", ()): 1}


def test_what_others_post_and_nobody_understands_is_left_out() -> None:
    other = Figures({"gibberish": 1.0}, {encode_key(Family("requests", "gauge"), "", ()): 5.0}, 1)
    assert merge(other) == merge()


def test_family_that_only_another_worker_has_is_shown() -> None:
    other = Figures({encode_key(Family("late", "counter"), "_total", ()): 5.0}, {}, 1)
    assert merge(other)["late"] == {("_total", ()): 5.0}


def test_histograms_add_up_bucket_by_bucket_in_order() -> None:
    one, two = Histogram((0.1, 1.0)), Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5):
        one.add(value)
    two.add(7.0)
    merged = Merged(several=True)
    merged.add(one.samples(TIMES, (("route", "b"),)), index=0)
    merged.add_posted(to_figures(two.samples(TIMES, (("route", "b"),)), index=1))
    merged.add_posted(to_figures(two.samples(TIMES, (("route", "a"),)), index=2))
    ((_, found),) = merged.families()
    assert [(each.suffix, each.labels, each.value) for each in found] == [
        ("_bucket", (("route", "a"), ("le", "0.1")), 0),
        ("_bucket", (("route", "a"), ("le", "1.0")), 0),
        ("_bucket", (("route", "a"), ("le", "+Inf")), 1),
        ("_count", (("route", "a"),), 1),
        ("_sum", (("route", "a"),), 7.0),
        ("_bucket", (("route", "b"), ("le", "0.1")), 2),
        ("_bucket", (("route", "b"), ("le", "1.0")), 3),
        ("_bucket", (("route", "b"), ("le", "+Inf")), 4),
        ("_count", (("route", "b"),), 4),
        ("_sum", (("route", "b"),), pytest.approx(7.65)),
    ]


@pytest.mark.parametrize(
    "bounds", [(), (0.0, 1.0), (-1.0,), (1.0, 1.0), (2.0, 1.0), (1.0, float("inf"))]
)
def test_buckets_that_cannot_be_are_refused(bounds: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="in ascending order"):
        check_bounds(bounds)
