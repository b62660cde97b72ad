"""The owner's end: clients and applications of other workers at the broker.

They come on streams that only the workers of this very server can open, and that are on no port:
what an application asks for on one is neither authenticated nor authorised, as if it asked here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from blackbull.abc import Address, ConnectionView, Consumer, ProtocolBinding
from blackbull.errors import LimitExceeded

from ..auth.requests import Transport
from ..binding import FedConnection
from ..broker import BrokerActor
from ..limit_log import log_limit
from ..state.local import LocalSubscription
from ..state.publication import Publication
from ..waiting import Waiting
from .frames import (
    Frame,
    Frames,
    Kind,
    decode_publication,
    decode_wish,
    encode_count,
    encode_frame,
    encode_message,
    encode_refusal,
)
from .opening import MAX_LINE, Opening, decode_opening

WORKER_PROTOCOL: Final = "mqtt-worker"
CHUNK: Final = 65536
"""Bytes for an application that are written at the latest."""

Clients = dict[str, set["ForwardedClient"]]
"""The clients that other workers have, by the name of the worker."""


class WorkerBinding(ProtocolBinding):
    """Serves the streams of other workers; it is on no port and recognises nothing.

    Args:
        running: Returns the broker; None when it does not run.
    """

    name = WORKER_PROTOCOL
    detection_read = 0
    fed = True
    stateful = True
    shared = False
    tells = True  # the worker that has accepted a client logs that

    def __init__(self, running: Callable[[], BrokerActor | None]) -> None:
        self._running = running
        self._clients: Clients = {}

    async def serve(self, conn: ConnectionView) -> None:
        """Find out whose bytes follow."""
        actor = self._running()
        if actor is None:
            conn.close()
        else:
            OpeningReader(conn, actor, self._clients)


class OpeningReader(Consumer):
    """Reads the first line of a stream, and gives the stream to whom it is for."""

    __slots__ = ("_actor", "_clients", "_line", "_view")

    def __init__(self, view: ConnectionView, actor: BrokerActor, clients: Clients) -> None:
        self._view = view
        self._actor = actor
        self._clients = clients
        self._line = b""
        view.deadline.set(actor.settings.connect_timeout)
        view.attach(self)

    def data_received(self, data: bytes) -> None:
        """Look for the end of the line."""
        self._line += data
        line, found, rest = self._line.partition(b"\n")
        if not found:
            if len(self._line) > MAX_LINE:
                self._view.abort()
            return
        view, opening = self._view, decode_opening(line)
        view.deadline.clear()
        view.unread(rest)
        if opening.client:
            ForwardedClient(view, self._actor, opening, among=self._clients)
        else:
            ApplicationEnd(view, self._actor, opening, clients=self._clients)

    def eof_received(self) -> None:
        """It was nothing."""
        self._view.close()

    def connection_lost(self, error: Exception | None) -> None:
        """It was nothing."""

    def writing_paused(self) -> None:
        """Nothing is written yet."""

    def writing_resumed(self) -> None:
        """Nothing is written yet."""

    def deadline_expired(self) -> None:
        """It took too long."""
        self._view.abort()

    def shutdown(self) -> None:
        """The server stops."""
        self._view.close()


class ForwardedClient(FedConnection):
    """A client that is connected to another worker, which passes its bytes on.

    Args:
        view: The stream.
        actor: The broker.
        opening: What the other worker knows of the client.
        among: Where the clients of all workers are kept.
    """

    __slots__ = ("_among", "_opening", "_recorded")

    def __init__(
        self, view: ConnectionView, actor: BrokerActor, opening: Opening, *, among: Clients
    ) -> None:
        self._opening = opening
        self._recorded: set[str] = set()
        self._among = among
        among.setdefault(opening.worker, set()).add(self)
        super().__init__(view, actor)

    @property
    def peername(self) -> Address | None:
        """The client's address, as the other worker sees it."""
        return self._opening.peername

    @property
    def transport(self) -> Transport:
        """How the client is connected there."""
        return self._opening.transport

    @property
    def certificate(self) -> Mapping[str, object] | None:
        """The certificate that the other worker has verified."""
        return self._opening.certificate

    def record_limit(self, limit: LimitExceeded) -> None:
        """Log that the client went past *limit*, once."""
        if limit.limit not in self._recorded:
            self._recorded.add(limit.limit)
            log_limit(limit, peer=self.peername)

    def connection_lost(self, error: Exception | None) -> None:
        """The client, or its worker, is gone."""
        clients = self._among[self._opening.worker]
        clients.discard(self)
        if not clients:
            del self._among[self._opening.worker]
        super().connection_lost(error)


class Followed:
    """What the application of another worker follows.

    Attributes:
        waiting: Messages that the stream did not take yet.
        local: The subscription.
    """

    __slots__ = ("local", "waiting")

    def __init__(self, waiting: Waiting[Publication]) -> None:
        self.waiting = waiting
        self.local: LocalSubscription | None = None


class ApplicationEnd(Consumer):
    """Publishes and subscribes for the application of another worker.

    Args:
        view: The stream.
        actor: The broker.
        opening: Which worker that is.
        clients: The clients of all workers.
    """

    __slots__ = (
        "_actor", "_called", "_clients", "_congested", "_followed", "_frames", "_out", "_size",
        "_view", "_worker",
    )  # fmt: skip

    def __init__(
        self, view: ConnectionView, actor: BrokerActor, opening: Opening, *, clients: Clients
    ) -> None:
        self._view = view
        self._actor = actor
        self._worker = opening.worker
        self._clients = clients
        self._frames = Frames()
        self._followed: dict[int, Followed] = {}
        self._out: list[bytes] = []
        self._size = 0
        self._congested = False
        self._called = False
        view.send(encode_frame(Kind.READY))
        view.attach(self)

    # ------------------------------------------------------------------ what the server tells

    def data_received(self, data: bytes) -> None:
        """Do what the frames ask for."""
        for frame in self._frames.receive(data):
            self._do(frame)
        self._flush()

    def eof_received(self) -> None:
        """The other worker ends."""
        self._view.close()

    def connection_lost(self, error: Exception | None) -> None:
        """The other worker has ended: nobody follows anything."""
        for number in list(self._followed):
            self._unsubscribe(number)

    def writing_paused(self) -> None:
        """The other worker is busy: let it finish before it asks for more."""
        self._congested = True
        self._view.pause_reading()

    def writing_resumed(self) -> None:
        """Go on with what has waited."""
        self._congested = False
        self._view.resume_reading()
        for number, followed in list(self._followed.items()):
            while followed.waiting and not self._congested:
                self._send(number, followed, followed.waiting.take())
        self._flush()

    def deadline_expired(self) -> None:
        """Nothing is due: an application may be silent."""

    def shutdown(self) -> None:
        """Let the other worker leave when it has finished, and not before."""
        self._say(encode_frame(Kind.STOPPING))
        self._flush()

    # ------------------------------------------------------------------ inside

    def _do(self, frame: Frame) -> None:
        match frame.kind:
            case Kind.PUBLISH:
                self._publish(frame)
            case Kind.SUBSCRIBE:
                self._subscribe(frame)
            case Kind.UNSUBSCRIBE:
                self._unsubscribe(frame.number)
            case Kind.LET_GO:
                for client in list(self._clients.get(self._worker, ())):
                    client.shutdown()
                self._say(encode_frame(Kind.DONE, frame.number, encode_count(0)))

    def _publish(self, frame: Frame) -> None:
        publication = decode_publication(frame.content)
        try:
            reached = self._actor.publish(
                publication.topic, publication.payload, qos=publication.qos,
                retain=publication.retain, properties=publication.properties,
            )  # fmt: skip
        except (LimitExceeded, ValueError) as error:
            self._refuse(frame.number, error)
        else:
            self._say(encode_frame(Kind.DONE, frame.number, encode_count(reached)))

    def _subscribe(self, frame: Frame) -> None:
        number, wish = frame.number, decode_wish(frame.content)
        followed = Followed(Waiting(wish.topic, max_queued=wish.max_queued, overflow=wish.overflow))
        deliver = partial(self._deliver, number, followed)
        try:
            followed.local = self._actor.add_local(wish.topic, deliver, qos=wish.qos)
        except ValueError as error:
            self._refuse(number, error)
            return
        self._followed[number] = followed
        self._say(encode_frame(Kind.DONE, number, encode_count(0)))

    def _refuse(self, number: int, error: LimitExceeded | ValueError) -> None:
        self._say(encode_frame(Kind.REFUSED, number, encode_refusal(error)))

    def _unsubscribe(self, number: int) -> None:
        followed = self._followed.pop(number, None)
        if followed is not None and followed.local is not None:
            followed.local.close()

    def _deliver(self, number: int, followed: Followed, publication: Publication) -> bool:
        if self._congested or followed.waiting:
            return followed.waiting.offer(publication)
        self._send(number, followed, publication)
        return True

    def _send(self, number: int, followed: Followed, publication: Publication) -> None:
        content = encode_message(publication, dropped=followed.waiting.dropped)
        self._say(encode_frame(Kind.MESSAGE, number, content))

    def _say(self, frame: bytes) -> None:
        """Write *frame* at the end of this turn of the loop, or at once when there is much."""
        self._out.append(frame)
        self._size += len(frame)
        if self._size >= CHUNK:
            self._flush()
        elif not self._called:
            self._called = True
            asyncio.get_running_loop().call_soon(self._later)

    def _later(self) -> None:
        self._called = False
        self._flush()

    def _flush(self) -> None:
        if self._out:
            data = b"".join(self._out)
            self._out.clear()
            self._size = 0
            self._view.send(data)
