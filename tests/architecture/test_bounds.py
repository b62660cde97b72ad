"""The table of bounds says the truth, and leaves nothing out.

A new setting or limit needs a row in ``scripts/bounds.py``; then
``python scripts/settings_table.py --write`` brings the page up to date.
"""

from __future__ import annotations

import ast
import functools
import re

from blackbull.config import Settings, describe
from blackbull.mqtt.settings import MQTTSettings
from scripts.bounds import BOUNDS, CONSTANTS, OURS
from scripts.settings_table import NAMED, constant, show_cell
from tests.architecture.source import ROOT, modules

ROWS = [(part, row) for part, rows in BOUNDS.items() for row in rows]
NOT_NAMES = {"cache_max", "max_pending", "mqtt.overflow", "mqtt.slow_policy"}
"""Arguments and policies that cells name beside settings and constants."""

BOUNDING = re.compile(
    r"(^|_)(max|min)(_|imum|size|$)|_timeout|_rate|_limit|_depth|_size|_bytes|_memory|_window"
    r"|_grace|_maximum|_streams|_keep_alive|_line$|_total$|_backlog|_websockets|_resets|_buffer"
)
"""How settings are called that bound something."""

RECORDING = {
    "Excess", "LimitExceeded", "record", "_record", "_refuse", "too_slow", "too_large", "too_big",
    "_too_large", "_too_long", "_timed_out", "_fail",
}  # fmt: skip
"""What is called with the name of a limit."""
MADE = {"mqtt_max_queued_": ("messages", "bytes")}
"""Names that are put together where they are used."""
STATED = re.compile(r"\d|one|same|expir|limit|Keep Alive")
"""What bounds without a name."""
LISTED = re.compile(r"(frame_rate|(h2_max|mqtt_max)_\w+)")


def settings() -> set[str]:
    """Return every setting as the rows call it."""
    own = {info.name for info in describe(Settings)}
    return own | {f"mqtt.{info.name}" for info in describe(MQTTSettings)}


def recorded() -> frozenset[str]:
    """Return every name under which a limit is recorded, read from the source."""
    found: set[str] = set()
    for module in modules().values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and node.args:
                called = getattr(node.func, "id", getattr(node.func, "attr", ""))
                name = node.args[0]
                if called in RECORDING and isinstance(name, ast.Constant):
                    found |= {str(name.value)} if re.fullmatch(r"\w+", str(name.value)) else set()
                elif called == "LimitExceeded" and isinstance(name, ast.JoinedStr):
                    start = ast.literal_eval(name.values[0])
                    found |= {start + end for end in MADE[start]}
            elif isinstance(node, ast.List | ast.Tuple) and node.elts:
                # Tables of limits: lists of names, and rows that begin with one.
                found |= {
                    item.value
                    for item in (node.elts if isinstance(node, ast.List) else node.elts[:1])
                    if isinstance(item, ast.Constant)
                    and isinstance(item.value, str)
                    and LISTED.fullmatch(item.value)
                    and "settings" not in module.name
                }
    return frozenset(found)


CAPS = recorded()
"""Read before any test runs: the garbage collector looks at what is made in one."""


@functools.cache
def functions(file: str) -> frozenset[str]:
    """Return the names of the functions of a file of tests."""
    tree = ast.parse((ROOT / "tests" / file).read_text())
    return frozenset(
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_rows_name_what_is_there() -> None:
    known = settings() | CONSTANTS.keys() | NOT_NAMES
    unknown = [
        f"{part}: {row.what}: {name} is neither a setting nor a constant"
        for part, row in ROWS
        for cell in (row.unit, row.total, row.time, row.told)
        for name in NAMED.findall(cell)
        if name.islower() and name not in known
    ]
    stale = [f"{part}: {row.what}: {c}" for part, row in ROWS for c in row.caps if c not in CAPS]
    assert unknown == []
    assert stale == [], "no code records it"


def test_rows_have_every_bound_or_say_why_not() -> None:
    assert [
        f"{part}: {row.what}: bounded by what? {cell}"
        for part, row in ROWS
        for cell in (row.unit, row.total, row.time)
        if not (STATED.search(cell) or NAMED.search(cell) or cell.removeprefix("none: ") != cell)
    ] == []
    assert all(row.told for _, row in ROWS)


def test_rows_are_shown_by_tests_that_exist() -> None:
    shown = [test.partition("::") for _, row in ROWS for test in row.tests or ("nothing",)]
    assert [f"{file}::{name}" for file, _, name in shown if name not in functions(file)] == []


def test_every_setting_that_bounds_something_has_a_row() -> None:
    named = {
        name
        for _, row in ROWS
        for cell in (row.unit, row.total, row.time, row.told)
        for name in NAMED.findall(cell)
    }
    bounding = {name for name in settings() if BOUNDING.search(name.removeprefix("mqtt."))}
    ours = {name for name in bounding if name.removeprefix("mqtt.") in OURS}
    assert bounding - named - ours == set(), "add a row to scripts/bounds.py, or say why in OURS"
    assert {name.removeprefix("mqtt.") for name in settings()} >= OURS.keys()


def test_every_limit_that_is_recorded_has_a_row() -> None:
    known = {cap for _, row in ROWS for cap in row.caps}
    assert CAPS - known == set(), "add it to the caps of a row in scripts/bounds.py"


def test_every_constant_is_used_and_has_a_value() -> None:
    cells = [cell for _, row in ROWS for cell in (row.unit, row.total, row.time, row.told)]
    used = {name for cell in cells for name in NAMED.findall(cell)}
    assert CONSTANTS.keys() - used == set()
    for name in CONSTANTS:
        assert isinstance(constant(name), int | float)
    assert show_cell("none: `max_fields` of `max_buffered`") == "256 fields of 64 KiB"
    assert show_cell("`linger_bytes`, `linger_seconds`, `mqtt.x`") == "64 MiB, 2 s, `mqtt.x`"
