"""Print the tables of settings and of bounds; ``--write`` puts them where the pages have marks."""

from __future__ import annotations

import enum
import importlib
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from blackbull.config import SettingInfo, Settings, SettingsClass, describe
from blackbull.mqtt.settings import MQTTSettings
from scripts.bounds import BOUNDS, CONSTANTS, Bound

PAGES = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))
CLASSES: dict[str, type[SettingsClass]] = {"server": Settings, "mqtt": MQTTSettings}
BOUNDS_MARKED = re.compile(r"(<!-- bounds:begin -->).*?(<!-- bounds:end -->)", re.DOTALL)
NAMED = re.compile(r"`([\w.]+)`")
MARKED = re.compile(r"(<!-- settings:(\w+):begin -->).*?(<!-- settings:\2:end -->)", re.DOTALL)


def show_default(info: SettingInfo) -> str:
    value = info.default
    if value is None or value == ():
        return "auto" if "auto" in info.kind.value else "unset"
    if isinstance(value, enum.Enum):
        return f"`{value.value}`"
    if isinstance(value, float):
        value = f"{value:g}"
    return f"`{value}`{f' {info.unit}' if info.unit else ''}"


def table(cls: type[SettingsClass]) -> str:
    rows = ["| variable | key | default | what it does |", "|---|---|---|---|"]
    rows += [
        f"| `{i.env}` | `{i.name}` | {show_default(i)} | {i.sentence} |" for i in describe(cls)
    ]
    return "\n".join(rows)


def constant(name: str) -> object:
    """Return the value of one of :data:`CONSTANTS`."""
    module, _, path = CONSTANTS[name][0].partition(":")
    value: object = importlib.import_module(f"blackbull.{module}")
    for step in path.split("."):
        value = getattr(value, step.removesuffix("()"))
        value = value() if step.endswith("()") and callable(value) else value
    return value


def show_constant(name: str) -> str:
    """Return the value of a constant with its unit: ``64 KiB``, ``2 s``, ``256 fields``."""
    value, unit = constant(name), CONSTANTS[name][1]
    if unit == "bytes" and isinstance(value, int):
        for larger in ("KiB", "MiB"):
            if value % 1024 == 0 and value >= 1024:
                value, unit = value // 1024, larger
    return f"{value:g} {unit}".rstrip() if isinstance(value, float) else f"{value} {unit}".rstrip()


def show_cell(cell: str) -> str:
    """Return *cell* as the page has it: a constant is its value, an absent bound its reason."""
    shown = NAMED.sub(lambda m: show_constant(m[1]) if m[1] in CONSTANTS else m[0], cell)
    return shown.removeprefix("none: ")


def bounds_table(rows: tuple[Bound, ...]) -> str:
    """Return the rows of one part of the server."""
    lines = [
        "| what a peer can make grow | one of it | all of it | time | what it is told | record | "
        "shown by |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [show_cell(cell) for cell in (row.what, row.unit, row.total, row.time, row.told)]
        caps = ", ".join(f"`{cap}`" for cap in row.caps) or "none"
        tests = "<br>".join(f"`{test.rpartition('::')[2]}`" for test in row.tests)
        lines.append(f"| {' | '.join(cells)} | {caps} | {tests} |")
    return "\n".join(lines)


def bounds_tables() -> str:
    """Return all rows, with a heading for each part."""
    return "\n\n".join(f"### {part}\n\n{bounds_table(rows)}" for part, rows in BOUNDS.items())


def with_tables(page: str) -> str:
    """Return *page* with what is between its marks made anew."""
    page = BOUNDS_MARKED.sub(lambda m: f"{m[1]}\n\n{bounds_tables()}\n\n{m[2]}", page)
    return MARKED.sub(lambda m: f"{m[1]}\n\n{table(CLASSES[m[2]])}\n\n{m[3]}", page)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        for path in PAGES:
            path.write_text(with_tables(path.read_text()))
    else:
        print("\n\n".join(table(cls) for cls in CLASSES.values()))
