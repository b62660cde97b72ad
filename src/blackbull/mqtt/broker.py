"""The broker's actor: one owner of all state, and an inbox that is taken in batches.

Connections put what arrived into the inbox; so do timers and decisions of the application. A
batch is everything that is there: it is handled without a pause, then each client that has
something coming is written to, once.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from math import inf
from typing import Final

from blackbull.abc import Aggregator
from blackbull.actor import Actor, Message

from .codec.types import DISCONNECT, REASON_CODES, ReasonCode
from .inbox import Close, Decided, Detach, Received, Send, Tick, TimedOut, Wake, Writable
from .inline import InlineRunner
from .limit_log import log_limit
from .observation import Observation
from .settings import MQTTSettings
from .state.broker import Broker, Notice
from .state.hooks import Hooks
from .state.inbound import Inbound
from .state.link import Link
from .state.local import LocalSubscriber, LocalSubscription
from .state.publication import EMPTY, Publication, make_publication
from .state.session import Subscription
from .topics import validate_topic_filter, validate_topic_name

__all__ = ["BrokerActor", "Close", "Detach", "Send"]

logger = logging.getLogger("blackbull.mqtt")

LOOK_EVERY: Final = 16
"""Arrivals that come alone until it is looked whether the next one does."""


def new_client_id() -> str:
    """Return a Client Identifier that nobody has and nobody can guess."""
    return f"auto-{secrets.token_hex(8)}"


def package_version() -> str:
    """Return the version of the distribution that the broker came with."""
    try:
        return version("blackbull")
    except PackageNotFoundError:  # run from a checkout
        return "unknown"


@dataclass(slots=True)
class Sinks:
    """Where the broker's actor leaves what others are to do.

    Attributes:
        tap: Takes a message that taps are to see.
        notice: Takes what the application's hooks are to be told.
    """

    tap: Callable[[Publication], object] | None = None
    notice: Callable[[Notice], object] | None = None


class BrokerActor(Actor):
    """Owns the subscriptions, sessions and retained messages; needs no locks.

    Args:
        settings: The limits; the defaults if None.
        hooks: Whom the application asks to decide.
        levels: The protocol levels that are spoken.

    Attributes:
        broker: The state.
        settings: The limits.
        sinks: Where messages for taps and hooks go.
        observation: Emits events.
    """

    def __init__(
        self,
        settings: MQTTSettings | None = None,
        *,
        hooks: Hooks | None = None,
        levels: Sequence[int] = (4, 5),
    ) -> None:
        self.settings = settings or MQTTSettings()
        super().__init__(inbox_maxsize=self.settings.broker_inbox_maxsize)
        self.broker = Broker(
            self.settings,
            hooks=hooks,
            new_client_id=new_client_id,
            version=f"blackbull version {package_version()}",
            levels=levels,
        )
        self.sinks = Sinks()
        self.observation = Observation(self.broker)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._called = False
        self._crowded = False
        self._until_look = 0
        self._ended = asyncio.Event()
        self._inbox_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self._decisions: dict[Inbound, asyncio.Task[None]] = {}
        self._held: list[Callable[[], None]] = []
        self._inline = InlineRunner(
            max_queued=self.settings.tap_queue_size, max_bytes=self.settings.tap_queue_bytes
        )

    async def run(self) -> None:
        """Serve until :meth:`stop`; cancelling it is safe."""
        self._loop = asyncio.get_running_loop()
        self.broker.start(self._loop.time())
        self._push(Tick())
        try:
            await super().run()
        finally:
            self._loop = None
            if self._timer is not None:
                self._timer.cancel()
            self._inline.cancel()
            for task in list(self._decisions.values()):
                task.cancel()

    def stop(self) -> None:
        """Take no more messages; :meth:`run` returns when it has handled those it has."""
        super().stop()
        self._ended.set()

    # ------------------------------------------------------------------ from connections

    def receive(self, inbound: Inbound, data: bytes) -> bool:
        """Take what a client sent.

        The first arrival of a turn of the loop is handled at once; what comes behind it in the
        same turn waits for the turn's end and is handled together. Where arrivals mostly come
        alone, only one in :data:`LOOK_EVERY` asks the loop for a call at the turn's end, since
        that call costs another look at all sockets.

        Returns:
            False: the inbox is full; come again when :meth:`when_there_is_room` calls.
        """
        if not self._called and not self._inbox and not self._closing:
            self._until_look -= 1
            if self._crowded or self._until_look < 0:
                self._until_look = LOOK_EVERY
                self._wake()
            self._begin()
            self._arrived_from(inbound, data)
            self._finish()
            return True
        if self._inbox_bytes > self.settings.broker_inbox_max_bytes:
            return False
        if not self.offer(Received(inbound, data)):
            return False
        self._inbox_bytes += len(data)
        return True

    def time(self) -> float:
        """Return the time by the broker's clock."""
        return self.broker.stats.now if self._loop is None else self._loop.time()

    def when_there_is_room(self, call: Callable[[], None]) -> None:
        """Call *call* once, after the next batch."""
        self._held.append(call)

    def tell(self, message: Message) -> None:
        """Take a message that must not be lost, however full the inbox is.

        There is at most one of each kind per connection, so what a peer can make of it is bounded.
        """
        self._push(message)

    def decide(
        self, inbound: Inbound, decision: Awaitable[object], then: Callable[[object], None]
    ) -> None:
        """Await *decision* outside the broker; call *then* with what came of it, in a batch."""
        task = asyncio.get_running_loop().create_task(self._decide(inbound, decision, then))
        self._decisions[inbound] = task

        def done(task: asyncio.Task[None]) -> None:
            if self._decisions.get(inbound) is task:
                del self._decisions[inbound]
            if isinstance(decision, Coroutine):
                decision.close()  # if it was cancelled before it began

        task.add_done_callback(done)

    async def _decide(
        self, inbound: Inbound, decision: Awaitable[object], then: Callable[[object], None]
    ) -> None:
        outcome: object
        try:
            outcome = await decision
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            outcome = error
        for failure in outcome if isinstance(outcome, list) else [outcome]:
            if isinstance(failure, BaseException):
                logger.error("a hook raised; the client is refused", exc_info=failure)
        self._push(Decided(inbound, then, outcome))

    # ------------------------------------------------------------------ from the application

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 0,
        retain: bool = False,
        properties: Mapping[str, object] | None = None,
    ) -> int:
        """Publish a message in the application's own name.

        Returns:
            How many subscribers it is on its way to.

        Raises:
            LimitExceeded: it cannot be retained, and goes to nobody.
            ValueError: *topic* is no Topic Name, *qos* is not 0, 1 or 2, or a property is wrong.
        """
        if not validate_topic_name(topic):
            raise ValueError(f"{topic!r} is no topic that messages can be published to")
        if qos not in {0, 1, 2}:
            raise ValueError(f"qos is 0, 1 or 2, not {qos}")
        self._set_time()
        publication = make_publication(
            topic, payload, qos=qos, retain=retain, properties=properties or EMPTY,
            now=self.broker.stats.now,
        )  # fmt: skip
        self.broker.publish(publication)
        route = self.broker.router.route(publication.raw_topic, topic)
        if not self._inbox:
            self._push(Wake())
        return len(route.targets) + len(route.groups)

    def add_local(
        self,
        filter: str,
        receive: Callable[[Publication], bool],
        *,
        qos: int = 0,
        reliable: bool = False,
    ) -> LocalSubscription:
        """Deliver what *filter* matches to *receive*; what is retained comes first.

        Args:
            filter: A Topic Filter.
            receive: Takes a message; False: not now.
            qos: The highest QoS with which messages come.
            reliable: A message that is not taken waits, as one does for a client that is away;
                else it is dropped.

        Raises:
            ValueError: *filter* is no Topic Filter.
        """
        if not validate_topic_filter(filter):
            raise ValueError(f"{filter!r} is no topic filter")
        broker = self.broker
        subscriber = LocalSubscriber(
            receive, stats=broker.stats,
            max_queued=self.settings.max_queued_messages if reliable else 0,
            max_bytes=self.settings.max_queued_bytes,
        )  # fmt: skip
        broker.router.subscribe(
            subscriber, Subscription(filter, qos, retain_as_published=True), filter
        )
        self._set_time()
        for found in broker.retention.matching(filter, now=broker.stats.now):
            subscriber.deliver(found, 0x31, ())
        return LocalSubscription(broker.router, subscriber, filter)

    def disconnect(
        self, client_id: str, *, reason_code: int = ReasonCode.ADMINISTRATIVE_ACTION,
        server_reference: str = "",
    ) -> bool:  # fmt: skip
        """Close a client's connection; its session goes on as the client has asked for.

        Args:
            client_id: Its Client Identifier.
            reason_code: What a client of MQTT 5 is told: 0x80 or more.
            server_reference: With 0x9C or 0x9D: the server to use instead.

        Returns:
            False if no such client is connected.

        Raises:
            ValueError: a server does not disconnect with that code.

        Spec:
            MQTT 5.0 §3.14, §4.11
        """
        if reason_code < 0x80 or reason_code not in REASON_CODES[DISCONNECT]:
            raise ValueError(f"0x{reason_code:02X} is no reason to disconnect a client")
        session = self.broker.sessions.get(client_id)
        if session is None or session.link is None:
            return False
        self._set_time()
        link = session.link
        link.end(reason_code, reference=server_reference)
        self.broker.detach(link, with_will=True, reason=reason_code)
        self._push(Wake())
        return True

    def let_go(self) -> None:
        """The server stops: tell every client, and publish no wills."""
        for session in list(self.broker.sessions.values()):
            if session.link is not None:
                self.broker.let_go(session.link)
        self._finish()

    def watch(self, aggregator: Aggregator | None) -> None:
        """Tell *aggregator* of messages as long as somebody listens to it."""
        if aggregator is not None:
            self.observation.aggregator = aggregator

    def _set_time(self) -> None:
        if self._loop is not None:
            self.broker.stats.now = self._loop.time()

    def _push(self, message: Message) -> None:
        if not self._closing:
            self._inbox.append(message)
            self._wake()

    # ------------------------------------------------------------------ a batch

    def _wake(self) -> None:
        """Let the loop call: a batch never waits for anything, so it needs no task."""
        if self._loop is not None and not self._called:
            self._called = True
            self._loop.call_soon(self._turn)

    async def _drain(self) -> None:
        await self._ended.wait()
        self._turn()

    def _turn(self) -> None:
        """Handle what has come in this turn of the loop, as one batch."""
        self._called = False
        self._crowded = bool(self._inbox)
        if self._inbox:
            batch, self._inbox = self._inbox, []
            self._room.set()
            self._handle_now(batch)

    async def _handle_batch(self, batch: list[Message]) -> None:
        self._handle_now(batch)

    def _handle_now(self, batch: list[Message]) -> None:
        self._inbox_bytes = 0
        self._begin()
        for message in batch:
            if type(message) is Received:
                self._arrived_from(message.inbound, message.data)
            else:
                self._other(message)
        self._finish()

    def _begin(self) -> None:
        if self._loop is not None:
            self.broker.stats.now = self._loop.time()
        if self.observation.aggregator is not None:
            self.observation.look(self.observation.aggregator)

    def _arrived_from(self, inbound: Inbound, data: bytes) -> None:
        self.broker.stats.bytes_received += len(data)
        try:
            inbound.receive(data)
        except Exception:
            self._failed(inbound)

    def _other(self, message: Message) -> None:
        match message:
            case Detach(inbound=inbound):
                if inbound.link.session is None and inbound in self._decisions:
                    self._decisions[inbound].cancel()  # nobody wants in any more
                self._guarded(inbound, inbound.lost)
            case TimedOut(inbound=inbound):
                self._guarded(inbound, inbound.timed_out)
            case Writable(inbound=inbound):
                self._guarded(inbound, inbound.writable)
            case Decided(inbound=inbound, then=then, outcome=outcome):
                self._guarded(inbound, lambda: then(outcome))
            case Tick():
                self._tick()
            case _:
                pass

    def _guarded(self, inbound: Inbound, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception:
            self._failed(inbound)

    def _tick(self) -> None:
        try:
            self.broker.tick()
        except Exception:
            logger.exception("what was due could not be done")

    def _failed(self, inbound: Inbound) -> None:
        """A bug of ours costs one connection, not the broker."""
        logger.exception("a packet could not be handled; its connection is closed")
        inbound.fail(ReasonCode.UNSPECIFIED_ERROR)

    def _finish(self) -> None:
        """Do what a batch leaves to be done: writing, taps, hooks, time."""
        broker = self.broker
        if broker.waiting and broker.go_on():
            self._push(Wake())
        broker.router.settle()
        if broker.dirty:
            self._flush()
        if broker.router.tapped or broker.notices:
            self._pass_on()
        if broker.stats.limits:
            for limit in broker.stats.limits:
                log_limit(limit, peer=None)
            broker.stats.limits.clear()
        if broker.rearm:
            broker.rearm = False
            self._arm()
        if self._held:
            held, self._held = self._held, []
            for call in held:
                call()

    def _flush(self) -> None:
        dirty = self.broker.dirty
        observed = self.observation.sent
        for link in dirty:
            if link.ending:
                link.cut()
            if observed:
                self.observation.on_sent(link)
            try:
                link.shell.flush()
            except Exception:
                self._unwritable(link)
        dirty.clear()

    def _unwritable(self, link: Link) -> None:
        """A connection that cannot be written to costs itself, not the others."""
        logger.exception("a client could not be written to; it is given up")
        self.broker.detach(link, with_will=True, reason=ReasonCode.UNSPECIFIED_ERROR)
        link.shell.abort()
        link.leave()

    def _pass_on(self) -> None:
        tapped = self.broker.router.tapped
        if tapped:
            if self.broker.inline is not None:
                self._inline.offer(tapped, self.broker.inline)
            elif self.sinks.tap is not None:
                for publication in tapped:
                    self.sinks.tap(publication)
            tapped.clear()
        notices = self.broker.notices
        if notices:
            if self.sinks.notice is not None:
                for notice in notices:
                    self.sinks.notice(notice)
            notices.clear()

    def _arm(self) -> None:
        due = self.broker.due
        if self._loop is None or due == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = due
        if due != inf:
            self._timer = self._loop.call_at(due, self._due)

    def _due(self) -> None:
        self._timer = None
        self._timer_at = inf
        self._push(Tick())
