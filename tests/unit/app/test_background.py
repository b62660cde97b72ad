"""Work beside the requests, in processes that own and in those that do not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from blackbull import BlackBull
from blackbull.app import background
from blackbull.app.background import BackgroundTasks
from blackbull.worker import OnlyWorker, Worker


@pytest.fixture
def app() -> BlackBull:
    return BlackBull()


@asynccontextmanager
async def started(app: BlackBull) -> AsyncIterator[None]:
    await app.startup()
    try:
        yield
    finally:
        await app.stopping()
        await app.shutdown()


class Second(OnlyWorker):
    index = 1
    count = 2


async def test_background_task_runs_until_the_end(app: BlackBull) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    @app.background_task
    async def tick() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with started(app):
        await begun.wait()
        assert not ended.is_set()
    assert ended.is_set()


async def test_background_task_goes_on_while_requests_end_but_not_a_singleton(
    app: BlackBull,
) -> None:
    running: set[str] = set()

    async def go_on(name: str) -> None:
        running.add(name)
        try:
            await asyncio.Event().wait()
        finally:
            running.discard(name)

    @app.background_task
    async def everywhere() -> None:
        await go_on("everywhere")

    @app.background_task(singleton=True)
    async def once() -> None:
        await go_on("once")

    await app.startup()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert running == {"everywhere", "once"}
    await app.stopping()
    assert running == {"everywhere"}
    await app.shutdown()
    assert running == set()


async def test_singleton_runs_in_the_owner_only(app: BlackBull) -> None:
    ran: list[str] = []

    @app.background_task(singleton=True)
    async def once() -> None:
        ran.append("once")

    @app.background_task()
    async def everywhere(worker: Worker) -> None:
        ran.append(f"everywhere, {worker.index}")

    app.worker = Second()
    async with started(app):
        while not ran:
            await asyncio.sleep(0)
    app.worker = OnlyWorker()
    async with started(app):
        while len(ran) < 3:
            await asyncio.sleep(0)
    assert ran == ["everywhere, 1", "once", "everywhere, 0"]


class Heir(OnlyWorker):
    """A worker whose predecessor does what must be done once until *free* is set."""

    def __init__(self) -> None:
        self.free = asyncio.Event()

    @asynccontextmanager
    async def owning(self) -> AsyncIterator[None]:
        await self.free.wait()
        yield


async def test_singleton_waits_until_the_predecessor_has_let_go(app: BlackBull) -> None:
    ran = asyncio.Event()

    @app.background_task(singleton=True)
    async def once() -> None:
        ran.set()

    app.worker = heir = Heir()
    async with started(app):
        await asyncio.sleep(0)
        assert not ran.is_set()
        heir.free.set()
        await ran.wait()


async def test_background_task_that_raises_is_logged_and_begins_again(
    app: BlackBull, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(background, "LAST_DELAY", 0.002)
    attempts: list[int] = []
    done = asyncio.Event()

    @app.background_task
    async def flaky() -> None:
        attempts.append(1)
        if len(attempts) < 4:
            raise RuntimeError("no network")
        done.set()

    with caplog.at_level(logging.ERROR, "blackbull.app"):
        async with started(app):
            await done.wait()
    assert len(attempts) == 4
    assert [record.getMessage().partition(";")[2] for record in caplog.records] == [
        " it begins again in 0.001 s", " it begins again in 0.002 s", " it begins again in 0.002 s",
    ]  # fmt: skip
    assert "flaky failed" in caplog.text
    assert "no network" in caplog.text


async def test_background_task_that_ignores_its_cancellation_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "PATIENCE", 0.01)
    over = asyncio.Event()

    async def stubborn() -> None:
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                continue

    tasks = BackgroundTasks()
    tasks.add(stubborn, singleton=False)
    tasks.start(OnlyWorker())
    await asyncio.sleep(0)
    await tasks.stop()
    assert "stubborn ignores its cancellation" in caplog.text
    over.set()
    await tasks.stop()


async def test_worker_start_hook_may_take_the_worker(app: BlackBull) -> None:
    seen: list[object] = []

    @app.on_worker_start
    async def first() -> None:
        seen.append("first")

    @app.on_worker_start
    def second(worker: Worker) -> None:
        seen.append(worker)

    @app.on_worker_start
    async def third(worker: Worker, *, more: int = 3) -> None:
        seen.append(more)

    app.worker = Second()
    async with started(app):
        assert seen == ["first", app.worker, 3]


async def test_worker_start_hook_that_raises_ends_the_start(app: BlackBull) -> None:
    @app.on_worker_start
    async def fail() -> None:
        raise RuntimeError("no database")

    with pytest.raises(RuntimeError, match="no database"):
        await app.startup()


def test_background_task_must_be_async_and_take_the_worker_at_most(app: BlackBull) -> None:
    async def greedy(worker: Worker, other: object) -> None: ...

    with pytest.raises(TypeError, match="must be an async function"):
        app.background_task(lambda: None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="nothing but the worker"):
        app.background_task(greedy)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="nothing but the worker"):
        app.on_worker_start(greedy)


async def test_background_task_after_the_start_is_refused(app: BlackBull) -> None:
    async with started(app):
        with pytest.raises(RuntimeError, match="background_task"):
            app.background_task(singleton=True)
