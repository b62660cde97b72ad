"""The server: listeners, accepting, admission and the end of it all."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Sequence

from blackbull.abc import Address, ConnectionView, Leaving
from blackbull.config import Settings, resolve_max_connections
from blackbull.errors import ConfigurationError
from blackbull.event_aggregator import EventAggregator
from blackbull.forwarding import TrustedProxies
from blackbull.log import LimitLog
from blackbull.log.access import AccessLog, open_access_log
from blackbull.native import NativeApp
from blackbull.observer import Observer, tell
from blackbull.transport.accepting import max_files
from blackbull.transport.deadline import Wheel
from blackbull.transport.listener import Listener, parse_proxies
from blackbull.transport.socket_options import SocketOptions
from blackbull.transport.socket_protocol import SocketProtocol
from blackbull.transport.sockets import OwnSockets, SocketSource
from blackbull.transport.where import InheritedFd, Tcp, Unix, Where
from blackbull.worker import OnlyWorker, Worker

from .admission import Admission, Origins
from .behind_proxy import BehindProxy
from .bindings.http1 import HTTP1Binding
from .bindings.http2 import HTTP2Binding
from .bindings.service import HTTPService
from .bindings.websocket import WebSocketUpgrade
from .connection_actor import BindingRunner
from .door import Door
from .drain import Drain
from .listeners import listeners_of, own_ports, spoken
from .listening import Listening, ListeningSockets
from .protocol_registry import ProtocolRegistry, RawBinding, protocol_context
from .proxies import Proxies
from .tls import ServerTLS

logger = logging.getLogger("blackbull.server")


class Server:
    """Serves an application and the raw protocols that were registered with it.

    Args:
        app: What answers HTTP.
        settings: Limits, timeouts and addresses; the defaults if None.
        protocol_registry: The raw protocols; the application's own if None.
        aggregator: Where events go; the application's own if None.
        ssl_context: TLS for the HTTP listener and ``tls=True`` protocols, used as it is; made
            from the settings' certificates if None.
        http: Listen for HTTP; False: only protocols with a port of their own are served.
        listeners: Where to listen, and what is spoken there; as the settings say if None.
        worker: Which of several processes this is; only the owner serves stateful protocols on
            ports of their own. The only one if None.
        sockets: Where listening sockets come from; they are opened here if None.
        wrap: Puts something around the application as HTTP sees it.
        origins: Counts connections by address; only those of this process are counted if None.

    Attributes:
        kept_over: Set when :meth:`stop` has ended whatever another process may do from then on:
            the extensions were told, and no connection of a stateful protocol is left.
    """

    def __init__(
        self,
        app: NativeApp,
        *,
        settings: Settings | None = None,
        protocol_registry: ProtocolRegistry | None = None,
        aggregator: EventAggregator | None = None,
        ssl_context: ssl.SSLContext | None = None,
        http: bool = True,
        listeners: Sequence[Listener] | None = None,
        worker: Worker | None = None,
        sockets: SocketSource | None = None,
        wrap: Callable[[NativeApp], NativeApp] | None = None,
        origins: Origins | None = None,
    ) -> None:
        self.app = app
        self._wrap = wrap
        self.worker = worker or OnlyWorker()
        if hasattr(app, "worker"):
            app.worker = self.worker
        self._http = http
        self._listeners = listeners
        self.settings = settings = settings or Settings()
        own = getattr(app, "protocols", None)
        self._app_protocols = protocol_registry or own or ProtocolRegistry()
        self.aggregator: EventAggregator | None = aggregator or getattr(app, "aggregator", None)
        self.observers: tuple[Observer, ...] = ()
        self.registry = ProtocolRegistry()
        self.connections: set[SocketProtocol] = set()
        self.leaving = Leaving()
        self.max_connections = resolve_max_connections(
            settings.max_connections, processes=self.worker.count
        )
        self.limit_log = LimitLog()
        self.admission = Admission(
            self.connections,
            max_connections=self.max_connections,
            max_per_address=settings.max_connections_per_address,
            limits=self.limit_log,
            origins=origins,
        )
        self.access_log: AccessLog | None = None
        self.runner = BindingRunner(on_error=self._report)
        self.tls = ServerTLS(
            settings,
            ssl_context=ssl_context,
            admission=self.admission,
            limits=self.limit_log,
        )
        self.sockets = ListeningSockets(
            sockets or OwnSockets(),
            tls=self.tls,
            backlog=settings.socket_backlog,
            options=SocketOptions(
                user_timeout_ms=settings.tcp_user_timeout_ms,
                send_buffer=settings.socket_sndbuf,
                receive_buffer=settings.socket_rcvbuf,
            ),
        )
        self._service: HTTPService | None = None
        self._started = False
        self._stopping = False
        self._stopped = asyncio.Event()
        self._emptied = asyncio.Event()
        self._last_kept: set[SocketProtocol] | None = None
        self.kept_over = asyncio.Event()

    @property
    def listening(self) -> list[Listening]:
        """Where it listens, once it is bound."""
        return self.sockets.addresses

    @property
    def port(self) -> int | None:
        """The HTTP listener's TCP port, once it is bound."""
        for each in self.listening:
            if each.protocol == "http":
                return each.address[1]
        return None

    async def start(self) -> None:
        """Bind every listener, start the application, then accept.

        Raises:
            ConfigurationError: an address cannot be bound, or TLS lacks its certificate.
            Exception: whatever the application's startup raised; nothing is left bound.
        """
        await self.prepare()
        await self.accept()
        await self.accept_kept()

    async def prepare(self) -> None:
        """Bind every listener and start the application: the part of :meth:`start` that may fail.

        Raises:
            ConfigurationError: an address cannot be bound, or TLS lacks its certificate.
            Exception: whatever the application's startup raised; nothing is left bound.
        """
        loop = asyncio.get_running_loop()
        if self.max_connections > max_files():
            logger.warning(
                "BB_MAX_CONNECTIONS is %d, but only %d files may be open: "
                "connections beyond that are refused; raise the limit (ulimit -n)",
                self.max_connections,
                max_files(),
            )
        try:
            await self._bind(loop)
            await self.app.startup()
            self._started = True
            if self._service is not None:
                self._service.adopt_limits()
        except BaseException:
            self.sockets.close()
            self.tls.close()
            await self._finish()
            raise

    async def accept(self) -> None:
        """Accept connections, but not yet those of stateful protocols on ports of their own."""
        await self.sockets.accept()

    async def accept_kept(self) -> None:
        """Accept those, too: no other process serves them."""
        await self.sockets.accept_kept()

    async def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        settings = self.settings
        self._wheel = Wheel(loop)
        self.access_log = open_access_log(loop, settings)
        self.observers = self.tls.observers = tuple(getattr(self.app, "observers", ()))
        if self.observers:
            self.limit_log.on_hit = self._limit_hit
        app = self.app if self._wrap is None else self._wrap(self.app)
        if settings.trusted_proxies:
            app = BehindProxy(app, TrustedProxies(settings.trusted_proxies))
        self._service = HTTPService(
            app,
            settings,
            loop=loop,
            limits=self.limit_log,
            leaving=self.leaving,
            observers=self.observers,
            access_log=self.access_log,
        )
        self._service.upgrades[b"websocket"] = WebSocketUpgrade(self._service)
        self.registry.add(HTTP1Binding(self._service))
        self.registry.add(HTTP2Binding(self._service))
        for binding in self._app_protocols.bindings:
            self.registry.add(binding)
        listeners = listeners_of(settings) if self._listeners is None else self._listeners
        if not self._http and self._listeners is None and not settings.bind:
            listeners = []
        if not listeners and not self.registry.port_bindings:
            raise ConfigurationError(
                "without HTTP there is nothing to serve: give a protocol a port of its own"
            )
        for listener in listeners:
            await self._listen(listener)
        for listener in own_ports(self.registry, listeners, host=settings.host):
            if not self.sockets.has_port(listener):
                await self._listen(listener)

    async def _listen(self, listener: Listener) -> None:
        name, fallback, candidates = spoken(self.registry, listener)
        every = (*candidates, fallback)
        kept = all(binding.stateful for binding in every)
        if kept and not self.worker.owner:
            return
        if self.worker.count > 1:  # each worker would have state of its own
            candidates = tuple(
                b for b in candidates if not (isinstance(b, RawBinding) and b.stateful)
            )
        door = Door(name, fallback, candidates=candidates, server=self, wheel=self._wheel)
        tls = self.tls.enabled if listener.tls is None else listener.tls
        proxies = self._proxies(listener)
        await self.sockets.open(door, listener.where, tls, proxies=proxies, kept=kept)

    @property
    def protocols(self) -> list[str]:
        """The names of what :meth:`serve_stream` can serve."""
        return [binding.name for binding in self.registry.bindings]

    async def serve_stream(
        self,
        protocol: str,
        sock: socket.socket,
        *,
        peername: Address | None = None,
        sockname: Address | None = None,
    ) -> None:
        """Serve a stream that somebody else has opened as one more connection of *protocol*.

        Args:
            protocol: The name of a binding.
            sock: The stream; it is closed with the connection.
            peername: Whose it is; the other end of *sock* if None.
            sockname: What the peer has connected to; this end of *sock* if None.
        """
        binding = self.registry.get(protocol)
        if binding is None:
            sock.close()
            return
        door = Door(protocol, binding, candidates=(), server=self, wheel=self._wheel)
        # However many clients there are: they must not shut out the other workers.
        door.lets_everybody_in()
        view = SocketProtocol(door)
        view.came_from(peername, sockname)
        await door.loop.connect_accepted_socket(lambda: view, sock)

    async def borrow(self, key: str, where: Where, *, name: str, sock: socket.socket) -> None:
        """Accept on *sock* as well: :meth:`ListeningSockets.borrow`."""
        await self.sockets.borrow(key, where, name=name, sock=sock)

    def give_back(self, key: str) -> None:
        """Accept no more on what was borrowed as *key*."""
        self.sockets.give_back(key)

    def _proxies(self, listener: Listener) -> Proxies | None:
        trusted = listener.proxy_protocol
        if trusted is None:
            trusted = parse_proxies(self.settings.proxy_protocol)
        if not trusted:
            return None
        return Proxies(
            trusted,
            admission=self.admission,
            limits=self.limit_log,
            timeout=self.settings.header_timeout,
        )

    def open_socket(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        unix_path: str | None = None,
        inherited_fd: int | None = None,
    ) -> None:
        """Say where the HTTP listener is to be; it is bound by :meth:`start`."""
        where: Where = Tcp(port, host=host)
        if unix_path is not None:
            where = Unix(unix_path)
        elif inherited_fd is not None:
            where = InheritedFd(inherited_fd)
        self._listeners = [Listener(where)]

    async def run(self) -> None:
        """Start, and serve until :meth:`stop` is called or the task is cancelled."""
        await self.start()
        try:
            await self._stopped.wait()
        finally:
            if not self._stopped.is_set():
                await self.stop(0.0)

    async def stop(self, drain_timeout: float | None = None, *, restarting: bool = False) -> None:
        """Stop accepting, let what is under way finish, end the rest, shut the application down.

        Called again, it waits for the end.

        Args:
            drain_timeout: Seconds that peers and handlers are given; the setting's if None.
            restarting: Others serve in this server's place: clients are told to come back.

        Raises:
            Exception: what the application's shutdown raised.
        """
        if self._stopping:
            await self._stopped.wait()
            return
        self._stopping = True
        seconds = self.settings.drain_timeout if drain_timeout is None else drain_timeout
        try:
            await Drain(self, seconds=seconds).run(restarting=restarting)
        except Exception:
            logger.exception("not all connections came to their end in order")
        finally:
            await self._finish()

    async def _finish(self) -> None:
        """Shut the application down if it has started, and let go of everything."""
        try:
            if self._started:
                await self.app.shutdown()
        finally:
            if self._service is not None:
                self._service.close()
                self._wheel.close()
            self.limit_log.flush()
            await self._close_log()
            self._stopped.set()

    def reload_certificates(self) -> bool:
        """Read the certificate files now; the next handshakes use what they hold.

        Safe to call from a signal handler of the loop. Files are also read when they change.

        Returns:
            False if a file cannot be used: everything stays as it is, and the log says why.
        """
        return self.tls.reload()

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """The handlers that run."""
        return self.runner.tasks | (set() if self._service is None else self._service.tasks)

    async def emptied(self) -> None:
        """Wait until there is no connection."""
        if self.connections:
            self._emptied.clear()
            await self._emptied.wait()

    async def _close_log(self) -> None:
        """Let the last records be written."""
        if self.access_log is not None:
            await self.access_log.aclose()

    def forget(self, view: SocketProtocol) -> None:
        """Take note that *view* is gone."""
        self.connections.discard(view)
        if self._last_kept is not None:
            self._last_kept.discard(view)
            self._note_kept()
        if not self.connections:
            self._emptied.set()

    def watch_kept(self) -> None:
        """Set :attr:`kept_over` when the last connection of a stateful protocol is gone."""
        self._last_kept = {view for view in self.connections if self._is_kept(view)}
        self._note_kept()

    def _is_kept(self, view: SocketProtocol) -> bool:
        binding = self.registry.get(view.protocol)
        return binding is not None and binding.stateful

    def _note_kept(self) -> None:
        if not self._last_kept:
            self.kept_over.set()

    def _limit_hit(self, limit: str, protocol: str) -> None:
        tell(self.observers, lambda each: each.limit_hit(limit, protocol))

    async def _report(self, view: ConnectionView, error: Exception) -> None:
        if self.aggregator is not None:
            await self.aggregator.on_error(protocol_context(view), error)


ASGIServer = Server
