"""MQTT 5.0 §6 and MQTT 3.1.1 §6: WebSocket as the transport."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.conformance.peer import connected
from tests.conformance.websocket import BINARY, CLOSE, TEXT, Client, Frame, asking, close, frame
from tests.mqtt_packets import (
    Will,
    connect,
    encode,
    publish,
    suback,
    subscribe,
)
from tests.mqtt_server import Broker, running
from tests.spec import spec

CONNECTION = encode(connect("w"), 5)
LEVELS = pytest.mark.parametrize("level", [4, 5])
PINGREQ, PINGRESP = b"\xc0\x00", b"\xd0\x00"


@asynccontextmanager
async def websocket(broker: Broker, *offer: str, path: str = "/mqtt") -> AsyncIterator[Client]:
    """Open a WebSocket that offers the subprotocols *offer*."""
    lines = [f"Sec-WebSocket-Protocol: {', '.join(offer)}"] if offer else []
    async with connected(broker.server) as peer:
        await peer.send(asking(path, *lines))
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += await peer.exactly(1)
        yield Client(peer, answer)


async def opened(client: Client) -> None:
    """Connect, and be accepted."""
    await client.say(CONNECTION)
    answer = await client.hear()
    assert isinstance(answer, bytes)
    assert answer[0] == 0x20
    assert answer[2:4] == b"\x00\x00"


async def farewell(client: Client) -> Frame:
    """Return the server's close; answered, it ends the connection."""
    got = await client.frame()
    assert got.opcode == CLOSE
    await client.send(close(got.code))
    assert await client.peer.until_close() == b""
    return got


@spec("MQTT 5.0 §6", "MQTT-6.0.0-3", "MQTT-6.0.0-4")
@pytest.mark.parametrize("offer", [("mqtt",), ("other", "mqtt"), ("mqtt", "mqttv3.1")])
async def test_subprotocol_mqtt_is_chosen(offer: tuple[str, ...]) -> None:
    async with running(websocket_path="/mqtt") as broker, websocket(broker, *offer) as client:
        assert client.answer.startswith(b"HTTP/1.1 101 ")
        assert client.field("sec-websocket-protocol") == ["mqtt"]
        await opened(client)


@spec("MQTT 5.0 §6", "MQTT-6.0.0-3")
@pytest.mark.parametrize("offer", [(), ("other",), ("MQTT",)])
async def test_subprotocol_mqtt_is_not_offered_is_refused(offer: tuple[str, ...]) -> None:
    async with running(websocket_path="/mqtt") as broker, websocket(broker, *offer) as client:
        assert client.answer.startswith(b"HTTP/1.1 400 ")


@spec("MQTT 5.0 §6", "MQTT-6.0.0-1", "MQTT-4.13.1-1")
@spec("MQTT 3.1.1 §6", "MQTT-6.0.0-1")
@LEVELS
@pytest.mark.parametrize(("said", "code"), [("hello", 1003), (PINGREQ, 1007)])
async def test_text_frame_closes_and_publishes_the_will(
    said: str | bytes, code: int, level: int
) -> None:
    """S40."""
    async with running(websocket_path="/mqtt") as broker:
        a = broker.peer("a")
        await broker.play(a.joins(), a.send(subscribe(1, "will")), a.expect(suback(1, 0)))
        async with websocket(broker, "mqtt") as client:
            await client.say(encode(connect("w", will=Will("will", b"gone")), level))
            await client.hear()
            await client.send(frame(TEXT, said))
            assert (await farewell(client)).code == code
            await broker.play(a.expect(publish("will", b"gone")))


@spec("MQTT 5.0 §6", "MQTT-6.0.0-2", "several packets in one frame")
async def test_packets_share_a_frame() -> None:
    async with running(websocket_path="/mqtt") as broker, websocket(broker, "mqtt") as client:
        await client.say(CONNECTION + PINGREQ + PINGREQ)
        heard = b""
        while not heard.endswith(PINGRESP * 2):
            part = await client.hear()
            assert isinstance(part, bytes)
            heard += part
        assert heard[0] == 0x20


@spec("MQTT 5.0 §6", "MQTT-6.0.0-2", "a packet in several frames and messages")
@spec("MQTT 3.1.1 §6", "MQTT-6.0.0-2")
@LEVELS
async def test_packet_is_spread_over_frames(level: int) -> None:
    async with running(websocket_path="/mqtt") as broker, websocket(broker, "mqtt") as client:
        connection = encode(connect("w"), level)
        pieces = [connection[n : n + 1] for n in range(len(connection))]
        await client.say(*pieces[:5])
        await client.send(frame(BINARY, pieces[5], fin=False), frame(0, pieces[6]))
        await client.say(*pieces[7:])
        answer = await client.hear()
        assert isinstance(answer, bytes)
        assert answer[0] == 0x20


@spec("MQTT 5.0 §6", "MQTT-4.2.0-1", "the same broker on every transport")
@spec("MQTT 3.1.1 §6", "MQTT-4.2.0-1", "MQTT-6.0.0-3", "MQTT-6.0.0-4")
@LEVELS
async def test_messages_cross_transports(level: int) -> None:
    async with running(websocket_path="/mqtt") as broker:
        a = broker.peer("a", level)
        async with websocket(broker, "mqtt") as client:
            await client.say(encode(connect("w"), level))
            await client.hear()
            await client.say(encode(subscribe(1, "to/w"), level))
            assert await client.hear() == bytes.fromhex(
                "9003000100" if level == 4 else "900400010000"
            )
            await broker.play(
                a.joins(),
                a.send(subscribe(1, "to/a")),      a.expect(suback(1, 0)),
                a.send(publish("to/w", b"x" * 70_000)),
            )  # fmt: skip
            heard = b""
            while len(heard) < 70_000:
                part = await client.hear()
                assert isinstance(part, bytes)
                heard += part
            assert heard == encode(publish("to/w", b"x" * 70_000), level)
            await client.say(encode(publish("to/a", b"y"), level))
            await broker.play(a.expect(publish("to/a", b"y")))


@spec("MQTT 5.0 §3.14.4", "MQTT-3.14.4-2", "the WebSocket is closed, too")
async def test_disconnect_closes_the_websocket() -> None:
    async with running(websocket_path="/mqtt") as broker, websocket(broker, "mqtt") as client:
        await opened(client)
        await client.say(b"\xe0\x00")
        await farewell(client)


@spec("MQTT 5.0 §4.13", "MQTT-4.13.1-1", "0x81, then the close")
async def test_malformed_packet_is_told_over_the_websocket() -> None:
    async with running(websocket_path="/mqtt") as broker, websocket(broker, "mqtt") as client:
        await opened(client)
        await client.say(b"\xc1\x00")
        answer = await client.hear()
        assert isinstance(answer, bytes)
        assert answer[0] == 0xE0
        assert answer[2] == 0x81
        await farewell(client)
