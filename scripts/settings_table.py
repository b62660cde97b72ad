"""Print the table of settings; with ``--write``, put it into docs/limits.md."""

from __future__ import annotations

import enum
import sys
from pathlib import Path

from blackbull.config import SettingInfo, describe_settings

PAGE = Path(__file__).parents[1] / "docs" / "limits.md"
BEGIN, END = "<!-- settings:begin -->", "<!-- settings:end -->"


def show_default(info: SettingInfo) -> str:
    value = info.default
    if value is None:
        return "auto" if "auto" in info.kind.value else "unset"
    if isinstance(value, enum.Enum):
        return f"`{value.value}`"
    if isinstance(value, float):
        value = f"{value:g}"
    return f"`{value}`{f' {info.unit}' if info.unit else ''}"


def table() -> str:
    rows = ["| variable | default | what it does |", "|---|---|---|"]
    rows += [f"| `{i.env}` | {show_default(i)} | {i.sentence} |" for i in describe_settings()]
    return "\n".join(rows)


def with_table(page: str) -> str:
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{table()}\n\n{END}{tail}"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(with_table(PAGE.read_text()))
    else:
        print(table())
