"""The extension that answers whether the application is alive, and whether it is ready."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from blackbull.app.own_routes import OwnRoutes, own_routes
from blackbull.event import Event
from blackbull.event_aggregator import APP_STARTUP
from blackbull.extension import Extension
from blackbull.middleware import Middleware
from blackbull.response import JSONResponse, Response

from .checks import FAILED, Check, Checks

if TYPE_CHECKING:
    from blackbull.app.application import BlackBull

logger = logging.getLogger("blackbull.health")

CheckT = TypeVar("CheckT", bound=Check)

UNCACHED: Final = {"cache-control": "no-store"}

STARTING: Final = "the application is starting"
STOPPING: Final = "the server is stopping"


class HealthExtension(Extension["BlackBull"]):
    """Answers ``/healthz`` and ``/readyz``.

    ::

        health = app.add_extension(HealthExtension())

        @health.check("database")
        async def database() -> bool:
            return await pool.ping()

    ``/healthz`` says 200 as long as the event loop turns: whoever gets no answer may start the
    process anew. ``/readyz`` says 200 if requests are welcome. It says 503, with the reasons,
    before the startup is over, from when the server was told to stop, while a check fails, and
    while another extension cannot do its work.

    Args:
        alive: The path of the first; ``""`` for none.
        ready: The path of the second; ``""`` for none.
        port: A port of its own, on which nothing else of the application is served; None: the
            application's. An extension that has the same port shares it.
        tls: Speak TLS on that port.
        middlewares: What runs around the two, the outermost first.
        timeout: Seconds that a check may take, unless it says otherwise.
        max_age: Seconds for which the outcome of the checks holds, however many ask.
    """

    extension_key = "health"

    def __init__(
        self,
        *,
        alive: str = "/healthz",
        ready: str = "/readyz",
        port: int | None = None,
        tls: object = False,
        middlewares: Sequence[Middleware] = (),
        timeout: float = 2.0,
        max_age: float = 1.0,
    ) -> None:
        self.alive = alive
        self.ready = ready
        self.port = port
        self.tls = tls
        self.timeout = timeout
        self._middlewares = tuple(middlewares)
        self._checks = Checks(max_age)
        self._state: str | None = STARTING
        self._app: BlackBull | None = None
        self._port: OwnRoutes | None = None

    def check(self, name: str, *, timeout: float | None = None) -> Callable[[CheckT], CheckT]:
        """Ask the decorated async function whenever somebody asks whether we are ready.

        It returns None or True if all is well; False or a text if not. What it raises is logged,
        and its class is told.

        Args:
            name: What it is called in the answer.
            timeout: Seconds it may take; None: as the extension says.

        Raises:
            TypeError: the function is not async.
            ValueError: *name* is taken, or *timeout* is not positive.
        """

        def register(check: CheckT) -> CheckT:
            is_async: bool = inspect.iscoroutinefunction(check)
            if not is_async:
                raise TypeError(f"the health check {name!r} cannot be awaited: make it async")
            self._checks.add(name, check, timeout=self.timeout if timeout is None else timeout)
            return check

        return register

    # ------------------------------------------------------------------ an extension

    def init_app(self, app: BlackBull) -> None:
        """Register the routes.

        Raises:
            ConfigurationError: a path or the port is taken.
            RuntimeError: *app* has such an extension already.
        """
        self._register(app)
        self._app = app
        # Startup hooks are interceptors: an observer comes after all of them.
        app.events.on(APP_STARTUP, self._started, blocking=True)
        self._port = (
            None if self.port is None else own_routes(app, "health", port=self.port, tls=self.tls)
        )
        host = app if self._port is None else self._port.routes
        for path, answer in ((self.alive, self._answer_alive), (self.ready, self._answer_ready)):
            if path:
                host.route(path=path, middlewares=self._middlewares)(answer)

    async def stopping(self, app: BlackBull) -> None:
        """From now on we are not ready."""
        self._state = STOPPING

    async def shutdown(self, app: BlackBull) -> None:
        """End what still runs."""
        self._state = STOPPING
        await self._checks.aclose()
        if self._port is not None:
            await self._port.aclose()

    async def reasons(self) -> dict[str, str]:
        """Return why requests are not welcome, by the name of what keeps them out; {}: they are."""
        if self._state is not None:
            return {"server": self._state}
        reasons = {}
        extensions = {} if self._app is None else self._app.extensions
        for name, extension in extensions.items():
            trouble = _trouble(name, extension)
            if trouble is not None:
                reasons[name] = trouble
        return {**reasons, **await self._checks.troubles()}

    # ------------------------------------------------------------------ inside

    async def _started(self, event: Event) -> None:
        self._state = None

    async def _answer_alive(self) -> Response:
        return JSONResponse({"status": "alive"}, headers=UNCACHED)

    async def _answer_ready(self) -> Response:
        reasons = await self.reasons()
        if reasons:
            return JSONResponse({"status": "not ready", "reasons": reasons}, 503, UNCACHED)
        answer = {"status": "ready", "checks": list(self._checks.names)}
        return JSONResponse(answer, headers=UNCACHED)


def _trouble(name: str, extension: object) -> str | None:
    if not isinstance(extension, Extension):
        return None
    try:
        return extension.trouble()
    except Exception:
        logger.exception("the extension %r cannot tell how it is", name)
        return FAILED
