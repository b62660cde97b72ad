"""``blackbull config``: every setting, its value, and where that comes from."""

from __future__ import annotations

import enum
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from blackbull.app.application import BlackBull
from blackbull.config import (
    Found,
    Kind,
    SettingInfo,
    Settings,
    SettingsClass,
    SettingValue,
    config_file,
    describe,
    find_settings,
    given_settings,
    make_settings,
    override,
)
from blackbull.forwarding import TrustedProxies
from blackbull.runner import find
from blackbull.server.listeners import listeners_of
from blackbull.transport.listener import parse_proxies

from .flags import Flags, Parser, add_flags, said, to_flags
from .target import load_app

DESCRIPTION = (
    "Print every setting, its value and where that comes from: the command line, a variable, "
    ".env, the TOML file, or nowhere (default). With an application, its extensions' settings, too."
)
MASK = "***"
HEADINGS = ("setting", "value", "from")

JSONValue: TypeAlias = "str | float | list[str] | dict[str, list[str | None]] | None"


@dataclass(frozen=True, slots=True)
class Row:
    """One setting as it would be served with.

    Attributes:
        table: The table of the TOML file that has its key; None: the top of the file.
        info: What is known about it.
        found: Its value, and where that was found.
    """

    table: str | None
    info: SettingInfo
    found: Found

    @property
    def name(self) -> str:
        """The key in the TOML file, with its table."""
        return self.info.name if self.table is None else f"{self.table}.{self.info.name}"


def main(arguments: Sequence[str]) -> None:
    """Run the command.

    Raises:
        ConfigurationError: a setting cannot be; one line says which, and where it stands.
    """
    parser = make_parser()
    found = parser.parse_args(list(arguments))
    if found.help:
        print(parser.format_help(), end="")
        return
    app = None if found.target is None else load_app(found.target)
    rows = collect(to_flags(found), app)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A path may have characters that the terminal's encoding has not.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(to_json(rows) if found.json else to_text(rows), flush=True)
    except BrokenPipeError:
        # Whoever read has seen enough; the interpreter must not try once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def make_parser() -> Parser:
    """Return the parser of the arguments of ``blackbull config``."""
    parser = Parser("blackbull config", description=DESCRIPTION)
    parser.add_argument("target", nargs="?", metavar="module:app", help="where the app is")
    parser.add_argument("--json", action="store_true", help="print a JSON array")
    add_flags(parser)
    parser.add_argument("-h", "--help", action="store_true", help="print this help and exit")
    return parser


def collect(flags: Flags, app: object = None) -> list[Row]:
    """Return the settings that *app* would be served with, in the order of their fields.

    Args:
        flags: The command line.
        app: The application, if one was named.

    Raises:
        ConfigurationError: a setting cannot be, or settings contradict each other.
    """
    with config_file(flags.config):
        found = override(find(app), said(flags))
        check_names(make_settings(Settings, found))
        rows = list(_rows(Settings, found))
        for extension in app.extensions.values() if isinstance(app, BlackBull) else ():
            cls: type[SettingsClass] | None = getattr(extension, "settings_class", None)
            if cls is not None:
                given: SettingsClass | None = getattr(extension, "settings", None)
                rows += _rows(cls, find_settings(cls) if given is None else given_settings(given))
    return rows


def check_names(settings: Settings) -> None:
    """Refuse what names no place to listen, and no proxy: nothing could be served with it.

    Raises:
        ConfigurationError: a name is neither.
    """
    listeners_of(settings)
    for proxies in (settings.trusted_proxies, parse_proxies(settings.proxy_protocol)):
        if proxies and not isinstance(proxies, bool):
            TrustedProxies(proxies)


def _rows(cls: type[SettingsClass], found: Mapping[str, Found]) -> Iterator[Row]:
    settings = make_settings(cls, found)
    table: str | None = getattr(cls, "toml_table", None)
    for info in describe(cls):
        source = found[info.name].source if info.name in found else "default"
        yield Row(table, info, Found(getattr(settings, info.name), source))


def to_text(rows: Sequence[Row]) -> str:
    """Return *rows* in aligned columns."""
    cells = [HEADINGS, *((row.name, show(row.info, row.found.value), row.found.source)
                         for row in rows)]  # fmt: skip
    first, second = (max(len(line[column]) for line in cells) for column in (0, 1))
    return "\n".join(f"{a:<{first}}  {b:<{second}}  {c}" for a, b, c in cells)


def to_json(rows: Sequence[Row]) -> str:
    """Return *rows* as a JSON array of objects."""
    return json.dumps(
        [
            {
                "setting": row.name,
                "value": as_json(row.info, row.found.value),
                "unit": row.info.unit,
                "from": row.found.source,
                "variable": row.info.env,
            }
            for row in rows
        ],
        indent=2,
    )


def show(info: SettingInfo, value: SettingValue) -> str:
    """Return *value* in one line, with its unit; a secret is masked."""
    if value is None or (value == 0 and info.kind is Kind.AUTO_COUNT):
        return "auto" if info.kind in (Kind.AUTO_COUNT, Kind.AUTO_SWITCH) else "unset"
    shown = as_json(info, value)
    if isinstance(shown, dict):
        return ";".join(f"{k}={','.join(filter(None, pair))}" for k, pair in shown.items())
    if isinstance(shown, list):
        return ",".join(shown) or "unset"
    if isinstance(shown, bool):
        return "true" if shown else "false"
    if isinstance(shown, str):
        return shown if shown.isprintable() and shown else repr(shown)
    number = f"{shown:g}" if isinstance(shown, float) else str(shown)
    return f"{number} {info.unit}" if info.unit else number


def as_json(info: SettingInfo, value: SettingValue) -> JSONValue:
    """Return *value* as JSON has it; a secret is masked."""
    if value is not None and info.secret:
        return MASK
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, Mapping):
        return {name: list(pair) for name, pair in value.items()}
    return list(value) if isinstance(value, tuple) else value
