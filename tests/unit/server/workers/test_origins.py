"""Workers that count connections of one address together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from blackbull.server.workers.origins import COLUMNS, MAX_ROWS, OriginTable, SharedOrigins

ADDRESS = "192.0.2.1"


@pytest.fixture(params=["memfd", "file"])
def table(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[OriginTable]:
    """Yield a table in anonymous memory, and one where the system has none."""
    if request.param == "file":
        monkeypatch.delattr("os.memfd_create")
    with closing(OriginTable()) as table:
        yield table


def worker(table: OriginTable, pid: int) -> SharedOrigins:
    row = table.give(pid)
    assert row is not None
    return SharedOrigins(table.fileno(), row, key=table.key)


def test_workers_see_what_the_others_have(table: OriginTable) -> None:
    one, two = worker(table, 1), worker(table, 2)
    assert [one.add(ADDRESS), two.add(ADDRESS), one.add(ADDRESS)] == [1, 2, 3]
    three = worker(table, 3)
    assert three.add(ADDRESS) == 4
    assert three.add(b"\x20\x01\x0d\xb8\0\0\0\0") == 1
    one.remove(ADDRESS)
    two.remove(ADDRESS)
    assert two.add(ADDRESS) == 3


def test_worker_that_has_ended_has_none(table: OriginTable) -> None:
    one, two = worker(table, 1), worker(table, 2)
    for _ in range(5):
        one.add(ADDRESS)
    table.clear(1)
    table.clear(7)
    assert two.add(ADDRESS) == 1
    successor = worker(table, 3)
    assert successor.add(ADDRESS) == 2


def test_worker_too_many_gets_no_row(table: OriginTable) -> None:
    assert [table.give(pid) for pid in range(MAX_ROWS)] == list(range(1, MAX_ROWS + 1))
    assert table.give(1000) is None
    table.clear(9)
    assert table.give(1000) == 10


def test_address_is_told_from_others_unless_both_of_its_columns_are_shared(
    table: OriginTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = {"a": (1, COLUMNS + 1), "b": (1, COLUMNS + 2), "c": (2, COLUMNS + 1)}
    monkeypatch.setattr(SharedOrigins, "_columns", lambda self, origin: columns[origin])
    one, two = worker(table, 1), worker(table, 2)
    assert [one.add("b"), two.add("b"), one.add("b")] == [1, 2, 3]
    assert one.add("a") == 1
    assert two.add("c") == 1
    assert two.add("a") == 3  # there are two: too many may be counted, never too few


def test_thousand_addresses_are_hardly_ever_taken_for_one_another(table: OriginTable) -> None:
    one = SharedOrigins(table.fileno(), table.give(1) or 0, key=b"k")
    seen = [one.add(f"10.0.{n >> 8}.{n & 255}") for n in range(1000)]
    assert sum(count > 1 for count in seen) <= 2


def test_columns_depend_on_the_key(table: OriginTable) -> None:
    one, two = (SharedOrigins(table.fileno(), 1, key=key) for key in (b"1", b"2"))
    table.give(1)
    assert one.add(ADDRESS) == two.add(ADDRESS) == 1
