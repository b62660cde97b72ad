"""The application of a worker that has no broker publishes and follows all the same."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from blackbull.abc import Reader, Writer
from blackbull.errors import ConnectionLost, LimitExceeded
from blackbull.mqtt import Message, MQTTExtension
from blackbull.mqtt.settings import MQTTSettings
from blackbull.mqtt.workers import distant
from blackbull.mqtt.workers.frames import Kind, encode_frame
from blackbull.mqtt.workers.owner import ApplicationEnd
from tests.mqtt_workers import WAIT, OtherWorker, Two, two


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT):
        while not condition():
            await asyncio.sleep(0)


def impatient(seconds: float = 0.05) -> MQTTExtension:
    return MQTTExtension(settings=MQTTSettings(owner_timeout=seconds))


def end(workers: Two) -> ApplicationEnd:
    """Return the owner's end of the application's stream."""
    found = workers.worker.ends[0]._consumer
    assert isinstance(found, ApplicationEnd)
    return found


# ---------------------------------------------------------------------- no second broker


async def test_other_worker_runs_no_broker_and_says_where_it_is() -> None:
    async with two() as workers:
        assert workers.owner.actor is not None
        assert workers.other.actor is None
        with pytest.raises(RuntimeError, match="worker 0"):
            workers.other.disconnect("a")
        await workers.other.publish("t", b"x")
        assert not workers.owner.actor.broker.sessions
    assert set(workers.worker.asked) == {"mqtt-worker"}


async def test_owner_alone_runs_taps_reliable_ones_and_hooks() -> None:
    def counting(mqtt: MQTTExtension) -> list[str]:
        seen: list[str] = []

        @mqtt.on_message(topic="t")
        async def tap(msg: Message) -> None:
            seen.append("tap")

        @mqtt.on_message(topic="t", reliable=True)
        async def reliable(msg: Message) -> None:
            seen.append("reliable")

        return seen

    owner, other = MQTTExtension(), MQTTExtension()
    at_owner, at_other = counting(owner), counting(other)
    async with two(owner, other) as workers:
        assert await workers.other.publish("t", b"x") == 1  # the reliable tap subscribes
        await until(lambda: len(at_owner) == 2)
    assert sorted(at_owner) == ["reliable", "tap"]
    assert at_other == []


# ---------------------------------------------------------------------- publish


async def test_publish_returns_how_many_subscribers_it_reaches_wherever_they_are() -> None:
    async with two() as workers:
        assert await workers.other.publish("t", b"x") == 0
        async with workers.owner.subscribe("t") as here, workers.other.subscribe("t") as there:
            assert await workers.other.publish("t", {"a": 1}, qos=1) == 2
            assert await workers.owner.publish("t", b"two") == 2
            for messages in (here, there):
                first, second = [await anext(messages) for _ in range(2)]
                assert first == Message("t", b'{"a":1}', 1)
                assert second == Message("t", b"two")


async def test_publish_passes_on_properties_and_what_is_retained() -> None:
    async with two() as workers:
        properties = {"content_type": "text/plain", "message_expiry_interval": 60}
        await workers.other.publish("r", b"x", qos=2, retain=True, properties=properties)
        async with workers.other.subscribe("r") as there:
            assert there.queued == 1
            assert await anext(there) == Message("r", b"x", 2, True, {"content_type": "text/plain"})


@pytest.mark.parametrize(
    ("topic", "properties", "error"),
    [("a/+", {}, ValueError), ("t", {"topic_alia": 1}, ValueError), ("", {}, ValueError)],
)
async def test_publish_refuses_what_the_broker_would(
    topic: str, properties: dict[str, object], error: type[Exception]
) -> None:
    async with two() as workers:
        for mqtt in (workers.owner, workers.other):
            with pytest.raises(error):
                await mqtt.publish(topic, b"x", properties=properties)


async def test_publish_beyond_a_limit_of_the_broker_says_which() -> None:
    owner = MQTTExtension(settings=MQTTSettings(max_retained=1))
    async with two(owner) as workers:
        await workers.other.publish("a", b"x", retain=True)
        with pytest.raises(LimitExceeded) as caught:
            await workers.other.publish("b", b"x", retain=True)
        assert (caught.value.limit, caught.value.allowed) == ("mqtt_max_retained", 1)
        assert await workers.other.publish("b", b"x") == 0


async def test_publish_many_at_a_time_are_answered_each() -> None:
    async with two() as workers, workers.owner.subscribe("t/#", max_queued=1000) as messages:
        reached = await asyncio.gather(*(workers.other.publish(f"t/{n}") for n in range(500)))
        assert reached == [1] * 500
        assert [(await anext(messages)).topic for _ in range(500)] == [f"t/{n}" for n in range(500)]


async def test_publish_for_years_uses_numbers_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distant, "MAX_NUMBER", 3)
    async with two() as workers, workers.other.subscribe("t") as messages:
        for number in range(10):
            assert await workers.other.publish("t", number) == 1
        assert [(await anext(messages)).payload for _ in range(10)] == [
            b"%d" % n for n in range(10)
        ]


async def test_stream_that_cannot_be_opened_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    errors: list[Exception] = [OSError("no descriptor"), RuntimeError("a bug")]
    opened = OtherWorker.open_owner

    async def open_owner(self: OtherWorker, protocol: str) -> tuple[Reader, Writer]:
        if errors:
            raise errors.pop(0)
        return await opened(self, protocol)

    monkeypatch.setattr(OtherWorker, "open_owner", open_owner)
    async with two() as workers:
        assert await workers.other.publish("t", b"x") == 0
    assert not errors
    assert "it is tried again" in caplog.text


async def test_publish_cancelled_leaves_the_next_ones_alone() -> None:
    async with two() as workers:
        first = asyncio.ensure_future(workers.other.publish("t", b"x"))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await workers.other.publish("t", b"y") == 0


# ---------------------------------------------------------------------- the owner dies


async def test_publish_waits_for_the_successor_of_an_owner_that_died() -> None:
    async with two() as workers:
        await workers.other.publish("t", b"x")
        workers.worker.die()
        await until(lambda: workers.worker.failures)
        waiting = asyncio.ensure_future(workers.other.publish("t", b"y"))
        await workers.start_owner(MQTTExtension())
        assert await waiting == 0


async def test_publish_without_an_owner_fails_in_time() -> None:
    async with two(other=impatient()) as workers:
        workers.worker.die()
        with pytest.raises(ConnectionLost, match=r"worker 0, did not answer for 0\.05 s"):
            await workers.other.publish("t", b"x")


async def test_publish_that_an_owner_never_answers_fails_in_time() -> None:
    async with two(other=impatient()) as workers:
        await workers.other.publish("t", b"x")
        workers.worker.ends[0].pause_reading()
        with pytest.raises(ConnectionLost, match="did not answer"):
            await workers.other.publish("t", b"x")
        workers.worker.ends[0].resume_reading()


async def test_publish_that_an_owner_dies_of_fails_at_once() -> None:
    async with two() as workers:
        await workers.other.publish("t", b"x")
        workers.worker.ends[0].pause_reading()
        asked = asyncio.ensure_future(workers.other.publish("t", b"x"))
        await until(lambda: workers.worker.ends[0]._held)
        workers.worker.die()
        with pytest.raises(ConnectionLost, match="ended before it answered"):
            await asked


async def test_owner_that_has_no_broker_is_complained_of(caplog: pytest.LogCaptureFixture) -> None:
    async with two(other=impatient()) as workers:
        workers.worker.die()
        assert workers.apps[0].protocols.get("mqtt-worker") is not None
        workers.worker.owner_app = type(workers.apps[0])()
        with caplog.at_level(logging.ERROR, "blackbull.mqtt"), pytest.raises(ConnectionLost):
            await workers.other.publish("t", b"x")
        assert "worker 0 has no MQTT broker" in caplog.text


# ---------------------------------------------------------------------- follow


async def test_subscribe_is_made_anew_with_the_successor() -> None:
    async with two() as workers, workers.other.subscribe("t/#") as messages:
        await workers.owner.publish("t/1", b"x")
        assert (await anext(messages)).topic == "t/1"
        workers.worker.die()
        await workers.start_owner(MQTTExtension())
        async with workers.other.subscribe("other"):  # both are there when this one is
            assert await workers.owner.publish("t/2", b"y") == 1
        assert (await anext(messages)).topic == "t/2"


async def test_subscribe_without_an_owner_is_kept_for_its_successor(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with two(other=impatient()) as workers:
        workers.worker.die()
        with caplog.at_level(logging.WARNING, "blackbull.mqtt"):
            async with workers.other.subscribe("t") as messages:
                assert "'t' is followed once the owner of the broker is there" in caplog.text
                successor = MQTTExtension()
                await workers.start_owner(successor)
                await successor.publish("t", b"kept", retain=True)
                assert (await anext(messages)).payload == b"kept"


async def test_subscribe_closed_is_forgotten_by_the_owner() -> None:
    async with two() as workers:
        async with workers.other.subscribe("t"):
            assert await workers.owner.publish("t", b"x") == 1
        assert await workers.other.publish("t", b"x") == 0
        async with workers.other.subscribe("t"):
            workers.worker.die()
            async with asyncio.timeout(WAIT):
                while await workers.owner.publish("t", b"x"):
                    await asyncio.sleep(0)


async def test_subscribe_refused_by_the_broker_raises() -> None:
    async with two() as workers:
        for mqtt in (workers.owner, workers.other):
            with pytest.raises(ValueError, match="'#' is not the last"):
                async with mqtt.subscribe("a/#/b"):
                    pass


async def test_subscribe_ends_when_its_worker_stops() -> None:
    async with two() as workers, workers.other.subscribe("t") as messages:
        await workers.owner.publish("t", b"last")
        await until(lambda: messages.queued)
        await workers.apps[1].stopping()
        assert [each.payload async for each in messages] == [b"last"]


async def test_subscribe_cancelled_before_it_is_made_leaves_nothing() -> None:
    async with two() as workers:
        workers.worker.die()
        entering = asyncio.ensure_future(workers.other.subscribe("t").__aenter__())
        await asyncio.sleep(0)
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
        await workers.start_owner(MQTTExtension())
        assert await workers.other.publish("t", b"x") == 0


@pytest.mark.parametrize(
    ("overflow", "left"), [("drop_oldest", [b"8", b"9"]), ("drop_newest", [b"0", b"1"])]
)
async def test_subscribe_read_too_slowly_drops_as_the_owner_s_own_would(
    overflow: str, left: list[bytes]
) -> None:
    async with two() as workers:
        for mqtt in (workers.owner, workers.other):
            async with mqtt.subscribe("t", max_queued=2, overflow=overflow) as messages:
                for number in range(10):
                    await workers.other.publish("t", number)
                await until(lambda messages=messages: messages.dropped == 8)
                assert [(await anext(messages)).payload for _ in range(2)] == left


@pytest.mark.parametrize(
    ("overflow", "left"), [("drop_oldest", [b"8", b"9"]), ("drop_newest", [b"0", b"1"])]
)
async def test_subscribe_while_the_stream_takes_nothing_waits_at_the_owner_within_its_bounds(
    overflow: str, left: list[bytes]
) -> None:
    async with (
        two() as workers,
        workers.other.subscribe("t", max_queued=2, overflow=overflow) as messages,
    ):
        far = workers.worker.ends[0]
        far.pause_writing()
        for number in range(10):
            await workers.owner.publish("t", number)
        assert not far.reading
        far.resume_writing()
        assert far.reading
        assert [(await anext(messages)).payload for _ in range(2)] == left
        assert messages.dropped == 8
        workers.worker.die()
        await workers.start_owner(MQTTExtension())
        async with workers.other.subscribe("other"):
            await workers.owner.publish("t", b"x")
        assert (await anext(messages)).payload == b"x"
        assert messages.dropped == 8


# ---------------------------------------------------------------------- the owner stops


async def test_owner_that_stops_is_left_for_its_successor() -> None:
    async with two() as workers, workers.other.subscribe("t") as messages:
        old = workers.worker.ends[0]
        end(workers).shutdown()
        await workers.start_owner(MQTTExtension())
        await until(lambda: old.lost)
        await until(lambda: workers.worker.ends[-1] is not old)
        async with workers.other.subscribe("other"):
            await workers.owner.publish("t", b"x")
        assert (await anext(messages)).payload == b"x"


async def test_owner_that_stops_serves_workers_that_stop_to_their_end() -> None:
    async with two() as workers:
        assert await workers.other.publish("t", b"x") == 0
        end(workers).shutdown()
        await workers.apps[1].stopping()
        await asyncio.sleep(0.3)  # longer than the grace
        assert await workers.other.publish("t", b"x") == 0
        assert len(workers.worker.ends) == 1


# ---------------------------------------------------------------------- the stream


async def test_stream_that_says_nothing_is_dropped_in_time() -> None:
    async with two() as workers:
        await workers.worker.open_owner("mqtt-worker")
        silent = workers.worker.ends[-1]
        silent.deadline.expire()
        assert silent.aborted


async def test_stream_with_an_endless_first_line_is_dropped() -> None:
    async with two() as workers:
        await workers.worker.open_owner("mqtt-worker")
        silent = workers.worker.ends[-1]
        silent.feed(b"x" * 2_000_000)
        assert silent.aborted


async def test_frames_that_nobody_waits_for_are_passed_over() -> None:
    async with two() as workers:
        assert await workers.other.publish("t", b"x") == 0
        workers.worker.ends[0].send(encode_frame(Kind.DONE, 4711, b"\0\0\0\1") + b"\x63" + bytes(8))
        assert await workers.other.publish("t", b"x") == 0
