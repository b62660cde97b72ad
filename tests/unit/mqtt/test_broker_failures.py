"""The broker's actor when others fail: slow clients, bugs, slow hooks, a server that stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from blackbull.mqtt.auth.requests import ClientInfo
from blackbull.mqtt.binding import MAX_UNWRITTEN, FedConnection
from blackbull.mqtt.broker import BrokerActor
from blackbull.mqtt.codec.connect import MQTTConnect
from blackbull.mqtt.codec.packets import encode_packet
from blackbull.mqtt.codec.publish import MQTTPublish
from blackbull.mqtt.codec.subscribe import MQTTSubscribe
from blackbull.mqtt.connection import serve_connection
from blackbull.mqtt.inline import InlineRunner
from blackbull.mqtt.settings import MQTTSettings
from blackbull.mqtt.state.hooks import Hooks
from blackbull.mqtt.state.publication import Publication, make_publication
from blackbull.transport.memory import MemoryConnection
from tests.spec import spec

PINGREQ, PINGRESP = b"\xc0\x00", b"\xd0\x00"
GOING = b"\xe0\x01\x8b"
QUIET = MQTTSettings(sys_interval=0)


async def turn() -> None:
    """Let everything that is scheduled happen."""
    for _ in range(4):
        await asyncio.sleep(0)


async def running(
    settings: MQTTSettings = QUIET, *, hooks: Hooks | None = None
) -> AsyncIterator[BrokerActor]:
    actor = BrokerActor(settings, hooks=hooks)
    task = asyncio.ensure_future(actor.run())
    await turn()
    yield actor
    actor.stop()
    await task


@pytest.fixture
async def actor() -> AsyncIterator[BrokerActor]:
    async for each in running():
        yield each


async def client(actor: BrokerActor, name: str, *filters: str, **more: object) -> MemoryConnection:
    view = MemoryConnection()
    FedConnection(view, actor)
    view.feed(encode_packet(MQTTConnect(name, True, 60, 5, **more)))  # type: ignore[arg-type]
    if filters:
        view.feed(encode_packet(MQTTSubscribe(1, [(each, 0) for each in filters])))
    await turn()
    view.take_sent()
    return view


def publish(topic: str, payload: bytes) -> bytes:
    return encode_packet(MQTTPublish(topic, payload))


async def test_client_that_asks_and_does_not_read_is_not_read_from(actor: BrokerActor) -> None:
    peer = await client(actor, "c")
    peer.pause_writing()
    for _ in range(4 * MAX_UNWRITTEN // 32):
        peer.feed(PINGREQ * 32)
        await turn()
    assert not peer.reading
    peer.resume_writing()
    while not peer.reading:
        await turn()
    peer.resume_writing()
    await turn()
    assert peer.take_sent() == PINGRESP * 4 * MAX_UNWRITTEN


async def test_client_that_is_only_slow_is_still_heard(actor: BrokerActor) -> None:
    """Messages that are kept for it are no answers: its PINGREQ and PUBACK are read."""
    peer = await client(actor, "c", "t")
    publisher = await client(actor, "p")
    peer.pause_writing()
    for _ in range(2 * MAX_UNWRITTEN):
        publisher.feed(publish("t", b"x"))
        await turn()
        peer.feed(PINGREQ) if _ % 100 == 0 else None
    assert peer.reading
    peer.resume_writing()
    assert peer.take_sent().count(publish("t", b"x")) == 2 * MAX_UNWRITTEN


async def test_connection_that_cannot_be_written_to_costs_itself_only(
    actor: BrokerActor, caplog: pytest.LogCaptureFixture
) -> None:
    will = {"will_topic": "will", "will_payload": b"gone"}
    broken = await client(actor, "broken", "t", **will)
    other = await client(actor, "other", "t", "will")

    def send(parts: list[bytes]) -> None:
        raise RuntimeError("write after the end")

    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.ERROR, "blackbull.mqtt"):
        patch.setattr(MemoryConnection, "send_parts", _only_for(broken, send))
        actor.publish("t", b"1")
        await turn()
        actor.publish("t", b"2")
        await turn()
    assert "could not be written to" in caplog.text
    assert other.take_sent() == publish("t", b"1") + publish("will", b"gone") + publish("t", b"2")
    assert actor.broker.connected == 1


def _only_for(view: MemoryConnection, send: object) -> object:
    original = MemoryConnection.send_parts

    def send_parts(self: MemoryConnection, parts: list[bytes]) -> None:
        if self is view:
            send(parts)  # type: ignore[operator]
        else:
            original(self, parts)

    return send_parts


async def test_clock_goes_on_after_a_bug_in_what_was_due(
    actor: BrokerActor, caplog: pytest.LogCaptureFixture
) -> None:
    other = await client(actor, "o", "t")

    def tick() -> None:
        raise RuntimeError("a bug")

    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.ERROR, "blackbull.mqtt"):
        patch.setattr(actor.broker, "tick", tick)
        actor._due()
        actor.publish("t", b"x")
        await turn()
    assert "due" in caplog.text
    assert other.take_sent() == publish("t", b"x")


async def test_what_a_full_inbox_did_not_take_is_handled_before_the_end() -> None:
    async for actor in running(MQTTSettings(sys_interval=0, broker_inbox_maxsize=1)):
        reader = await client(actor, "r", "t", "will")
        will = {"will_topic": "will", "will_payload": b"gone"}
        peers = [await client(actor, f"c{number}", **will) for number in range(4)]
        for peer in peers:
            peer.feed(publish("t", b"x") + b"\xe0\x00")
        for peer in peers:
            if not peer.lost:
                peer.reset()
        await turn()
        await turn()
        assert reader.take_sent() == publish("t", b"x") * 4


async def test_stopping_tells_every_client_and_publishes_no_will(actor: BrokerActor) -> None:
    will = {"will_topic": "will", "will_payload": b"gone"}
    first = await client(actor, "a", "will", **will)
    second = await client(actor, "b", "will", **will)
    pulled = MemoryConnection()
    serving = asyncio.ensure_future(
        serve_connection(pulled.reader, pulled.writer, None, actor, transport="websocket")
    )
    pulled.feed(
        encode_packet(MQTTConnect("c", True, 60, 5, will_topic="will", will_payload=b"gone"))
    )
    while not pulled.sent:
        await turn()
    pulled.take_sent()
    actor.let_go()
    await turn()
    assert [first.take_sent(), second.take_sent(), pulled.take_sent()] == [GOING] * 3
    assert actor.broker.connected == 0
    await serving


async def test_client_that_the_server_let_go_is_gone(actor: BrokerActor) -> None:
    will = {"will_topic": "will", "will_payload": b"gone"}
    other = await client(actor, "o", "will")
    peer = await client(actor, "c", "t", **will)
    peer.shutdown()
    await turn()
    assert peer.take_sent() == GOING
    assert actor.broker.connected == 1
    actor.publish("t", b"x")
    await turn()
    assert peer.take_sent() == b""
    assert other.take_sent() == b""


async def test_hook_that_is_cancelled_from_within_refuses() -> None:
    async def authorize(client: ClientInfo, action: str, topic: str) -> bool:
        gone = asyncio.get_running_loop().create_future()
        gone.cancel()
        return bool(await gone)

    async for actor in running(hooks=Hooks(authorize=authorize)):
        peer = await client(actor, "c")
        peer.feed(encode_packet(MQTTPublish("t", b"x", 1, 1)) + PINGREQ)
        await turn()
        await turn()
        assert peer.take_sent() == b"\x40\x03\x00\x01\x87" + PINGRESP


@spec("MQTT 5.0 §3.1.2.10", "MQTT-3.1.2-22")
async def test_client_is_not_silent_while_it_waits_for_the_application() -> None:
    answer = asyncio.get_running_loop().create_future()

    async def authorize(client: ClientInfo, action: str, topic: str) -> bool:
        return bool(await answer)

    async for actor in running(hooks=Hooks(authorize=authorize)):
        peer = await client(actor, "c")
        peer.feed(encode_packet(MQTTPublish("t", b"x", 1, 1)))
        await turn()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(actor, "time", lambda: 1e9)
            peer.deadline.expire()
        await turn()
        assert not peer.closed
        assert peer.deadline.seconds
        answer.set_result(True)
        await turn()
        await turn()
        assert peer.take_sent()[:1] == b"\x40"


async def test_taps_of_a_connection_see_every_message_whoever_may_publish_it() -> None:
    async for actor in running(hooks=Hooks(authorize=lambda client, action, topic: True)):
        await client(actor, "s", "t")
        view = MemoryConnection()
        connection = FedConnection(view, actor)
        seen: list[Publication] = []
        connection._inbound.use_taps(seen.append)
        view.feed(encode_packet(MQTTConnect("c", True, 60, 5)))
        await turn()
        for number in range(3):
            view.feed(publish("t", b"%d" % number))
            await turn()
        assert [each.payload for each in seen] == [b"0", b"1", b"2"]


async def test_inline_taps_see_what_no_client_published(actor: BrokerActor) -> None:
    """S35: the application's messages, and wills, have no next packet that could wait."""
    seen: list[bytes] = []

    async def inline(publications: list[Publication]) -> None:
        seen.extend(publication.payload for publication in publications)

    actor.broker.inline = inline
    actor.broker.router.taps.add("#", "#", "#")
    peer = await client(actor, "c", will_topic="will", will_payload=b"gone")
    actor.publish("t", b"x")
    await turn()
    peer.reset()
    await turn()
    assert seen == [b"x", b"gone"]


async def test_inline_taps_that_are_slow_have_bounded_queues() -> None:
    release = asyncio.Event()
    seen: list[bytes] = []

    async def inline(publications: list[Publication]) -> None:
        await release.wait()
        seen.extend(publication.payload[:1] for publication in publications)

    for limits, kept in (({"max_queued": 3}, 3), ({"max_bytes": 306}, 3), ({"max_bytes": 305}, 2)):
        runner = InlineRunner(**{"max_queued": 100, "max_bytes": 10_000, **limits})
        messages = [make_publication("t", b"%d" % number * 100) for number in range(6)]
        assert messages[0].size == 102
        for message in messages:
            runner.offer([message], inline)
        release.set()
        await turn()
        release.clear()
        assert seen == [b"%d" % number for number in range(kept)]
        seen.clear()
        runner.offer([make_publication("t", b"x" * 20_000)], inline)  # one alone may be longer
        release.set()
        await turn()
        assert seen == [b"x"]
        seen.clear()
        release.clear()
