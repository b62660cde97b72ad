"""What the application allows a client to do; asked once for each topic."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Final

from ..codec.types import ReasonCode

if TYPE_CHECKING:
    from .hooks import Action, Hooks
    from .link import Link

MAX_REMEMBERED: Final = 4096
"""Verdicts about one client."""
MAX_SIZE: Final = 262_144
"""Characters of the topics that they are about."""


class Parked(Exception):
    """A packet cannot be handled before the application has decided something; no error.

    Attributes:
        decision: To be awaited.
        key: What was asked; the first of *more*, where there are several.
        more: All that was asked, when the decision is a list.
    """

    def __init__(
        self, decision: Awaitable[object], key: tuple[str, str],
        more: Sequence[tuple[str, str]] = (),
    ) -> None:  # fmt: skip
        super().__init__(f"{key[0]} is being decided")
        self.decision = decision
        self.key = key
        self.more = more


class Verdicts:
    """The decisions about one client.

    Args:
        hooks: Who decides.
        link: The client.

    Attributes:
        superuser: Nothing is asked: all is allowed.
    """

    __slots__ = ("_failed", "_hooks", "_known", "_link", "_size", "superuser")

    def __init__(self, hooks: Hooks, link: Link) -> None:
        self.superuser = False
        self._hooks = hooks
        self._link = link
        self._known: dict[tuple[str, str], object] | None = None
        self._size = 0
        self._failed: list[tuple[str, str]] = []

    def may(self, action: Action, topic: str) -> bool:
        """Return whether the client may do *action* to *topic*, a Topic Name or Filter.

        Raises:
            Parked: the application has to think about it.
        """
        ask = self._hooks.authorize
        if ask is None or self.superuser:
            return True
        known = self.known(action, topic)
        if known is None:
            answer = call(ask, self._link.info, action, topic)
            if inspect.isawaitable(answer):
                raise Parked(answer, (action, topic))
            known = answer
            self._keep((action, topic), known)
        return known is True

    def may_all(self, action: Action, topics: Sequence[str]) -> list[bool]:
        """Return for each topic whether the client may do *action* to it.

        Raises:
            Parked: the application has to think about some; about all of them at once, since the
                packet is looked at from its beginning afterwards.
        """
        ask = self._hooks.authorize
        if ask is None or self.superuser:
            return [True] * len(topics)
        waiting: dict[tuple[str, str], Awaitable[object]] = {}
        for topic in topics:
            key = (action, topic)
            if self.known(action, topic) is None and key not in waiting:
                answer = call(ask, self._link.info, action, topic)
                if inspect.isawaitable(answer):
                    waiting[key] = answer
                else:
                    self._keep(key, answer)
        if waiting:
            keys = list(waiting)
            raise Parked(_each(list(waiting.values())), keys[0], keys)
        return [self.known(action, topic) is True for topic in topics]

    def failed(self, action: Action, topic: str) -> bool:
        """Return whether the decision could not be made; it stands for this packet only."""
        return (action, topic) in self._failed

    def known(self, what: str, about: str) -> object:
        """Return what was decided; None if nothing was."""
        return None if self._known is None else self._known.get((what, about))

    def remember(self, parked: Parked, outcome: object) -> None:
        """Keep what came of a decision; one that failed is a refusal."""
        keys = parked.more or (parked.key,)
        outcomes = outcome if parked.more and isinstance(outcome, list) else [outcome] * len(keys)
        for key, each in zip(keys, outcomes, strict=True):
            failed = isinstance(each, BaseException) or each is None
            self._keep(key, ReasonCode.SERVER_UNAVAILABLE if failed else each)
            if failed:
                self._failed.append(key)

    def trim(self) -> None:
        """Forget all if it is too much; between two packets, each of which needs all of its own."""
        known = self._known
        if self._failed and known is not None:
            for key in self._failed:  # whoever was not there may be there the next time
                known.pop(key, None)
            self._failed.clear()
        if known is not None and (len(known) > MAX_REMEMBERED or self._size > MAX_SIZE):
            self._known = None
            self._size = 0

    def _keep(self, key: tuple[str, str], outcome: object) -> None:
        if self._known is None:
            self._known = {}
        self._known[key] = outcome
        self._size += len(key[1])


async def _each(decisions: list[Awaitable[object]]) -> list[object]:
    """Await one after another; one that fails is its exception, and says nothing of the others."""
    outcomes: list[object] = []
    try:
        for decision in decisions:
            try:
                outcomes.append(await decision)
            except Exception as error:  # whoever awaits all of them logs it
                outcomes.append(error)
        return outcomes
    finally:
        for decision in decisions:
            if isinstance(decision, Coroutine):
                decision.close()  # one that was not reached


def call(hook: Callable[..., object], *arguments: object) -> object:
    """Call a hook; one that raises is like one whose decision fails."""
    try:
        return hook(*arguments)
    except Exception as error:
        return _fail(error)


async def _fail(error: Exception) -> object:
    raise error
