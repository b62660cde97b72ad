"""MQTT at the dispatcher's door: connections that are fed, without a task for any of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from math import inf
from typing import Final, cast

from blackbull.abc import (
    Address,
    ConnectionView,
    Consumer,
    ProtocolBinding,
    ProtocolDetector,
    Refusal,
)
from blackbull.errors import LimitExceeded

from .auth.requests import Transport
from .broker import BrokerActor
from .inbox import Detach, Received, TimedOut, Wake, Writable
from .refusal import TurnedAway
from .state.inbound import Inbound
from .state.link import Shell, T

CONNECT: Final = 0x10
MAX_UNWRITTEN: Final = 1024
"""Answers that a client may leave unread before we stop reading what it sends."""


class MQTTProtocolDetector(ProtocolDetector):
    """Recognises MQTT by the first byte of its CONNECT packet, which no other protocol begins with.

    Spec:
        MQTT 5.0 §3.1.1
    """

    protocol_name = "mqtt"

    def detect(self, prefix: bytes, alpn: str | None) -> bool | None:
        """Judge the first byte, or believe what TLS negotiated."""
        if alpn == "mqtt":
            return True
        return prefix[0] == CONNECT if prefix else None


class MQTTBinding(ProtocolBinding):
    """Finds MQTT connections for the broker.

    With a port of its own only the worker that has the broker listens there; what comes on a
    shared port is served by every worker.

    Args:
        take: Takes a connection.
        name: What events say.
        port: A port of its own; None: shared ports, by the first byte or the ALPN identifier.
        tls: Speak TLS on that port.
    """

    detection_read = 1
    alpn = ("mqtt",)
    fed = True

    def __init__(
        self,
        take: Callable[[ConnectionView], object],
        *,
        name: str = "mqtt",
        port: int | None,
        tls: object = False,
    ) -> None:
        self.name = name
        self.port = port
        self.tls = tls
        self.shared = port is None
        self.stateful = port is not None
        self._take = take
        self._detector = MQTTProtocolDetector()

    def detect(self, prefix: bytes, alpn: str | None) -> bool | None:
        """Ask :class:`MQTTProtocolDetector`."""
        return self._detector.detect(prefix, alpn)

    async def serve(self, conn: ConnectionView) -> None:
        """Let the broker have the connection."""
        self._take(conn)

    async def refuse(self, conn: ConnectionView, why: Refusal) -> None:
        """Say it in a CONNACK, once the client has begun its CONNECT, then close."""
        TurnedAway(conn, why)


class FedConnection(Consumer, Shell):
    """One client on a connection of the server's.

    Args:
        view: The connection.
        actor: The broker.
    """

    __slots__ = (
        "_actor", "_connecting", "_inbound", "_link", "_noted", "_reading", "_received", "_sent",
        "_unread", "_view", "_written",
    )  # fmt: skip

    def __init__(self, view: ConnectionView, actor: BrokerActor) -> None:
        self._view = view
        self._actor = actor
        self._link = actor.broker.open(self)
        self._inbound = Inbound(actor.broker, self._link)
        self._connecting = True
        self._reading = True
        self._unread: list[bytes] | None = None
        self._noted = False
        self._received = 0  # bytes
        self._sent = 0
        self._written = 0  # pieces, of one packet or several
        actor.watch(view.aggregator)
        view.deadline.set(actor.settings.connect_timeout)
        view.attach(self)

    # ------------------------------------------------------------------ what the server tells

    def data_received(self, data: bytes) -> None:
        """Put *data* into the broker's inbox; stop reading while that is full."""
        self._received += len(data)
        if self._unread is not None:
            self._unread.append(data)
        elif not self._actor.receive(self._inbound, data):
            self._unread = [data]
            self._pause()
            self._actor.when_there_is_room(self._try_again)
        elif self._link.congested:
            self._pause_if_unanswered()

    def eof_received(self) -> None:
        """The client leaves."""
        self._view.close()

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone."""
        self._note()
        if self._link.goodbye:  # which the broker has taken note of
            self._link.leave()
            return
        unread, self._unread = self._unread, None
        for data in unread or ():  # what came before the end is heard before it
            self._actor.tell(Received(self._inbound, data))
        self._actor.tell(Detach(self._inbound))

    def writing_paused(self) -> None:
        """The client does not read: keep back what is for it."""
        if not self._link.ending:
            self._link.congested = True

    def writing_resumed(self) -> None:
        """The client reads again."""
        self._link.released()
        self._write()
        self._resume()
        self._actor.tell(Writable(self._inbound))

    def deadline_expired(self) -> None:
        """The client has said nothing for too long."""
        if self._connecting:
            self.record_limit(
                LimitExceeded(
                    "mqtt_connect_timeout", allowed=self._actor.settings.connect_timeout,
                    seen=self._actor.settings.connect_timeout,
                )
            )  # fmt: skip
            self._link.close()
            self._note("connect_timeout")
            self._view.close()
            return
        # Moving the deadline with every packet would cost more than looking twice.
        left = self._inbound.time_left(self._actor.time())
        if left > 0:
            self._wait(left)
            return
        self._wait(self._inbound.keep_alive or self._actor.settings.packet_timeout)
        if not self._link.parked and self._unread is None:  # it is not we who do not listen
            self._actor.tell(TimedOut(self._inbound))

    def shutdown(self) -> None:
        """The server stops: say so, and let the client go without its will."""
        self._actor.broker.let_go(self._link)
        self._actor.tell(Wake())  # others may have something to be told now

    # ------------------------------------------------------------------ what the broker asks for

    @property
    def peername(self) -> Address | None:
        """The peer's address."""
        return self._view.peername

    @property
    def transport(self) -> Transport:
        """TLS or not."""
        return "tcp" if self._view.ssl is None else "tls"

    @property
    def certificate(self) -> Mapping[str, object] | None:
        """The client's certificate, as ``ssl.SSLSocket.getpeercert()`` has it."""
        return peer_certificate(self._view.ssl)

    def flush(self) -> None:
        """Write what the broker has for the client, in one go."""
        link = self._link
        if self._connecting and link.session is not None:
            self._connecting = False
            self._wait(self._inbound.time_left(self._actor.time()))
        if link.congested and not link.ending:
            self._pause_if_unanswered()
            return
        self._write()
        if link.goodbye:
            self._view.close()
        elif link.ending:
            self._note()
            self._actor.tell(Detach(self._inbound))  # while it lingers, nobody tells us of its end
            self._view.linger()

    def park(self, decision: Awaitable[T], then: Callable[[T | BaseException], None]) -> None:
        """Await *decision* in a task of its own; nothing is read meanwhile."""
        self._pause()

        def decided(outcome: object) -> None:
            then(cast("T", outcome))
            self._resume()

        self._actor.decide(self._inbound, decision, decided)

    def abort(self) -> None:
        """Reset the connection."""
        self._view.abort()

    def record_limit(self, limit: LimitExceeded) -> None:
        """Log that the client went past *limit*."""
        self._view.record_limit(limit)

    # ------------------------------------------------------------------ inside

    def _wait(self, seconds: float) -> None:
        if seconds < inf:
            self._view.deadline.set(max(seconds, 0.001))
        else:
            self._view.deadline.clear()

    def _write(self) -> None:
        out = self._link.out
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            self._written += len(out)
            self._sent += len(data)
            out.clear()
            self._actor.broker.stats.bytes_sent += len(data)
            self._view.send(data)

    def _note(self, reason: str = "") -> None:
        """Say of the connection what its log is to say, when its end is known."""
        if self._noted:
            return
        self._noted = True
        link = self._link
        told = link.describe()
        if reason:
            told["reason"] = reason
        self._view.note(
            **told,
            packets_received=link.received,
            packets_sent=self._written + link.folded,
            received=self._received,
            sent=self._sent,
        )

    def _try_again(self) -> None:
        unread, self._unread = self._unread, None
        for data in unread or ():
            self._received -= len(data)  # it is counted again
            self.data_received(data)
        self._resume()

    def _pause_if_unanswered(self) -> None:
        """Whoever does not read its answers is not to ask for more."""
        if self._link.unanswered > MAX_UNWRITTEN:
            self._pause()

    def _pause(self) -> None:
        if self._reading:
            self._reading = False
            self._view.pause_reading()

    def _resume(self) -> None:
        if not self._reading and self._unread is None and not self._link.parked:
            self._reading = True
            self._view.resume_reading()


def peer_certificate(ssl: object | None) -> Mapping[str, object] | None:
    """Return the verified certificate that a client showed; None if it showed none."""
    found = getattr(ssl, "getpeercert", lambda: None)()
    return cast("Mapping[str, object] | None", found or None)
