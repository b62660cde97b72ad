"""The process's environment: the only place that reads ``os.environ``."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from typing import Final

from ..errors import ConfigurationError
from .dotenv_file import DOTENV, read_dotenv
from .levels import override
from .setting import Found, SettingsClass, SettingValue, describe, parse_setting

PREFIXES: Final = ("BB_", "BLACKBULL_")
LONG_PREFIX: Final = PREFIXES[1]
"""What is nobody's but ours; ``BB_`` may be other programs', too."""
FILE_VARIABLE: Final = "BLACKBULL_CONFIG"
"""Names the TOML file, where neither the command line nor the program does."""
ALIKE: Final = 0.9
"""How alike two names must be for one to be a misspelling of the other: about one letter in ten."""


def read_environment(
    cls: type[SettingsClass], environ: Mapping[str, str] | None = None
) -> dict[str, SettingValue]:
    """Return those settings of *cls* that are set, by field; an empty variable counts as unset.

    Args:
        cls: A dataclass whose fields are settings. If it has an ``env_prefix``, every variable
            that begins with it has to be one of them.
        environ: The variables; the process's own, and below them those of ``.env``, when None.

    Raises:
        ConfigurationError: a variable's value does not fit, or its name is a slip of the pen for
            a setting's name; one line, with the cure.
    """
    found = find_variables(cls) if environ is None else _find(cls, environ)
    return {name: each.value for name, each in found.items()}


def find_variables(cls: type[SettingsClass]) -> dict[str, Found]:
    """Return those settings of *cls* that the process's variables or ``.env`` set, by field.

    Raises:
        ConfigurationError: as :func:`read_environment`.
        MissingExtra: ``.env`` has settings, and python-dotenv is not installed.
    """
    return override(_find(cls, read_dotenv(), f" in {DOTENV}"), _find(cls, os.environ))


def named_file() -> str | None:
    """Return the TOML file that the environment names, if it names one."""
    return os.environ.get(FILE_VARIABLE, "").strip() or None


def colors_wanted(*, terminal: bool, environ: Mapping[str, str] | None = None) -> bool:
    """Return whether what is written may have colours.

    ``NO_COLOR`` forbids them and ``FORCE_COLOR`` asks for them, if either is not empty; else a
    terminal has them unless it is a dumb one.

    Args:
        terminal: It is written to a terminal.
        environ: The variables; the process's own when None.
    """
    variables = os.environ if environ is None else environ
    if variables.get("NO_COLOR"):
        return False
    if variables.get("FORCE_COLOR"):
        return True
    return terminal and variables.get("TERM") != "dumb"


def _find(
    cls: type[SettingsClass], environ: Mapping[str, str], where: str = ""
) -> dict[str, Found]:
    settings = {info.env: info for info in describe(cls)}
    found: dict[str, Found] = {}
    for env, text in environ.items():
        if not env.startswith(PREFIXES):
            continue
        info = settings.get(env)
        source = f"{env}{where}"
        if info is None:
            _refuse_misspelling(cls, env, source=source)
        elif text.strip():
            found[info.name] = Found(parse_setting(info, text.strip(), source=source), source)
    return found


def _refuse_misspelling(cls: type[SettingsClass], env: str, *, source: str) -> None:
    if env == FILE_VARIABLE:
        return
    own: str | None = getattr(cls, "env_prefix", None)
    mine = own is not None and env.startswith(own)
    names = _names(cls)
    close = difflib.get_close_matches(env, names, n=1, cutoff=0 if mine else ALIKE)
    if close:
        raise ConfigurationError(f"{source} is no setting: did you mean {names[close[0]]}?")


def _names(cls: type[SettingsClass]) -> dict[str, str]:
    """Return the variables of *cls*, by their names and by what people write for them.

    That is the longer prefix in the place of the shorter one, and a setting's name in the TOML
    file. Some extension's names are not asked for: they could be the server's variables.
    """
    infos = describe(cls)
    names = {info.env: info.env for info in infos}
    servers = getattr(cls, "toml_table", None) is None
    if servers:
        names[FILE_VARIABLE] = FILE_VARIABLE
    for info in infos:
        if servers or hasattr(cls, "env_prefix"):
            names.setdefault(LONG_PREFIX + info.env.partition("_")[2], info.env)
        if servers:
            names.setdefault(LONG_PREFIX + info.name.upper(), info.env)
    return names
