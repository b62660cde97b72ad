"""Settings: one dataclass field each, read from the environment and nowhere else."""

from __future__ import annotations

from .environment import load_settings, resolve_max_connections
from .settings import Environment, SettingInfo, Settings, describe_settings

__all__ = [
    "Environment",
    "SettingInfo",
    "Settings",
    "describe_settings",
    "load_settings",
    "resolve_max_connections",
]
