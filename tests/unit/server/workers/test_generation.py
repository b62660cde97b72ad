"""Places of workers, and when the next process fills them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from blackbull.server.workers.channel import Channel, Message
from blackbull.server.workers.generation import STEADY, Generation, Terms
from blackbull.server.workers.process import Process, State

TERMS = Terms(3, 8.0, 30.0, 60.0)


@pytest.fixture
def channel() -> Iterator[Channel]:
    one, two = socket.socketpair()
    channel = Channel(one)
    yield channel
    channel.close()
    two.close()


def test_terms_survive_the_channel() -> None:
    assert Terms.decode(Message("hello", json.loads(json.dumps(TERMS.encode())))) == TERMS


def test_first_worker_tells_how_many_there_are() -> None:
    generation = Generation(Terms(1, 1.0), forked=True)
    assert [slot.index for slot in generation.slots] == [0]
    assert [slot.index for slot in generation.adopt(TERMS)] == [1, 2]
    assert [slot.index for slot in generation.slots] == [0, 1, 2]
    assert generation.terms == TERMS


def test_generation_is_ready_when_all_are(channel: Channel) -> None:
    generation = Generation(TERMS, forked=True)
    generation.adopt(Terms(2, 8.0))
    for slot in generation.slots:
        assert not generation.ready
        slot.coming = Process(slot.index + 1, slot.index, channel, now=0.0)
        slot.coming.come(State.READY, now=1.0)
    assert generation.ready
    assert [process.pid for process in generation.processes()] == [1, 2]


def test_next_process_starts_at_once_and_later_if_they_keep_failing(channel: Channel) -> None:
    slot = Generation(TERMS, forked=True).slots[0]

    def fail(lived: float) -> float:
        process = slot.serving = Process(1, 0, channel, now=0.0)
        process.come(State.SERVING, now=0.0)
        delay = slot.lose(process, now=lived)
        assert slot.due == lived + delay
        assert slot.serving is None
        return delay

    delays = [fail(1.0) for _ in range(9)]
    assert delays == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert [fail(STEADY), fail(1.0)] == [0.0, 0.1]


def test_successor_that_has_started_already_is_not_started_twice(channel: Channel) -> None:
    slot = Generation(TERMS, forked=True).slots[0]
    slot.serving = process = Process(1, 0, channel, now=0.0)
    slot.coming = successor = Process(2, 0, channel, now=1.0)
    process.come(State.SERVING, now=0.0)
    slot.lose(process, now=2.0)
    assert (slot.serving, slot.coming, slot.due) == (None, successor, None)
    slot.lose(successor, now=3.0)
    assert slot.due == 3.1
