"""The TOML file: which one it is, and the settings in it.

A key is the name of a field: ``max_body_size = 1048576``. The server's stand at the top of the
file; an extension's in a table of its own.
"""

from __future__ import annotations

import difflib
import importlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, cast

from ..errors import ConfigurationError
from .setting import Kind, SettingInfo, SettingsClass, SettingValue, describe, parse_setting

FILE: Final = "blackbull.toml"
PROJECT_FILE: Final = "pyproject.toml"
EXTENSION_TABLES: Final = ("mqtt", "extensions")
"""Tables beside the server's keys: who they belong to reads them. ``[extensions.NAME]`` is for an
extension that comes from elsewhere."""

_TABLES: Final = (*EXTENSION_TABLES, "sni")
"""Every table at the top of the file."""

# What TOML has for each kind of setting, besides the word auto.
_TYPES: Final[Mapping[Kind, tuple[type, ...]]] = {
    Kind.COUNT: (int,),
    Kind.AUTO_COUNT: (int,),
    Kind.SECONDS: (int, float),
    Kind.RATE: (int, float),
    Kind.SWITCH: (bool,),
    Kind.AUTO_SWITCH: (bool,),
    Kind.TEXT: (str,),
    Kind.CHOICE: (str,),
    Kind.KEY_PAIRS: (str,),
    Kind.TEXTS: (str,),
}
_AUTO: Final = (Kind.AUTO_COUNT, Kind.AUTO_SWITCH)
_WRITTEN: Final = {
    Kind.TEXTS: "text, or an array of texts",
    Kind.SWITCH: "true or false",
    Kind.AUTO_SWITCH: 'true, false or "auto"',
}
_LONGEST_NUMBER: Final = 64
"""Bits of a whole number: no setting needs more, and text has a limit of its own."""


def read_document(path: Path) -> Mapping[str, object]:
    """Return what *path* says to us: all of it, or ``[tool.blackbull]`` of a pyproject.toml.

    Raises:
        ConfigurationError: it cannot be read, is no TOML, or has no such table.
    """
    document = _parse(path, _read(path))
    if path.name != PROJECT_FILE:
        return document
    tool = document.get("tool")
    ours = tool.get("blackbull") if isinstance(tool, dict) else None
    if not isinstance(ours, dict):
        raise ConfigurationError(f"{str(path)!r} has no table [tool.blackbull]: write one")
    return cast("Mapping[str, object]", ours)


def find_file() -> Path | None:
    """Return the file that the working directory has for us, if there is one.

    Raises:
        ConfigurationError: it cannot be read, or is no TOML.
    """
    path = Path(FILE)
    # Whatever has this name is meant for us. A container's runtime makes a directory of a file
    # that is not there: better no start than one without the settings.
    if os.path.lexists(path):
        return path
    path = Path(PROJECT_FILE)
    # Most of these say nothing to us, and reading TOML costs more than looking for the word.
    if not os.path.isfile(path) or "blackbull" not in (text := _read(path)):
        return None
    tool = _parse(path, text).get("tool")
    return path if isinstance(tool, dict) and "blackbull" in tool else None


def read_settings(cls: type[SettingsClass], path: Path) -> dict[str, SettingValue]:
    """Return the settings of *cls* in the file *path*, by field.

    Raises:
        ConfigurationError: as :func:`read_document` and :func:`parse_table`.
    """
    document = read_document(path)
    own: str | None = getattr(cls, "toml_table", None)
    if own is not None:
        return parse_table(cls, _table(document, own, path), path)
    return parse_table(
        cls, {k: v for k, v in document.items() if k not in EXTENSION_TABLES or _flat(v)}, path,
        tables=EXTENSION_TABLES,
    )  # fmt: skip


def _table(document: Mapping[str, object], name: str, path: Path) -> Mapping[str, object]:
    """Return the table *name* of *document*, which may have dots; empty if it is not there."""
    for part in name.split("."):
        table = document.get(part, {})
        if not isinstance(table, dict):
            raise ConfigurationError(f"{name} in {str(path)!r} must be a table: write [{name}]")
        document = table
    return document


def parse_table(
    cls: type[SettingsClass],
    table: Mapping[str, object],
    path: Path,
    *,
    tables: tuple[str, ...] = (),
    lister: str = "blackbull config",
) -> dict[str, SettingValue]:
    """Return the settings of *cls* in *table*, by field.

    Args:
        cls: A dataclass whose fields are settings.
        table: Values by key.
        path: The file, for errors.
        tables: Names of tables that may stand beside the keys.
        lister: The command that lists the settings, for errors.

    Raises:
        ConfigurationError: a key is no setting, or a value does not fit; one line.
    """
    infos = {info.name: info for info in describe(cls)}
    values: dict[str, SettingValue] = {}
    for key, value in table.items():
        info = infos.get(key)
        if info is None:
            trouble = _trouble(key, infos, tables, is_table=not _flat(value), lister=lister)
            raise ConfigurationError(f"{key!r} in {str(path)!r} {trouble}")
        values[key] = parse_value(info, value, f"{key} in {str(path)!r}")
    return values


def parse_value(info: SettingInfo, value: object, source: str) -> SettingValue:
    """Return the setting that a *value* of TOML means.

    Args:
        info: The setting.
        value: What stands in the file.
        source: What an error calls it.

    Raises:
        ConfigurationError: it is of another type, or out of its range.
    """
    if info.kind is Kind.KEY_PAIRS and isinstance(value, dict):
        return _parse_key_pairs(value, source)
    if info.kind is Kind.TEXTS and isinstance(value, list):
        return _parse_texts(value, source)
    allowed = _TYPES[info.kind]
    fits = type(value) in allowed and value != ""
    if isinstance(value, int) and value.bit_length() > _LONGEST_NUMBER:
        raise ConfigurationError(f"{source} must be {info.written}, not one that long")
    if fits or (info.kind in _AUTO and value == "auto"):
        return parse_setting(info, str(value), source=source)
    written = _WRITTEN.get(info.kind, info.written)
    shown = "something else" if info.secret else _shown(value)
    raise ConfigurationError(f"{source} must be {written}, not {shown}")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(
            f"config file {str(path)!r} cannot be read: {error.strerror}"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"config file {str(path)!r} is no TOML: {error}") from error


def _parse(path: Path, text: str) -> dict[str, object]:
    # Late, since most programs have no file and every program would pay for it. Every error of
    # the parser is a ValueError, that of a number with too many digits, too.
    loads = importlib.import_module("tomllib").loads
    try:
        return cast("dict[str, object]", loads(text))
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"config file {str(path)!r} is no TOML: {error}") from error


def _trouble(
    key: str,
    infos: Mapping[str, SettingInfo],
    tables: tuple[str, ...],
    *,
    is_table: bool,
    lister: str,
) -> str:
    """Return what is wrong with a *key* that is no setting, and what to write instead."""
    if key in tables:
        return f"must be a table: write [{key}]"
    if is_table and tables and not difflib.get_close_matches(key, _TABLES):
        return "is no table of ours: write its keys at the top of the file"
    named = {name: name for name in (*infos, *tables)}
    for info in infos.values():
        named.setdefault(info.env.lower(), info.name)
        named.setdefault(info.env.partition("_")[2].lower(), info.name)
    close = difflib.get_close_matches(key.replace("-", "_").lower(), list(named), n=1)
    hint = f": did you mean {named[close[0]]}?" if close else f"; '{lister}' lists them"
    return f"is no setting{hint}"


def _parse_key_pairs(table: Mapping[str, object], source: str) -> SettingValue:
    pairs: dict[str, tuple[str, str | None]] = {}
    for name, files in table.items():
        match files:
            case str(chain) | [str(chain)]:
                pairs[name] = (chain, None)
            case [str(chain), str(key)]:
                pairs[name] = (chain, key)
            case _:
                raise ConfigurationError(
                    f'{name!r} of {source} must be ["CERT", "KEY"], not {_shown(files)}'
                )
    return pairs


def _parse_texts(texts: Sequence[object], source: str) -> SettingValue:
    found = tuple(text for text in texts if isinstance(text, str) and text)
    if len(found) != len(texts):
        raise ConfigurationError(f'{source} must be an array of texts: ["...", "..."]')
    return found


def _flat(value: object) -> bool:
    return not isinstance(value, dict)


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
