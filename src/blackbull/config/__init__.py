"""Settings: one dataclass field each, read from the environment and nowhere else."""

from __future__ import annotations

from .environment import load, load_settings, read_environment, resolve_max_connections
from .setting import (
    KeyPairs,
    Kind,
    SettingInfo,
    SettingsClass,
    SettingValue,
    check,
    describe,
    parse_key_pairs,
    parse_setting,
    setting,
)
from .settings import ClientCert, Environment, Settings, describe_settings

__all__ = [
    "ClientCert",
    "Environment",
    "KeyPairs",
    "Kind",
    "SettingInfo",
    "SettingValue",
    "Settings",
    "SettingsClass",
    "check",
    "describe",
    "describe_settings",
    "load",
    "load_settings",
    "parse_key_pairs",
    "parse_setting",
    "read_environment",
    "resolve_max_connections",
    "setting",
]
