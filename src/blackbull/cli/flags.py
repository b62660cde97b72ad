"""The flags that say where and how to serve; the same for scripts and for the command."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, NoReturn

from blackbull.config import Found, KeyPairs, LogFormat, LogLevel, SettingValue, parse_key_pairs
from blackbull.errors import ConfigurationError
from blackbull.transport.listener import parse_listener


class Parser(argparse.ArgumentParser):
    """An argument parser that raises instead of ending the program; nothing is abbreviated."""

    def __init__(
        self,
        prog: str | None = None,
        *,
        description: str | None = None,
        epilog: str | None = None,
    ) -> None:
        super().__init__(
            prog=prog, description=description, epilog=epilog, allow_abbrev=False, add_help=False
        )

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the command line.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(message)


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line said; None where it said nothing.

    Attributes:
        host: Address to bind.
        port: Port of the HTTP listener; 0 takes any free one.
        certfile: Path of the certificate chain, PEM.
        keyfile: Path of the private key, PEM.
        workers: Number of processes.
        reload: Serve anew whenever a source file changes.
        client_ca: Path of the authorities of client certificates, PEM.
        sni: Certificates by server name.
        max_connections: Connections served at a time; 0: as files and memory allow.
        reload_paths: What is watched as well.
        max_requests: Requests after which a worker is replaced by a fresh one; 0: never.
        access_log: Each request leaves a line.
        log_format: ``text`` or ``json``.
        log_file: Where records are appended to instead of stderr.
        log_level: The least severe of the framework's own records that is written.
        drain_timeout: Seconds that requests may go on when the process is told to stop.
        config: Path of the TOML file; the one of the working directory if None.
        bind: Where to listen, instead of host and port.
    """

    host: str | None = None
    port: int | None = None
    certfile: str | None = None
    keyfile: str | None = None
    workers: int | None = None
    reload: bool | None = None
    client_ca: str | None = None
    sni: KeyPairs | None = None
    max_connections: int | None = None
    reload_paths: tuple[str, ...] | None = None
    max_requests: int | None = None
    access_log: bool | None = None
    log_format: str | None = None
    log_file: str | None = None
    log_level: str | None = None
    drain_timeout: float | None = None
    config: str | None = None
    bind: tuple[str, ...] | None = None


FLAGS: Final = {"certfile": "--cert", "keyfile": "--key", "reload_paths": "--reload-path"}
"""Flags that are not called like their setting."""


def flag_name(name: str) -> str:
    """Return the flag of the setting *name*: ``--max-connections`` for ``max_connections``."""
    return FLAGS.get(name, f"--{name.replace('_', '-')}")


def said(flags: Flags, source: Callable[[str], str] = flag_name) -> dict[str, Found]:
    """Return the settings among *flags* that were said; what is empty was not.

    Args:
        flags: What was said.
        source: What a setting is called where it was said, by its name.
    """
    values: dict[str, SettingValue] = {
        name: getattr(flags, name) for name in Flags.__slots__ if name != "config"
    }
    return {
        name: Found(value, source(name))
        for name, value in values.items()
        if value is not None and value not in ("", {}, ())
    }


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Let *parser* understand the flags of :class:`Flags`."""
    parser.add_argument("--bind", metavar="SPEC", type=place, action="append",
                        help="where to listen: host:port, :port, [address]:port, unix:/path, "
                        "fd://N; may be repeated")  # fmt: skip
    parser.add_argument("--host", metavar="ADDRESS", help="address to bind (127.0.0.1)")
    parser.add_argument("--port", metavar="N", type=port_number, help="port of HTTP (8000)")
    parser.add_argument("--cert", "--certfile", metavar="PATH", dest="certfile",
                        help="certificate chain, PEM; switches TLS on")  # fmt: skip
    parser.add_argument("--key", "--keyfile", metavar="PATH", dest="keyfile",
                        help="private key, PEM")  # fmt: skip
    parser.add_argument("--client-ca", metavar="PATH",
                        help="authorities of the clients' certificates, PEM")  # fmt: skip
    parser.add_argument("--sni", metavar="NAME=CERT,KEY", type=key_pair, action="append",
                        help="another certificate, by server name")  # fmt: skip
    parser.add_argument("--max-connections", metavar="N", type=connection_count,
                        help="connections served at a time (what there is room for)")  # fmt: skip
    parser.add_argument("--workers", metavar="N", type=worker_count,
                        help="processes (1); 0: one per processor")  # fmt: skip
    parser.add_argument("--max-requests", metavar="N", type=request_count,
                        help="requests after which a worker is replaced (never)")  # fmt: skip
    parser.add_argument("--access-log", action=argparse.BooleanOptionalAction, default=None,
                        help="a line for each request (yes)")  # fmt: skip
    parser.add_argument("--log-format", choices=list(map(str, LogFormat)),
                        help="how lines are written (text)")  # fmt: skip
    parser.add_argument("--log-file", metavar="PATH", help="append them to a file (stderr)")
    parser.add_argument("--log-level", choices=list(map(str, LogLevel)),
                        help="the least severe records of the framework (warning)")  # fmt: skip
    parser.add_argument("--drain-timeout", metavar="SECONDS", type=seconds,
                        help="how long requests may go on at the end (8)")  # fmt: skip
    parser.add_argument("--reload", action="store_true", default=None,
                        help="serve anew whenever a source file changes")  # fmt: skip
    parser.add_argument("--reload-path", metavar="PATH", nargs="+", action="extend",
                        dest="reload_paths", help="watch that as well")  # fmt: skip
    parser.add_argument("--config", metavar="PATH",
                        help="settings, as TOML (blackbull.toml, pyproject.toml)")  # fmt: skip


def port_number(text: str) -> int:
    """Return the port that *text* names.

    Raises:
        argparse.ArgumentTypeError: it is no number from 0 to 65535.
    """
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 0 to 65535")
    return int(text)


def split_bind(text: str) -> tuple[str | None, int]:
    """Return host and port of ``host:port``, ``[address]:port``, ``:port`` or ``port``.

    Raises:
        ConfigurationError: *text* is none of these.
    """
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigurationError(f"--bind {text!r}: write an IPv6 address as [address]:port")
    try:
        return host or None, port_number(port)
    except Exception as error:
        raise ConfigurationError(f"--bind {text!r}: {error}") from error


def place(text: str) -> str:
    """Return *text*, which names a place to listen.

    Raises:
        argparse.ArgumentTypeError: it names none.
    """
    try:
        parse_listener(text)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def worker_count(text: str) -> int:
    """Return the number of workers that *text* names.

    Raises:
        argparse.ArgumentTypeError: it is no whole number.
    """
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of workers: give 1 or more, or 0 for one per processor"
        )
    return int(text)


def request_count(text: str) -> int:
    """Return the number of requests that *text* names.

    Raises:
        argparse.ArgumentTypeError: it is no whole number.
    """
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of requests: give 0 or more")
    return int(text)


def connection_count(text: str) -> int:
    """Return the number of connections that *text* names.

    Raises:
        argparse.ArgumentTypeError: it is no positive number.
    """
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of connections: give 1 or more")
    return int(text)


def seconds(text: str) -> float:
    """Return the number of seconds that *text* names.

    Raises:
        argparse.ArgumentTypeError: it is no such number.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds: give 0 or more")
    return value


def key_pair(text: str) -> KeyPairs:
    """Return the certificate that ``NAME=CERT,KEY`` names.

    Raises:
        argparse.ArgumentTypeError: *text* is not written like that.
    """
    try:
        return parse_key_pairs(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def to_flags(found: argparse.Namespace) -> Flags:
    """Return the flags among what a parser *found*."""
    return Flags(
        host=found.host,
        port=found.port,
        certfile=found.certfile,
        keyfile=found.keyfile,
        workers=found.workers,
        reload=found.reload,
        client_ca=found.client_ca,
        sni=found.sni and {name: pair for each in found.sni for name, pair in each.items()},
        max_connections=found.max_connections,
        reload_paths=found.reload_paths and tuple(found.reload_paths),
        max_requests=found.max_requests,
        access_log=found.access_log,
        log_format=found.log_format,
        log_file=found.log_file,
        log_level=found.log_level,
        drain_timeout=found.drain_timeout,
        config=found.config,
        bind=found.bind and tuple(found.bind),
    )


def parse_flags(argv: Sequence[str]) -> Flags:
    """Return the flags in a script's arguments; what is no flag of ours is left alone.

    Raises:
        ConfigurationError: one of our flags has a value that cannot be.
    """
    parser = Parser()
    add_flags(parser)
    return to_flags(parser.parse_known_args(list(argv))[0])
