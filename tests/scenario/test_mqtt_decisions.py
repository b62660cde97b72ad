"""Conversations while the application thinks about who may do what."""

from __future__ import annotations

import asyncio

import pytest

from blackbull.mqtt.auth import ClientInfo, ConnectRequest
from tests.mqtt_packets import (
    connack,
    connect,
    pingreq,
    pingresp,
    puback,
    publish,
    suback,
    subscribe,
)
from tests.mqtt_server import running


class Thinker:
    """Says yes, once it has been allowed to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go = asyncio.Event()

    async def decides(self, name: str) -> bool:
        self.asked.append(name)
        await self.go.wait()
        return True

    async def has_been_asked(self, times: int) -> None:
        async with asyncio.timeout(5):
            while len(self.asked) < times:
                await asyncio.sleep(0.001)


async def test_packets_behind_a_decision_wait_and_keep_their_order() -> None:
    """Others are served meanwhile; what was decided is not asked again."""
    thinker = Thinker()

    async def authorize(client: ClientInfo, action: str, topic: str) -> bool:
        return client.client_id != "a" or await thinker.decides(f"{action} {topic}")

    async with running(authorize=authorize) as broker:
        a, b = broker.peers("a b")

        async def decided(port: int) -> None:
            await thinker.has_been_asked(1)
            await broker.play(b.quiet())
            thinker.go.set()

        await broker.play(
            b.joins(),
            b.send(subscribe(1, "t")),             b.expect(suback(1, 0)),
            a.joins(),
            a.send(subscribe(1, ("t", 1)), publish("t", b"1"), pingreq(),
                   publish("t", b"2", qos=1, packet_id=7), pingreq()),
            decided,
            a.expect(suback(1, 1), publish("t", b"1"), pingresp()),
            a.expect_any_order(puback(7), publish("t", b"2", qos=1, packet_id="m")),
            a.expect(pingresp()),
            b.expect(publish("t", b"1"), publish("t", b"2")),
            a.send(publish("t", b"3"), subscribe(2, ("t", 1))),
            a.expect(publish("t", b"3"), suback(2, 1)),
        )  # fmt: skip
    assert thinker.asked == ["subscribe t", "publish t"]


async def test_client_leaves_while_it_is_thought_about() -> None:
    """The decision about it comes too late, and harms nobody."""
    thinker = Thinker()

    async def authenticate(request: ConnectRequest) -> bool:
        return request.client_id != "a" or await thinker.decides("a")

    async with running(authenticate=authenticate) as broker:
        a, b = broker.peers("a b")

        async def leaves(port: int) -> None:
            await thinker.has_been_asked(1)
            await broker.play(a.breaks(), b.quiet())
            thinker.go.set()

        await broker.play(
            b.joins(),
            a.send(connect()),
            leaves,
            a.joins(session_present=False),
            a.quiet(), b.quiet(),
        )  # fmt: skip


async def test_client_of_the_same_name_is_left_alone_until_the_new_one_is_let_in() -> None:
    """S37: the session is taken over by whoever has been let in, not by whoever asks."""
    thinker = Thinker()

    async def authenticate(request: ConnectRequest) -> bool:
        return request.username == "old" or await thinker.decides("new")

    async with running(authenticate=authenticate) as broker:
        old, new = broker.peer("x"), broker.peer("x")

        async def meanwhile(port: int) -> None:
            await thinker.has_been_asked(1)
            await broker.play(
                old.send(publish("t", b"1")),      old.expect(publish("t", b"1")),
            )  # fmt: skip
            thinker.go.set()

        await broker.play(
            old.joins(username="old", session_expiry_interval=60),
            old.send(subscribe(1, "t")),           old.expect(suback(1, 0)),
            new.send(connect(clean=False, username="new")),
            meanwhile,
            new.expect(connack(session_present=True)),
            old.refused(0x8E),
            new.send(publish("t", b"2")),          new.expect(publish("t", b"2")),
        )  # fmt: skip


async def test_two_clients_of_a_name_are_thought_about_at_once_the_last_one_stays() -> None:
    thinker = Thinker()

    async def authenticate(request: ConnectRequest) -> bool:
        return await thinker.decides("x")

    async with running(authenticate=authenticate) as broker:
        one, two = broker.peer("x"), broker.peer("x")

        async def decided(port: int) -> None:
            await thinker.has_been_asked(2)
            thinker.go.set()

        await broker.play(
            one.send(connect()), two.send(connect()),
            decided,
            one.expect(connack()), two.expect(connack()),
        )  # fmt: skip
        # Whichever was decided first has been taken over by the other.
        await broker.play(one.refused(0x8E), two.quiet())


async def test_decision_that_fails_is_asked_for_again_the_next_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A refusal is remembered; that nobody could be asked is not."""
    answers: list[object] = [RuntimeError, True, RuntimeError, False]
    asked: list[str] = []

    async def authorize(client: ClientInfo, action: str, topic: str) -> bool:
        asked.append(topic)
        answer = answers.pop(0)
        if answer is RuntimeError:
            raise RuntimeError("the database is away")
        return answer is True

    async with running(authorize=authorize) as broker:
        a = broker.peer("a")
        await broker.play(
            a.joins(),
            a.send(subscribe(1, "s")),             a.expect(suback(1, 0x87)),
            a.send(subscribe(2, "s")),             a.expect(suback(2, 0)),
            a.send(subscribe(3, "s")),             a.expect(suback(3, 0)),
            *(
                [a.send(publish("p", b"x", qos=1, packet_id=n)), a.expect(puback(n, 0x87))]
                for n in (1, 2, 3)
            ),
        )  # fmt: skip
    assert asked == ["s", "s", "p", "p"]
    assert caplog.text.count("RuntimeError: the database is away") == 2


async def test_decision_that_fails_is_a_refusal_of_that_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def authorize(client: ClientInfo, action: str, topic: str) -> bool:
        if topic == "broken":
            raise RuntimeError("the database is away")
        return True

    async with running(authorize=authorize) as broker:
        a = broker.peer("a")
        await broker.play(
            a.joins(),
            a.send(subscribe(1, "t", "broken")),   a.expect(suback(1, 0, 0x87)),
            a.send(publish("broken", b"x", qos=1, packet_id=1)), a.expect(puback(1, 0x87)),
            a.send(publish("t", b"x")),            a.expect(publish("t", b"x")),
        )  # fmt: skip
    assert caplog.text.count("RuntimeError: the database is away") == 2
