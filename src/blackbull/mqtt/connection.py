"""MQTT over a reader and a writer: for connections that are not the server's own.

:class:`MQTTConnectionActor` is one per connection. Its inbox carries what is to be written, and
its :meth:`~MQTTConnectionActor.run`, which drains the inbox, is all that ever writes; beside it
:meth:`~MQTTConnectionActor.read_loop` hands the broker what the client sends.
:func:`serve_connection` joins the two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from math import inf
from typing import Final, cast

from blackbull.abc import Address, ProtocolContext, Reader, Writer
from blackbull.actor import Actor
from blackbull.actor import Message as ActorMessage
from blackbull.errors import LimitExceeded, TransportError

from .auth.requests import Transport
from .binding import MAX_UNWRITTEN, peer_certificate
from .broker import BrokerActor
from .codec.framer import PacketFramer
from .inbox import Close, Decided, Detach, Received, Send, TimedOut, Writable
from .limit_log import log_limit
from .state.inbound import Inbound
from .state.link import Shell, T
from .state.publication import Publication
from .tap import Handler, Message, TapActor, TapTable

__all__ = ["MQTTConnectionActor", "PacketFramer", "serve_connection"]

CHUNK: Final = 65536
HIGH_WATER: Final = 65536
IDLE_POLL: Final = 0.01
"""Seconds after which a reader that has nothing, and is not at its end, is asked again."""


class MQTTConnectionActor(Actor, Shell):
    """One client on a reader and a writer; nothing else writes to its writer.

    Args:
        writer: Where its packets go.
        broker: The broker.
        ctx: What is known of the connection.
        transport: How the client is connected.
        tap: Takes the messages that this client publishes.
        app_handlers: Taps that are run before its next packet is read.
    """

    def __init__(
        self,
        writer: Writer,
        broker: BrokerActor,
        *,
        ctx: ProtocolContext | None = None,
        transport: Transport | None = None,
        tap: TapActor | None = None,
        app_handlers: Sequence[Handler] | None = None,
    ) -> None:
        super().__init__(inbox_maxsize=broker.settings.connection_inbox_maxsize)
        self._writer = writer
        self._broker = broker
        self._ctx = ctx
        self._transport = transport
        self._link = broker.broker.open(self)
        self._inbound = Inbound(broker.broker, self._link)
        self._high_water = min(HIGH_WATER, broker.settings.connection_inbox_max_bytes)
        self._since = 0.0
        self._timeout: asyncio.Timeout | None = None
        self._unwritten = 0
        self._unparked = asyncio.Event()
        self._unparked.set()
        self._done = False
        self._closed = asyncio.Event()
        self._table = TapTable(app_handlers or ())
        self._recorded: set[str] = set()
        if tap is not None:
            self._inbound.use_taps(tap.offer)
        elif app_handlers is not None:
            self._inbound.use_taps(None, inline=self._run_inline)
        broker.watch(None if ctx is None else ctx.aggregator)

    # ------------------------------------------------------------------ reading

    async def read_loop(self, reader: Reader) -> None:
        """Hand the broker what the client sends, until the connection ends.

        It ends at the end of the stream, when the client says DISCONNECT or breaks a rule, after
        too long a silence, and when it is cancelled.
        """
        self._since = self._broker.time()
        while not self._done:
            try:
                async with asyncio.timeout_at(self._deadline()) as timeout:
                    self._timeout = timeout if self._link.session is None else None
                    await self._unparked.wait()
                    data = await reader.read(CHUNK)
            except TimeoutError:
                data = b""
            except TransportError:
                return
            finally:
                self._timeout = None
            if data:
                await self._broker.send(Received(self._inbound, data))
                if self._link.congested and self._link.unanswered > MAX_UNWRITTEN:
                    self._unparked.clear()
            elif reader.at_eof():
                return
            elif self._broker.time() >= (self._deadline() or inf):
                await self._give_up()
                return
            else:
                await asyncio.sleep(IDLE_POLL)

    def _deadline(self) -> float | None:
        """When the client has been silent, or has not been accepted, for too long."""
        if self._link.session is None:
            patience = self._broker.settings.connect_timeout
            return self._since + patience if patience else None
        now = self._broker.time()
        left = self._inbound.time_left(now)
        return now + left if left < inf else None

    async def _give_up(self) -> None:
        """End the connection; whoever tells the broker that it is gone lets the client be told."""
        if self._link.session is None:
            allowed = self._broker.settings.connect_timeout
            self.record_limit(LimitExceeded("mqtt_connect_timeout", allowed=allowed, seen=allowed))
        self._broker.tell(TimedOut(self._inbound))
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self.settled()

    async def _run_inline(self, publications: list[Publication]) -> None:
        for publication in publications:
            await self._table.run(Message.of(publication))

    async def settled(self) -> None:
        """Return when the broker has taken note of the end and all it said is in the inbox."""
        await self._closed.wait()

    def detach(self) -> None:
        """Tell the broker that the connection is gone."""
        self._note()
        self._broker.tell(Detach(self._inbound))
        self._broker.tell(Decided(self._inbound, self._end, None))

    def _end(self, outcome: object) -> None:
        """The broker knows: there is nothing more to be written than what is in the inbox."""
        self._closed.set()
        if not self._done:
            self._done = True
            self.offer(Close())

    # ------------------------------------------------------------------ writing

    async def _handle_batch(self, batch: list[ActorMessage]) -> None:
        packets = b"".join([message.packet for message in batch if isinstance(message, Send)])
        if packets:
            await self._writer.write(packets)
            self._unwritten -= len(packets)
            self._broker.broker.stats.bytes_sent += len(packets)
            if self._link.congested and self._unwritten <= self._high_water // 4:
                self._link.released()
                self.flush()
                if not self._link.parked:
                    self._unparked.set()
                self._broker.tell(Writable(self._inbound))
        if any(isinstance(message, Close) for message in batch):
            await self._writer.close()
            self.stop()

    # ------------------------------------------------------------------ what the broker asks for

    @property
    def peername(self) -> Address | None:
        """The peer's address."""
        return None if self._ctx is None else self._ctx.peername

    @property
    def transport(self) -> Transport:
        """How the client is connected."""
        if self._transport is not None:
            return self._transport
        return "tcp" if self._ctx is None or self._ctx.ssl is None else "tls"

    @property
    def certificate(self) -> Mapping[str, object] | None:
        """The client's certificate."""
        return None if self._ctx is None else peer_certificate(self._ctx.ssl)

    def flush(self) -> None:
        """Put what the broker has for the client into the inbox."""
        link = self._link
        if self._timeout is not None and link.session is not None:
            # It is accepted: from now on another time counts.
            if not self._timeout.expired():
                self._timeout.reschedule(self._deadline())
            self._timeout = None
        if link.congested and not link.ending:
            return
        if link.out:
            packets = b"".join(link.out)
            if not self.offer(Send(packets)):
                link.congested = True
                return
            link.out.clear()
            self._unwritten += len(packets)
            if self._unwritten > self._high_water and not link.ending:
                link.congested = True
        if link.ending and not self._done:
            self._done = True
            self._note()
            self._unparked.set()
            self._closed.set()
            self.offer(Close())

    def _note(self) -> None:
        """Say of the connection what its log is to say."""
        if self._ctx is not None and self._ctx.note is not None:
            self._ctx.note(**self._link.describe())

    def park(self, decision: Awaitable[T], then: Callable[[T | BaseException], None]) -> None:
        """Await *decision* in a task of its own; nothing is read meanwhile."""
        self._unparked.clear()

        def decided(outcome: object) -> None:
            then(cast("T", outcome))
            if not self._link.parked:
                self._unparked.set()

        self._broker.decide(self._inbound, decision, decided)

    def record_limit(self, limit: LimitExceeded) -> None:
        """Log that the client went past *limit*; for one of ours, once."""
        if self._ctx is not None and self._ctx.record_limit is not None:
            self._ctx.record_limit(limit)
        elif limit.limit not in self._recorded:
            self._recorded.add(limit.limit)
            log_limit(limit, peer=self.peername)


async def serve_connection(
    reader: Reader,
    writer: Writer,
    ctx: ProtocolContext | None,
    broker: BrokerActor,
    *,
    app_handlers: Sequence[Handler] | None = None,
    tap: TapActor | None = None,
    transport: Transport | None = None,
) -> None:
    """Serve one MQTT client until either side ends it: the body of a raw protocol handler.

    However it ends, by its own end or by cancelling it, the broker learns of it, so that the
    client's will is published unless the client has said goodbye.

    Args:
        reader: Where the client's bytes come from.
        writer: Where ours go.
        ctx: What is known of the connection.
        broker: The broker, which runs.
        app_handlers: Taps that are run before the client's next packet is read.
        tap: Takes the messages that the client publishes.
        transport: How the client is connected, if that is not TCP or TLS.
    """
    actor = MQTTConnectionActor(
        writer, broker, ctx=ctx, transport=transport, tap=tap, app_handlers=app_handlers
    )
    writing = asyncio.ensure_future(actor.run())
    reading = asyncio.ensure_future(actor.read_loop(reader))
    try:
        await asyncio.wait({writing, reading}, return_when=asyncio.FIRST_COMPLETED)
        if reading.done() and not reading.cancelled():
            reading.result()
    finally:
        actor.detach()
        await _wind_up(actor, reading, writing)


async def _wind_up(
    actor: MQTTConnectionActor, reading: asyncio.Future[None], writing: asyncio.Future[None]
) -> None:
    """Let the last words be written, for a second at most, and end both halves."""
    reading.cancel()
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await actor.settled()
                actor.stop()
                await asyncio.wait({writing})
    finally:
        writing.cancel()
        await asyncio.wait({reading, writing})
    error = None if writing.cancelled() else writing.exception()
    if error is not None and not isinstance(error, TransportError):
        raise error
