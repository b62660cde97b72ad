"""The inbox is bounded, ordered and drained in batches; an actor ends without leaving waiters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from blackbull.actor import DEFAULT_INBOX_MAXSIZE, Actor, Message
from blackbull.errors import ActorStopped


@dataclass(slots=True)
class Number(Message):
    """A message with a field."""

    value: int


class Collector(Actor):
    """Notes each message, and each batch."""

    def __init__(self, *, inbox_maxsize: int = 0) -> None:
        super().__init__(inbox_maxsize=inbox_maxsize)
        self.seen: list[int] = []
        self.batches: list[int] = []
        self.before: Callable[[], Awaitable[object]] | None = None

    async def _handle(self, message: Message) -> None:
        if self.before is not None:
            await self.before()
        assert isinstance(message, Number)
        if message.value < 0:
            raise ValueError(message.value)
        self.seen.append(message.value)

    async def _handle_batch(self, batch: list[Message]) -> None:
        self.batches.append(len(batch))
        await super()._handle_batch(batch)


@asynccontextmanager
async def running(actor: Actor) -> AsyncIterator[asyncio.Task[None]]:
    """Run *actor* until the block ends, then let it finish its inbox."""
    task = asyncio.create_task(actor.run())
    try:
        yield task
    finally:
        actor.stop()
        await task


def test_message_without_sender_has_none() -> None:
    assert Message().sender is None
    assert Number(1).sender is None


def test_message_subclass_takes_fields_by_position_and_the_sender_by_name() -> None:
    actor = Collector()
    message = Number(3, sender=actor)
    assert (message.value, message.sender) == (3, actor)
    assert message == Number(3)
    assert repr(message) == "Number(value=3)"


def test_actor_inbox_of_negative_size_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        Actor(inbox_maxsize=-1)


async def test_actor_messages_sent_are_handled_in_order() -> None:
    actor = Collector()
    async with running(actor):
        for value in range(5):
            await actor.send(Number(value))
    assert actor.seen == [0, 1, 2, 3, 4]


async def test_actor_messages_that_arrived_together_are_one_batch() -> None:
    actor = Collector()
    async with running(actor) as task:
        await asyncio.sleep(0)
        for value in range(3):
            assert actor.offer(Number(value))
        assert actor.seen == []
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert actor.batches == [3]
        assert not task.done()
        await actor.send(Number(3))
    assert actor.batches == [3, 1]


async def test_actor_messages_sent_before_run_are_handled() -> None:
    actor = Collector()
    await actor.send(Number(1))
    async with running(actor):
        pass
    assert actor.seen == [1]


def test_offer_default_inbox_full_returns_false() -> None:
    actor = Collector()
    taken = sum(actor.offer(Number(value)) for value in range(DEFAULT_INBOX_MAXSIZE + 5))
    assert taken == DEFAULT_INBOX_MAXSIZE


async def test_send_full_inbox_waits_for_the_next_batch() -> None:
    actor = Collector(inbox_maxsize=2)
    await actor.send(Number(0))
    await actor.send(Number(1))
    sending = asyncio.create_task(actor.send(Number(2)))
    await asyncio.sleep(0)
    assert not sending.done()
    async with running(actor):
        await sending
    assert actor.seen == [0, 1, 2]
    assert max(actor.batches) <= 2


async def test_send_many_waiting_senders_all_get_through_and_keep_the_bound() -> None:
    actor = Collector(inbox_maxsize=3)

    async def produce(start: int) -> None:
        for value in range(start, start + 20):
            await actor.send(Number(value))

    async with running(actor):
        await asyncio.gather(*(produce(100 * n) for n in range(10)))
    assert sorted(actor.seen) == sorted(100 * n + value for n in range(10) for value in range(20))
    assert max(actor.batches) <= 3
    for n in range(10):
        own = [value for value in actor.seen if value // 100 == n]
        assert own == sorted(own)


async def test_send_cancelled_while_waiting_is_not_sent_and_blocks_nobody() -> None:
    actor = Collector(inbox_maxsize=1)
    await actor.send(Number(0))
    first = asyncio.create_task(actor.send(Number(1)))
    second = asyncio.create_task(actor.send(Number(2)))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    async with running(actor):
        await second
    assert actor.seen == [0, 2]


async def test_stop_while_messages_wait_handles_them_and_takes_no_more() -> None:
    actor = Collector()
    await actor.send(Number(0))
    actor.stop()
    assert actor.stopped
    assert not actor.offer(Number(1))
    with pytest.raises(ActorStopped, match="Collector has stopped"):
        await actor.send(Number(2))
    await actor.run()
    assert actor.seen == [0]


async def test_stop_idle_actor_ends_run() -> None:
    actor = Collector()
    task = asyncio.create_task(actor.run())
    await asyncio.sleep(0)
    actor.stop()
    await task
    assert actor.batches == []


async def test_run_raising_handler_ends_the_actor_and_frees_waiting_senders() -> None:
    actor = Collector(inbox_maxsize=1)
    await actor.send(Number(-1))
    sending = [asyncio.create_task(actor.send(Number(n))) for n in range(3)]
    with pytest.raises(ValueError, match="-1"):
        await actor.run()
    outcomes = await asyncio.gather(*sending, return_exceptions=True)
    assert any(isinstance(outcome, ActorStopped) for outcome in outcomes)
    assert all(outcome is None or isinstance(outcome, ActorStopped) for outcome in outcomes)
    assert actor.seen == []


@pytest.mark.parametrize("busy", [True, False])
async def test_run_cancelled_is_cancelled_and_frees_waiting_senders(busy: bool) -> None:
    actor = Collector(inbox_maxsize=1)
    if busy:
        actor.before = asyncio.get_running_loop().create_future
        await actor.send(Number(0))
    task = asyncio.create_task(actor.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert actor.stopped
    with pytest.raises(ActorStopped):
        await actor.send(Number(1))


async def test_run_second_time_is_refused() -> None:
    actor = Collector()
    actor.stop()
    await actor.run()
    with pytest.raises(RuntimeError, match="runs once"):
        await actor.run()


async def test_run_actor_that_feeds_itself_leaves_others_their_turn() -> None:
    class Perpetual(Actor):
        handled = 0

        async def _handle(self, message: Message) -> None:
            self.handled += 1
            self.offer(message)

    actor = Perpetual()
    await actor.send(Message())
    task = asyncio.create_task(actor.run())
    for _ in range(5):
        await asyncio.sleep(0)
    assert 1 <= actor.handled <= 5
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_handle_not_overridden_says_so() -> None:
    actor = Actor()
    await actor.send(Message())
    with pytest.raises(NotImplementedError, match="Actor must override _handle"):
        await actor.run()
