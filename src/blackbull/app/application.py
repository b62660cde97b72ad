"""The application: what a program registers, and what a server drives."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Protocol, TypeVar, Unpack, cast, overload

from blackbull import asgi
from blackbull.abc import ProtocolDetector
from blackbull.asgi.types import ASGIReceiveCallable
from blackbull.config import Environment, Settings, load_settings
from blackbull.connection import Connection
from blackbull.errors import ConfigurationError
from blackbull.event import EventDispatcher, EventHandler
from blackbull.event_aggregator import APP_SHUTDOWN, APP_STARTUP, EventAggregator
from blackbull.headers import raw
from blackbull.limits import LimitOverrides
from blackbull.middleware import Middleware
from blackbull.middleware.chain import problems
from blackbull.native import FindLimits, NativeHandler, Receive, Send
from blackbull.observed import observe
from blackbull.observer import Observer
from blackbull.protocol.grammar import is_token
from blackbull.protocol.head import RequestHead
from blackbull.response import Response
from blackbull.routing.handler.returns import ReturnConverters
from blackbull.routing.route import RouteInfo, make_route
from blackbull.routing.router import Router
from blackbull.server.protocol_registry import ProtocolRegistry, RawBinding, RawProtocolHandler
from blackbull.server.run_options import RunOptions
from blackbull.utils import Scheme
from blackbull.worker import OnlyWorker, Worker

from .background import BackgroundTasks, Work, call_with_worker, takes_worker
from .errors import ErrorKey, ErrorResponder
from .group import RouteGroup
from .lifespan import Hook, Lifespan, event_hook
from .pipeline import Pipeline

if TYPE_CHECKING:
    from blackbull.transport.tls import TLSOption

F = TypeVar("F", bound=Callable[..., object])
ListenerT = TypeVar("ListenerT", bound=EventHandler)
RawT = TypeVar("RawT", bound=RawProtocolHandler)
HookT = TypeVar("HookT", bound=Hook)
WorkT = TypeVar("WorkT", bound=Work)
WorkerHookT = TypeVar("WorkerHookT", bound=Callable[..., object])
MiddlewareT = TypeVar("MiddlewareT", bound=Middleware)


class _Installable(Protocol):
    def init_app(self, app: BlackBull) -> None: ...


ExtensionT = TypeVar("ExtensionT", bound=_Installable)


class BlackBull:
    """An application: routes, middleware, listeners, raw protocols and extensions.

    Everything is registered before it starts; :meth:`startup` checks all of it and freezes it.

    Args:
        settings: Where variables and files are not to be asked.
        observer_shutdown_timeout: Seconds that detached listeners get to finish at the end.
        cache_max: Look-ups of paths with placeholders that are remembered; 0 for none.

    Attributes:
        begin: Answers a request at once, or returns who does; :class:`~blackbull.native.NativeApp`
            says how. It is replaced when the application is frozen.
        router: The table of routes.
        events: Who listens to what.
        aggregator: Through it servers and raw protocols emit events.
        protocols: The raw protocols.
        extensions: The extensions by key.
        observers: Who is told what happens, at once: register them before the start.
        worker: The process that serves; whoever serves sets it before the start.
        stop_requested: Set when the server was told to stop, before clients are; a new one with
            every start.
        find_limits: Returns which limits a request's route sets; None where none does. It is
            replaced when the application is frozen.
    """

    begin: Callable[[Connection], Response | NativeHandler]

    def __init__(
        self,
        *,
        settings: Settings | None = None,
        observer_shutdown_timeout: float = 5.0,
        cache_max: int = 2048,
    ) -> None:
        self.router = Router(cache_max=cache_max)
        self.events = EventDispatcher(observer_shutdown_timeout)
        self.aggregator = EventAggregator(self.events)
        self.protocols = ProtocolRegistry()
        self.extensions: dict[str, object] = {}
        self.observers: list[Observer] = []
        self.worker: Worker = OnlyWorker()
        self.stop_requested = asyncio.Event()
        self.begin = self._begin_first
        self.find_limits: FindLimits | None = self._find_limits_first
        self._given = self._settings = settings
        self._converters = ReturnConverters()
        self._errors = ErrorResponder(
            self.aggregator, self._converters.respond, observers=self.observers
        )
        self._background = BackgroundTasks()
        self._lifespan = Lifespan(self.aggregator)
        self._middlewares: list[Middleware] = []
        self._subprotocols: list[bytes] = []

    # ------------------------------------------------------------------ routes

    def route(
        self,
        methods: str | Iterable[str] = "GET",
        path: str | re.Pattern[str] = "/",
        *,
        scheme: Scheme | str = Scheme.http,
        middlewares: Sequence[Middleware] = (),
        name: str = "",
        allow_origins: Iterable[str] | str | None = None,
        max_message_size: int | None = None,
        max_body_size: int | None = None,
        body_timeout: float | None = None,
        body_total_timeout: float | None = None,
        min_body_rate: float | None = None,
        request_timeout: float | None = None,
    ) -> Callable[[F], F]:
        """Register the decorated function as the handler of *path*.

        Args:
            methods: One method or several; case-sensitive. A WebSocket has none.
            path: Text with placeholders such as ``{id:int}``, or a compiled regular expression.
            scheme: What kind of exchange the route serves.
            middlewares: What runs around this handler only, the outermost first.
            name: For :meth:`url_path_for`.
            allow_origins: Whose pages may open the WebSocket: origins, ``"self"``, ``"null"``;
                None or ``"*"``: all. A client that names no origin is no browser and is let in.
            max_message_size: Bytes that a message to the WebSocket may have.
            max_body_size: Bytes of content that a request may have; 0: none at all.
            body_timeout: Seconds that the next part of the content may take to arrive; 0: no limit.
            body_total_timeout: Seconds that it may be waited for in all; 0: no limit.
            min_body_rate: Bytes per second that must arrive on average; 0: no limit.
            request_timeout: Seconds until the request fails, handler and all; 0: no limit.

        The last six are as the group says where they are None, and as the settings say without one.

        Raises:
            ConfigurationError: another handler has the same path and method.
            RuntimeError: the application has started.
            TypeError: the handler takes something that cannot be given.
            ValueError: *path*, a method or an origin is malformed, a limit is negative, *name* is
                taken, or an option does not go with *scheme*.
        """
        if isinstance(methods, str) and methods.startswith("/"):
            raise ValueError(f"the path is not the first argument: write route(path={methods!r})")
        limits = LimitOverrides(
            max_body_size=max_body_size,
            body_timeout=body_timeout,
            body_total_timeout=body_total_timeout,
            min_body_rate=min_body_rate,
            request_timeout=request_timeout,
        )

        def register(handler: F) -> F:
            self.router.add(
                make_route(
                    methods,
                    path,
                    handler=handler,
                    converters=self._converters,
                    name=name,
                    middlewares=middlewares,
                    scheme=scheme,
                    allow_origins=allow_origins,
                    max_message_size=max_message_size,
                    limits=limits,
                )
            )
            return handler

        return register

    def group(
        self,
        middlewares: Sequence[Middleware] = (),
        *,
        max_body_size: int | None = None,
        body_timeout: float | None = None,
        body_total_timeout: float | None = None,
        min_body_rate: float | None = None,
        request_timeout: float | None = None,
    ) -> RouteGroup:
        """Return a group of routes.

        Its routes run inside *middlewares*, the outermost first, and have its limits, which are
        those of :meth:`route`, where they have none of their own.

        Raises:
            ValueError: a limit is negative.
        """
        return RouteGroup(
            self,
            middlewares,
            limits=LimitOverrides(
                max_body_size=max_body_size,
                body_timeout=body_timeout,
                body_total_timeout=body_total_timeout,
                min_body_rate=min_body_rate,
                request_timeout=request_timeout,
            ),
        )

    def use(self, middleware: MiddlewareT) -> MiddlewareT:
        """Let *middleware* run around every request; the first one is the outermost.

        Raises:
            RuntimeError: the application has started.
        """
        self._refuse_when_frozen("use()")
        self._middlewares.append(middleware)
        return middleware

    def register_converter(
        self, type_: type, converter: Callable[..., object] | None = None
    ) -> Callable[..., object]:
        """Let handlers return *type_*: *converter* makes something of it that they may return.

        Without *converter* this is a decorator. A subclass uses its nearest base's converter.
        """
        if converter is None:
            return lambda decorated: self.register_converter(type_, decorated)
        self._converters.register(type_, converter)
        return converter

    def on_error(self, key: ErrorKey) -> Callable[[F], F]:
        """Register the decorated function as the answer to errors.

        It takes any of ``conn`` and ``exc``, or ``conn, receive, send``, and returns what a
        handler may return. A class stands for its subclasses too; the nearest one is chosen.

        Args:
            key: A status from 400 to 599, or an exception class.

        Raises:
            ValueError: *key* is another status.
            TypeError: *key* is neither, or the function takes something else.
            ConfigurationError: *key* has a handler already.
        """
        self._refuse_when_frozen("on_error()")

        def register(func: F) -> F:
            self._errors.register(key, func)
            return func

        return register

    def url_path_for(self, name: str, /, **params: object) -> str:
        """Return the path of the route called *name*.

        Raises:
            KeyError: there is no such route.
            ValueError: *params* do not fit its placeholders.
        """
        return self.router.url_path_for(name, **params)

    def get_routes(self) -> list[RouteInfo]:
        """Return one entry per method of every route, in the order of registration."""
        return self.router.info()

    @property
    def available_ws_protocols(self) -> list[bytes]:
        """The WebSocket subprotocols that the application speaks.

        The first of a client's offer that is among them is chosen when a WebSocket is accepted,
        unless its handler names one.

        Raises:
            RuntimeError: it is set after the start.
            ValueError: a name is no token.

        Spec:
            RFC 6455 §1.9, §4.2.2
        """
        return self._subprotocols.copy()

    @available_ws_protocols.setter
    def available_ws_protocols(self, names: Iterable[str | bytes]) -> None:
        self._refuse_when_frozen("available_ws_protocols")
        if isinstance(names, str | bytes):
            raise ValueError(f"available_ws_protocols is a list of names: write [{names!r}]")
        encoded = [raw(name) for name in names]
        for name in encoded:
            if not is_token(name):
                raise ValueError(f"{name!r} is no subprotocol: it must be a token, such as 'chat'")
        self._subprotocols = encoded

    # ------------------------------------------------------------------ events

    def on(self, event_name: str, *, blocking: bool = False) -> Callable[[ListenerT], ListenerT]:
        """Let the decorated function observe an event; what it raises is logged.

        Args:
            event_name: For example ``"request_completed"``.
            blocking: True: the emitter waits for it. False: it runs in a task of its own.
        """

        def register(listener: ListenerT) -> ListenerT:
            self.events.on(event_name, listener, blocking=blocking)
            return listener

        return register

    def intercept(self, event_name: str) -> Callable[[ListenerT], ListenerT]:
        """Let the decorated function run before what an event announces, or stop it by raising."""

        def register(listener: ListenerT) -> ListenerT:
            self.events.intercept(event_name, listener)
            return listener

        return register

    async def drain_events(self, timeout: float = 5.0) -> bool:
        """Wait until no detached listener runs; cancels nothing.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            True when all is quiet, False when *timeout* passed first.
        """
        return await self.events.drain(timeout)

    def on_startup(self, hook: HookT) -> HookT:
        """Run *hook*, which takes nothing, before the first connection; raising ends the start."""
        self.events.intercept(APP_STARTUP, event_hook(hook))
        return hook

    def on_worker_start(self, hook: WorkerHookT) -> WorkerHookT:
        """Run *hook* when a worker starts; it may take the :class:`~blackbull.worker.Worker`.

        It runs in every process, before its first connection; raising ends the start.

        Raises:
            TypeError: it takes something else.
        """
        takes_worker(hook)

        async def start() -> None:
            await call_with_worker(hook, self.worker)

        self.on_startup(start)
        return hook

    @overload
    def background_task(self, work: WorkT, *, singleton: bool = False) -> WorkT: ...

    @overload
    def background_task(
        self, work: None = None, *, singleton: bool = False
    ) -> Callable[[WorkT], WorkT]: ...

    def background_task(
        self, work: WorkT | None = None, *, singleton: bool = False
    ) -> WorkT | Callable[[WorkT], WorkT]:
        """Run the decorated async function from the start to the end, beside the requests.

        It may take the :class:`~blackbull.worker.Worker`. What it raises is logged, and it begins
        again; when it returns, it is done. It is cancelled at the end.

        Args:
            work: The function; None: this is used as ``@app.background_task(...)``.
            singleton: With several workers it runs in one of them only, and in another one when
                that has ended; else in each.

        Raises:
            RuntimeError: the application has started.
            TypeError: it is no async function, or takes something else.
        """
        self._refuse_when_frozen("background_task()")

        def register(work: WorkT) -> WorkT:
            self._background.add(work, singleton=singleton)
            return work

        return register if work is None else register(work)

    def on_shutdown(self, hook: HookT) -> HookT:
        """Run *hook*, which takes nothing, after the last connection."""
        self.events.intercept(APP_SHUTDOWN, event_hook(hook))
        return hook

    # ------------------------------------------------------------------ protocols, extensions

    def register_protocol_handler(
        self,
        name: str,
        handler: RawProtocolHandler,
        *,
        detector: ProtocolDetector | None = None,
        port: int | None = None,
        tls: TLSOption = False,
        stateful: bool = True,
    ) -> RawBinding:
        """Serve a protocol that is not HTTP.

        Args:
            name: What events and ``ctx.protocol`` say.
            handler: ``async (reader, writer, ctx)``, once per connection.
            detector: Recognises the protocol on the port of the HTTP listener.
            port: A port of its own, without detection.
            tls: Speak TLS on that port: True with the server's certificates, ``TLSFiles`` or an
                ``ssl.SSLContext`` with others.
            stateful: With several workers only the first one serves it.

        Raises:
            ConfigurationError: the name or the port is taken.
        """
        return self.protocols.register(
            name, handler, detector=detector, port=port, tls=tls, stateful=stateful
        )

    def raw_handler(
        self,
        name: str,
        *,
        port: int | None = None,
        detector: ProtocolDetector | None = None,
        tls: TLSOption = False,
        stateful: bool = True,
    ) -> Callable[[RawT], RawT]:
        """Serve a protocol by the decorated function: :meth:`register_protocol_handler`."""

        def register(handler: RawT) -> RawT:
            self.register_protocol_handler(
                name, handler, detector=detector, port=port, tls=tls, stateful=stateful
            )
            return handler

        return register

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

    def _refuse_when_frozen(self, what: str) -> None:
        if self.router.frozen:
            raise RuntimeError(f"{what} after the start: register everything before run()")


def _composition_root() -> ModuleType:
    # The one step upward: whoever runs an application brings server and extensions together.
    import blackbull.runner  # noqa: PLC0415

    return blackbull.runner
