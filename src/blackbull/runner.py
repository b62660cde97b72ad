"""The composition root: one application, served by one process or several, until a signal."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from blackbull.asgi.host import as_native_app
from blackbull.cli.flags import Flags, parse_flags, said
from blackbull.cli.places import describe_listeners, find_listeners
from blackbull.config import (
    Found,
    LogFormat,
    Settings,
    WorkerStart,
    colors_wanted,
    config_file,
    fill_standard_files,
    find_settings,
    given_settings,
    make_settings,
    notifying,
    override,
    use_all_files,
)
from blackbull.errors import BlackBullError, ConfigurationError, MissingExtra
from blackbull.log.handler import BatchWriteHandler
from blackbull.log.setup import own_logging
from blackbull.logger import JsonFormatter
from blackbull.native import NativeApp
from blackbull.openapi import OpenAPIExtension
from blackbull.server.lifespan import start, stop
from blackbull.server.protocol_registry import ProtocolRegistry
from blackbull.server.run_options import RunOptions
from blackbull.server.server import Server
from blackbull.server.signals import Signals
from blackbull.server.threads import leave, run_loop
from blackbull.server.workers.generation import Terms
from blackbull.server.workers.held import SHARES
from blackbull.server.workers.notices import Notices
from blackbull.server.workers.process import can_fork
from blackbull.server.workers.serving import Post, serve_worker
from blackbull.server.workers.supervisor import Supervisor
from blackbull.server.workers.watch import Watcher, watch_sources
from blackbull.transport.listener import Listener
from blackbull.transport.service_manager import ServiceManager

# OpenAPIExtension is for app.enable_openapi(), whose layer may not reach up to it.
__all__ = ["OpenAPIExtension", "run"]


def run(
    app: object,
    *,
    certfile: str | None = None,
    keyfile: str | None = None,
    port: int | None = None,
    **options: Unpack[RunOptions],
) -> None:
    """Serve *app* until SIGINT or SIGTERM; a second signal ends the process at once.

    A flag on the command line wins over an argument, an argument over a ``BLACKBULL_*`` variable
    of the environment, that over a line of ``.env``, that over the TOML file, and that over the
    default.

    Args:
        app: A BlackBull application, or any ASGI 3.0 application.
        certfile: Path of the certificate chain, PEM; switches TLS on.
        keyfile: Path of the private key, PEM.
        port: Port of the HTTP listener; 8000 unless told otherwise, 0 takes any free one.
        **options: What :class:`~blackbull.server.run_options.RunOptions` has.

    Raises:
        SystemExit: 1 with one line on stderr: nothing can be served. A worker ends by it, too.
        TypeError: there is no such option.
    """
    unknown = options.keys() - RunOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"run() has no argument {min(unknown)!r}")
    given = Flags(certfile=certfile, keyfile=keyfile, port=port, **_settings_among(options))
    post = Post.inherited()
    try:
        status = run_as_told(app, given, options, post=post)
    except BlackBullError as error:
        (say if post is None else post.fail)(" ".join(str(error).split()))
        leave(1)
        raise SystemExit(1) from error
    finally:
        if post is not None:
            post.channel.close()
    leave(status)
    if status or post is not None:  # what follows run() is for the process that was started
        raise SystemExit(status)


def run_as_told(app: object, given: Flags, options: RunOptions, *, post: Post | None) -> int:
    """Find out all that was said about how to serve *app*, and do it.

    Args:
        app: A BlackBull application, or any ASGI 3.0 application.
        given: What :func:`run` was told that is a setting.
        options: All that it was told.
        post: What this process was told if it is a worker.

    Returns:
        The exit status.

    Raises:
        ConfigurationError: nothing can be served.
        LifespanFailed: the application's startup or shutdown raised.
    """
    argv = options.get("argv")
    flags = parse_flags(sys.argv[1:] if argv is None else argv)
    with config_file(flags.config or given.config):
        settings = make_settings(
            Settings, override(override(find(app), said(given, str)), said(flags))
        )
        if (password := options.get("password")) is not None:
            settings = replace(settings, password=password)
        http = options.get("http", True)
        where = find_listeners(
            app, settings, given=options.get("listeners"), said=said(given), flags=said(flags),
            http=http,
        )  # fmt: skip
        return run_with(
            app, settings, ssl_context=options.get("ssl_context"), http=http, listeners=where,
            post=post,
        )  # fmt: skip


def _settings_among(options: RunOptions) -> dict[str, Any]:
    """Return those of *options* that are settings, as :class:`Flags` has them."""
    found: dict[str, Any] = {
        name: value for name, value in options.items() if name in Flags.__slots__
    }
    return found | {name: texts(found.get(name)) for name in ("bind", "reload_paths")}


def texts(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return what was given as one text or as several."""
    return (given,) if isinstance(given, str) else tuple(given or ())


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
    post: Post | None = None,
) -> int:
    """Serve *app* as *settings* say until a signal ends it.

    Args:
        app: A BlackBull application, or any ASGI 3.0 application.
        settings: How.
        ssl_context: Used instead of the settings' files.
        http: Listen for HTTP.
        listeners: Where to listen; as *settings* say if None.
        post: What this process was told if it is a worker.

    Returns:
        The exit status.

    Raises:
        ConfigurationError: nothing can be served.
        LifespanFailed: the application's startup or shutdown raised.
    """
    workers = settings.workers or processors()
    fill_standard_files()
    use_all_files()
    check(settings)
    check_sharing(app, workers, http=http, listeners=listeners or ())
    work = partial(
        work_at, app=app, settings=settings, workers=workers, ssl_context=ssl_context, http=http,
        listeners=listeners,
    )  # fmt: skip
    if post is not None:
        return work(post)
    if settings.reload or workers > 1 or settings.max_requests:
        return supervise(settings, workers, lambda sock, index: work(Post.of(sock, index)))
    factory = loop_factory(settings)
    with own_logging(settings, colors=with_colors(settings)) as handler:
        serving = serve(
            as_native_app(app), settings, ssl_context=ssl_context, http=http, listeners=listeners,
            tell=speaker(settings, handler),
        )  # fmt: skip
        return run_loop(serving, loop_factory=factory)


def supervise(settings: Settings, workers: int, work: Callable[[socket.socket, int], int]) -> int:
    """Let workers serve until a signal ends it.

    Args:
        settings: How.
        workers: How many.
        work: What a worker does that is a copy of this process.

    Returns:
        The exit status.

    Raises:
        ConfigurationError: there can be no workers.
    """
    apart = SHARES if settings.socket_reuseport is None else settings.socket_reuseport
    # A copy would hold the code as it was when this process has started.
    watcher = Watcher(watch_sources(settings.reload_paths)) if settings.reload else None
    wanted = settings.worker_start
    copies = watcher is None and (
        wanted is WorkerStart.FORK or (wanted is WorkerStart.AUTO and can_fork())
    )
    return Supervisor(
        terms(settings, workers),
        notices=Notices(speaker(settings), manager=ServiceManager(notifying())),
        serve=work if copies else None,
        apart=apart and workers > 1,
        watcher=watcher,
    ).run()


def work_at(
    post: Post,
    *,
    app: object,
    settings: Settings,
    workers: int,
    ssl_context: ssl.SSLContext | None,
    http: bool,
    listeners: Sequence[Listener] | None,
) -> int:
    """Be a worker; the arguments are those of :func:`run_with`.

    Returns:
        The exit status.
    """
    with own_logging(settings, colors=with_colors(settings)):
        return serve_worker(
            post,
            as_native_app(app),
            settings,
            terms=terms(settings, workers),
            loop_factory=loop_factory(settings),
            ssl_context=ssl_context,
            http=http,
            listeners=listeners,
            describe=describe_listeners,
        )


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def terms(settings: Settings, workers: int) -> Terms:
    """Return what the supervisor has to know of *settings*."""
    return Terms(
        workers, settings.drain_timeout, settings.worker_timeout, settings.worker_start_timeout
    )


def check(settings: Settings) -> None:
    """Refuse what cannot be served, before anything is started.

    Raises:
        ConfigurationError: a file is not there, or this user cannot reach it.
    """
    for what, path in (
        ("certificate", settings.certfile),
        ("key", settings.keyfile),
        ("client CA", settings.client_ca),
    ):
        try:
            absent = bool(path) and not Path(path or "").is_file()
        except OSError as error:
            raise ConfigurationError(
                f"the {what} file {path!r} cannot be read: {error.strerror}"
            ) from error
        if absent:
            raise ConfigurationError(f"there is no {what} file {path!r}")


def check_sharing(
    app: object, workers: int, *, http: bool, listeners: Sequence[Listener] = ()
) -> None:
    """Refuse what several workers cannot serve.

    Raises:
        ConfigurationError: they would have nothing to do, or a stateful protocol has no port.
    """
    registry = getattr(app, "protocols", None)
    if workers == 1 or not isinstance(registry, ProtocolRegistry):
        return
    if not http and all(binding.stateful for binding in registry.port_bindings):
        raise ConfigurationError(
            f"{workers} workers without HTTP: stateful protocols are served by one; "
            "say workers=1, or stateful=False"
        )
    alone = {listener.speaks for listener in listeners}
    for raw in registry.raw_bindings:
        if raw.stateful and raw.port is None and http and raw.name not in alone:
            raise ConfigurationError(
                f"protocol {raw.name!r} is stateful and has no port of its own, so each of "
                f"{workers} workers would serve it; give it port=, or say stateful=False"
            )


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


def with_colors(settings: Settings) -> bool:
    """Return whether the lines of the log have colours."""
    if settings.log_color is not None:
        return settings.log_color
    elsewhere = settings.log_file or settings.syslog_address
    terminal = not elsewhere and sys.stderr is not None and sys.stderr.isatty()
    return not elsewhere and colors_wanted(terminal=terminal)


def speaker(settings: Settings, handler: BatchWriteHandler | None = None) -> Callable[[str], None]:
    """Return what tells the person who started us something, in the log's own format.

    It does not wait for whoever reads stderr, and has no thread of its own, which could not be
    forked.

    Args:
        settings: Where the log goes, and how it looks.
        handler: What writes the log, if the program does not do that itself.
    """
    if handler is None or settings.log_file or settings.syslog_address:
        handler = BatchWriteHandler(background=False)
    desk = handler.desk
    formatter = JsonFormatter() if settings.log_format == LogFormat.JSON else None

    def tell(line: str) -> None:
        if formatter is None:
            desk.put(f"blackbull: {line}")
        else:
            told = logging.LogRecord("blackbull", logging.INFO, "", 0, line, None, None)
            desk.put(formatter.format(told))

    return tell


async def serve(
    app: NativeApp,
    settings: Settings,
    *,
    ssl_context: ssl.SSLContext | None = None,
    http: bool = True,
    listeners: Sequence[Listener] | None = None,
    tell: Callable[[str], None] | None = None,
) -> int:
    """Start, say where, and serve until a signal; then let what is under way end.

    Returns:
        The exit status.

    Raises:
        ConfigurationError: a listener cannot be opened.
        LifespanFailed: the application's startup or shutdown raised.
    """
    tell = tell or say
    server = Server(app, settings=settings, ssl_context=ssl_context, http=http, listeners=listeners)
    with Signals(asyncio.get_running_loop()) as signals:
        if not await signals.unless_stopped(start(server.start)):
            return 0
        line = describe_listeners(server.listening)
        manager = ServiceManager(notifying())

        def reload() -> None:
            manager.reloading()
            server.reload_certificates()
            manager.ready(line)

        # A log file that was rotated is found without being told; but many tell.
        if settings.log_file or manager or any(each.tls for each in server.listening):
            signals.on_hangup(reload)
        tell(line)
        manager.ready(line)
        with manager.watched(asyncio.get_running_loop()):
            await signals.stop.wait()
            manager.stopping()
        tell("stopping; another signal ends it at once")
        await stop(server, settings.drain_timeout)
    return 0


def say(line: str) -> None:
    """Tell the person who started us, on stderr, if anybody still reads that."""
    with suppress(OSError):
        print(f"blackbull: {line}", file=sys.stderr, flush=True)
