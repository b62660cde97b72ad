"""Settings: one dataclass field each, read here and nowhere else."""

from __future__ import annotations

from .activation import Notifying, PassedSocket, notifying, passed_sockets
from .capacity import fill_standard_files, resolve_max_connections, use_all_files
from .choices import ClientCert, Environment, LogFormat, LogLevel, WorkerStart
from .environment import colors_wanted, read_environment
from .levels import PLACES, override
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
from .settings import Settings, describe_settings
from .sources import config_file, find_settings, given_settings, load, load_settings, make_settings
from .started import STARTED_IN, working_directory
from .toml_file import parse_table, read_document

__all__ = [
    "PLACES",
    "STARTED_IN",
    "ClientCert",
    "Environment",
    "Found",
    "KeyPairs",
    "Kind",
    "LogFormat",
    "LogLevel",
    "Notifying",
    "PassedSocket",
    "SettingInfo",
    "SettingValue",
    "Settings",
    "SettingsClass",
    "WorkerStart",
    "check",
    "colors_wanted",
    "config_file",
    "describe",
    "describe_settings",
    "fill_standard_files",
    "find_settings",
    "given_settings",
    "load",
    "load_settings",
    "make_settings",
    "notifying",
    "override",
    "parse_key_pairs",
    "parse_setting",
    "parse_table",
    "passed_sockets",
    "read_document",
    "read_environment",
    "resolve_max_connections",
    "setting",
    "use_all_files",
    "working_directory",
]
