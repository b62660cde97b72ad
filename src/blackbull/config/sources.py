"""Where settings come from: variables, then ``.env``, then the TOML file, then the defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final, TypeVar

from .environment import find_variables, named_file, read_environment
from .levels import override
from .setting import Found, SettingsClass, describe
from .settings import Settings
from .toml_file import find_file, read_settings

SettingsT = TypeVar("SettingsT", bound=SettingsClass)

_NAMED: Final[ContextVar[str | None]] = ContextVar("config_file", default=None)


@contextmanager
def config_file(path: str | None) -> Iterator[None]:
    """Let *path* be the TOML file of everything within that reads its settings.

    Args:
        path: The file that somebody named; None: what ``BLACKBULL_CONFIG`` names, else the one
            that the working directory has.
    """
    token = _NAMED.set(path)
    try:
        yield
    finally:
        _NAMED.reset(token)


def find_settings(cls: type[SettingsClass]) -> dict[str, Found]:
    """Return those settings of *cls* that are set, by field, and where they were found.

    Raises:
        ConfigurationError: a value does not fit, or a name is no setting; one line.
        MissingExtra: ``.env`` has settings, and python-dotenv is not installed.
    """
    named = _NAMED.get() or named_file()
    path = find_file() if named is None else Path(named)
    found: dict[str, Found] = {}
    if path is not None:
        for name, value in read_settings(cls, path).items():
            found[name] = Found(value, f"{name} in {path}")
    return override(found, find_variables(cls))


def given_settings(settings: SettingsClass, source: str = "argument") -> dict[str, Found]:
    """Return what *settings*, which a program made, say besides the defaults."""
    values = {info: getattr(settings, info.name) for info in describe(type(settings))}
    return {
        info.name: Found(value, source) for info, value in values.items() if value != info.default
    }


def make_settings(cls: type[SettingsT], found: Mapping[str, Found]) -> SettingsT:
    """Return the settings that were *found*, and the defaults of the others.

    Raises:
        ConfigurationError: values are out of their range, or contradict each other.
    """
    return cls(**{name: each.value for name, each in found.items()})


def load(cls: type[SettingsT], environ: Mapping[str, str] | None = None) -> SettingsT:
    """Read the settings of *cls* from variables and files; an empty variable counts as unset.

    Args:
        cls: A dataclass whose fields are settings. If it has an ``env_prefix``, every variable
            that begins with it has to be one of them; if it has a ``toml_table``, its keys stand
            there.
        environ: The only source, if not None.

    Raises:
        ConfigurationError: a value does not fit, or a name is a slip of the pen for a setting's
            name; one line, with the cure.
    """
    if environ is not None:
        return cls(**read_environment(cls, environ))
    return make_settings(cls, find_settings(cls))


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the server's settings; as :func:`load`.

    Raises:
        ConfigurationError: as :func:`load`.
    """
    return load(Settings, environ)
