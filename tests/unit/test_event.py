"""The three ways to listen, and what an emitter may rely on."""

from __future__ import annotations

import asyncio
import dataclasses
import logging

import pytest

from blackbull.event import Event, EventDispatcher, EventHandler


class Recorder:
    """A listener that notes what it was told."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def named(self, name: str) -> EventHandler:
        async def note(event: Event) -> None:
            self.seen.append(f"{name}:{event.name}")

        return note


async def fail(event: Event) -> None:
    raise LookupError(event.name)


async def wait_forever(event: Event) -> None:
    await asyncio.get_running_loop().create_future()


def dispatcher_with_gate() -> tuple[EventDispatcher, asyncio.Event, list[str]]:
    """Return a dispatcher with a detached observer of ``e`` that waits for a gate."""
    dispatcher, gate, seen = EventDispatcher(), asyncio.Event(), []

    async def observe(event: Event) -> None:
        await gate.wait()
        seen.append(event.name)

    dispatcher.on("e", observe)
    return dispatcher, gate, seen


def test_event_assigned_to_is_frozen() -> None:
    event = Event("e", {"a": 1})
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.name = "f"  # type: ignore[misc]
    assert (event.name, event.detail) == ("e", {"a": 1})


def test_event_without_detail_has_its_own_empty_one() -> None:
    assert Event("e").detail == {}
    assert Event("e").detail is not Event("e").detail


def test_has_listeners_each_way_of_listening_counts_for_its_name_only() -> None:
    dispatcher, note = EventDispatcher(), Recorder().named("x")
    assert not dispatcher.has_listeners("a")
    dispatcher.on("a", note)
    dispatcher.on("b", note, blocking=True)
    dispatcher.intercept("c", note)
    assert [dispatcher.has_listeners(name) for name in "abcd"] == [True, True, True, False]


def test_on_change_listener_added_calls_back_once_each() -> None:
    dispatcher, calls = EventDispatcher(), []
    dispatcher.on_change.append(lambda: calls.append(dispatcher.has_listeners("e")))
    dispatcher.on("e", fail)
    dispatcher.intercept("e", fail)
    assert calls == [True, True]


def test_on_handler_not_callable_raises_type_error() -> None:
    with pytest.raises(TypeError, match="pass an async def"):
        EventDispatcher().on("e", "handler")  # type: ignore[arg-type]


async def test_emit_without_listeners_does_nothing() -> None:
    await EventDispatcher().emit(Event("e"))


async def test_emit_mixed_listeners_runs_interceptors_then_blocking_then_detached() -> None:
    dispatcher, recorder = EventDispatcher(), Recorder()
    dispatcher.on("e", recorder.named("detached"))
    dispatcher.on("e", recorder.named("blocking"), blocking=True)
    dispatcher.intercept("e", recorder.named("first"))
    dispatcher.intercept("e", recorder.named("second"))
    await dispatcher.emit(Event("e"))
    assert recorder.seen == ["first:e", "second:e", "blocking:e"]
    assert await dispatcher.drain(1)
    assert recorder.seen[-1] == "detached:e"


async def test_emit_raising_interceptor_propagates_and_tells_nobody_else() -> None:
    dispatcher, recorder = EventDispatcher(), Recorder()
    dispatcher.intercept("e", fail)
    dispatcher.intercept("e", recorder.named("second"))
    dispatcher.on("e", recorder.named("blocking"), blocking=True)
    dispatcher.on("e", recorder.named("detached"))
    with pytest.raises(LookupError):
        await dispatcher.emit(Event("e"))
    assert await dispatcher.drain(1)
    assert recorder.seen == []


@pytest.mark.parametrize("blocking", [True, False])
async def test_emit_raising_observer_is_logged_and_isolated(
    blocking: bool, caplog: pytest.LogCaptureFixture
) -> None:
    dispatcher, recorder = EventDispatcher(), Recorder()
    dispatcher.on("e", fail, blocking=blocking)
    dispatcher.on("e", recorder.named("next"), blocking=blocking)
    await dispatcher.emit(Event("e"))
    assert await dispatcher.drain(1)
    assert recorder.seen == ["next:e"]
    [record] = caplog.records
    assert (record.name, record.levelno) == ("blackbull.event", logging.ERROR)
    assert record.getMessage() == "fail failed to observe e"
    assert record.exc_info is not None


async def test_emit_detached_observer_that_waits_does_not_delay_the_emitter() -> None:
    dispatcher, gate, seen = dispatcher_with_gate()
    await dispatcher.emit(Event("e"))
    assert seen == []
    gate.set()
    assert await dispatcher.drain(1)
    assert seen == ["e"]


async def test_emit_detached_observers_start_in_the_order_of_the_events() -> None:
    dispatcher, recorder = EventDispatcher(), Recorder()
    for name in "ab":
        dispatcher.on(name, recorder.named("x"))
    for name in "abba":
        await dispatcher.emit(Event(name))
    assert await dispatcher.drain(1)
    assert recorder.seen == ["x:a", "x:b", "x:b", "x:a"]


async def test_emit_listener_added_by_a_listener_is_told_of_the_next_event_only() -> None:
    dispatcher, recorder = EventDispatcher(), Recorder()

    async def add(event: Event) -> None:
        dispatcher.on("e", recorder.named("late"), blocking=True)

    dispatcher.on("e", add, blocking=True)
    await dispatcher.emit(Event("e"))
    assert recorder.seen == []
    await dispatcher.emit(Event("e"))
    assert recorder.seen == ["late:e"]


async def test_emit_function_that_is_not_async_says_the_cure() -> None:
    def plain(event: Event) -> None:
        return None

    dispatcher = EventDispatcher()
    dispatcher.intercept("e", plain)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="make it async"):
        await dispatcher.emit(Event("e"))


async def test_emit_timeout_with_slow_interceptor_raises() -> None:
    dispatcher = EventDispatcher()
    dispatcher.intercept("e", wait_forever)
    with pytest.raises(TimeoutError):
        await dispatcher.emit(Event("e"), timeout=0.01)


async def test_emit_timeout_with_slow_observer_logs_and_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    dispatcher = EventDispatcher()
    dispatcher.on("e", wait_forever, blocking=True)
    await dispatcher.emit(Event("e"), timeout=0.01)
    assert [record.getMessage() for record in caplog.records] == [
        "wait_forever took too long to observe e"
    ]


async def test_emit_observer_raising_its_own_timeout_is_logged_as_a_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def time_out(event: Event) -> None:
        raise TimeoutError

    dispatcher = EventDispatcher()
    dispatcher.on("e", time_out, blocking=True)
    await dispatcher.emit(Event("e"), timeout=60)
    assert "failed to observe e" in caplog.text


@pytest.mark.parametrize("way", ["intercept", "blocking"])
async def test_emit_cancelled_while_a_listener_waits_is_cancelled(way: str) -> None:
    dispatcher, started = EventDispatcher(), asyncio.Event()

    async def listen(event: Event) -> None:
        started.set()
        await wait_forever(event)

    if way == "intercept":
        dispatcher.intercept("e", listen)
    else:
        dispatcher.on("e", listen, blocking=True)
    task = asyncio.create_task(dispatcher.emit(Event("e")))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_emit_more_observers_than_max_pending_drops_and_records(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert EventDispatcher().max_pending == 10_000
    dispatcher, seen, gate = EventDispatcher(max_pending=2), [], asyncio.Event()

    async def observe(event: Event) -> None:
        await gate.wait()
        seen.append(event.detail["n"])

    dispatcher.on("e", observe)
    for n in range(5):
        await dispatcher.emit(Event("e", {"n": n}))
    gate.set()
    assert await dispatcher.drain(1)
    assert seen == [0, 1]
    assert [record.name for record in caplog.records] == ["blackbull.caps"] * 2
    assert caplog.records[0].__dict__["cap"] == "max_pending_observers"
    assert caplog.records[0].__dict__["limit"] == 2
    assert "suppressed=2 more" in caplog.records[1].getMessage()
    await dispatcher.emit(Event("e", {"n": 5}))
    assert await dispatcher.drain(1)
    assert seen == [0, 1, 5]


async def test_emit_soon_without_listeners_never_makes_the_detail() -> None:
    dispatcher, made = EventDispatcher(), []

    def detail() -> dict[str, object]:
        made.append(1)
        return {}

    dispatcher.emit_soon("e", detail)
    dispatcher.on("e", Recorder().named("x"))
    dispatcher.emit_soon("e", detail)
    assert await dispatcher.drain(1)
    assert made == [1]


async def test_emit_soon_detached_observer_gets_the_detail_in_a_later_turn() -> None:
    dispatcher, seen = EventDispatcher(), []

    async def observe(event: Event) -> None:
        seen.append(event.detail)

    dispatcher.on("e", observe)
    dispatcher.emit_soon("e", lambda: {"a": 1})
    assert seen == []
    assert await dispatcher.drain(1)
    assert seen == [{"a": 1}]


async def test_emit_soon_behind_a_waiting_interceptor_keeps_the_order() -> None:
    dispatcher, recorder, gate = EventDispatcher(), Recorder(), asyncio.Event()

    async def hold(event: Event) -> None:
        await gate.wait()

    dispatcher.intercept("opened", hold)
    dispatcher.on("opened", recorder.named("x"), blocking=True)
    dispatcher.on("closed", recorder.named("x"))
    dispatcher.emit_soon("opened", dict)
    dispatcher.emit_soon("closed", dict)
    assert not await dispatcher.drain(0.01)
    assert recorder.seen == []
    gate.set()
    assert await dispatcher.drain(1)
    assert recorder.seen == ["x:opened", "x:closed"]
    dispatcher.emit_soon("opened", dict)
    assert await dispatcher.drain(1)
    assert recorder.seen[-1] == "x:opened"


async def test_emit_soon_raising_interceptor_is_logged_and_the_next_event_goes_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    dispatcher, recorder = EventDispatcher(), Recorder()
    dispatcher.intercept("a", fail)
    dispatcher.on("b", recorder.named("x"))
    dispatcher.emit_soon("a", dict)
    dispatcher.emit_soon("b", dict)
    assert await dispatcher.drain(1)
    assert recorder.seen == ["x:b"]
    assert "an interceptor of a failed" in caplog.text


async def test_emit_soon_longer_queue_than_max_pending_drops_and_records(
    caplog: pytest.LogCaptureFixture,
) -> None:
    dispatcher, recorder = EventDispatcher(max_pending=2), Recorder()
    dispatcher.on("e", recorder.named("x"), blocking=True)
    for _ in range(4):
        dispatcher.emit_soon("e", dict)
    assert await dispatcher.drain(1)
    assert recorder.seen == ["x:e", "x:e"]
    assert caplog.records[0].__dict__["cap"] == "max_pending_observers"


async def test_emit_soon_after_the_queue_was_cancelled_works_again() -> None:
    dispatcher, recorder = EventDispatcher(shutdown_timeout=0), Recorder()
    dispatcher.on("e", recorder.named("x"), blocking=True)
    dispatcher.emit_soon("e", dict)
    await dispatcher.aclose()
    assert recorder.seen == []
    dispatcher.emit_soon("e", dict)
    assert await dispatcher.drain(1)
    assert recorder.seen == ["x:e"]


async def test_drain_observer_that_waits_returns_false_and_cancels_nothing() -> None:
    dispatcher, gate, seen = dispatcher_with_gate()
    await dispatcher.emit(Event("e"))
    assert not await dispatcher.drain(0.01)
    gate.set()
    assert await dispatcher.drain(1)
    assert seen == ["e"]


async def test_drain_called_by_an_observer_does_not_wait_for_itself() -> None:
    dispatcher, results = EventDispatcher(), []

    async def observe(event: Event) -> None:
        results.append(await dispatcher.drain(30))

    dispatcher.on("e", observe)
    await dispatcher.emit(Event("e"))
    assert await dispatcher.drain(1)
    assert results == [True]


async def test_drain_waits_for_observers_started_by_observers() -> None:
    dispatcher, recorder = EventDispatcher(), Recorder()

    async def chain(event: Event) -> None:
        await asyncio.sleep(0)
        await dispatcher.emit(Event("second"))

    dispatcher.on("first", chain)
    dispatcher.on("second", recorder.named("x"))
    await dispatcher.emit(Event("first"))
    assert await dispatcher.drain(1)
    assert recorder.seen == ["x:second"]


async def test_aclose_quick_observer_is_waited_for_without_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    dispatcher, recorder = EventDispatcher(), Recorder()
    dispatcher.on("e", recorder.named("x"))
    await dispatcher.emit(Event("e"))
    await dispatcher.aclose()
    assert recorder.seen == ["x:e"]
    assert not caplog.records


async def test_aclose_observer_that_waits_is_cancelled_with_a_warning_that_names_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cancelled = []

    async def stubborn(event: Event) -> None:
        try:
            await wait_forever(event)
        except asyncio.CancelledError:
            cancelled.append(event.name)
            raise

    dispatcher = EventDispatcher(shutdown_timeout=0.01)
    dispatcher.on("e", stubborn)
    await dispatcher.emit(Event("e"))
    await dispatcher.aclose()
    assert cancelled == ["e"]
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "stubborn did not finish within 0.01 s" in record.getMessage()


async def test_aclose_cancelled_cancels_the_observers_too() -> None:
    dispatcher, _, seen = dispatcher_with_gate()
    await dispatcher.emit(Event("e"))
    closing = asyncio.create_task(dispatcher.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert await dispatcher.drain(1)
    assert seen == []
