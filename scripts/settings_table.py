"""Print the tables of settings; with ``--write``, put them into the pages that have their marks."""

from __future__ import annotations

import enum
import re
import sys
from pathlib import Path

from blackbull.config import SettingInfo, Settings, SettingsClass, describe
from blackbull.mqtt.settings import MQTTSettings

PAGES = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))
CLASSES: dict[str, type[SettingsClass]] = {"server": Settings, "mqtt": MQTTSettings}
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


def with_tables(page: str) -> str:
    return MARKED.sub(lambda m: f"{m[1]}\n\n{table(CLASSES[m[2]])}\n\n{m[3]}", page)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        for path in PAGES:
            path.write_text(with_tables(path.read_text()))
    else:
        print("\n\n".join(table(cls) for cls in CLASSES.values()))
