"""What holds for every test: nothing that it started may outlive it."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import warnings
from collections.abc import AsyncIterator, Generator

import pytest
import pytest_asyncio

SETTLING_TIME = 2.0
"""Seconds that tasks which are already on their way out get to end."""


def pytest_sessionstart() -> None:
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    gc.collect()
    gc.freeze()
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
            item.fixturenames.insert(0, "nothing_left_running")


@pytest_asyncio.fixture
async def nothing_left_running() -> AsyncIterator[None]:
    """Fail a test that leaves a task behind or whose callbacks raise."""
    loop = asyncio.get_running_loop()
    failures: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: failures.append(context))
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=SETTLING_TIME)
    loop.set_exception_handler(None)
    assert not left, f"tasks left running: {left}"
    assert not failures, f"the event loop caught: {failures}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Fail a test that leaves a socket, a transport or a file open, or records switched on."""
    result = yield
    if logging.root.level != logging.WARNING:
        pytest.fail(f"the root logger is left at {logging.root.level}", pytrace=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        gc.collect()
    if nextitem is None or nextitem.path != item.path:
        gc.freeze()  # what a file's tests leave behind is not looked through after each later one
    leaks = [str(w.message) for w in caught if issubclass(w.category, ResourceWarning)]
    if leaks:
        pytest.fail(f"{item.nodeid} left open: {leaks}", pytrace=False)
    return result
