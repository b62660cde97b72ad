"""Settings: one dataclass field each, read here and nowhere else."""

from __future__ import annotations

from .environment import read_environment, resolve_max_connections
from .levels import override
from .setting import (
    Found,
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
from .sources import config_file, find_settings, given_settings, load, load_settings, make_settings
from .toml_file import parse_table, read_document

__all__ = [
    "ClientCert",
    "Environment",
    "Found",
    "KeyPairs",
    "Kind",
    "SettingInfo",
    "SettingValue",
    "Settings",
    "SettingsClass",
    "check",
    "config_file",
    "describe",
    "describe_settings",
    "find_settings",
    "given_settings",
    "load",
    "load_settings",
    "make_settings",
    "override",
    "parse_key_pairs",
    "parse_setting",
    "parse_table",
    "read_document",
    "read_environment",
    "resolve_max_connections",
    "setting",
]
