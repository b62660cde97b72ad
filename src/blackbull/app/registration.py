"""Everything that a program registers before its application starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar, overload

from blackbull.abc import ProtocolDetector
from blackbull.event import EventDispatcher, EventHandler
from blackbull.event_aggregator import APP_SHUTDOWN, APP_STARTUP, EventAggregator
from blackbull.headers import raw
from blackbull.middleware import Middleware
from blackbull.observer import Observer
from blackbull.protocol.grammar import is_token
from blackbull.routing.handler.returns import ReturnConverters
from blackbull.routing.route import RouteInfo
from blackbull.routing.router import Router
from blackbull.server.protocol_registry import ProtocolRegistry, RawBinding, RawProtocolHandler
from blackbull.worker import OnlyWorker, Worker

from .background import BackgroundTasks, Work, call_with_worker, takes_worker
from .errors import ErrorKey, ErrorResponder
from .lifespan import Hook, event_hook
from .routes import Routes

if TYPE_CHECKING:
    from blackbull.transport.tls import TLSOption

F = TypeVar("F", bound=Callable[..., object])
ListenerT = TypeVar("ListenerT", bound=EventHandler)
RawT = TypeVar("RawT", bound=RawProtocolHandler)
HookT = TypeVar("HookT", bound=Hook)
WorkT = TypeVar("WorkT", bound=Work)
WorkerHookT = TypeVar("WorkerHookT", bound=Callable[..., object])
MiddlewareT = TypeVar("MiddlewareT", bound=Middleware)


class Registration(Routes):
    """Takes what a program registers, until the table of routes is frozen.

    Args:
        router: The table of routes.
        events: Who listens to what.

    Attributes:
        router: The table of routes.
        events: Who listens to what.
        aggregator: Through it servers and raw protocols emit events.
        protocols: The raw protocols.
        observers: Who is told what happens, at once: register them before the start.
        worker: The process that serves; whoever serves sets it before the start.
    """

    def __init__(self, router: Router, events: EventDispatcher) -> None:
        super().__init__(router, ReturnConverters())
        self.events = events
        self.aggregator = EventAggregator(events)
        self.protocols = ProtocolRegistry()
        self.observers: list[Observer] = []
        self.worker: Worker = OnlyWorker()
        self._errors = ErrorResponder(
            self.aggregator, self._converters.respond, observers=self.observers
        )
        self._background = BackgroundTasks()
        self._middlewares: list[Middleware] = []
        self._subprotocols: list[bytes] = []

    # ------------------------------------------------------------------ requests

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

    # ------------------------------------------------------------------ protocols

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

    def _refuse_when_frozen(self, what: str) -> None:
        if self.router.frozen:
            raise RuntimeError(f"{what} after the start: register everything before run()")
