"""The command line of ``blackbull mqtt``, and its TOML file."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from blackbull.config import (
    Kind,
    SettingInfo,
    SettingValue,
    describe,
    parse_setting,
    parse_table,
    read_document,
    read_environment,
)
from blackbull.errors import ConfigurationError
from blackbull.mqtt.settings import MQTTSettings
from blackbull.transport.where import Tcp, parse_where

from .flags import Parser
from .mqtt_settings import BrokerSettings

USAGE = "blackbull mqtt [flags]\n       blackbull mqtt passwd [flags] FILE USER"
DESCRIPTION = (
    "Run an MQTT broker, 5.0 and 3.1.1. A flag goes before its variable (BB_MQTT_MAX_SESSIONS "
    "for --max-sessions), and that before a line of the TOML file (max_sessions = 100)."
)
SECTION: Final = BrokerSettings.toml_table


def flag_name(info: SettingInfo) -> str:
    """Return the flag of a setting: ``--max-sessions`` for ``max_sessions``."""
    return f"--{info.name.replace('_', '-')}"


def make_parser() -> Parser:
    """Return the parser of the arguments of ``blackbull mqtt``."""
    parser = Parser("blackbull mqtt", description=DESCRIPTION)
    parser.usage = USAGE
    parser.add_argument("--config", metavar="FILE", help="settings, as TOML, under [mqtt]")
    parser.add_argument("--bind", metavar="HOST:PORT", help="both in one, '[::1]:1883' for IPv6")
    own = parser.add_argument_group("where, and for whom")
    limits = parser.add_argument_group("limits")
    inherited = {info.name for info in describe(MQTTSettings)}
    for info in sorted(describe(BrokerSettings), key=lambda info: info.name in inherited):
        if info.name == "allow_anonymous":
            continue
        group = limits if info.name in inherited else own
        group.add_argument(
            flag_name(info), dest=info.name, metavar=_metavar(info), help=_help(info),
        )  # fmt: skip
    own.add_argument("--allow-anonymous", dest="allow_anonymous", action="store_const",
                     const="1", help="Clients need no user name.")  # fmt: skip
    own.add_argument("--no-anonymous", dest="allow_anonymous", action="store_const",
                     const="0", help="Clients need one, as with --passwd-file.")  # fmt: skip
    parser.add_argument("-h", "--help", action="store_true", help="print this help and exit")
    return parser


def _metavar(info: SettingInfo) -> str:
    if info.kind is Kind.TEXT:
        return "FILE" if info.name.endswith(("file", "cert", "key", "ca")) else "TEXT"
    return {Kind.CHOICE: "WORD", Kind.SWITCH: "on|off", Kind.SECONDS: "SECONDS"}.get(
        info.kind, "BYTES" if info.unit == "bytes" else "N"
    )


def _help(info: SettingInfo) -> str:
    default = info.default
    if isinstance(default, bool):
        default = "on" if default else "off"
    shown = "" if default is None else f" [{default}]"
    return f"{info.sentence}{shown}".replace("%", "%%")


def load_broker_settings(
    found: argparse.Namespace, environ: Mapping[str, str] | None = None
) -> BrokerSettings:
    """Return what flags, variables, the TOML file and the defaults say, in this order.

    Args:
        found: What :func:`make_parser` parsed.
        environ: The variables; the process's own when None.

    Raises:
        ConfigurationError: something cannot be; one line, with the cure.
    """
    infos = describe(BrokerSettings)
    values = read_toml(Path(found.config)) if found.config else {}
    values |= read_environment(BrokerSettings, environ)
    if found.bind is not None:
        values |= parse_bind(found.bind)
    for info in infos:
        text: str | None = getattr(found, info.name)
        if text is not None:
            values[info.name] = parse_setting(info, text, source=flag_name(info))
    given = {name: value for name, value in values.items() if value is not None}
    return BrokerSettings(**given)  # type: ignore[arg-type]


def parse_bind(text: str) -> dict[str, SettingValue]:
    """Return the host and the port that ``--bind`` names.

    Raises:
        ConfigurationError: *text* names none; one line.
    """
    try:
        where = parse_where(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"--bind {error}") from None
    if not isinstance(where, Tcp):
        raise ConfigurationError(f"--bind {text!r}: the broker listens on TCP: write host:port")
    return {"host": where.host, "port": where.port}


def read_toml(path: Path) -> dict[str, SettingValue]:
    """Return the settings in a TOML file, by field.

    Raises:
        ConfigurationError: it cannot be read, or has what is no setting.
    """
    section = read_document(path).get(SECTION)
    if not isinstance(section, dict):
        raise ConfigurationError(f"config file {str(path)!r} has no section [{SECTION}]: write one")
    versions = section.get("versions")
    if isinstance(versions, list):
        section = {**section, "versions": ",".join(map(str, versions))}
    return parse_table(BrokerSettings, section, path, lister="blackbull mqtt --help")
