"""The process's environment: the only place that reads ``os.environ``."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from typing import Final

from ..errors import ConfigurationError
from .settings import (
    ClientCert,
    Environment,
    Kind,
    SettingInfo,
    Settings,
    SettingValue,
    check_range,
    describe_settings,
    parse_key_pairs,
)

try:
    import resource
except ImportError:  # not a POSIX system
    resource = None  # type: ignore[assignment]

PREFIXES: Final = ("BB_", "BLACKBULL_")
RESERVED_FILES: Final = 64
"""Open files that connections leave to the rest of the process."""
FALLBACK_MAX_CONNECTIONS: Final = 10_000
"""Connections where the system sets no limit."""
ALIKE: Final = 0.9
"""How alike two names must be for one to be a misspelling of the other: about one letter in ten."""

_SWITCH: Final = {
    "1": True, "true": True, "yes": True, "on": True,
    "0": False, "false": False, "no": False, "off": False,
    "auto": None,
}  # fmt: skip


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from environment variables; an empty one counts as unset.

    Args:
        environ: The variables; the process's own when None.

    Raises:
        ConfigurationError: a variable's value does not fit, or its name is a slip of the pen for
            a setting's name; one line, with the cure.
    """
    environ = os.environ if environ is None else environ
    settings = {info.env: info for info in describe_settings()}
    values: dict[str, SettingValue] = {}
    for env, text in environ.items():
        if not env.startswith(PREFIXES):
            continue
        info = settings.get(env)
        if info is None:
            _refuse_misspelling(env, list(settings))
        elif text.strip():
            values[info.name] = _parse(info, text.strip())
    return Settings(**values)  # type: ignore[arg-type]


def resolve_max_connections(max_connections: int) -> int:
    """Return how many connections may be served at a time.

    Args:
        max_connections: The setting; 0 asks for what the limit of open files allows.
    """
    if max_connections > 0:
        return max_connections
    if resource is None:
        return FALLBACK_MAX_CONNECTIONS
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return FALLBACK_MAX_CONNECTIONS
    return max(1, files - RESERVED_FILES)


def _refuse_misspelling(env: str, known: list[str]) -> None:
    close = difflib.get_close_matches(env, known, n=1, cutoff=ALIKE)
    if close:
        raise ConfigurationError(f"{env} is no setting: did you mean {close[0]}?")


def _parse(info: SettingInfo, text: str) -> SettingValue:
    try:
        value = _convert(info.kind, text)
    except (ValueError, KeyError):
        raise ConfigurationError(f"{info.env} must be {info.kind.value}, not {text!r}") from None
    check_range(info, value)
    return value


def _convert(kind: Kind, text: str) -> SettingValue:
    match kind:
        case Kind.SECONDS | Kind.RATE:
            return float(text)
        case Kind.COUNT:
            return int(text)
        case Kind.AUTO_COUNT:
            return 0 if text.lower() == "auto" else int(text)
        case Kind.SWITCH:
            switch = _SWITCH[text.lower()]
            if switch is None:
                raise ValueError(text)
            return switch
        case Kind.AUTO_SWITCH:
            return _SWITCH[text.lower()]
        case Kind.ENVIRONMENT:
            return Environment(text.lower())
        case Kind.CLIENT_CERT:
            return ClientCert(text.lower())
        case Kind.KEY_PAIRS:
            return parse_key_pairs(text)
        case Kind.TEXT:
            return text
