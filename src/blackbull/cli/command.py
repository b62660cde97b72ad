"""``blackbull module:app``: serve an application that a module holds."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version

from blackbull.errors import ConfigurationError
from blackbull.runner import run

from .flags import Flags, Parser, add_flags, port_number, to_flags
from .target import load_app

DESCRIPTION = "Serve a BlackBull application, or any ASGI 3.0 application."


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command.

    Args:
        argv: The arguments after the program's name; those of the process if None.

    Raises:
        SystemExit: 1 with one line on stderr: nothing can be served.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    parser = make_parser()
    try:
        found = parser.parse_args(arguments)
        if found.help:
            print(parser.format_help(), end="")
            return
        if found.version:
            print(f"blackbull {version('blackbull')}")
            return
        if found.target is None:
            raise ConfigurationError(
                "which application? say module:attribute; 'blackbull --help' lists the flags"
            )
        flags = to_flags(found)
        host, port = split_bind(found.bind) if found.bind is not None else (None, None)
        app = load_app(found.target)
    except ConfigurationError as error:
        print(f"blackbull: {error}", file=sys.stderr)
        raise SystemExit(1) from error
    serve(app, replace(
        flags,
        host=flags.host if flags.host is not None else host,
        port=flags.port if flags.port is not None else port,
    ))  # fmt: skip


def serve(app: object, flags: Flags) -> None:
    """Serve *app* as *flags* say, until a signal ends it."""
    run(app, host=flags.host, port=flags.port, certfile=flags.certfile, keyfile=flags.keyfile,
        workers=flags.workers, reload=flags.reload, client_ca=flags.client_ca, sni=flags.sni,
        argv=())  # fmt: skip


def make_parser() -> Parser:
    """Return the parser of the command's arguments."""
    parser = Parser("blackbull", description=DESCRIPTION)
    parser.add_argument("target", nargs="?", metavar="module:app", help="where the app is")
    parser.add_argument("--bind", metavar="HOST:PORT", help="both in one, '[::1]:8000' for IPv6")
    add_flags(parser)
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument("-h", "--help", action="store_true", help="print this help and exit")
    return parser


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
