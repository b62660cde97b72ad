"""What the settings that are one of a few words can be."""

from __future__ import annotations

import enum


class Environment(enum.StrEnum):
    """What the application runs for. It decides how much an error page tells."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"
    TEST = "test"


class ClientCert(enum.StrEnum):
    """What a TLS client has to show where authorities for clients are named."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class WorkerStart(enum.StrEnum):
    """How the process of a worker is made."""

    AUTO = "auto"
    FORK = "fork"
    SPAWN = "spawn"


class LogFormat(enum.StrEnum):
    """How log records are written: for people, or for programs."""

    TEXT = "text"
    JSON = "json"


class LogLevel(enum.StrEnum):
    """The least severe of the framework's own records that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"
