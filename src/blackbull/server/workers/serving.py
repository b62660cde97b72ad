"""What a worker does from its start to its end."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from blackbull.config import Settings
from blackbull.errors import BlackBullError
from blackbull.native import NativeApp
from blackbull.server.lifespan import start, stop
from blackbull.server.listening import Listening
from blackbull.server.server import Server
from blackbull.server.signals import Signals
from blackbull.server.threads import run_loop
from blackbull.transport.listener import Listener

from .channel import Channel
from .generation import Terms
from .process import inherited
from .requests import count_requests
from .worker import ChannelSockets, ChannelWorker, Lost, open_origins


@dataclass(frozen=True, slots=True)
class Post:
    """What a worker is told at its start.

    Attributes:
        channel: Its end of the channel to the supervisor.
        index: Which worker it is.
    """

    channel: Channel
    index: int

    @classmethod
    def of(cls, sock: socket.socket, index: int) -> Post:
        """Return the post of a worker whose end of the channel is *sock*."""
        return cls(Channel(sock), index)

    @classmethod
    def inherited(cls) -> Post | None:
        """Return the post of this process; None if it is no worker of a supervisor's."""
        found = inherited()
        return None if found is None else cls.of(*found)

    def fail(self, line: str) -> None:
        """Let the supervisor say why this worker ends."""
        self.channel.send("failed", {"line": line})


def serve_worker(
    post: Post,
    app: NativeApp,
    settings: Settings,
    *,
    terms: Terms,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None,
    ssl_context: ssl.SSLContext | None,
    http: bool,
    listeners: Sequence[Listener] | None,
    describe: Callable[[Iterable[Listening]], str],
) -> int:
    """Serve until the supervisor says stop, has gone, or a signal comes.

    Args:
        post: What the worker was told.
        app: What is served.
        settings: How.
        terms: What the supervisor has to know of them.
        loop_factory: How to make the event loop.
        ssl_context: TLS that the program has set up.
        http: Listen for HTTP.
        listeners: Where to listen; as *settings* say if None.
        describe: Puts into words where it listens.

    Returns:
        The exit status: 1 if the worker has failed, which it has told the supervisor.
    """
    post.channel.send("hello", terms.encode())

    async def serve() -> None:
        worker = ChannelWorker(post.channel, index=post.index, count=terms.workers)
        try:
            await serving(
                worker, app, settings, ssl_context=ssl_context, http=http, listeners=listeners,
                describe=describe,
            )  # fmt: skip
        finally:
            await worker.aclose()

    try:
        run_loop(serve(), loop_factory=loop_factory)
    except Lost:
        return 1
    except BlackBullError as error:
        post.fail(" ".join(str(error).split()))
        return 1
    return 0


async def serving(
    worker: ChannelWorker,
    app: NativeApp,
    settings: Settings,
    *,
    ssl_context: ssl.SSLContext | None,
    http: bool,
    listeners: Sequence[Listener] | None,
    describe: Callable[[Iterable[Listening]], str],
) -> None:
    """Start, wait for the word to serve, serve, and let what is under way end.

    Raises:
        BlackBullError: it cannot be started, or the shutdown failed.
    """
    server = Server(
        app, settings=settings, ssl_context=ssl_context, http=http, listeners=listeners,
        worker=worker,
        sockets=ChannelSockets(worker),
        wrap=count_requests(settings, lambda: worker.tell("retire")),
        origins=open_origins(worker) if settings.max_connections_per_address else None,
    )  # fmt: skip

    def hang_up() -> None:  # the supervisor's business, but many tell all processes
        if any(each.tls for each in server.listening):
            server.reload_certificates()

    with Signals(asyncio.get_running_loop(), stop=worker.stop) as signals:
        signals.on_hangup(hang_up)
        if not await signals.unless_stopped(start(server.prepare)):
            return
        worker.server = server
        worker.tell("ready", {"listening": describe(server.listening),
                              "protocols": server.protocols})  # fmt: skip
        worker.beat(settings.worker_timeout)
        owning = asyncio.ensure_future(_own(worker, server))
        try:
            if await signals.unless_stopped(_wait(worker.go)):
                await server.accept()
                await worker.stop.wait()
            worker.leave()
            worker.server = None
            drain = worker.drain_timeout
            drain = settings.drain_timeout if drain is None else drain
            await stop(server, drain, restarting=worker.replaced)
        finally:
            owning.cancel()


async def _own(worker: ChannelWorker, server: Server) -> None:
    async with worker.owning():
        await server.accept_kept()
        await server.kept_over.wait()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
