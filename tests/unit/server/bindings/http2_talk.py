"""One HTTP/2 connection in memory: our driver on one end, the h2 package on the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import inf

import pytest

from blackbull import BlackBull
from blackbull.abc import Deadline
from blackbull.config import Settings
from blackbull.connection import Connection
from blackbull.log import LimitLog
from blackbull.native import NativeHandler, Receive, Send
from blackbull.response import Response
from blackbull.server.bindings.http2 import HTTP2Binding, HTTP2Consumer
from blackbull.server.bindings.service import HTTPService
from blackbull.server.bindings.websocket import WebSocketUpgrade
from blackbull.transport.memory import MemoryConnection
from tests.http2_peer import Client, Reply

Answer = Response | NativeHandler


class App:
    """A native application: a path to a response, or to a handler that makes one.

    What is not listed is answered with method and path.
    """

    def __init__(self, answers: dict[str, Answer] | None = None) -> None:
        self.answers = answers or {}
        self.seen: list[Connection] = []

    def begin(self, conn: Connection) -> Answer:
        self.seen.append(conn)
        answer = self.answers.get(conn.path)
        return Response(f"{conn.method} {conn.path}") if answer is None else answer

    async def __call__(self, conn: Connection, receive: Receive, send: Send) -> None:
        raise AssertionError("a server calls begin()")

    async def startup(self) -> None:
        """Nothing has to be prepared."""

    async def stopping(self) -> None:
        """Nothing goes on for ever."""

    async def shutdown(self) -> None:
        """Nothing has to be released."""


class Clock:
    """Time that passes when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        self.now = loop.time()
        monkeypatch.setattr(loop, "time", lambda: self.now)


class ClockDeadline(Deadline):
    """A deadline on a test's time."""

    __slots__ = ("_expired", "_time")

    def __init__(self, time: Callable[[], float], expired: Callable[[], None]) -> None:
        self.at = inf
        self._time = time
        self._expired = expired

    def set(self, seconds: float) -> None:
        self.at = self._time() + seconds if seconds > 0 else inf

    def clear(self) -> None:
        self.at = inf

    def expire(self) -> None:
        """Its time has come."""
        self.at = inf
        self._expired()


class View(MemoryConnection):
    """A connection in memory whose deadline follows the loop's clock."""

    __slots__ = ("timer",)

    def __init__(self, *, alpn: str | None = None) -> None:
        super().__init__(alpn=alpn)
        self.timer = ClockDeadline(asyncio.get_running_loop().time, self._deadline_expired)

    @property
    def deadline(self) -> ClockDeadline:  # type: ignore[override]
        return self.timer


class Talk:
    """The conversation.

    Attributes:
        client: The h2 package.
        view: The connection in memory.
        service: What the driver shares with others.
    """

    def __init__(self, app: object, client: Client | None = None, **settings: object) -> None:
        self.client = client or Client()
        self.service = HTTPService(
            app,
            Settings(**settings),
            loop=asyncio.get_running_loop(),
            limits=LimitLog(),
        )
        self.service.upgrades[b"websocket"] = WebSocketUpgrade(self.service)
        self.view = View()

    async def begin(self) -> Talk:
        """Exchange prefaces."""
        app = self.service.app
        if isinstance(app, BlackBull):
            await app.startup()
        await HTTP2Binding(self.service).serve(self.view)
        self.say()
        self.hear()
        self.say()
        return self

    @property
    def driver(self) -> HTTP2Consumer:
        consumer = self.view._consumer
        assert isinstance(consumer, HTTP2Consumer)
        return consumer

    def say(self) -> None:
        """Let what the client has to say arrive, all at once."""
        data = self.client.wire()
        if data:
            self.view.feed(data)

    def hear(self) -> None:
        """Let the client read what was sent."""
        self.client.receive(self.view.take_sent())

    def exchange(self) -> None:
        """Both sides, once."""
        self.say()
        self.hear()

    async def turn(self, times: int = 3) -> None:
        """Let tasks run, and both sides talk."""
        for _ in range(times):
            await asyncio.sleep(0)
            self.exchange()

    async def until(self, condition: Callable[[], object]) -> None:
        """Go on until *condition* holds."""
        for _ in range(500):
            self.exchange()
            if condition():
                return
            await asyncio.sleep(0)
        raise AssertionError("it never came to that")

    async def ask(self, path: str = "/", **request: object) -> Reply:
        """Send a request; return its reply once it is over."""
        stream_id = self.client.request(path, **request)
        reply = self.client.replies[stream_id]
        await self.until(lambda: reply.over)
        return reply

    def pass_time(self, clock: Clock, seconds: float) -> None:
        """Let *seconds* go by, and whatever is due meanwhile happen."""
        end = clock.now + seconds
        while self.view.timer.at <= end:
            clock.now = max(self.view.timer.at, clock.now)
            self.view.timer.expire()
        clock.now = end

    def end(self) -> None:
        """Nothing is left behind."""
        self.view.reset()
        self.service.close()


async def echo(conn: Connection, receive: Receive, send: Send) -> None:
    """Answer with the content."""
    await send(Response(await conn.body(), content_type="application/octet-stream"))


def waiting(gate: asyncio.Event) -> Callable[[Connection, Receive, Send], Awaitable[None]]:
    """Return a handler that answers once *gate* is open."""

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        await gate.wait()
        await send(Response("waited"))

    return handler
