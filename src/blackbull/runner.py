"""The composition root: one application, one server, one process, until a signal ends it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Final, TypeAlias

from blackbull.asgi.host import as_native_app
from blackbull.cli.flags import Flags, parse_flags, said
from blackbull.cli.places import describe_listeners, find_listeners
from blackbull.cli.target import describe
from blackbull.config import (
    Found,
    KeyPairs,
    Settings,
    config_file,
    find_settings,
    given_settings,
    make_settings,
    override,
)
from blackbull.errors import BlackBullError, ConfigurationError, MissingExtra
from blackbull.native import NativeApp
from blackbull.openapi import OpenAPIExtension
from blackbull.server.server import Server
from blackbull.server.workers.reload import is_child, supervise
from blackbull.transport.listener import Listener

# OpenAPIExtension is for app.enable_openapi(), whose layer may not reach up to it.
__all__ = ["OpenAPIExtension", "run"]

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

Handler: TypeAlias = Callable[[int, FrameType | None], object] | int | None


def run(
    app: object,
    *,
    host: str | None = None,
    port: int | None = None,
    certfile: str | None = None,
    keyfile: str | None = None,
    workers: int | None = None,
    reload: bool | None = None,
    password: str | None = None,
    client_ca: str | None = None,
    sni: KeyPairs | None = None,
    ssl_context: ssl.SSLContext | None = None,
    http: bool = True,
    listeners: Sequence[Listener] | None = None,
    max_connections: int | None = None,
    bind: str | Sequence[str] | None = None,
    config: str | None = None,
    argv: Sequence[str] | None = None,
) -> None:
    """Serve *app* until SIGINT or SIGTERM; a second signal ends the process at once.

    A flag on the command line wins over an argument, an argument over a ``BLACKBULL_*`` variable
    of the environment, that over a line of ``.env``, that over the TOML file, and that over the
    default.

    Args:
        app: A BlackBull application, or any ASGI 3.0 application.
        host: Address to bind; 127.0.0.1 unless told otherwise.
        port: Port of the HTTP listener; 8000 unless told otherwise, 0 takes any free one.
        certfile: Path of the certificate chain, PEM; switches TLS on.
        keyfile: Path of the private key, PEM.
        workers: Number of processes; only 1 for now.
        reload: Serve anew whenever a Python file below the current directory changes.
        password: What private keys are encrypted with.
        client_ca: Path of the authorities of client certificates, PEM; clients need one then.
        sni: Certificate chain and key by the server name that a client asks for.
        ssl_context: Used as it is, instead of all of these files.
        http: Listen for HTTP; False: only protocols with a port of their own are served.
        listeners: Where to listen, and what is spoken there, instead of *bind*.
        max_connections: Connections served at a time, more are refused; 0: as open files allow.
        bind: Where to listen, instead of *host* and *port*: ``"0.0.0.0:8000"``, ``":8000"``,
            ``"[::1]:8000"``, ``"unix:/run/app.sock"``, ``"fd://3"``; one of these or several.
        config: Path of the TOML file; the one of the working directory if None.
        argv: The command line's flags; ``sys.argv[1:]`` if None.

    Raises:
        SystemExit: 1 with one line on stderr: nothing can be served.
    """
    try:
        flags = parse_flags(sys.argv[1:] if argv is None else argv)
        given = Flags(host, port, certfile, keyfile, workers, reload, client_ca, sni,
                      max_connections,
                      bind=(bind,) if isinstance(bind, str) else tuple(bind or ()))  # fmt: skip
        with config_file(config if flags.config is None else flags.config):
            settings = make_settings(
                Settings, override(override(find(app), said(given, str)), said(flags))
            )
            if password is not None:
                settings = replace(settings, password=password)
            where = find_listeners(
                app, settings, given=listeners, said=said(given), flags=said(flags)
            )
            status = run_with(app, settings, ssl_context=ssl_context, http=http, listeners=where)
    except BlackBullError as error:
        say(" ".join(str(error).split()))
        raise SystemExit(1) from error
    if status:
        raise SystemExit(status)


def find(app: object) -> dict[str, Found]:
    """Return the settings that *app* has, else those of variables and files.

    Raises:
        ConfigurationError: one of these holds an impossible value.
    """
    # Asked for by name: for an ASGI application nothing of ours is loaded.
    given: object = getattr(app, "given_settings", None)
    return given_settings(given) if isinstance(given, Settings) else find_settings(Settings)


def run_with(
    app: object,
    settings: Settings,
    *,
    ssl_context: ssl.SSLContext | None,
    http: bool,
    listeners: Sequence[Listener] | None = None,
) -> int:
    """Serve *app* as *settings* say until a signal ends it.

    Returns:
        The exit status.

    Raises:
        ConfigurationError: nothing can be served.
        LifespanFailed: the application's startup or shutdown raised.
    """
    check(settings)
    if settings.reload and not is_child():
        return supervise(say, drain_timeout=settings.drain_timeout)
    log_to_stderr()
    with asyncio.Runner(loop_factory=loop_factory(settings)) as loop_runner:
        serving = serve(
            as_native_app(app), settings, ssl_context=ssl_context, http=http, listeners=listeners
        )
        return loop_runner.run(serving)


class LifespanFailed(BlackBullError):
    """The application's startup or shutdown raised. The text says which, and what."""


def check(settings: Settings) -> None:
    """Refuse what cannot be served, before anything is started.

    Raises:
        ConfigurationError: more than one worker, or a file that is not there.
    """
    if settings.workers != 1:
        raise ConfigurationError(
            f"{settings.workers} workers: more than one is not supported yet; "
            "leave it out, or say 1"
        )
    for what, path in (
        ("certificate", settings.certfile),
        ("key", settings.keyfile),
        ("client CA", settings.client_ca),
    ):
        if path and not Path(path).is_file():
            raise ConfigurationError(f"there is no {what} file {path!r}")


def loop_factory(settings: Settings) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return how to make the event loop: uvloop's if it is wanted or, by default, installed.

    Raises:
        MissingExtra: uvloop is asked for and not installed.
    """
    if settings.uvloop is False:
        return None
    try:
        import uvloop  # noqa: PLC0415 -- an optional package
    except ImportError as error:
        if settings.uvloop:
            raise MissingExtra(
                "BB_UVLOOP=1 needs the 'uvloop' package: pip install 'blackbull[standard]'"
            ) from error
        return None
    return uvloop.new_event_loop


def log_to_stderr() -> None:
    """Show warnings and errors of the framework, unless the program has set up logging."""
    logger = logging.getLogger("blackbull")
    silent = all(isinstance(handler, logging.NullHandler) for handler in logger.handlers)
    if silent and not logging.getLogger().handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        handler.setLevel(logging.WARNING)
        logger.addHandler(handler)


async def serve(
    app: NativeApp,
    settings: Settings,
    *,
    ssl_context: ssl.SSLContext | None = None,
    http: bool = True,
    listeners: Sequence[Listener] | None = None,
) -> int:
    """Start, say where, and serve until a signal; then let what is under way end.

    Returns:
        The exit status.

    Raises:
        ConfigurationError: a listener cannot be opened.
        LifespanFailed: the application's startup or shutdown raised.
    """
    server = Server(app, settings=settings, ssl_context=ssl_context, http=http, listeners=listeners)
    with Signals(asyncio.get_running_loop()) as signals:
        if not await signals.unless_stopped(start(server)):
            return 0
        if any(each.tls for each in server.listening):
            signals.on_hangup(server.reload_certificates)
        say(describe_listeners(server.listening))
        await signals.stop.wait()
        say("stopping; another signal ends it at once")
        try:
            await server.stop(settings.drain_timeout)
        except Exception as error:
            raise LifespanFailed(f"the application's shutdown failed: {describe(error)}") from error
    return 0


async def start(server: Server) -> None:
    """Start *server*, and tell its own failures from the application's."""
    try:
        await server.start()
    except ConfigurationError:
        raise
    except Exception as error:
        raise LifespanFailed(f"the application did not start: {describe(error)}") from error


class Signals:
    """What a signal means: the first asks to stop, the second ends the process.

    Attributes:
        stop: Set by the first signal.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.stop = asyncio.Event()
        self._loop = loop
        self._before: dict[signal.Signals, Handler] = {}

    def __enter__(self) -> Signals:
        # Only the main thread may have handlers; elsewhere whoever started the thread ends it.
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.getsignal(number)
                self._loop.add_signal_handler(number, self._first)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            self._loop.remove_signal_handler(number)
            signal.signal(number, handler)

    async def unless_stopped(self, work: Coroutine[object, object, None]) -> bool:
        """Do *work*, but cancel it when a signal comes first; return True if it was done."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self.stop.wait())
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not task.done():
            task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return False
        return True

    def on_hangup(self, call: Callable[[], object]) -> None:
        """Let SIGHUP mean *call*, unless there is a terminal whose end it would tell."""
        if self._before and not os.isatty(0):
            self._before[signal.SIGHUP] = signal.getsignal(signal.SIGHUP)
            self._loop.add_signal_handler(signal.SIGHUP, call)

    def _first(self) -> None:
        for number in self._before:
            self._loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        self.stop.set()


def say(line: str) -> None:
    """Tell the person who started us, on stderr, if anybody still reads that."""
    with suppress(OSError):
        print(f"blackbull: {line}", file=sys.stderr, flush=True)
