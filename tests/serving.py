"""A server in a thread with a loop of its own, for clients that block."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import uvloop

from blackbull import BlackBull, Listener
from blackbull.config import Settings
from blackbull.server import Server
from tests.certificates import HOST

WAIT = 10.0
"""Seconds after which something that has to happen is given up."""
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
T = TypeVar("T")


class Serving:
    """A server in a thread with a loop of its own.

    Args:
        app: What it serves.
        loop: ``"asyncio"`` or ``"uvloop"``.
        ssl_context: TLS for it.
        listeners: Where it listens.
        settings: Its settings.
    """

    def __init__(
        self,
        app: BlackBull,
        loop: str,
        *,
        ssl_context: ssl.SSLContext | None = None,
        listeners: Sequence[Listener] | None = None,
        **settings: object,
    ) -> None:
        self.server: Server
        self._app = app
        self._settings = Settings(port=0, **settings)  # type: ignore[arg-type]
        self._ssl_context = ssl_context
        self._listeners = listeners
        self._ready = threading.Event()
        self._runner = asyncio.Runner(loop_factory=LOOPS[loop])
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Serving:
        self._thread.start()
        assert self._ready.wait(WAIT)
        if self._error is not None:
            self._thread.join(WAIT)
            raise self._error
        return self

    def __exit__(self, *_: object) -> None:
        self.call(self._stop.set)
        self._thread.join(WAIT)
        assert not self._thread.is_alive()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            with self._runner as runner:
                runner.run(self._serve())
        except BaseException as error:
            self._error = error
        self._ready.set()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        problems: list[object] = []
        self._loop.set_exception_handler(lambda _, context: problems.append(context))
        self.server = Server(
            self._app,
            settings=self._settings,
            ssl_context=self._ssl_context,
            listeners=self._listeners,
        )
        await self.server.start()
        self._ready.set()
        await self._stop.wait()
        await self.server.stop(1.0)
        await self._app.events.aclose()
        assert problems == []

    def call(self, function: Callable[[], T]) -> T:
        """Return what *function* returns in the server's thread."""

        async def calling() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(calling(), self._loop).result(WAIT)

    def port(self, protocol: str = "http") -> int:
        (port,) = {each.address[1] for each in self.server.listening if each.protocol == protocol}
        assert port is not None
        return port

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port()}"


def until(condition: Callable[[], object]) -> None:
    """Wait until *condition* holds."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)
