"""Checks: what an application needs in order to be of use, asked all at once and in time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

logger = logging.getLogger("blackbull.health")

Check: TypeAlias = Callable[[], Awaitable[bool | str | None]]
"""Returns None or True: all is well. False, or a text: it is not. What it raises says so, too."""

FAILED: Final = "it failed"


@dataclass(frozen=True, slots=True)
class _Named:
    check: Check
    timeout: float


class Checks:
    """The checks of one application, and what they said last.

    However many ask at a time, every check runs once for all of them, and what it said holds for
    *max_age*: asking costs what is behind a check nothing more.

    Args:
        max_age: Seconds for which an outcome holds.
        clock: Returns monotonic seconds.
    """

    def __init__(self, max_age: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_age = max_age
        self._clock = clock
        self._checks: dict[str, _Named] = {}
        self._troubles: dict[str, str] = {}
        self._until = float("-inf")
        self._running: asyncio.Task[None] | None = None

    def add(self, name: str, check: Check, *, timeout: float) -> None:
        """Register *check*.

        Args:
            name: What it is called in answers.
            check: Asks.
            timeout: Seconds it may take.

        Raises:
            ValueError: *name* is taken, or *timeout* is not positive.
        """
        if name in self._checks:
            raise ValueError(f"there is a health check {name!r} already: name this one otherwise")
        if timeout <= 0:
            raise ValueError(f"a health check needs time: {timeout} seconds are none")
        self._checks[name] = _Named(check, timeout)

    @property
    def names(self) -> tuple[str, ...]:
        """What the checks are called, in order of registration."""
        return tuple(self._checks)

    async def troubles(self) -> dict[str, str]:
        """Return what is wrong, by the name of the check; nothing if all is well.

        Cancelling it ends nobody else's question.
        """
        if self._checks and self._clock() >= self._until:
            if self._running is None:
                self._running = asyncio.get_running_loop().create_task(self._ask())
                self._running.add_done_callback(self._done)
            await asyncio.shield(self._running)
        return self._troubles

    async def aclose(self) -> None:
        """End a check that still runs."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running = None

    async def _ask(self) -> None:
        said = await asyncio.gather(*map(_outcome, self._checks.values()))
        troubles = {name: trouble for name, trouble in zip(self._checks, said, strict=True)
                    if trouble is not None}  # fmt: skip
        for name, trouble in troubles.items():
            if name not in self._troubles:
                logger.warning("the health check %r says: %s", name, trouble)
        for name in self._troubles:
            if name not in troubles:
                logger.warning("the health check %r is content again", name)
        self._troubles = troubles
        self._until = self._clock() + self._max_age


async def _outcome(named: _Named) -> str | None:
    """Return what is wrong; None if nothing is."""
    try:
        async with asyncio.timeout(named.timeout) as limit:
            said = await named.check()
    except TimeoutError as error:
        if limit.expired():
            return f"no answer within {named.timeout:g} s"
        return _kind(error)
    except Exception as error:
        logger.info("a health check failed", exc_info=error)
        return _kind(error)
    if said is None or said is True:
        return None
    return said if isinstance(said, str) else FAILED


def _kind(error: Exception) -> str:
    # The text of an error is for the log: it may tell addresses, or worse, to whoever asks.
    return type(error).__name__
