"""What applications register, and that all of it runs from start to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from blackbull.mqtt import application
from blackbull.mqtt.application import Application
from blackbull.mqtt.hooks import HookActor, hook_table
from blackbull.mqtt.registration import Registration
from blackbull.mqtt.tap import Message, Subscription
from tests.unit.mqtt.local_broker import FakeBroker


@dataclass
class House:
    """An application that is being served."""

    side: Application
    broker: FakeBroker = field(default_factory=FakeBroker)
    filters: list[str] = field(default_factory=list)

    def observe(self, topic: str, payload: bytes = b"") -> None:
        self.side.observe(Message(topic, payload))


@asynccontextmanager
async def serving(side: Application) -> AsyncIterator[House]:
    house = House(side)
    await side.start(house.broker, see=house.filters.append)
    try:
        yield house
    finally:
        await side.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


# ---------------------------------------------------------------------- registration


def test_on_message_listens_to_everything_by_default() -> None:
    """S33."""
    registration = Registration()

    @registration.on_message()
    @registration.on_message(topic="sensors/{room}", reliable=True)
    @registration.on_message("alerts/#")
    async def callback(msg: Message, room: str = "") -> None: ...

    assert list(registration.iter_subscriptions()) == [
        Subscription("alerts/#", callback),
        Subscription("sensors/{room}", callback),
        Subscription("#", callback),
    ]
    assert [tap.match_filter for tap in registration.iter_taps()] == ["alerts/#", "sensors/+", "#"]
    assert [tap.match_filter for tap in registration.taps] == ["alerts/#", "#"]


def test_on_message_without_parentheses_says_what_to_write() -> None:
    async def callback(msg: Message) -> None: ...

    with pytest.raises(TypeError, match=r"@mqtt\.on_message\("):
        Registration().on_message(callback)  # type: ignore[arg-type]


def test_on_message_that_is_refused_registers_nothing() -> None:
    registration = Registration()

    async def callback(msg: Message) -> None: ...

    for topic, error in (("a/#/b", ValueError), ("{room}", TypeError)):
        with pytest.raises(error):
            registration.on_message(topic)(callback)
    assert list(registration.iter_taps()) == []


@pytest.mark.parametrize("kind", ["connect", "disconnect", "subscribe"])
def test_hook_that_takes_other_arguments_is_refused(kind: str) -> None:
    async def callback() -> None: ...

    with pytest.raises(TypeError, match="client"):
        Registration().on_hook(kind, callback)


# ---------------------------------------------------------------------- hooks


async def test_hooks_are_told_in_order_and_isolated(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[tuple[object, ...]] = []

    async def fail(client: object) -> None:
        raise ZeroDivisionError

    async def connected(client: object) -> None:
        seen.append(("connected", client))

    def gone(client: object, reason_code: int) -> None:
        seen.append(("gone", client, reason_code))

    table = hook_table()
    table["connect"] += [fail, connected]
    table["disconnect"].append(gone)
    actor = HookActor(table)
    actor.tell("connect", "ada")
    actor.tell("subscribe", "ada", "#", 1)
    actor.tell("disconnect", "ada", 0)
    actor.stop()
    await actor.run()
    assert seen == [("connected", "ada"), ("gone", "ada", 0)]
    assert "fail() failed" in caplog.text


async def test_hooks_that_are_too_slow_miss_something(caplog: pytest.LogCaptureFixture) -> None:
    table = hook_table()
    table["connect"].append(print)
    actor = HookActor(table, queue_size=2)
    for number in range(5):
        actor.tell("connect", number)
    assert actor.dropped == 3
    assert "too slow" in caplog.text


# ---------------------------------------------------------------------- start and stop


async def test_application_serves_what_is_registered_before_and_after_the_start() -> None:
    side = Application()
    seen: list[tuple[str, str]] = []

    def note(name: str, *, topic: str, reliable: bool = False) -> None:
        async def callback(msg: Message) -> None:
            seen.append((name, msg.topic))

        side.registration.on_message(topic, reliable=reliable)(callback)

    note("early tap", topic="a/#")
    note("early reliable", topic="r", reliable=True)
    async with serving(side) as house:
        note("late tap", topic="b")
        note("late reliable", topic="s", reliable=True)
        assert house.filters == ["a/#", "b"]
        for topic in ("a/1", "b", "c"):
            house.observe(topic)
        for topic in ("r", "s"):
            assert await side.client.publish(topic) == 1
        await until(lambda: len(seen) == 4)
    assert sorted(seen) == [
        ("early reliable", "r"),
        ("early tap", "a/1"),
        ("late reliable", "s"),
        ("late tap", "b"),
    ]
    assert house.broker.subscriptions == []


async def test_application_tells_hooks_of_what_clients_do() -> None:
    side = Application()
    seen: list[tuple[object, ...]] = []

    async def on_subscribe(client: object, topic_filter: str, qos: int) -> None:
        seen.append((client, topic_filter, qos))

    side.tell("subscribe", "nobody", "#", 0)
    side.registration.on_hook("subscribe", on_subscribe)
    async with serving(side):
        side.tell("subscribe", "ada", "sensors/#", 1)
    side.tell("subscribe", "nobody", "#", 0)
    assert seen == [("ada", "sensors/#", 1)]


async def test_application_can_be_served_again() -> None:
    side = Application()
    seen: list[str] = []

    @side.registration.on_message()
    async def callback(msg: Message) -> None:
        seen.append(msg.topic)

    for topic in ("first", "second"):
        async with serving(side) as house:
            house.observe(topic)
        house.observe("between")
    assert seen == ["first", "second"]


async def test_application_inline_leaves_the_taps_to_the_connection() -> None:
    """S35: ``tap_mode='inline'``."""
    side = Application(tap_mode="inline")
    seen: list[str] = []

    @side.registration.on_message("a/#")
    async def callback(msg: Message) -> None:
        seen.append(msg.topic)

    async with serving(side) as house:
        house.observe("a/1")
        assert side.taps is None
        assert side.inline is not None
        await side.inline.run(Message("a/2"))
        await side.inline.run(Message("b"))
    assert seen == ["a/2"]


async def test_application_cancels_callbacks_that_do_not_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(application, "STOP_TIMEOUT", 0.01)
    side = Application()

    @side.registration.on_message()
    async def hang(msg: Message) -> None:
        await asyncio.Event().wait()

    async with serving(side) as house:
        house.observe("a")
        await asyncio.sleep(0)
    assert "did not end" in caplog.text


async def test_application_callbacks_can_publish_until_the_end() -> None:
    side = Application()

    @side.registration.on_message("in")
    async def answer(msg: Message) -> None:
        await asyncio.sleep(0)
        await side.client.publish("out", msg.payload)

    async with serving(side) as house:
        house.observe("in", b"x")
    assert house.broker.published == [Message("out", b"x")]


@pytest.mark.parametrize("options", [{"tap_mode": "other"}, {"tap_queue_size": 0}])
def test_application_refuses_what_makes_no_sense(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="tap_"):
        Application(**options)  # type: ignore[arg-type]
