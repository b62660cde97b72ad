"""The application publishes, follows topics, and gets what it must not miss."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from blackbull.mqtt.client import MAX_QUEUED_BYTES, Client, Messages, Overflow
from blackbull.mqtt.reliable import ReliableTap
from blackbull.mqtt.tap import Message, compile_tap
from tests.unit.mqtt.local_broker import FakeBroker


@dataclass
class Reading:
    celsius: float


class Colour(enum.Enum):
    RED = "red"


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def client(broker: FakeBroker) -> Client:
    client = Client()
    client.attach(broker)
    return client


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


# ---------------------------------------------------------------------- publish


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"\x00\xff", b"\x00\xff"),
        (bytearray(b"a"), b"a"),
        (memoryview(b"a"), b"a"),
        ("wörld", "wörld".encode()),
        ("", b""),
        (21.5, b"21.5"),
        (True, b"true"),
        ([1, None], b"[1,null]"),
        ({"a": "ö"}, '{"a":"ö"}'.encode()),
        (Reading(21.5), b'{"celsius":21.5}'),
        ({"c": Colour.RED, "s": {1}}, b'{"c":"red","s":[1]}'),
    ],
)
async def test_publish_takes_bytes_text_and_json(
    client: Client, broker: FakeBroker, payload: object, expected: bytes
) -> None:
    await client.publish("t", payload)
    assert broker.published == [Message("t", expected)]


async def test_publish_passes_on_how_it_is_to_be_delivered(
    client: Client, broker: FakeBroker
) -> None:
    properties = {"message_expiry_interval": 60}
    assert await client.publish("t", b"x", qos=2, retain=True, properties=properties) == 0
    assert broker.published == [Message("t", b"x", 2, True, properties)]
    assert await client.publish("t") == 0
    assert broker.published[1] == Message("t")


@pytest.mark.parametrize(
    ("payload", "error"),
    [(None, TypeError), (object(), TypeError), (float("nan"), ValueError), ("\ud800", ValueError)],
)
async def test_publish_refuses_what_has_no_form(
    client: Client, payload: object, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await client.publish("t", payload)


async def test_publish_refuses_another_qos(client: Client) -> None:
    with pytest.raises(ValueError, match="qos"):
        await client.publish("t", qos=3)


async def test_client_without_a_broker_says_so() -> None:
    with pytest.raises(RuntimeError, match="no MQTT broker"):
        await Client().publish("t")
    with pytest.raises(RuntimeError, match="no MQTT broker"):
        async with Client().subscribe("t"):
            pass


# ---------------------------------------------------------------------- subscribe


async def test_subscribe_gets_messages_in_order(client: Client, broker: FakeBroker) -> None:
    async with client.subscribe("sensors/#") as messages:
        for number in range(3):
            assert await client.publish("sensors/a", number, qos=1) == 1
        await client.publish("other")
        seen = [await anext(messages) for _ in range(3)]
    assert [(each.topic, each.payload, each.qos) for each in seen] == [
        ("sensors/a", b"0", 1),
        ("sensors/a", b"1", 1),
        ("sensors/a", b"2", 1),
    ]
    assert broker.subscriptions == []


async def test_subscribe_waits_for_the_next_message(client: Client) -> None:
    async with client.subscribe("t") as messages:
        reading = asyncio.ensure_future(anext(messages))
        await asyncio.sleep(0)
        assert not reading.done()
        await client.publish("t", "x")
        assert (await reading).payload == b"x"


@pytest.mark.parametrize(
    ("overflow", "kept"), [("drop_oldest", [b"3", b"4"]), (Overflow.DROP_NEWEST, [b"0", b"1"])]
)
async def test_subscribe_is_bounded_and_counts_what_it_drops(
    client: Client, overflow: str, kept: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    async with client.subscribe("t", max_queued=2, overflow=overflow) as messages:
        for number in range(5):
            await client.publish("t", number)
        assert (messages.queued, messages.dropped) == (2, 3)
        assert [(await anext(messages)).payload for _ in range(2)] == kept
    assert "read too slowly" in caplog.text


async def test_subscribe_holds_no_more_bytes_than_it_may(client: Client) -> None:
    large = bytes(MAX_QUEUED_BYTES // 2 + 8)
    async with client.subscribe("t") as messages:
        for number in range(4):
            await client.publish("t", large[number:])
        assert (messages.queued, messages.dropped) == (1, 3)
        assert (await anext(messages)).payload == large[3:]
        await client.publish("t", large)
        assert messages.queued == 1


async def test_subscribe_ends_when_the_broker_stops(client: Client, broker: FakeBroker) -> None:
    seen: list[Message] = []

    async def follow(messages: Messages) -> None:
        async for message in messages:
            seen.append(message)

    async with client.subscribe("t") as messages:
        await client.publish("t", "a")
        task = asyncio.create_task(follow(messages))
        await until(lambda: len(seen) == 1)
        await client.publish("t", "b")
        client.detach()
        await task
    assert [message.payload for message in seen] == [b"a", b"b"]
    assert broker.subscriptions == []


async def test_subscribe_cancelled_loses_nothing(client: Client) -> None:
    async with client.subscribe("t") as messages:
        reading = asyncio.ensure_future(anext(messages))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await client.publish("t", "x")
        assert (await anext(messages)).payload == b"x"


async def test_subscribe_is_used_once_and_in_a_block(client: Client) -> None:
    messages = client.subscribe("t")
    with pytest.raises(RuntimeError, match="async with"):
        await anext(messages)
    async with messages:
        messages.close()
        messages.close()
    with pytest.raises(RuntimeError, match="once"):
        async with messages:
            pass


@pytest.mark.parametrize(
    ("topic", "options"),
    [
        ("a/#/b", {}),
        ("", {}),
        ("a\0b", {}),
        ("a", {"qos": 3}),
        ("a", {"max_queued": 0}),
        ("a", {"overflow": "explode"}),
    ],
)
async def test_subscribe_refuses_what_makes_no_sense(
    client: Client, topic: str, options: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=r"."):
        client.subscribe(topic, **options)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- reliable


class Clock:
    """Moves only when told to, and lets whoever waits for it look again."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def serving(tap: ReliableTap, broker: FakeBroker) -> AsyncIterator[ReliableTap]:
    tap.attach(broker)
    task = asyncio.create_task(tap.run())
    try:
        yield tap
    finally:
        tap.stop()
        await task


async def test_reliable_tap_gets_messages_with_captures(broker: FakeBroker) -> None:
    seen: list[tuple[str, str]] = []

    async def take(msg: Message, room: str) -> None:
        seen.append((msg.text(), room))

    async with serving(ReliableTap(compile_tap("a/{room}", take)), broker):
        broker.publish("a/attic", b"1", qos=1)
        broker.publish("a/cellar", b"2")
    assert seen == [("1", "attic"), ("2", "cellar")]


async def test_reliable_tap_is_given_a_message_again_until_it_returns(broker: FakeBroker) -> None:
    """At least once: a message whose callback raised comes again, and others meanwhile."""
    tries: list[str] = []

    async def take(msg: Message) -> None:
        tries.append(msg.text())
        if msg.text() == "bad" and tries.count("bad") < 4:
            raise ZeroDivisionError

    tap = ReliableTap(compile_tap("t", take), first_pause=0.001)
    async with serving(tap, broker):
        for payload in (b"bad", b"good", b"better"):
            broker.publish("t", payload)
        await until(lambda: tap.held == 0)
    assert tries == ["bad", "good", "better", "bad", "bad", "bad"]
    assert tap.tap.failures.count == 3


async def test_reliable_tap_pauses_twice_as_long_each_time(broker: FakeBroker) -> None:
    clock = Clock()
    tried: list[float] = []

    async def fail(msg: Message) -> None:
        tried.append(clock.now)
        raise ZeroDivisionError

    tap = ReliableTap(compile_tap("t", fail), first_pause=1.0, longest_pause=5.0, clock=clock)
    tap.attach(broker)
    task = asyncio.create_task(tap.run())
    broker.publish("t", b"x")
    await until(lambda: len(tried) == 1)
    for _ in range(50):
        clock.now += 0.5
        tap._news.set()
        for _ in range(5):
            await asyncio.sleep(0)
    tap.stop()
    await task
    assert tried[:6] == [0.0, 1.0, 3.0, 7.0, 12.0, 17.0]


async def test_reliable_tap_takes_no_more_than_it_may_hold(broker: FakeBroker) -> None:
    """What it does not take waits in the broker, as for a client that is away."""
    gate = asyncio.Event()
    seen: list[str] = []

    async def slow(msg: Message) -> None:
        await gate.wait()
        seen.append(msg.text())

    tap = ReliableTap(compile_tap("t", slow), max_held=3)
    async with serving(tap, broker):
        for number in range(10):
            broker.publish("t", str(number).encode())
        [subscription] = broker.subscriptions
        assert (tap.held, len(subscription.queue)) == (3, 7)
        gate.set()
        await until(lambda: len(seen) == 10)
        assert not subscription.queue
    assert seen == [str(number) for number in range(10)]


async def test_reliable_tap_that_fails_on_all_holds_no_more_than_it_may(
    broker: FakeBroker,
) -> None:
    async def fail(msg: Message) -> None:
        raise ZeroDivisionError

    tap = ReliableTap(compile_tap("t", fail), max_held=2, first_pause=1000.0)
    async with serving(tap, broker):
        for _ in range(5):
            broker.publish("t", b"x")
        await until(lambda: tap.tap.failures.count == 2)
        assert (tap.held, len(broker.subscriptions[0].queue)) == (2, 3)


async def test_reliable_tap_is_done_with_what_can_never_fit(broker: FakeBroker) -> None:
    seen: list[Reading] = []

    async def take(msg: Message, reading: Reading) -> None:
        seen.append(reading)

    tap = ReliableTap(compile_tap("t", take, schema=Reading))
    async with serving(tap, broker):
        broker.publish("t", b"no json")
        broker.publish("t", b'{"celsius": 1}')
        await until(lambda: tap.held == 0)
    assert seen == [Reading(1.0)]
    assert tap.tap.invalid.count == 1


async def test_reliable_tap_stops_after_one_more_try(
    broker: FakeBroker, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[str] = []

    async def fail(msg: Message) -> None:
        tries.append(msg.text())
        raise ZeroDivisionError

    async with serving(ReliableTap(compile_tap("t", fail), first_pause=1000.0), broker) as tap:
        broker.publish("t", b"a")
        await until(lambda: tries == ["a"])
        broker.publish("t", b"b")
        tap.stop()
        broker.publish("t", b"too late")
    assert tries == ["a", "a", "b"]
    assert broker.subscriptions == []
    assert "did not get 2 messages" in caplog.text


async def test_reliable_tap_logs_what_the_broker_could_not_keep(
    broker: FakeBroker, caplog: pytest.LogCaptureFixture
) -> None:
    gate = asyncio.Event()

    async def slow(msg: Message) -> None:
        await gate.wait()

    broker.max_queued = 2
    tap = ReliableTap(compile_tap("t", slow), max_held=1)
    async with serving(tap, broker):
        for _ in range(6):
            broker.publish("t", b"x")
        gate.set()
        await until(lambda: tap.held == 0)
    assert "slow() is too slow: the broker could not keep 3 messages for it" in caplog.text
