"""Both ends of a channel in one process."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator

import pytest

from blackbull.server.workers.channel import Channel, Message

Pair = tuple[Channel, Channel]


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, two = (Channel(sock) for sock in socket.socketpair())
    yield one, two
    one.close()
    two.close()


def all_of(channel: Channel) -> list[Message]:
    return list(channel.receive())


def test_messages_arrive_in_order(pair: Pair) -> None:
    one, two = pair
    one.send("first", {"a": [1, "ä"], "b": 2.5})
    one.send("second")
    first, second = all_of(two)
    assert (first.say, first.items("a"), first.number("b"), first.text("c")) == (
        "first", [1, "ä"], 2.5, "",
    )  # fmt: skip
    assert (second.say, second.content, second.files) == ("second", {}, [])
    assert all_of(two) == []
    assert not two.closed


def test_descriptors_go_with_their_message(pair: Pair) -> None:
    one, two = pair
    with socket.socket() as a, socket.socket() as b:
        a.bind(("127.0.0.1", 0))
        b.bind(("127.0.0.1", 0))
        one.send("none")
        one.send("two", files=[a, b])
        one.send("none")
        one.send("one", files=[b])
        names = [a.getsockname(), b.getsockname()]
    messages = all_of(two)
    assert [len(each.files) for each in messages] == [0, 2, 0, 1]
    got = [socket.socket(fileno=fd) for each in messages for fd in each.files]
    assert [sock.getsockname() for sock in got] == [names[0], names[1], names[1]]
    assert not any(sock.get_inheritable() for sock in got)
    for sock in got:
        sock.close()


def test_what_cannot_be_sent_at_once_is_sent_later(pair: Pair) -> None:
    one, two = pair
    long = "x" * 100_000
    with socket.socket() as sock:
        for _ in range(20):
            one.send("long", {"text": long}, files=[sock])
    assert one.stuck
    messages: list[Message] = []
    while len(messages) < 20:
        messages += all_of(two)
        one.flush()
    assert not one.stuck
    assert {each.text("text") for each in messages} == {long}
    for each in messages:
        assert len(each.files) == 1
        each.drop()


def test_last_words_are_heard_although_nobody_reads(pair: Pair) -> None:
    one, two = pair
    one.send("failed", {"line": "no disk"})
    one.close()
    two.send("stop")
    two.send("stop")
    assert not two.closed
    assert [each.text("line") for each in all_of(two)] == ["no disk"]
    assert two.closed
    two.send("nothing")


def test_wait_returns_when_there_is_something(pair: Pair) -> None:
    one, two = pair
    assert not two.wait(0.0)
    one.send("here")
    assert two.wait(10.0)
    one.close()
    assert two.wait(10.0)


def test_closed_channel_leaves_no_descriptor(pair: Pair) -> None:
    one, two = pair
    before = len(os.listdir("/proc/self/fd"))
    with socket.socket() as sock:
        one.send("one", files=[sock])
        one.send("two", {"text": "x" * 1_000_000}, files=[sock])
    next(two.receive()).drop()
    one.close()
    two.close()
    one.close()
    assert len(os.listdir("/proc/self/fd")) == before - 2


def test_descriptors_that_there_is_no_room_for_are_missed(pair: Pair) -> None:
    one, two = pair
    with socket.socket() as sock:
        one.send("full", files=[sock])
        one.send("next", files=[sock])
        one.send("last")
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
        try:
            messages = all_of(two)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert [(each.say, each.torn) for each in messages] == [
        ("full", True), ("next", True), ("last", False),
    ]  # fmt: skip
    assert all(not each.files for each in messages)
