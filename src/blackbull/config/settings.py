"""Every setting on one page: its name, unit, default, range and sentence."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final, TypeAlias, TypeVar, cast

from ..errors import ConfigurationError

SettingValue: TypeAlias = str | int | float | bool | enum.Enum | None


class Environment(enum.StrEnum):
    """What the application runs for. It decides how much an error page tells."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"
    TEST = "test"


class Kind(enum.Enum):
    """How a setting is written and what it holds; the value says what to write."""

    SECONDS = "a number of seconds, 0 or more"
    COUNT = "a whole number"
    RATE = "a number, 0 or more"
    TEXT = "text"
    AUTO_COUNT = "a whole number or auto"
    AUTO_SWITCH = "1, 0 or auto"
    ENVIRONMENT = "development, production or test"


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """What is to be known about one setting.

    Attributes:
        name: The field of :class:`Settings`.
        env: The environment variable.
        kind: How it is written.
        unit: ``"s"``, ``"bytes"``, ``"bytes/s"`` or ``""``.
        sentence: What it does.
        default: Its value when nobody sets it.
        minimum: The smallest value, for numbers.
        maximum: The largest value, for numbers.
    """

    name: str
    env: str
    kind: Kind
    unit: str
    sentence: str
    default: SettingValue
    minimum: float
    maximum: float


T = TypeVar("T")


def _setting(
    default: T,
    env: str,
    *,
    kind: Kind,
    sentence: str,
    unit: str = "",
    minimum: float = 0,
    maximum: float = math.inf,
) -> T:
    metadata = {
        "env": env,
        "kind": kind,
        "unit": "s" if kind is Kind.SECONDS else unit,
        "sentence": sentence,
        "minimum": minimum,
        "maximum": maximum,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one process serves. Made once, then passed to whoever needs it.

    Times are seconds and sizes are bytes; a time of 0 means: no limit.

    Raises:
        ConfigurationError: a value is out of its range, or values contradict each other.
    """

    environment: Environment = _setting(  # noqa: RUF009 - it makes a field, not a value
        Environment.DEVELOPMENT,
        "BLACKBULL_ENV",
        kind=Kind.ENVIRONMENT,
        sentence="What the process runs for; only development shows tracebacks to clients.",
    )
    host: str = _setting(
        "127.0.0.1",
        "BLACKBULL_HOST",
        kind=Kind.TEXT,
        sentence="The address that is bound; :: is every address, 0.0.0.0 every IPv4 address.",
    )
    port: int = _setting(
        8000,
        "BLACKBULL_PORT",
        kind=Kind.COUNT,
        maximum=65535,
        sentence="The TCP port of the HTTP listener; 0 lets the system choose one.",
    )
    unix_path: str | None = _setting(
        None,
        "BLACKBULL_UNIX_PATH",
        kind=Kind.TEXT,
        sentence="The path of a Unix socket to bind instead of host and port.",
    )
    certfile: str | None = _setting(
        None,
        "BLACKBULL_CERT",
        kind=Kind.TEXT,
        sentence="The certificate chain, a PEM file; it turns TLS on.",
    )
    keyfile: str | None = _setting(
        None,
        "BLACKBULL_KEY",
        kind=Kind.TEXT,
        sentence="The certificate's private key, a PEM file.",
    )
    uvloop: bool | None = _setting(
        None,
        "BB_UVLOOP",
        kind=Kind.AUTO_SWITCH,
        sentence="Whether the event loop is uvloop's; auto: if it is installed.",
    )
    workers: int = _setting(
        1,
        "BB_WORKERS",
        kind=Kind.COUNT,
        minimum=1,
        sentence="Processes that serve; more than one is not supported yet.",
    )
    reload: bool | None = _setting(
        None,
        "BLACKBULL_RELOAD",
        kind=Kind.AUTO_SWITCH,
        sentence="Whether to serve anew whenever a source file changes; auto: no.",
    )
    max_connections: int = _setting(
        0,
        "BB_MAX_CONNECTIONS",
        kind=Kind.AUTO_COUNT,
        sentence="Connections served at a time, more are refused; 0 or auto: as open files allow.",
    )
    socket_backlog: int = _setting(
        1024,
        "BB_SOCKET_BACKLOG",
        kind=Kind.COUNT,
        minimum=1,
        sentence="Connections that the system holds ready for a listener that is busy.",
    )
    header_timeout: float = _setting(
        10.0,
        "BB_HEADER_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long a request's head, and what detection needs, may take to arrive.",
    )
    body_timeout: float = _setting(
        30.0,
        "BB_BODY_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long the next part of a request's content may take to arrive.",
    )
    write_timeout: float = _setting(
        30.0,
        "BB_WRITE_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long a peer may take nothing of what we have for it.",
    )
    keep_alive_timeout: float = _setting(
        5.0,
        "BB_KEEP_ALIVE_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long a connection may be idle between two requests.",
    )
    request_timeout: float = _setting(
        0.0,
        "BB_REQUEST_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long a request may take as a whole, its handler included.",
    )
    drain_timeout: float = _setting(
        8.0,
        "BB_WORKER_DRAIN_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long requests may go on after the process was told to stop; 0: not at all.",
    )
    header_max_line: int = _setting(
        8192,
        "BB_HEADER_MAX_LINE",
        kind=Kind.COUNT,
        unit="bytes",
        minimum=64,
        sentence="The longest request line or field line.",
    )
    header_max_total: int = _setting(
        65536,
        "BB_HEADER_MAX_TOTAL",
        kind=Kind.COUNT,
        unit="bytes",
        minimum=64,
        sentence="The longest head of a request, and the longest trailer section.",
    )
    max_body_size: int = _setting(
        31457280,
        "BB_MAX_BODY_SIZE",
        kind=Kind.COUNT,
        unit="bytes",
        sentence="The most content of one request.",
    )
    min_body_rate: float = _setting(
        240.0,
        "BB_MIN_BODY_RATE",
        kind=Kind.RATE,
        unit="bytes/s",
        sentence="How fast a request's content must arrive on average; 0: as slowly as it likes.",
    )
    min_body_rate_grace: float = _setting(
        5.0,
        "BB_MIN_BODY_RATE_GRACE",
        kind=Kind.SECONDS,
        sentence="How long content may arrive before its rate is judged.",
    )

    def __post_init__(self) -> None:
        for info in describe_settings():
            check_range(info, getattr(self, info.name))
        if self.keyfile and not self.certfile:
            raise ConfigurationError("a key without its certificate: set BLACKBULL_CERT, too")
        if self.header_max_line > self.header_max_total:
            raise ConfigurationError(
                f"BB_HEADER_MAX_LINE ({self.header_max_line}) exceeds BB_HEADER_MAX_TOTAL "
                f"({self.header_max_total}): raise the total"
            )


def _describe() -> tuple[SettingInfo, ...]:
    described = []
    for entry in fields(Settings):
        metadata: Mapping[str, object] = entry.metadata
        described.append(
            SettingInfo(
                name=entry.name,
                env=cast("str", metadata["env"]),
                kind=cast("Kind", metadata["kind"]),
                unit=cast("str", metadata["unit"]),
                sentence=cast("str", metadata["sentence"]),
                default=cast("SettingValue", entry.default),
                minimum=cast("float", metadata["minimum"]),
                maximum=cast("float", metadata["maximum"]),
            )
        )
    return tuple(described)


_ALL: Final = _describe()


def describe_settings() -> tuple[SettingInfo, ...]:
    """Return what is to be known about every setting, in the order of :class:`Settings`."""
    return _ALL


def check_range(info: SettingInfo, value: object) -> None:
    """Refuse a number that the setting cannot be.

    Raises:
        ConfigurationError: *value* is no finite number, or not within the setting's range.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if info.minimum <= value <= info.maximum and math.isfinite(value):
        return
    upper = f" to {info.maximum:g}" if math.isfinite(info.maximum) else " or more"
    unit = f" {info.unit}" if info.unit else ""
    raise ConfigurationError(f"{info.env} must be {info.minimum:g}{upper}{unit}, not {value}")
