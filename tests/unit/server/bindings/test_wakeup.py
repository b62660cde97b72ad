from __future__ import annotations

import asyncio
import contextvars

import pytest

from blackbull.server.bindings.wakeup import Wakeup


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_wakeup_is_a_future_to_asyncio() -> None:
    loop = asyncio.new_event_loop()
    try:
        assert asyncio.isfuture(Wakeup(loop))
        assert Wakeup(loop).get_loop() is loop
        assert Wakeup(loop).done()
    finally:
        loop.close()


async def test_wake_from_a_callback_resumes_the_task_there_and_then() -> None:
    loop = asyncio.get_running_loop()
    wakeup = Wakeup(loop)
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    seen: list[object] = []

    async def wait() -> None:
        variable.set("the task's own")
        await wakeup
        seen.extend([asyncio.current_task(), variable.get()])

    task = loop.create_task(wait())
    await settle()
    assert not wakeup.done()
    during: list[int] = []

    def callback() -> None:
        wakeup.wake()
        during.append(len(seen))
        assert asyncio.current_task() is None

    loop.call_soon(callback)
    await task
    assert during == [2]
    assert seen == [task, "the task's own"]


async def test_wake_from_a_task_resumes_the_other_in_the_next_turn() -> None:
    loop = asyncio.get_running_loop()
    wakeup = Wakeup(loop)
    woken: list[bool] = []

    async def wait() -> None:
        await wakeup
        woken.append(True)

    task = loop.create_task(wait())
    await settle()
    wakeup.wake()
    wakeup.wake()
    assert woken == []
    await task
    assert woken == [True]


async def test_wake_without_a_waiter_does_nothing() -> None:
    wakeup = Wakeup(asyncio.get_running_loop())
    wakeup.wake()
    assert not wakeup.cancel()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await wakeup


async def test_wakeup_is_used_again_and_again() -> None:
    loop = asyncio.get_running_loop()
    wakeup = Wakeup(loop)
    count = 0

    async def wait() -> None:
        nonlocal count
        for _ in range(100):
            await wakeup
            count += 1

    task = loop.create_task(wait())
    await settle()
    for _ in range(100):
        loop.call_soon(wakeup.wake)
    await task
    assert count == 100


async def test_task_that_is_cancelled_while_it_waits_can_wait_again() -> None:
    loop = asyncio.get_running_loop()
    wakeup = Wakeup(loop)
    seen: list[str] = []

    async def wait() -> None:
        try:
            await wakeup
        except asyncio.CancelledError:
            seen.append("cancelled")
            await wakeup
            seen.append("woken")

    task = loop.create_task(wait())
    await settle()
    assert task.cancel()
    await settle()
    assert seen == ["cancelled"]
    loop.call_soon(wakeup.wake)
    await task
    assert seen == ["cancelled", "woken"]


async def test_task_that_is_cancelled_after_it_was_woken_is_cancelled_once() -> None:
    loop = asyncio.get_running_loop()
    wakeup = Wakeup(loop)

    async def wait() -> str:
        try:
            await wakeup
        except asyncio.CancelledError:
            return "cancelled"
        return "woken"

    task = loop.create_task(wait())
    await settle()
    wakeup.wake()
    task.cancel()
    assert await task == "cancelled"
    assert wakeup.done()


async def test_timeouts_work_while_a_task_waits() -> None:
    wakeup = Wakeup(asyncio.get_running_loop())

    async def wait() -> None:
        await wakeup

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wait(), 0.01)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await wakeup
    assert wakeup.done()


async def test_second_waiter_is_refused() -> None:
    loop = asyncio.get_running_loop()
    wakeup = Wakeup(loop)

    async def wait() -> None:
        await wakeup

    first = loop.create_task(wait())
    await settle()
    with pytest.raises(RuntimeError, match="another task"):
        await wakeup
    loop.call_soon(wakeup.wake)
    await first
