"""Settings: one dataclass field each, read from the environment and nowhere else."""

from __future__ import annotations

from .environment import load_settings, resolve_max_connections
from .settings import (
    ClientCert,
    Environment,
    KeyPairs,
    SettingInfo,
    Settings,
    describe_settings,
    parse_key_pairs,
)

__all__ = [
    "ClientCert",
    "Environment",
    "KeyPairs",
    "SettingInfo",
    "Settings",
    "describe_settings",
    "load_settings",
    "parse_key_pairs",
    "resolve_max_connections",
]
