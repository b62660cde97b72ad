"""The ``blackbull`` command: serve an application that a module holds, or do what a verb says."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Final

from blackbull.errors import ConfigurationError
from blackbull.runner import run

from .flags import Parser, add_flags
from .target import load_app

DESCRIPTION = "Serve a BlackBull application, or any ASGI 3.0 application."
EPILOG = (
    "'blackbull config' prints every setting and where its value comes from. "
    "'blackbull mqtt' runs an MQTT broker: 'blackbull mqtt --help' says more."
)
VERBS: Final = {"config": "blackbull.cli.config", "mqtt": "blackbull.cli.mqtt"}
"""The module of each verb, imported when it is asked for; its ``main`` takes the arguments."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command.

    Args:
        argv: The arguments after the program's name; those of the process if None.

    Raises:
        SystemExit: 1 with one line on stderr: nothing can be served.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        verb = VERBS.get(arguments[0]) if arguments else None
        if verb is not None:
            load_verb(arguments[0], verb)(arguments[1:])
        else:
            serve_target(arguments)
    except ConfigurationError as error:
        print(f"blackbull: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(1) from error


def load_verb(name: str, module: str) -> Callable[[Sequence[str]], None]:
    """Return what does the verb *name*, from its *module*.

    Raises:
        ConfigurationError: it needs a part of the package that is not installed.
    """
    try:
        main: Callable[[Sequence[str]], None] = importlib.import_module(module).main
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("blackbull."):
            raise
        raise ConfigurationError(
            f"'blackbull {name}' needs {error.name}, which is not installed here"
        ) from error
    return main


def serve_target(arguments: list[str]) -> None:
    """Serve the application that *arguments* name.

    Raises:
        ConfigurationError: there is none, or a flag cannot be.
    """
    parser = make_parser()
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
    # The flags stay flags: they go before whatever the application says.
    run(load_app(found.target), argv=arguments)


def make_parser() -> Parser:
    """Return the parser of the command's arguments."""
    parser = Parser("blackbull", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("target", nargs="?", metavar="module:app", help="where the app is")
    add_flags(parser)
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument("-h", "--help", action="store_true", help="print this help and exit")
    return parser
