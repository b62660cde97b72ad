"""The pure broker with clients that have no network: what they say is handled at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from itertools import count

from blackbull.abc import Address
from blackbull.errors import LimitExceeded
from blackbull.mqtt.auth.requests import Transport
from blackbull.mqtt.codec.connect import MQTTConnack, MQTTConnect
from blackbull.mqtt.codec.framer import PacketFramer
from blackbull.mqtt.codec.message import MQTTMessage
from blackbull.mqtt.codec.packets import encode_packet
from blackbull.mqtt.codec.publish import MQTTPublish
from blackbull.mqtt.codec.subscribe import MQTTSubscribe
from blackbull.mqtt.settings import MQTTSettings
from blackbull.mqtt.state.broker import Broker
from blackbull.mqtt.state.hooks import Hooks
from blackbull.mqtt.state.inbound import Inbound
from blackbull.mqtt.state.link import Shell, T


class Peer(Shell):
    """One client.

    Attributes:
        raw: Bytes that the broker wrote to it.
        limits: What it went past, oldest first.
        parked: What the application has to decide, with what is to be called then.
        unread: Packets that came with CONNACK.
    """

    def __init__(self, house: House, *, level: int) -> None:
        self.house = house
        self.level = level
        self.link = house.broker.open(self)
        self.inbound = Inbound(house.broker, self.link)
        self.raw = b""
        self.limits: list[str] = []
        self.parked: list[tuple[object, Callable[[object], None]]] = []
        self.unread: list[MQTTMessage] = []
        self._framer = PacketFramer(level=level, strict=True)

    @property
    def peername(self) -> Address | None:
        return None

    @property
    def transport(self) -> Transport:
        return "tcp"

    @property
    def certificate(self) -> Mapping[str, object] | None:
        return None

    def flush(self) -> None:
        if not self.link.congested or self.link.ending:
            self.raw += b"".join(self.link.out)
            self.link.out.clear()

    def park(self, decision: Awaitable[T], then: Callable[[T | BaseException], None]) -> None:
        self.parked.append((decision, then))  # type: ignore[arg-type]

    def record_limit(self, limit: LimitExceeded) -> None:
        self.limits.append(limit.limit)

    def say(self, *packets: MQTTMessage | bytes) -> None:
        """Let the packets arrive together, as one batch."""
        self.arrive(*packets)
        self.house.finish()

    def arrive(self, *packets: MQTTMessage | bytes) -> None:
        """Let the packets arrive in a batch that is not at its end."""
        self.inbound.receive(
            b"".join(
                each if isinstance(each, bytes) else encode_packet(each, level=self.level)
                for each in packets
            )
        )

    def decide(self, outcome: object) -> None:
        """Let the application decide what was asked first."""
        _, then = self.parked.pop(0)
        then(outcome)
        self.house.finish()

    def vanish(self) -> None:
        """Let the connection break."""
        self.inbound.lost()
        self.house.finish()

    def read_again(self) -> None:
        """Take what was kept back while the link was congested."""
        self.link.released()
        self.flush()
        self.inbound.writable()
        self.house.finish()

    def heard(self) -> list[MQTTMessage]:
        """Return what the broker said since the last call."""
        data, self.raw = self.raw, b""
        self._framer.feed(data)
        heard = [*self.unread, *self._framer]
        self.unread.clear()
        return heard

    def payloads(self) -> list[bytes]:
        """Return the payloads of the messages among that."""
        return [each.payload for each in self.heard() if isinstance(each, MQTTPublish)]


class House:
    """The broker.

    Args:
        settings: Its settings.
        hooks: Whom it asks.
    """

    def __init__(self, settings: MQTTSettings | None = None, *, hooks: Hooks | None = None) -> None:
        numbers = count(1)
        self.broker = Broker(
            settings or MQTTSettings(sys_interval=0),
            hooks=hooks,
            new_client_id=lambda: f"auto-{next(numbers)}",
        )
        self.broker.start(1000.0)

    def peer(self, *, level: int = 5) -> Peer:
        """Return a connection whose client has said nothing."""
        return Peer(self, level=level)

    def connect(
        self, client_id: str, *, level: int = 5, clean: bool = True, expiry: int = 0,
        **more: object,
    ) -> Peer:  # fmt: skip
        """Return a client that was let in; *more* are fields of its CONNECT."""
        properties = dict(more.pop("properties", {}))  # type: ignore[call-overload]
        if expiry:
            properties["session_expiry_interval"] = expiry
        peer = self.peer(level=level)
        packet = MQTTConnect(client_id, clean, 60, level, properties=properties, **more)  # type: ignore[arg-type]
        peer.say(packet)
        connack, *peer.unread = peer.heard()
        assert isinstance(connack, MQTTConnack)
        assert connack.reason_code == 0
        return peer

    def subscribe(self, client_id: str, *filters: str, qos: int = 0, **more: object) -> Peer:
        """Return a client that has subscribed."""
        peer = self.connect(client_id, **more)  # type: ignore[arg-type]
        peer.say(MQTTSubscribe(1, [(each, qos) for each in filters]))
        peer.heard()
        return peer

    def finish(self) -> None:
        """End the batch as the broker's actor does."""
        broker = self.broker
        while broker.waiting and broker.go_on():
            pass
        broker.router.settle()
        for link in broker.dirty:
            if link.ending:
                link.cut()
            link.shell.flush()
        broker.dirty.clear()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.broker.stats.now += seconds
        self.broker.tick()
        self.finish()
