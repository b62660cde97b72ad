"""The broker as an extension of an application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Protocol, TypeVar

from blackbull.abc import Aggregator, ConnectionView, ProtocolBinding
from blackbull.config import load
from blackbull.errors import ConfigurationError
from blackbull.extension import Extension, ExtensionHost, Figure
from blackbull.worker import Worker

from .application import Application
from .auth.requests import EnhancedAuthentication
from .binding import FedConnection, MQTTBinding, MQTTProtocolDetector
from .broker import BrokerActor
from .client import EXACTLY_ONCE, MAX_QUEUED, Client, Messages
from .codec.types import ReasonCode
from .figures import Census
from .registration import CallbackT
from .settings import MQTTSettings, Overflow
from .state.broker import Notice
from .state.hooks import Authenticate, Authorize, Hooks
from .state.publication import Publication
from .tap import Message, Subscription, Tap
from .websocket import websocket_handler
from .workers.elsewhere import Elsewhere
from .workers.owner import WorkerBinding
from .workers.relay import Relay

__all__ = ["MQTTExtension", "MQTTProtocolDetector"]

DEFAULT_PORT = 1883
LEVELS = (4, 5)

HandlerT = TypeVar("HandlerT", bound=Callable[..., Awaitable[None]])


class Protocols(Protocol):
    """Where protocols are registered."""

    def add(self, binding: ProtocolBinding) -> None:
        """Serve *binding*."""


class Host(ExtensionHost, Protocol):
    """What the broker needs of the application that it is part of."""

    @property
    def protocols(self) -> Protocols:
        """The protocols that the server speaks."""

    @property
    def aggregator(self) -> Aggregator:
        """The event system."""

    @property
    def worker(self) -> Worker:
        """The process that this is; known when the application starts."""

    def route(
        self, methods: str = ..., path: str = ..., *, scheme: str = ...,
        max_message_size: int | None = ...,
    ) -> Callable[[HandlerT], HandlerT]:  # fmt: skip
        """Register a handler."""


class MQTTExtension(Extension[Host]):
    """An MQTT broker in the application's process; with several, in that of worker 0.

    ::

        mqtt = app.add_extension(MQTTExtension(port=1883))

        @mqtt.on_message(topic="sensors/{room}/temperature")
        async def on_temperature(msg: Message, room: str): ...

    It speaks MQTT 5.0 and MQTT 3.1.1, which most devices speak; with ``versions=(5,)`` clients of
    other versions are refused with 0x84, Unsupported Protocol Version.

    Args:
        port: A port of its own; None: the HTTP port, where MQTT is told by its first byte.
        tls: Speak TLS on that port: True with the server's certificates, ``TLSFiles`` or an
            ``ssl.SSLContext`` with others.
        tls_port: A second port, with TLS.
        websocket_path: Where WebSockets with the subprotocol ``mqtt`` are served; None: nowhere.
        versions: The protocol levels: 5 for MQTT 5.0, 4 for MQTT 3.1.1.
        tap_mode: ``"actor"``: taps run by themselves and miss messages when they are slow.
            ``"inline"``: a client's next packet waits for them.
        tap_queue_size: Messages that wait for the taps; None: as the settings say.
        settings: The limits and what is advertised; None: as variables and files say.
        authenticate: Who is this client? Takes a ``ConnectRequest``; returns an ``Identity``,
            True, False, a ``ReasonCode`` or a ``Refusal``, or an awaitable of one.
        authorize: May it do that? Takes a ``ClientInfo``, ``"publish"`` or ``"subscribe"``, and a
            topic or filter; returns True or False, or an awaitable of one.
        enhanced: Methods of enhanced authentication, such as ``ScramAuthentication``.
        response_information: What clients that ask for it are told to base response topics on.

    Attributes:
        actor: The broker's actor while the application runs; None else, and always in a worker
            that has no broker.

    Raises:
        ValueError: an argument is impossible.
    """

    extension_key = "mqtt"
    settings_class: ClassVar[type[MQTTSettings]] = MQTTSettings

    def __init__(
        self,
        *,
        port: int | None = DEFAULT_PORT,
        tls: object = False,
        tls_port: int | None = None,
        websocket_path: str | None = None,
        versions: Sequence[int] = LEVELS,
        tap_mode: str = "actor",
        tap_queue_size: int | None = None,
        settings: MQTTSettings | None = None,
        authenticate: Authenticate | None = None,
        authorize: Authorize | None = None,
        enhanced: Iterable[EnhancedAuthentication] = (),
        response_information: str = "",
    ) -> None:
        if not versions or not set(versions) <= set(LEVELS):
            raise ValueError(f"versions are 4 (MQTT 3.1.1) and 5 (MQTT 5.0), not {versions!r}")
        self.port = port
        self.websocket_path = websocket_path
        self.versions = tuple(versions)
        self.tls = tls
        self.actor: BrokerActor | None = None
        self.settings = settings
        self._hooks = Hooks(
            authenticate=authenticate,
            authorize=authorize,
            enhanced={each.method: each for each in enhanced},
            response_information=response_information,
        )
        self._application = Application(tap_mode=tap_mode, tap_queue_size=tap_queue_size)
        self._bindings: list[ProtocolBinding] = [MQTTBinding(self._take, port=port, tls=tls)]
        if tls_port is not None:
            self._bindings.append(
                MQTTBinding(self._take, name="mqtts", port=tls_port, tls=tls or True)
            )
        self._bindings.append(WorkerBinding(lambda: self.actor))
        self._elsewhere: Elsewhere | None = None
        self._census = Census()
        self._aggregator: Aggregator | None = None
        self._task: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------ an extension

    def init_app(self, app: Host) -> None:
        """Register the protocol and, if there is one, the WebSocket's route.

        Raises:
            ConfigurationError: the port is taken.
            RuntimeError: *app* has a broker already.
        """
        self._register(app)
        self._aggregator = app.aggregator
        for binding in self._bindings:
            app.protocols.add(binding)
        if self.websocket_path is not None:
            register = app.route(path=self.websocket_path, scheme="websocket")
            register(websocket_handler(self._running, app.aggregator, relay=self._relay))

    async def startup(self, app: Host) -> None:
        """Start the broker, with no sessions and nothing retained; or look for the one there is.

        Raises:
            ConfigurationError: a variable or a file holds an impossible setting.
        """
        settings = self.settings or load(MQTTSettings)
        if not app.worker.owner:
            self._elsewhere = Elsewhere(app.worker, timeout=settings.owner_timeout)
            self._elsewhere.start()
            self.client.attach_distant(self._elsewhere.broker)
            return
        self.actor = actor = BrokerActor(settings, hooks=self._hooks, levels=self.versions)
        actor.watch(self._aggregator)
        actor.sinks.tap = self._application.observe
        actor.sinks.notice = self._tell
        actor.broker.hooked = self._application.registration.hooks
        if self._application.inline is not None:
            actor.broker.inline = self._run_inline
        self._task = asyncio.get_running_loop().create_task(actor.run())
        await self._application.start(
            actor,
            see=self._see,
            tap_queue_size=settings.tap_queue_size,
            tap_queue_bytes=settings.tap_queue_bytes,
        )

    async def stopping(self, app: Host) -> None:
        """End the streams that follow topics, and let the clients go: neither ends by itself."""
        self.client.end_following()
        if self.actor is not None:
            self.actor.let_go()
        if self._elsewhere is not None:
            await self._elsewhere.let_go()

    async def shutdown(self, app: Host) -> None:
        """Let callbacks finish, then stop the broker."""
        if self._elsewhere is not None:
            await self._elsewhere.stop()
            self._elsewhere = None
        await self._application.stop()
        if self.actor is not None:
            self.actor.stop()
        if self._task is not None:
            await asyncio.wait({self._task})
            self._task = None
        self.actor = None

    def _take(self, conn: ConnectionView) -> None:
        """Let the broker have a connection, wherever it is."""
        if self._elsewhere is not None:
            self._elsewhere.relay.take(conn)
        else:
            FedConnection(conn, self._running())

    def _relay(self) -> Relay | None:
        return None if self._elsewhere is None else self._elsewhere.relay

    def figures(self) -> Iterable[Figure]:
        """Return the broker's figures; nothing while no broker runs here."""
        return () if self.actor is None else self._census.figures(self.actor.broker)

    def trouble(self) -> str | None:
        """Return why no client could be served, if the broker is to run here and does not."""
        if self._elsewhere is not None:
            return None  # it is in another worker, which tells about itself
        if self._task is None or self.actor is None:
            return "the MQTT broker does not run"
        return "the MQTT broker has failed" if self._task.done() else None

    def _running(self) -> BrokerActor:
        if self._elsewhere is not None:
            raise RuntimeError("the MQTT broker runs in worker 0, and only that one has this")
        if self.actor is None:
            raise ConfigurationError("the MQTT broker does not run: serve the application first")
        return self.actor

    def _see(self, filter: str) -> None:
        actor = self._running()
        actor.broker.router.taps.add(filter, filter, filter)
        actor.broker.router.forget_routes()

    def _tell(self, notice: Notice) -> None:
        kind, client, details = notice
        self._application.tell(kind, client, *details)

    async def _run_inline(self, publications: list[Publication]) -> None:
        table = self._application.inline
        assert table is not None
        for publication in publications:
            await table.run(Message.of(publication))

    # ------------------------------------------------------------------ what applications register

    def on_message(
        self, topic: str = "#", *, schema: object = None, reliable: bool = False
    ) -> Callable[[CallbackT], CallbackT]:
        """Call the decorated function for every message whose topic matches *topic*.

        Args:
            topic: A Topic Filter: ``+`` stands for one level, ``#`` for all that follow, and
                ``{name}`` for one that the function takes by that name.
            schema: What payloads are: a dataclass or another type, or a JSON Schema. The function
                may take the decoded value: annotate a parameter with the type.
            reliable: False: the function observes, and misses messages when it is too slow. True:
                a message is done with only when the function returns; when it raises, it gets
                the message again.

        Raises:
            ValueError: *topic* is no Topic Filter, or *schema* is malformed.
            TypeError: the function asks for something that it cannot get.
        """
        return self._application.registration.on_message(topic, schema=schema, reliable=reliable)

    def on_connect(self, callback: CallbackT) -> CallbackT:
        """Call ``callback(client)`` when a client was let in; the broker does not wait for it."""
        return self._application.registration.on_hook("connect", callback)

    def on_disconnect(self, callback: CallbackT) -> CallbackT:
        """Call ``callback(client, reason_code)`` when a client has gone."""
        return self._application.registration.on_hook("disconnect", callback)

    def on_subscribe(self, callback: CallbackT) -> CallbackT:
        """Call ``callback(client, topic_filter, qos)`` when a client has subscribed."""
        return self._application.registration.on_hook("subscribe", callback)

    def iter_taps(self) -> Iterator[Tap]:
        """Iterate over what :meth:`on_message` registered."""
        return self._application.registration.iter_taps()

    def iter_subscriptions(self) -> Iterator[Subscription]:
        """Iterate over filters, as they were written, and callbacks."""
        return self._application.registration.iter_subscriptions()

    # ------------------------------------------------------------------ the application as a client

    @property
    def client(self) -> Client:
        """Publishes and subscribes for the application; tests attach a broker of their own."""
        return self._application.client

    async def publish(
        self,
        topic: str,
        payload: object = b"",
        *,
        qos: int = 0,
        retain: bool = False,
        properties: Mapping[str, object] | None = None,
    ) -> int:
        """Publish a message; when this returns, it is on its way to every subscriber.

        Args:
            topic: A Topic Name.
            payload: Bytes, text (UTF-8), or what JSON has a form of.
            qos: 0, 1 or 2.
            retain: Keep it for those who subscribe later; with an empty payload: keep none.
            properties: MQTT 5 properties by name: ``{"message_expiry_interval": 60}``.

        Returns:
            How many subscribers it is on its way to.

        Raises:
            ConnectionLost: the worker that has the broker did not answer in time, or died before
                it did: then nobody knows whether the message went out.
            LimitExceeded: it cannot be retained.
            RuntimeError: no broker runs.
            TypeError: *payload* has no JSON form.
            ValueError: *topic* is no Topic Name, or a property is impossible.
        """
        return await self._application.client.publish(
            topic, payload, qos=qos, retain=retain, properties=properties
        )

    def disconnect(
        self,
        client_id: str,
        *,
        reason_code: int = ReasonCode.ADMINISTRATIVE_ACTION,
        server_reference: str = "",
    ) -> bool:
        """Close a client's connection; its session goes on as the client has asked for.

        With several workers, only the one with the broker can.

        Args:
            client_id: Its Client Identifier.
            reason_code: What a client of MQTT 5 is told: 0x80 or more.
            server_reference: With 0x9C or 0x9D: the server to use instead.

        Returns:
            False if no such client is connected.

        Raises:
            RuntimeError: no broker runs in this process.
            ValueError: a server does not disconnect with that code.
        """
        return self._running().disconnect(
            client_id, reason_code=reason_code, server_reference=server_reference
        )

    def subscribe(
        self,
        topic: str,
        *,
        qos: int = EXACTLY_ONCE,
        max_queued: int = MAX_QUEUED,
        overflow: Overflow | str = Overflow.DROP_OLDEST,
    ) -> Messages:
        """Follow topics: ``async with mqtt.subscribe("sensors/#") as messages``.

        Retained messages come first. It ends when the server stops. Where the broker runs in
        another worker that dies, its successor is followed, and retained messages come anew.

        Args:
            topic: A Topic Filter.
            qos: The highest QoS that ``msg.qos`` shows.
            max_queued: Messages that wait while the reader is busy.
            overflow: Which message is dropped when one more comes.

        Raises:
            ValueError: *topic* is no Topic Filter, or another argument is impossible.
        """
        return self._application.client.subscribe(
            topic, qos=qos, max_queued=max_queued, overflow=overflow
        )
