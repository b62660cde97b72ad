"""The seeds' connection module, driven by fakes: S46 to S50."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

import blackbull.mqtt
from blackbull.abc import ProtocolContext, Reader, Writer
from blackbull.actor import Actor
from blackbull.actor import Message as ActorMessage
from blackbull.mqtt.broker import BrokerActor, Close, Detach, Send
from blackbull.mqtt.connection import MQTTConnectionActor, PacketFramer, serve_connection
from blackbull.mqtt.extension import MQTTExtension, MQTTProtocolDetector
from blackbull.mqtt.messages import (
    MQTTConnect,
    MQTTDecodeError,
    MQTTPingreq,
    MQTTPublish,
    encode_packet,
)
from blackbull.mqtt.settings import MQTTSettings
from blackbull.mqtt.tap import Message, TapActor
from tests.mqtt_packets import Will, connect, disconnect, encode, publish, subscribe
from tests.spec import spec

WAIT = 10.0
CONTEXT = ProtocolContext(
    peername=("192.0.2.1", 4711), sockname=("192.0.2.2", 1883), ssl=None,
    connection_id="c" * 32, protocol="mqtt", aggregator=None,
)  # fmt: skip
PINGREQ, PINGRESP = b"\xc0\x00", b"\xd0\x00"


class FakeReader(Reader):
    """Gives what it is fed; ``b""`` while it has nothing, as some readers do."""

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.ended = False
        self.asked_in_vain = 0

    def feed(self, *data: bytes) -> None:
        self.data += data

    async def read(self, n: int = -1) -> bytes:
        await asyncio.sleep(0)
        if not self.data:
            self.asked_in_vain += not self.ended
            return b""
        return self.data.pop(0)

    async def readexactly(self, n: int) -> bytes:
        raise NotImplementedError

    async def readuntil(self, separator: bytes = b"\n", *, limit: int = 65536) -> bytes:
        raise NotImplementedError

    async def peek(self, n: int) -> bytes:
        raise NotImplementedError

    def at_eof(self) -> bool:
        return self.ended and not self.data


class FakeWriter(Writer):
    """Keeps what is written, and who wrote it."""

    def __init__(self) -> None:
        self.written = b""
        self.writers: set[asyncio.Task[object] | None] = set()
        self.closed = False

    async def write(self, data: bytes) -> None:
        self.writers.add(asyncio.current_task())
        self.written += data

    async def writelines(self, parts: object) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        self.writers.add(asyncio.current_task())
        self.closed = True


@pytest_asyncio.fixture
async def broker() -> AsyncIterator[BrokerActor]:
    actor = BrokerActor(MQTTSettings())
    running = asyncio.ensure_future(actor.run())
    yield actor
    actor.stop()
    await running


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT):
        while not condition():
            await asyncio.sleep(0.001)


class Visit:
    """A client at fakes; its task is the body of :func:`serve_connection`."""

    def __init__(self, broker: BrokerActor, name: str, **options: object) -> None:
        self.reader = FakeReader()
        self.writer = FakeWriter()
        self.name = name
        serving = serve_connection(self.reader, self.writer, CONTEXT, broker, **options)
        self.task = asyncio.ensure_future(serving)

    async def joins(self, *more: bytes, **fields: object) -> None:
        self.reader.feed(encode(connect(self.name, **fields), 5), *more)
        await until(lambda: self.writer.written.startswith(b"\x20"))

    async def gone(self) -> None:
        self.reader.ended = True
        await asyncio.wait_for(self.task, WAIT)


def test_modules_hold_the_classes_that_the_seeds_name() -> None:
    """S46."""
    assert issubclass(BrokerActor, Actor)
    assert issubclass(MQTTConnectionActor, Actor)
    assert issubclass(TapActor, Actor)
    assert MQTTProtocolDetector.protocol_name == "mqtt"
    assert MQTTExtension().port == 1883
    assert blackbull.mqtt.Message is Message  # which is imported from .tap above
    assert inspect.iscoroutinefunction(serve_connection)
    assert inspect.iscoroutinefunction(MQTTConnectionActor.read_loop)
    for name in ("Connect", "Connack", "Publish", "Puback", "Pubrec", "Pubrel", "Pubcomp",
                 "Subscribe", "Suback", "Unsubscribe", "Unsuback", "Pingreq", "Pingresp",
                 "Disconnect", "Auth"):  # fmt: skip
        messages = inspect.getmodule(MQTTConnect)
        assert messages is not None
        import blackbull.mqtt.messages as public

        assert hasattr(public, f"MQTT{name}")


def test_detector_claims_the_first_byte_of_connect() -> None:
    """S43."""
    detector = MQTTProtocolDetector()
    assert detector.detect(b"\x10", None) is True
    assert detector.detect(encode(connect("a"), 5), None) is True
    for other in (b"GET / HTTP/1.1\r\n", b"PRI * HTTP/2.0", b"\x16\x03\x01", b"\x20\x02", b"\x30"):
        assert detector.detect(other, None) is False


async def test_only_the_actors_run_writes(broker: BrokerActor) -> None:
    """S47: what the broker sends, and the answers to PINGREQ, come from one task."""
    async with asyncio.timeout(WAIT):
        visit = Visit(broker, "a")
        await visit.joins(encode(subscribe(1, ("t", 1)), 5), PINGREQ)
        await until(lambda: visit.writer.written.endswith(PINGRESP))
        broker.publish("t", b"x")
        await until(lambda: visit.writer.written.endswith(b"x"))
        visit.reader.feed(encode(disconnect(), 5))
        await visit.task
    assert visit.writer.closed
    assert len(visit.writer.writers) == 1
    assert visit.task not in visit.writer.writers


async def test_send_and_close_go_through_the_inbox(broker: BrokerActor) -> None:
    """S47."""
    writer = FakeWriter()
    actor = MQTTConnectionActor(writer, broker)
    running = asyncio.ensure_future(actor.run())
    await actor.send(Send(b"one"))
    await actor.send(Send(b"two"))
    assert writer.written == b""
    await actor.send(Close())
    await asyncio.wait_for(running, WAIT)
    assert writer.written == b"onetwo"
    assert writer.closed
    actor.detach()


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_framer_fed_in_pieces_yields_the_same_packets(step: int) -> None:
    """S48."""
    packets = [
        MQTTConnect("a", True, 60, properties={"receive_maximum": 5}),
        MQTTPingreq(),
        MQTTPublish("t/é", b"x" * 300, 1, 7),
        MQTTPublish("t", b""),
    ]
    wire = b"".join(encode_packet(each) for each in packets)
    framer = PacketFramer()
    heard = []
    for at in range(0, len(wire), step):
        framer.feed(wire[at : at + step])
        heard += list(framer)
    assert heard == packets
    framer.feed(wire[:10])
    assert list(framer) == []
    assert framer.buffered == 10
    framer.feed(wire[10:])
    assert list(framer) == packets


def test_framer_resynchronises_and_a_strict_one_raises() -> None:
    """S48: reserved flags and unknown types; a byte is dropped."""
    framer = PacketFramer()
    framer.feed(b"\x00\x00" + PINGREQ)
    assert list(framer) == [MQTTPingreq()]
    strict = PacketFramer(strict=True)
    strict.feed(b"\xc1\x00" + PINGREQ)
    with pytest.raises(MQTTDecodeError) as caught:
        list(strict)
    assert caught.value.reason_code == 0x81
    assert isinstance(caught.value, ValueError)


async def test_read_loop_polls_a_reader_that_has_nothing(broker: BrokerActor) -> None:
    """S49: an empty read is not the end of the stream."""
    visit = Visit(broker, "a")
    await until(lambda: visit.reader.asked_in_vain >= 3)
    assert not visit.task.done()
    await visit.joins()
    seen = visit.reader.asked_in_vain
    await until(lambda: visit.reader.asked_in_vain >= seen + 3)
    assert not visit.task.done()
    await visit.gone()
    assert broker.broker.connected == 0


async def test_read_loop_ends_at_disconnect(broker: BrokerActor) -> None:
    """S49: although the stream has not ended."""
    visit = Visit(broker, "a")
    await visit.joins(encode(disconnect(), 5))
    await asyncio.wait_for(visit.task, WAIT)
    assert visit.writer.closed


async def test_read_loop_ends_when_it_is_cancelled(broker: BrokerActor) -> None:
    """S49, defect 32."""
    visit = Visit(broker, "a")
    await visit.joins()
    visit.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(visit.task, WAIT)
    await until(lambda: broker.broker.connected == 0)


async def test_connection_that_ended_is_wound_up_at_once(broker: BrokerActor) -> None:
    """S49: without waiting for what cannot come any more."""
    loop = asyncio.get_running_loop()
    visits = [Visit(broker, name) for name in "abcde"]
    for visit in visits:
        await visit.joins()
    began = loop.time()
    for visit in visits:
        await visit.gone()
        assert visit.writer.closed
    assert loop.time() - began < 1.0


@spec("MQTT 5.0 §3.1.2.5", "MQTT-3.1.2-8")
@pytest.mark.parametrize("how", ["end of stream", "cancelled", "goodbye"])
async def test_detach_always_reaches_the_broker(broker: BrokerActor, how: str) -> None:
    """S50: S40, a close that is cancelled fires the Will, a DISCONNECT does not."""
    heard: list[bytes] = []

    def receive(publication: object) -> bool:
        heard.append(getattr(publication, "payload", b""))
        return True

    local = broker.add_local("will", receive)
    visit = Visit(broker, "a")
    await visit.joins(will=Will("will", b"gone"))
    if how == "goodbye":
        visit.reader.feed(encode(disconnect(), 5))
    elif how == "cancelled":
        visit.task.cancel()
    else:
        visit.reader.ended = True
    await asyncio.wait({visit.task}, timeout=WAIT)
    assert visit.task.done()
    await until(lambda: broker.broker.connected == 0)
    assert heard == ([] if how == "goodbye" else [b"gone"])
    local.close()


async def test_serve_connection_hands_messages_to_its_taps(broker: BrokerActor) -> None:
    """S50: a tap actor of the connection's own; S35."""
    seen: list[Message] = []

    async def note(message: Message) -> None:
        seen.append(message)

    extension = MQTTExtension()
    extension.on_message("t/#")(note)
    tap = TapActor(list(extension.iter_taps()))
    running = asyncio.ensure_future(tap.run())
    decoupled = Visit(broker, "a", tap=tap)
    await decoupled.joins(encode(publish("t/1", b"1"), 5))
    inline = Visit(broker, "b", app_handlers=list(extension.iter_taps()))
    await inline.joins(encode(publish("t/2", b"2"), 5), encode(publish("u", b"3"), 5), PINGREQ)
    await until(lambda: inline.writer.written.endswith(PINGRESP) and len(seen) == 2)
    assert sorted((each.topic, each.payload) for each in seen) == [("t/1", b"1"), ("t/2", b"2")]
    await decoupled.gone()
    await inline.gone()
    tap.stop()
    await running


def test_messages_of_the_broker_are_messages_of_actors() -> None:
    """S46: they are imported from ``blackbull.mqtt.broker`` above."""
    assert issubclass(Send, ActorMessage)
    assert issubclass(Close, ActorMessage)
    assert issubclass(Detach, ActorMessage)
