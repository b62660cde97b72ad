"""What the application allows a client to do; asked once for each topic."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
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
        key: What was asked.
    """

    def __init__(self, decision: Awaitable[object], key: tuple[str, str]) -> None:
        super().__init__(f"{key[0]} is being decided")
        self.decision = decision
        self.key = key


class Verdicts:
    """The decisions about one client.

    Args:
        hooks: Who decides.
        link: The client.

    Attributes:
        superuser: Nothing is asked: all is allowed.
    """

    __slots__ = ("_hooks", "_known", "_link", "_size", "superuser")

    def __init__(self, hooks: Hooks, link: Link) -> None:
        self.superuser = False
        self._hooks = hooks
        self._link = link
        self._known: dict[tuple[str, str], object] | None = None
        self._size = 0

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
            answer = ask(self._link.info, action, topic)
            if inspect.isawaitable(answer):
                raise Parked(answer, (action, topic))
            known = answer
            self._keep((action, topic), known)
        return known is True

    def known(self, what: str, about: str) -> object:
        """Return what was decided; None if nothing was."""
        return None if self._known is None else self._known.get((what, about))

    def remember(self, parked: Parked, outcome: object) -> None:
        """Keep what came of a decision; one that failed is a refusal."""
        failed = isinstance(outcome, BaseException) or outcome is None
        self._keep(parked.key, ReasonCode.SERVER_UNAVAILABLE if failed else outcome)

    def trim(self) -> None:
        """Forget all if it is too much; between two packets, each of which needs all of its own."""
        known = self._known
        if known is not None and (len(known) > MAX_REMEMBERED or self._size > MAX_SIZE):
            self._known = None
            self._size = 0

    def _keep(self, key: tuple[str, str], outcome: object) -> None:
        if self._known is None:
            self._known = {}
        self._known[key] = outcome
        self._size += len(key[1])
