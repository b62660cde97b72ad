"""Work that goes on beside the requests: in every worker, or in one of them only."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from blackbull.worker import Worker

logger = logging.getLogger("blackbull.app")

Work: TypeAlias = Callable[[], Awaitable[object]] | Callable[[Worker], Awaitable[object]]

FIRST_DELAY: Final = 0.1
LAST_DELAY: Final = 30.0
"""Seconds after which work that keeps failing is begun again, at first and at most."""

STEADY: Final = 10.0
"""Work that has gone on for so many seconds is begun again as soon as at first."""

PATIENCE: Final = 5.0
"""Seconds that cancelled work gets to end."""


@dataclass(frozen=True, slots=True)
class Background:
    """What was registered.

    Attributes:
        work: The function.
        singleton: It runs in the worker that does what must be done once, and only there.
    """

    work: Work
    singleton: bool

    @property
    def name(self) -> str:
        """What logs call it."""
        return getattr(self.work, "__qualname__", repr(self.work))


def takes_worker(func: Callable[..., object]) -> bool:
    """Return whether *func* wants the worker, which is the only thing it can have.

    Raises:
        TypeError: it wants more.
    """
    wanted = [
        each
        for each in inspect.signature(func).parameters.values()
        if each.default is each.empty and each.kind not in {each.VAR_POSITIONAL, each.VAR_KEYWORD}
    ]
    if len(wanted) > 1 or any(each.kind is each.KEYWORD_ONLY for each in wanted):
        raise TypeError(f"{func!r} can take nothing but the worker: give its arguments defaults")
    return bool(wanted)


async def call_with_worker(func: Callable[..., object], worker: Worker) -> object:
    """Call *func*, with *worker* if it takes that; await what it returns if that can be."""
    result = func(worker) if takes_worker(func) else func()
    return await result if inspect.isawaitable(result) else result


class BackgroundTasks:
    """Runs what was registered, from the start to the end.

    What raises is logged and begun again, ever later while it keeps raising; what returns is done.
    """

    def __init__(self) -> None:
        self._registered: list[Background] = []
        self._running: dict[asyncio.Task[None], Background] = {}

    def add(self, work: Work, *, singleton: bool) -> None:
        """Register *work*.

        Raises:
            TypeError: it is no async function, or wants more than the worker.
        """
        if not inspect.iscoroutinefunction(inspect.unwrap(cast("Callable[..., object]", work))):
            raise TypeError(
                f"{work!r} must be an async function: it would keep the requests waiting"
            )
        takes_worker(work)
        self._registered.append(Background(work, singleton))

    def start(self, worker: Worker) -> None:
        """Run everything that is to run in *worker*, as soon as it may."""
        for each in self._registered:
            if each.singleton and not worker.owner:
                continue
            task = asyncio.create_task(_go_on(each, worker), name=f"background {each.name}")
            self._running[task] = each
            task.add_done_callback(lambda task: self._running.pop(task, None))

    async def stop(self, *, singletons: bool = False) -> None:
        """Cancel what runs, and wait for its end; cancelling this is safe.

        Args:
            singletons: Only those: another worker waits to run them.
        """
        tasks = {task for task, each in self._running.items() if each.singleton or not singletons}
        for task in tasks:
            task.cancel()
        if tasks:
            _, stuck = await asyncio.wait(tasks, timeout=PATIENCE)
            for task in stuck:
                logger.warning("%s ignores its cancellation", task.get_name())


async def _go_on(background: Background, worker: Worker) -> None:
    if background.singleton:
        async with worker.owning():
            await _repeat(background, worker)
    else:
        await _repeat(background, worker)


async def _repeat(background: Background, worker: Worker) -> None:
    clock = asyncio.get_running_loop().time
    delay = FIRST_DELAY
    while True:
        begun = clock()
        try:
            await call_with_worker(background.work, worker)
        except Exception:
            if clock() - begun >= STEADY:
                delay = FIRST_DELAY
            logger.exception(
                "background task %s failed; it begins again in %g s", background.name, delay
            )
        else:
            return
        await asyncio.sleep(delay)
        delay = min(delay * 2.0, LAST_DELAY)
