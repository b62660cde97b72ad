"""Taps: what they see, what they are called with, and that nobody suffers from them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackbull.mqtt.schema import InvalidPayload
from blackbull.mqtt.tally import Tally
from blackbull.mqtt.tap import (
    MAX_REMEMBERED,
    MESSAGES_PER_TURN,
    Message,
    Subscription,
    Tap,
    TapActor,
    TapTable,
    compile_tap,
    compile_taps,
    run_taps,
)
from blackbull.mqtt.topics import topic_matches_filter

Collect = Callable[..., Awaitable[None]]


@dataclass
class Reading:
    celsius: float


@asynccontextmanager
async def running(actor: TapActor) -> AsyncIterator[TapActor]:
    task = asyncio.create_task(actor.run())
    try:
        yield actor
    except BaseException:
        task.cancel()  # a tap may wait for what never comes now
        with contextlib.suppress(asyncio.CancelledError):
            await task
        raise
    actor.stop()
    await task


def collector(into: list[object]) -> Collect:
    async def collect(msg: Message, **captures: str) -> None:
        into.append((msg.topic, captures) if captures else msg.topic)

    return collect


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


class LazyPublication:
    """What the broker hands over; it notes when somebody asks for its properties."""

    topic = "a/b"
    payload = b"x"
    qos = 1
    retain = True
    publisher = "me"
    size = 4

    def __init__(self) -> None:
        self.asked = 0

    @property
    def properties(self) -> Mapping[str, object]:
        self.asked += 1
        return {"content_type": "text/plain"}


# ---------------------------------------------------------------------- Message


def test_message_has_the_fields_of_the_guide() -> None:
    """S33."""
    message = Message("t", b"21.5", 1, True, {"content_type": "text/plain"})
    assert (message.topic, message.payload, message.qos, message.retain) == ("t", b"21.5", 1, True)
    assert message.properties == {"content_type": "text/plain"}
    assert (message.text(), message.json()) == ("21.5", 21.5)
    assert Message("t").properties == {}


def test_message_of_a_publication_asks_for_properties_once_and_late() -> None:
    publication = LazyPublication()
    message = Message.of(publication)
    assert (message.topic, message.payload, message.qos, message.retain) == ("a/b", b"x", 1, True)
    assert message.publisher == "me"
    assert publication.asked == 0
    assert message.properties is message.properties
    assert publication.asked == 1
    assert Message.of(message) is message


def test_message_equality_and_text() -> None:
    message = Message("t", b"x" * 100)
    assert message == Message("t", b"x" * 100)
    assert hash(message) == hash(Message("t", b"x" * 100))
    assert message != Message("t", b"x" * 100, properties={"content_type": "a"})
    assert message != "t"
    assert len(repr(message)) < 160
    assert repr(Message("t", b"x")) == "Message(topic='t', payload=b'x', qos=0, retain=False)"


# ---------------------------------------------------------------------- Tap


def test_tap_captures_by_name() -> None:
    """S33: a ``{name}`` level matches as ``+`` does and is a keyword argument."""
    tap = compile_tap("sensors/{room}/{kind}", collector([]))
    assert tap.match_filter == "sensors/+/+"
    assert tap.bind("sensors/kitchen/temperature") == {"room": "kitchen", "kind": "temperature"}
    assert tap.display_filter == "sensors/{room}/{kind}"


def test_tap_without_captures_binds_nothing() -> None:
    tap = compile_tap("sensors/+/temperature", collector([]))
    assert tap.bind("sensors/kitchen/temperature") == {}
    assert tap.display_filter == tap.match_filter == "sensors/+/temperature"


@pytest.mark.parametrize(
    "topic", ["", "a/#/b", "a+/b", "{a}/{a}", "{}", "{a b}", "a\0b", "{class}", "$share/g/a"]
)
def test_tap_of_a_bad_filter_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        compile_tap(topic, collector([]))


async def no_message() -> None: ...
async def needs_more(msg: Message, room: str) -> None: ...
async def takes_any(msg: Message, **captures: str) -> None: ...
async def takes_star(*args: Message, room: str) -> None: ...
async def with_default(msg: Message, room: str = "", limit: int = 3) -> None: ...
async def room_first(room: str) -> None: ...
async def generator(msg: Message) -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("topic", "callback", "problem"),
    [
        ("a", no_message, "takes no message"),
        ("a/+", needs_more, "needs 'room'.*'{room}'.*schema="),
        ("a/{other}", needs_more, "captures 'other'"),
        ("{room}/{other}", needs_more, "captures 'other'"),
        ("a/{room}", room_first, "first parameter"),
        ("a", generator, "yield"),
        ("a", 3, "function"),
    ],
)
def test_tap_callback_that_cannot_be_called_is_refused(
    topic: str, callback: Collect, problem: str
) -> None:
    with pytest.raises(TypeError, match=problem):
        compile_tap(topic, callback)


@pytest.mark.parametrize(
    ("topic", "callback"),
    [
        ("a/{room}", needs_more),
        ("a/{room}/{other}", takes_any),
        ("a/{room}", takes_star),
        ("a/{room}", with_default),
        ("a", with_default),
        ("a", print),
    ],
)
def test_tap_callback_that_can_be_called_is_taken(topic: str, callback: Collect) -> None:
    assert compile_tap(topic, callback).callback is callback


async def test_tap_callback_may_be_a_plain_function() -> None:
    seen: list[Message] = []
    await run_taps([compile_tap("#", seen.append)], Message("t"))
    assert seen == [Message("t")]


# ---------------------------------------------------------------------- run_taps


async def test_run_taps_calls_those_that_match_in_order() -> None:
    seen: list[object] = []

    def noting(name: str) -> Collect:
        async def note(msg: Message) -> None:
            seen.append(name)

        return note

    filters = ["#", "a/+", "b/#", "a/b", "+/+/c", "a/#"]
    await run_taps([compile_tap(name, noting(name)) for name in filters], Message("a/b"))
    assert seen == ["#", "a/+", "a/b", "a/#"]


async def test_run_taps_isolates_what_raises(caplog: pytest.LogCaptureFixture) -> None:
    """S34."""
    seen: list[object] = []

    async def fail(msg: Message) -> None:
        raise ZeroDivisionError

    taps = compile_taps([("#", fail), Subscription("a/{b}", collector(seen))])
    await run_taps(taps, Message("a/x"))
    assert seen == [("a/x", {"b": "x"})]
    [record] = caplog.records
    assert "fail() failed on a message to 'a/x'" in record.getMessage()
    assert record.exc_info is not None
    assert taps[0].failures.count == 1


async def test_run_taps_raises_when_asked_to() -> None:
    async def fail(msg: Message) -> None:
        raise ZeroDivisionError

    async def take(msg: Message, reading: Reading) -> None: ...

    with pytest.raises(ZeroDivisionError):
        await run_taps([compile_tap("#", fail)], Message("a"), raise_exceptions=True)
    with pytest.raises(InvalidPayload):
        await run_taps(
            [compile_tap("#", take, schema=Reading)], Message("a"), raise_exceptions=True
        )


async def test_failing_tap_does_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(msg: Message) -> None:
        raise ZeroDivisionError

    tap = compile_tap("#", fail)
    for _ in range(1000):
        await run_taps([tap], Message("a"))
    assert tap.failures.count == 1000
    assert 1 <= len(caplog.records) < 100


# ---------------------------------------------------------------------- TapTable


def test_tap_table_finds_what_was_added_later() -> None:
    handlers: list[Tap | tuple[str, Collect]] = [("a/#", collector([]))]
    table = TapTable(handlers)
    assert [tap.match_filter for tap, _ in table.find("a/b")] == ["a/#"]
    assert [tap.match_filter for tap, _ in table.find("a/b")] == ["a/#"]
    handlers.append(("{top}/b", collector([])))
    found = table.find("a/b")
    assert [(tap.match_filter, captures) for tap, captures in found] == [
        ("a/#", {}),
        ("+/b", {"top": "a"}),
    ]


@given(
    filters=st.lists(
        st.lists(st.sampled_from(["a", "b", "+", "{x}", ""]), min_size=1, max_size=3).map("/".join),
        max_size=6,
    ),
    tails=st.lists(st.booleans(), min_size=6, max_size=6),
    topic=st.lists(st.sampled_from(["a", "b", "$c", ""]), min_size=1, max_size=4).map("/".join),
)
@settings(max_examples=200)
def test_tap_table_finds_what_a_scan_finds(
    filters: list[str], tails: list[bool], topic: str
) -> None:
    wanted = [
        f"{each}/#" if tail else each for each, tail in zip(filters, tails, strict=False) if each
    ]
    taps = [compile_tap(each, collector([])) for each in wanted if each.count("{x}") < 2]
    found = [tap for tap, _ in TapTable(taps).find(topic)]
    scanned = [tap for tap in taps if topic and topic_matches_filter(topic, tap.match_filter)]
    assert not topic or [id(tap) for tap in found] == [id(tap) for tap in scanned]


def test_tap_table_remembers_no_more_than_it_should() -> None:
    table = TapTable([("#", collector([]))])
    for number in range(2 * MAX_REMEMBERED):
        assert len(table.find(f"t/{number}")) == 1
    assert len(table.find("x" * 60_000)) == 1
    assert len(table._remembered) <= MAX_REMEMBERED
    assert max(map(len, table._remembered)) < 60_000


# ---------------------------------------------------------------------- TapActor


async def test_tap_actor_calls_taps_with_captures() -> None:
    seen: list[object] = []
    async with running(TapActor([("sensors/{room}/temperature", collector(seen))])) as actor:
        assert actor.offer(Message("sensors/kitchen/temperature", b"21.5"))
        assert actor.offer(Message("sensors/kitchen/humidity", b"40"))
    assert seen == [("sensors/kitchen/temperature", {"room": "kitchen"})]
    assert actor.dropped == 0


async def test_tap_actor_calls_taps_that_were_registered_later() -> None:
    seen: list[object] = []
    handlers: list[Tap | tuple[str, Collect]] = []
    async with running(TapActor(handlers)) as actor:
        actor.offer(Message("early"))
        await asyncio.sleep(0)
        handlers.append(("#", collector(seen)))
        actor.offer(Message("late"))
    assert seen == ["late"]


async def test_tap_actor_drops_the_newest_counts_and_logs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """S35: a slow tap delays nobody; its queue is bounded."""
    seen: list[object] = []
    gate = asyncio.Event()

    async def slow(msg: Message) -> None:
        await gate.wait()
        seen.append(msg.topic)

    now = 0.0
    actor = TapActor([("#", slow)], queue_size=3, clock=lambda: now)
    async with running(actor):
        actor.offer(Message("first"))
        await until(lambda: actor.queued == 0)
        taken = [actor.offer(Message(str(number))) for number in range(5)]
        assert taken == [True, True, True, False, False]
        assert (actor.queued, actor.dropped) == (3, 2)
        told = [each.getMessage() for each in caplog.records if each.name == "blackbull.mqtt.tap"]
        assert told == ["the taps are too slow: 1 messages dropped so far (3 may wait)"]
        now = 2.0
        actor.offer(Message("more"))
        assert "3 messages dropped so far" in caplog.records[-1].getMessage()
        actor.offer(Message("and more"))
        gate.set()
    assert seen == ["first", "0", "1", "2"]
    assert actor.dropped == 4
    assert "4 messages dropped so far" in caplog.records[-1].getMessage()
    [cap] = [record for record in caplog.records if record.name == "blackbull.caps"]
    assert (vars(cap)["cap"], vars(cap)["limit"]) == ("mqtt_tap_queue_size", 3)
    assert cap.levelno == logging.WARNING


async def test_tap_actor_holds_no_more_bytes_than_it_may(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[object] = []
    actor = TapActor([("#", collector(seen))], queue_bytes=1000)
    sizes = [5000, 1, 999, 600, 400, 400]
    taken = [actor.offer(Message("t", bytes(size - 1))) for size in sizes[:3]]
    assert taken == [True, False, False], "one alone may be longer"
    async with running(actor):
        await until(lambda: actor.queued == 0)
        taken = [actor.offer(Message("t", bytes(size - 1))) for size in sizes[3:]]
    assert taken == [True, True, False]
    [cap] = [record for record in caplog.records if record.name == "blackbull.caps"]
    assert (vars(cap)["cap"], vars(cap)["limit"]) == ("mqtt_tap_queue_bytes", 1000)


async def test_tap_actor_queues_nothing_that_no_tap_is_for() -> None:
    actor = TapActor([("a/#", collector([]))], queue_size=1)
    for _ in range(10):
        assert actor.offer(Message("b"))
    assert (actor.queued, actor.dropped) == (0, 0)


async def test_tap_actor_handles_a_burst_without_keeping_the_loop() -> None:
    seen: list[object] = []
    turns = 0
    actor = TapActor([("#", collector(seen))], queue_size=10 * MESSAGES_PER_TURN)
    async with running(actor):
        for number in range(10 * MESSAGES_PER_TURN):
            assert actor.offer(Message(str(number)))
        while len(seen) < 10 * MESSAGES_PER_TURN:
            await asyncio.sleep(0)
            turns += 1
    assert turns >= 10
    assert seen == [str(number) for number in range(10 * MESSAGES_PER_TURN)]


async def test_tap_actor_isolates_what_raises() -> None:
    """S34."""
    seen: list[object] = []

    async def fail(msg: Message) -> None:
        raise ZeroDivisionError

    async with running(TapActor([("#", fail), ("#", collector(seen))])) as actor:
        actor.offer(Message("a"))
        actor.offer(Message("b"))
    assert seen == ["a", "b"]


async def test_tap_actor_that_was_stopped_takes_nothing() -> None:
    async with running(TapActor([("#", collector([]))])) as actor:
        pass
    assert not actor.offer(Message("a"))
    assert actor.queued == 0


async def test_tap_actor_cancelled_forgets_what_waits() -> None:
    blocked = asyncio.Event()

    async def block(msg: Message) -> None:
        blocked.set()
        await asyncio.Event().wait()

    actor = TapActor([("#", block)])
    task = asyncio.create_task(actor.run())
    for topic in "abc":
        actor.offer(Message(topic))
    await blocked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert actor.queued == 0


@pytest.mark.parametrize("size", [0, -1])
def test_tap_actor_needs_a_queue(size: int) -> None:
    with pytest.raises(ValueError, match="queue_size"):
        TapActor([], queue_size=size)


# ---------------------------------------------------------------------- Tally


def test_tally_says_when_to_log() -> None:
    now = 0.0
    tally = Tally(1.0, clock=lambda: now)
    assert [tally.add() for _ in range(3)] == [True, False, False]
    assert (tally.count, tally.untold) == (3, 2)
    now = 1.0
    assert tally.add()
    assert (tally.count, tally.untold) == (4, 0)
