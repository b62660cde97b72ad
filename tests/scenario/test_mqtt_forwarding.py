"""Clients that come to a worker without a broker: it carries their bytes to the one that has it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from blackbull import BlackBull
from blackbull.config import Settings
from blackbull.mqtt import Message, MQTTExtension
from blackbull.mqtt.auth import ClientInfo, ConnectRequest, Identity
from blackbull.mqtt.auth.certificates import CertificateNames
from blackbull.mqtt.settings import MQTTSettings
from blackbull.server import Server
from tests import mqtt_packets as mqtt
from tests.certificates import HOST, Authority
from tests.mqtt_peer import Peer, hang_up, play
from tests.mqtt_workers import WAIT, OtherWorker, Two

PINGREQ, PINGRESP = b"\xc0\x00", b"\xd0\x00"


class Forwarding(Two):
    """The two, and a server for the other one.

    Attributes:
        port: Its port, for HTTP, WebSockets and MQTT.
    """

    port = 0

    def peer(self, name: str, level: int = 5) -> Peer:
        self.met.append(Peer(name, level))
        return self.met[-1]

    def __init__(self, owner: MQTTExtension, other: MQTTExtension) -> None:
        super().__init__(owner, other, OtherWorker())
        self.met: list[Peer] = []


@asynccontextmanager
async def forwarding(
    owner: MQTTExtension | None = None, *, owner_timeout: float = 5.0, **settings: object
) -> AsyncIterator[Forwarding]:
    other = MQTTExtension(
        port=None, websocket_path="/mqtt", settings=MQTTSettings(owner_timeout=owner_timeout)
    )
    workers = Forwarding(owner or MQTTExtension(port=None), other)
    await workers.start_owner(workers.owner)
    app = BlackBull()
    app.add_extension(other)
    made = Settings(port=0, **settings)  # type: ignore[arg-type]
    server = Server(app, settings=made, worker=workers.worker)
    await server.start()
    assert server.port is not None
    workers.port = server.port
    try:
        yield workers
    finally:
        await hang_up(workers.met)
        await server.stop(1.0)
        await app.events.aclose()
        await workers.stop()


def websocket(workers: Forwarding, *, ssl: ssl.SSLContext | None = None) -> connect:
    scheme, host = ("ws", "127.0.0.1") if ssl is None else ("wss", HOST)
    return connect(
        f"{scheme}://{host}:{workers.port}/mqtt", subprotocols=[Subprotocol("mqtt")], ssl=ssl,
        host="127.0.0.1",
    )  # fmt: skip


async def joined(socket: ClientConnection, client_id: str) -> None:
    await socket.send(mqtt.encode(mqtt.connect(client_id), 5))
    answer = await heard(socket)
    assert (answer[0], answer[3]) == (0x20, 0)


async def heard(socket: ClientConnection) -> bytes:
    async with asyncio.timeout(WAIT):
        data = await socket.recv()
    assert isinstance(data, bytes)
    return data


# ---------------------------------------------------------------------- the shared port


@pytest.mark.parametrize("level", [4, 5])
async def test_shared_port_of_another_worker_leads_to_the_broker(level: int) -> None:
    async with forwarding() as workers, workers.owner.subscribe("t") as messages:
        a, b = workers.peer("a", level), workers.peer("b", level)
        await play(workers.port, [
            a.joins(),
            b.joins(),
            a.send(mqtt.subscribe(1, ("t", 1))),
            a.expect(mqtt.suback(1, 1)),
            b.send(mqtt.publish("t", b"x", qos=1, packet_id=7)),
            b.expect(mqtt.puback(7)),
            a.expect(mqtt.publish("t", b"x", qos=1, packet_id="m")),
            a.send(mqtt.puback("m")),
            a.quiet(),
            b.leaves(),
        ])  # fmt: skip
        assert await anext(messages) == Message("t", b"x", 1, False, {}, "b")


async def test_hooks_are_asked_once_and_by_the_owner_with_what_the_worker_knows() -> None:
    asked: list[ConnectRequest] = []
    allowed: list[tuple[ClientInfo, str, str]] = []
    told: list[str | None] = []

    def authenticate(request: ConnectRequest) -> Identity:
        asked.append(request)
        return Identity(username="ada")

    def authorize(client: ClientInfo, action: str, topic: str) -> bool:
        allowed.append((client, action, topic))
        return topic != "secret"

    owner = MQTTExtension(port=None, authenticate=authenticate, authorize=authorize)

    @owner.on_connect
    async def arrived(client: ClientInfo) -> None:
        told.append(client.username)

    async with forwarding(owner) as workers:
        a = workers.peer("a")
        await play(workers.port, [
            a.joins(),
            a.send(mqtt.publish("secret", b"x", qos=1, packet_id=1)),
            a.expect(mqtt.puback(1, 0x87)),
            a.leaves(),
        ])  # fmt: skip
        await workers.other.publish("secret", b"x")  # the application itself is not asked for
    assert [(each.client_id, each.transport) for each in asked] == [("a", "tcp")]
    assert asked[0].peername is not None
    assert asked[0].peername[0] == "127.0.0.1"
    assert allowed == [(ClientInfo("a", "ada", asked[0].peername, "tcp"), "publish", "secret")]
    assert told == ["ada"]


async def test_will_is_published_when_the_client_vanishes() -> None:
    async with forwarding() as workers, workers.owner.subscribe("will") as messages:
        a = workers.peer("a")
        await play(workers.port, [
            a.joins(mqtt.connect("a", will=mqtt.Will("will", b"gone"))),
            a.vanishes(),
        ])  # fmt: skip
        assert (await anext(messages)).payload == b"gone"


async def test_worker_that_stops_lets_its_clients_go_without_their_wills() -> None:
    async with forwarding() as workers, workers.owner.subscribe("#") as messages:
        a = workers.peer("a")
        async with websocket(workers) as socket:
            await play(workers.port, [
                a.joins(mqtt.connect("a", will=mqtt.Will("will", b"gone")))
            ])  # fmt: skip
            await joined(socket, "w")
            stopping = asyncio.ensure_future(workers.other.stopping(workers.apps[0]))
            await play(workers.port, [a.expect(mqtt.disconnect(0x8B)), a.closed()])
            assert await heard(socket) == b"\xe0\x01\x8b"
            with pytest.raises(ConnectionClosed):
                await heard(socket)
            await stopping
        assert messages.queued == 0


async def test_client_s_connection_ends_when_the_owner_dies_and_may_come_again() -> None:
    async with forwarding() as workers:
        a = workers.peer("a")
        async with websocket(workers) as socket:
            await play(workers.port, [a.joins()])
            await joined(socket, "w")
            workers.worker.die()
            await play(workers.port, [a.closed()])
            with pytest.raises(ConnectionClosed):
                await heard(socket)
        again = workers.peer("a")
        coming = asyncio.ensure_future(play(workers.port, [again.joins()]))
        await workers.start_owner(MQTTExtension(port=None))
        await coming


async def test_without_an_owner_clients_are_turned_away_in_time() -> None:
    async with forwarding(owner_timeout=0.05) as workers:
        workers.worker.die()
        a = workers.peer("a")
        await play(workers.port, [a.send(mqtt.connect("a")), a.closed()])
        with pytest.raises(InvalidStatus) as caught:
            async with websocket(workers):
                pass
        assert caught.value.response.status_code == 503


async def test_what_workers_say_to_one_another_is_not_understood_on_the_port() -> None:
    async with forwarding() as workers:
        reader, writer = await asyncio.open_connection("127.0.0.1", workers.port)
        writer.write(b'{"worker": "x", "client": false, "peername": null}\r\n\r\n')
        async with asyncio.timeout(WAIT):
            assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        assert workers.worker.asked == ["mqtt-worker"]


# ---------------------------------------------------------------------- WebSockets, TLS


async def test_websocket_leads_to_the_broker() -> None:
    async with (
        forwarding() as workers,
        workers.owner.subscribe("#") as messages,
        websocket(workers) as socket,
    ):
        assert socket.subprotocol == "mqtt"
        await joined(socket, "w")
        assert workers.owner.actor is not None
        link = workers.owner.actor.broker.sessions["w"].link
        assert link is not None
        assert link.shell.transport == "websocket"
        assert link.shell.peername == socket.local_address
        packet = mqtt.encode(mqtt.publish("t", b"x" * 1000), 5)
        for at in range(0, len(packet), 100):
            await socket.send(packet[at : at + 100])
        await socket.send(b"")
        await socket.send(PINGREQ)
        assert await heard(socket) == PINGRESP
        assert (await anext(messages)).payload == b"x" * 1000


async def test_websocket_that_sends_text_is_closed() -> None:
    async with forwarding() as workers, websocket(workers) as socket:
        await joined(socket, "w")
        await socket.send("hello")
        with pytest.raises(ConnectionClosed) as caught:
            await heard(socket)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1003


async def test_websocket_without_the_subprotocol_is_refused_here() -> None:
    async with forwarding() as workers:
        with pytest.raises(InvalidStatus) as caught:
            async with connect(f"ws://127.0.0.1:{workers.port}/mqtt"):
                pass
        assert caught.value.response.status_code == 400
        assert workers.worker.asked == ["mqtt-worker"]


async def test_certificate_of_the_client_reaches_the_owner(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = authority.issue()
    lamp = authority.client_context(authority.issue("lamp", file="lamp", common_name="lamp"))
    owner = MQTTExtension(port=None, authenticate=CertificateNames())
    async with forwarding(owner, certfile=server, client_ca=authority.path) as workers:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", workers.port, ssl=lamp, server_hostname=HOST
        )
        writer.write(mqtt.encode(mqtt.connect("a"), 5))
        assert (await reader.readexactly(4))[3] == 0
        async with websocket(workers, ssl=lamp) as socket:
            await joined(socket, "w")
            assert workers.owner.actor is not None
            found = {
                name: (session.link.info.username, session.link.info.transport)
                for name, session in workers.owner.actor.broker.sessions.items()
                if session.link is not None
            }
            assert found == {"a": ("lamp", "tls"), "w": ("lamp", "websocket")}
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


# ---------------------------------------------------------------------- limits


async def test_limit_that_fires_names_the_client_and_not_the_stream(
    caplog: pytest.LogCaptureFixture,
) -> None:
    owner = MQTTExtension(port=None, settings=MQTTSettings(max_packet_size=64))
    async with forwarding(owner) as workers:
        a = workers.peer("a")
        await play(workers.port, [
            a.joins(),
            a.send(mqtt.publish("t", b"x" * 100)),
            a.expect_kind(mqtt.DISCONNECT),
            a.closed(),
        ])  # fmt: skip
    (record,) = [each for each in caplog.records if each.name == "blackbull.caps"]
    assert record.__dict__["peer"].startswith("127.0.0.1:")
