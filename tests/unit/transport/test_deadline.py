"""The deadlines of connections, in slots of one timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from math import inf

import pytest

from blackbull.transport.deadline import PORTION, Wheel, WheelDeadline

SLOT = 0.05


class Handle:
    """A timer of the clock below."""

    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback = callback
        self.cancelled = False

    def when(self) -> float:
        return self.at

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """A loop whose time passes when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.handles: list[Handle] = []
        self.armed = 0

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, callback: Callable[[], None]) -> Handle:
        self.armed += 1
        self.handles.append(handle := Handle(at, callback))
        return handle

    def call_later(self, delay: float, callback: Callable[[], None]) -> Handle:
        return self.call_at(self.now + delay, callback)

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            due = [h for h in self.handles if not h.cancelled and h.at <= end]
            if not due:
                break
            first = min(due, key=Handle.when)
            self.now = max(self.now, first.at)
            self.handles.remove(first)
            first.callback()
        self.now = end

    def oversleep(self, seconds: float) -> None:
        """Let time pass in which the loop can do nothing, then run the first timer."""
        self.now += seconds
        first = min((h for h in self.handles if not h.cancelled), key=Handle.when)
        self.handles.remove(first)
        first.callback()

    def pending(self) -> int:
        return sum(not handle.cancelled for handle in self.handles)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def expired() -> list[float]:
    return []


@pytest.fixture
def deadline(clock: Clock, expired: list[float]) -> WheelDeadline:
    loop: asyncio.AbstractEventLoop = clock  # type: ignore[assignment]
    return WheelDeadline(Wheel(loop, granularity=SLOT), lambda: expired.append(clock.now))


def test_deadline_set_expires_once_and_is_clear_then(
    clock: Clock, deadline: WheelDeadline, expired: list[float]
) -> None:
    deadline.set(5.0)
    clock.advance(4.9)
    assert expired == []
    clock.advance(100.0)
    assert expired == [pytest.approx(105.0, abs=1.5 * SLOT)]
    assert deadline.at == inf
    assert clock.pending() == 0


def test_deadline_moved_away_a_thousand_times_arms_no_new_timer(
    clock: Clock, deadline: WheelDeadline, expired: list[float]
) -> None:
    for _ in range(1000):
        deadline.set(5.0)
        clock.advance(0.001)
    assert clock.armed == 1
    clock.advance(10.0)
    assert expired == [pytest.approx(105.999, abs=1.5 * SLOT)]
    assert clock.armed <= 3


def test_deadline_moved_nearer_expires_earlier(
    clock: Clock, deadline: WheelDeadline, expired: list[float]
) -> None:
    deadline.set(50.0)
    deadline.set(5.0)
    clock.advance(100.0)
    assert expired == [pytest.approx(105.0, abs=1.5 * SLOT)]
    assert clock.pending() == 0


@pytest.mark.parametrize("how", ["clear", "zero", "negative"])
def test_deadline_taken_back_never_expires(
    clock: Clock, deadline: WheelDeadline, expired: list[float], how: str
) -> None:
    deadline.set(5.0)
    match how:
        case "clear":
            deadline.clear()
        case "zero":
            deadline.set(0)
        case _:
            deadline.set(-1)
    clock.advance(100.0)
    assert expired == []
    deadline.set(1.0)
    clock.advance(2.0)
    assert expired == [pytest.approx(201.0, abs=2.5 * SLOT)]


def test_deadline_expiry_may_set_the_next_one(clock: Clock) -> None:
    times: list[float] = []

    def again() -> None:
        times.append(clock.now)
        if len(times) < 3:
            timer.set(2.0)

    loop: asyncio.AbstractEventLoop = clock  # type: ignore[assignment]
    timer = WheelDeadline(Wheel(loop, granularity=SLOT), again)
    timer.set(2.0)
    clock.advance(50.0)
    assert times == [pytest.approx(100.0 + 2 * n, abs=1.5 * n * SLOT) for n in (1, 2, 3)]


def test_deadline_cancelled_is_forgotten_for_good(
    clock: Clock, deadline: WheelDeadline, expired: list[float]
) -> None:
    deadline.set(5.0)
    deadline.cancel()
    clock.advance(100.0)
    assert expired == []
    assert clock.pending() == 0


def test_wheel_thousand_deadlines_of_one_moment_share_one_timer(clock: Clock) -> None:
    loop: asyncio.AbstractEventLoop = clock  # type: ignore[assignment]
    wheel = Wheel(loop)
    expired: list[int] = []
    for n in range(1000):
        WheelDeadline(wheel, lambda n=n: expired.append(n)).set(5.0)
    assert clock.armed == 1
    clock.advance(6.0)
    assert sorted(expired) == list(range(1000))
    assert clock.pending() == 0


def test_wheel_closed_never_turns_again(
    clock: Clock, deadline: WheelDeadline, expired: list[float]
) -> None:
    deadline.set(5.0)
    deadline._wheel.close()
    clock.advance(100.0)
    assert expired == []
    assert clock.pending() == 0


def test_turn_that_is_late_lets_the_loop_read_first(
    clock: Clock, deadline: WheelDeadline, expired: list[float]
) -> None:
    deadline.set(5.0)
    clock.oversleep(60.0)
    assert expired == []
    deadline.set(5.0)  # something had arrived
    clock.advance(4.9)
    assert expired == []
    clock.advance(0.2)
    assert expired == [pytest.approx(165.0, abs=1.5 * SLOT)]


def test_turn_that_is_late_again_does_not_wait_for_ever(
    clock: Clock, deadline: WheelDeadline, expired: list[float]
) -> None:
    deadline.set(5.0)
    clock.oversleep(60.0)
    clock.oversleep(1.0)
    assert expired == [pytest.approx(161.0)]
    assert clock.pending() == 0


def test_thousands_that_expire_together_leave_the_loop_time_for_others(clock: Clock) -> None:
    wheel = Wheel(clock, granularity=SLOT)  # type: ignore[arg-type]
    expired: list[int] = []
    made = [
        WheelDeadline(wheel, lambda number=number: expired.append(number))
        for number in range(10 * PORTION + 1)
    ]
    for deadline in made:
        deadline.set(5.0)
    clock.oversleep(5.0 + 1.5 * SLOT)
    sizes = [len(expired)]
    while clock.pending():
        clock.oversleep(0.0)
        sizes.append(len(expired))
    assert [after - before for before, after in pairwise([0, *sizes])] == [*[PORTION] * 10, 1]
    assert sorted(expired) == list(range(len(made)))


def test_deadline_that_is_set_while_others_expire_is_not_forgotten(clock: Clock) -> None:
    wheel = Wheel(clock, granularity=SLOT)  # type: ignore[arg-type]
    again: list[float] = []
    other = WheelDeadline(wheel, lambda: again.append(clock.now))
    made = [WheelDeadline(wheel, lambda: other.set(1.0)) for _ in range(2 * PORTION)]
    for deadline in made:
        deadline.set(5.0)
    clock.advance(20.0)
    assert again == [pytest.approx(106.0, abs=3 * SLOT)]
    assert clock.pending() == 0
