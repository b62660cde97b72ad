"""The application: what a server drives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from types import ModuleType
from typing import Protocol, TypeVar, Unpack, cast, overload

from blackbull import asgi
from blackbull.asgi.types import ASGIReceiveCallable
from blackbull.config import Environment, Settings, load_settings
from blackbull.connection import Connection
from blackbull.errors import ConfigurationError
from blackbull.event import EventDispatcher
from blackbull.limits import LimitOverrides
from blackbull.middleware import Middleware
from blackbull.middleware.chain import problems
from blackbull.native import FindLimits, NativeHandler, Receive, Send
from blackbull.observed import observe
from blackbull.protocol.head import RequestHead
from blackbull.response import Response
from blackbull.routing.router import Router
from blackbull.server.run_options import RunOptions

from .lifespan import Lifespan
from .pipeline import Pipeline
from .registration import Registration


class _Installable(Protocol):
    def init_app(self, app: BlackBull) -> None: ...


ExtensionT = TypeVar("ExtensionT", bound=_Installable)


class BlackBull(Registration):
    """An application: routes, middleware, listeners, raw protocols and extensions.

    Everything is registered before it starts, by the methods of :class:`Registration` and
    :class:`~blackbull.app.routes.Routes`; :meth:`startup` checks all of it and freezes it.

    Args:
        settings: Where variables and files are not to be asked.
        observer_shutdown_timeout: Seconds that detached listeners get to finish at the end.
        cache_max: Look-ups of paths with placeholders that are remembered; 0 for none.

    Attributes:
        begin: Answers a request at once, or returns who does; :class:`~blackbull.native.NativeApp`
            says how. It is replaced when the application is frozen.
        find_limits: Returns which limits a request's route sets; None where none does. It is
            replaced when the application is frozen.
        extensions: The extensions by key.
        stop_requested: Set when the server was told to stop, before clients are; a new one with
            every start.
    """

    begin: Callable[[Connection], Response | NativeHandler]

    def __init__(
        self,
        *,
        settings: Settings | None = None,
        observer_shutdown_timeout: float = 5.0,
        cache_max: int = 2048,
    ) -> None:
        super().__init__(Router(cache_max=cache_max), EventDispatcher(observer_shutdown_timeout))
        self.begin = self._begin_first
        self.find_limits: FindLimits | None = self._find_limits_first
        self.extensions: dict[str, object] = {}
        self.stop_requested = asyncio.Event()
        self._given = self._settings = settings
        self._lifespan = Lifespan(self.aggregator)

    # ------------------------------------------------------------------ extensions

    def add_extension(self, extension: ExtensionT) -> ExtensionT:
        """Install *extension*; its ``startup``, ``stopping`` and ``shutdown`` run around serving.

        Raises:
            TypeError: it has no ``init_app``.
            RuntimeError: the application has started, or has an extension with the same key.
        """
        self._refuse_when_frozen("add_extension()")
        if not callable(getattr(extension, "init_app", None)):
            raise TypeError(f"{extension!r} is no extension: it needs an init_app(app) method")
        extension.init_app(self)
        self._lifespan.add(extension)
        return extension

    def enable_openapi(
        self,
        *,
        title: str = "BlackBull API",
        version: str = "0.1.0",
        description: str | None = None,
        spec_path: str = "/openapi.json",
        docs_path: str = "/docs",
    ) -> None:
        """Serve an OpenAPI document of the routes, and a page that shows it.

        Raises:
            RuntimeError: it is enabled already.
        """
        extension = _composition_root().OpenAPIExtension(
            title=title,
            version=version,
            description=description,
            spec_path=spec_path,
            docs_path=docs_path,
        )
        self.add_extension(extension)

    # ------------------------------------------------------------------ serving

    @property
    def given_settings(self) -> Settings | None:
        """The settings that the program made; they stand in for variables and files."""
        return self._given

    @property
    def settings(self) -> Settings:
        """The settings: those given, else what variables and files say, read once.

        Raises:
            ConfigurationError: one of these holds an impossible value.
        """
        if self._settings is None:
            self._settings = load_settings()
        return self._settings

    def freeze(self) -> None:
        """Check everything that was registered and refuse more; calling it again does nothing.

        Raises:
            ConfigurationError: lists all that is wrong.
        """
        if self.router.frozen:
            return
        found = problems(self._all_middlewares())
        try:
            self.router.validate()
        except ConfigurationError as error:
            found.append(str(error))
        if found:
            raise ConfigurationError("\n".join(found))
        self._errors.development = self.settings.environment is Environment.DEVELOPMENT
        self.router.freeze()
        pipeline = Pipeline(
            self.router,
            self._middlewares,
            events=self.aggregator,
            errors=self._errors,
            subprotocols=[name.decode() for name in self._subprotocols],
        )
        self.events.on_change.append(pipeline.update_quiet)
        self.begin = observe(pipeline.begin, self.observers)
        self.find_limits = self.router.limits_finder()

    async def startup(self) -> None:
        """Freeze, start the extensions, run the startup hooks.

        Raises:
            ConfigurationError: lists all that is wrong with what was registered.
            Exception: whatever an extension or a hook raises.
        """
        self.freeze()
        self.stop_requested = asyncio.Event()
        await self._lifespan.startup(self)
        self._background.start(self.worker)

    async def stopping(self) -> None:
        """Say so, and let the extensions end what would not end by itself; it does not raise."""
        self.stop_requested.set()
        await self._background.stop(singletons=True)
        await self._lifespan.stopping(self)

    async def shutdown(self) -> None:
        """Run the shutdown hooks, end the extensions in reverse, wait for the listeners.

        Raises:
            Exception: the first error, after everything had its turn.
        """
        await self._background.stop()
        await self._lifespan.shutdown(self)

    @overload
    async def __call__(self, conn: Connection, receive: Receive, send: Send) -> None: ...

    @overload
    async def __call__(
        self,
        conn: MutableMapping[str, object],
        receive: Callable[[], Awaitable[MutableMapping[str, object]]],
        send: Callable[[MutableMapping[str, object]], Awaitable[None]],
    ) -> None: ...

    async def __call__(
        self,
        conn: Connection | MutableMapping[str, object],
        receive: Callable[[], Awaitable[object]],
        send: Callable[..., Awaitable[None]],
    ) -> None:
        """Answer one request; with an ASGI scope, serve that (ASGI 3.0)."""
        if not isinstance(conn, Connection):
            await asgi.serve_scope(self, conn, cast(ASGIReceiveCallable, receive), send)
            return
        native_receive = cast(Receive, receive)
        if conn.receive is None:
            conn.receive = native_receive
        reply = self.begin(conn)
        if isinstance(reply, Response):
            await send(reply)
        else:
            await reply(conn, native_receive, send)

    def run(
        self,
        certfile: str | None = None,
        keyfile: str | None = None,
        port: int | None = None,
        *,
        cert: str | None = None,
        key: str | None = None,
        **options: Unpack[RunOptions],
    ) -> None:
        """Serve until SIGINT or SIGTERM. The command line's flags go before these arguments.

        These go before ``BLACKBULL_*`` variables, ``.env``, the TOML file and the defaults.

        Args:
            certfile: Path of the certificate chain, PEM; *cert* is another name for it.
            keyfile: Path of its private key, PEM; *key* is another name for it.
            port: Port of the HTTP listener; 8000 unless told otherwise, 0 takes any free one.
            cert: As *certfile*.
            key: As *keyfile*.
            **options: What :class:`~blackbull.server.run_options.RunOptions` has: ``host``,
                ``bind``, ``workers``, ``reload``, ``max_connections``, ``log_format``, ...

        Raises:
            SystemExit: nothing can be served; one line on stderr says why.
            TypeError: there is no such option.
        """
        _composition_root().run(
            self, certfile=certfile or cert, keyfile=keyfile or key, port=port, **options
        )

    def _begin_first(self, conn: Connection) -> Response | NativeHandler:
        """Stand in for :attr:`begin` until the first request on a host without lifespan."""
        try:
            self.freeze()
        except Exception as error:
            return self._errors.reply(conn, error)
        return self.begin(conn)

    def _find_limits_first(self, head: RequestHead) -> LimitOverrides | None:
        try:
            self.freeze()
        except Exception:
            return None  # begin() tells what is wrong
        return None if self.find_limits is None else self.find_limits(head)

    def _all_middlewares(self) -> list[Middleware]:
        of_routes = (item for route in self.router.routes for item in route.middlewares)
        return list(dict.fromkeys([*self._middlewares, *of_routes]))


def _composition_root() -> ModuleType:
    # The one step upward: whoever runs an application brings server and extensions together.
    import blackbull.runner  # noqa: PLC0415

    return blackbull.runner
