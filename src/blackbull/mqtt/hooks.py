"""Hooks: callbacks of the application for what clients do.

The broker does not wait for them: it puts what happened into the inbox of a :class:`HookActor`,
which is bounded.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from blackbull.actor import Actor
from blackbull.actor import Message as ActorMessage

from .signature import callback_name
from .tally import Tally

logger = logging.getLogger("blackbull.mqtt.hooks")

HookCallback: TypeAlias = Callable[..., object]
HookTable: TypeAlias = Mapping[str, list[HookCallback]]

HOOKS: Final[Mapping[str, tuple[str, ...]]] = {
    "connect": ("client",),
    "disconnect": ("client", "reason_code"),
    "subscribe": ("client", "topic_filter", "qos"),
}
"""What may happen, and what callbacks are told about it."""


def hook_table() -> HookTable:
    """Return a table without callbacks."""
    return {kind: [] for kind in HOOKS}


@dataclass(slots=True)
class Happening(ActorMessage):
    """Something that a client did.

    Attributes:
        kind: A key of :data:`HOOKS`.
        arguments: What callbacks are called with.
    """

    kind: str
    arguments: tuple[object, ...]


class HookActor(Actor):
    """Calls the hooks, one after another; what they raise is logged.

    Args:
        table: The callbacks; what is added later is called, too.
        queue_size: Happenings that wait; when that many do, the newest is dropped.
    """

    def __init__(self, table: HookTable, *, queue_size: int = 0) -> None:
        super().__init__(inbox_maxsize=queue_size)
        self._table = table
        self._drops = Tally()

    def tell(self, kind: str, *arguments: object) -> None:
        """Let the callbacks know, without waiting; it costs one look-up when there are none."""
        if self._table[kind] and not self.offer(Happening(kind, arguments)) and self._drops.add():
            logger.warning("the hooks are too slow: %d calls dropped so far", self._drops.count)

    @property
    def dropped(self) -> int:
        """Happenings that no callback was told about."""
        return self._drops.count

    async def _handle(self, message: ActorMessage) -> None:
        assert isinstance(message, Happening)
        for callback in tuple(self._table[message.kind]):
            try:
                result = callback(*message.arguments)
                if inspect.isawaitable(result):
                    await result
            except Exception:
                logger.exception("%s() failed", callback_name(callback))
