"""The ``blackbull`` command: serve an application that a module holds, or do what a verb says."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from blackbull.errors import ConfigurationError
from blackbull.runner import run
from blackbull.server.workers.serving import Post

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
        line = " ".join(str(error).split())
        post = Post.inherited()
        if post is None:
            print(f"blackbull: {line}", file=sys.stderr)
        else:
            # While a program is being changed, the place is what one wants to see.
            if error.__cause__ is not None:
                traceback.print_exception(from_program(error.__cause__))
            post.fail(line)
            post.channel.close()
        raise SystemExit(1) from error


def from_program(error: BaseException) -> BaseException:
    """Return *error* with a traceback that begins in the program, not in what imports it."""
    trace = error.__traceback__
    package = str(Path(__file__).parents[1])
    while trace is not None and trace.tb_next is not None:
        file = trace.tb_frame.f_code.co_filename
        if not (file.startswith((package, "<frozen importlib")) or "importlib" in file):
            break
        trace = trace.tb_next
    return error.with_traceback(trace)


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
