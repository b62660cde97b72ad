"""One message for many WebSockets: encoded once, and nobody waits for anybody.

A member that does not read what it is sent has a queue of its own, which is bounded: what happens
when it is full is the channel's policy. The others get their messages meanwhile.

::

    room = Channel()

    @app.route(path="/chat", scheme=Scheme.websocket)
    async def chat(ws: WebSocket):
        await ws.accept()
        with room.join(ws):
            async for message in ws:
                room.send(message)
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Final

from .errors import Disconnect, LocalProtocolError
from .json import encode
from .messages import PreparedMessage
from .websocket import WebSocket

__all__ = ["Channel", "Membership", "Overflow", "PreparedMessage"]

logger = logging.getLogger("blackbull.broadcast")

TRY_AGAIN_LATER: Final = 1013
MAX_QUEUED: Final = 64


class Overflow(enum.StrEnum):
    """What becomes of a member whose queue is full when the next message comes."""

    DROP_NEWEST = "drop_newest"
    """It does not get this message."""
    DROP_OLDEST = "drop_oldest"
    """It does not get the message that has waited longest."""
    DISCONNECT = "disconnect"
    """Its WebSocket is closed with 1013: it may come back and catch up."""


class Membership:
    """A WebSocket in a channel, until the ``with`` block ends that it opens.

    Attributes:
        websocket: The member.
        dropped: Messages that it did not get because it was too slow.
    """

    __slots__ = ("_channel", "_offer", "_pump", "_waiting", "dropped", "websocket")

    def __init__(self, channel: Channel, websocket: WebSocket) -> None:
        self._channel = channel
        self._offer = websocket.offer
        self._waiting: deque[PreparedMessage] = deque()
        self._pump: asyncio.Task[None] | None = None
        self.websocket = websocket
        self.dropped = 0

    def __enter__(self) -> Membership:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    @property
    def queued(self) -> int:
        """Messages that wait until the member reads."""
        return len(self._waiting)

    def leave(self) -> None:
        """Send the member nothing more, not even what waits. Again: nothing."""
        self._channel._forget(self)
        self._waiting.clear()
        if self._pump is not None:
            self._pump.cancel()
            self._pump = None


class Channel:
    """WebSockets that are sent the same messages.

    It belongs to one event loop, and nothing in it waits: a slow member delays nobody.

    Args:
        max_queued: Messages that wait for a slow member.
        overflow: What happens when that many wait.

    Attributes:
        dropped: Messages that slow members, all together, did not get.
        disconnected: Members that were closed because they were too slow.

    Raises:
        ValueError: *max_queued* is not positive, or there is no such *overflow*.
    """

    def __init__(
        self, *, max_queued: int = MAX_QUEUED, overflow: Overflow | str = Overflow.DROP_OLDEST
    ) -> None:
        if max_queued <= 0:
            raise ValueError(f"max_queued is a number of messages, not {max_queued}")
        self._max_queued = max_queued
        self._overflow = Overflow(overflow)
        self._members: dict[WebSocket, Membership] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self.dropped = 0
        self.disconnected = 0

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, websocket: object) -> bool:
        return websocket in self._members

    def __iter__(self) -> Iterator[WebSocket]:
        """Iterate over the members, as they are now."""
        return iter(tuple(self._members))

    def join(self, websocket: WebSocket) -> Membership:
        """Send *websocket*, which is accepted, all messages from now on.

        Returns:
            Its membership; use it in a ``with`` block. A WebSocket that closes leaves by itself
            with the next message.

        Raises:
            LocalProtocolError: *websocket* is not accepted.
        """
        if not websocket.accepted:
            raise LocalProtocolError("join() takes an open WebSocket: await accept() first")
        membership = self._members.get(websocket)
        if membership is None:
            membership = self._members[websocket] = Membership(self, websocket)
        return membership

    def send(self, message: str | bytes | PreparedMessage) -> int:
        """Send *message* to every member: text as text, bytes as binary.

        Returns:
            How many members it is on its way to.

        Raises:
            TypeError: *message* is neither text nor bytes.
            UnicodeEncodeError: text with a lone surrogate.
        """
        prepared = prepare(message)
        slow: list[Membership] = []
        for member in self._members.values():
            offer = member._offer
            if member._pump is not None or offer is None or not offer(prepared):
                slow.append(member)
        reached = len(self._members)
        for member in slow:
            if not self._enqueue(member, prepared):
                reached -= 1
        return reached

    def send_json(self, data: object) -> int:
        """Send *data* as JSON, in a text message, to every member; as :meth:`send`."""
        return self.send(encode(data).decode())

    def _enqueue(self, member: Membership, message: PreparedMessage) -> bool:
        """Let *message* wait for *member*; return False if the member does not get it."""
        waiting = member._waiting
        if len(waiting) >= self._max_queued:
            if self._overflow is Overflow.DISCONNECT:
                self._throw_out(member)
                return False
            self._count(member)
            if self._overflow is Overflow.DROP_NEWEST:
                return False
            waiting.popleft()
        waiting.append(message)
        if member._pump is None:
            member._pump = asyncio.get_running_loop().create_task(self._run_pump(member))
        return True

    async def _run_pump(self, member: Membership) -> None:
        """Send what waits for *member*, at its pace."""
        websocket = member.websocket
        try:
            while member._waiting:
                await websocket.send(member._waiting.popleft())
        except (Disconnect, LocalProtocolError):
            # It was closed, by its peer or by its handler.
            self._forget(member)
            member._waiting.clear()
        finally:
            member._pump = None

    def _throw_out(self, member: Membership) -> None:
        self.disconnected += 1
        logger.warning("%r is too slow and is disconnected", member.websocket)
        member.leave()
        closing = asyncio.get_running_loop().create_task(_close(member.websocket))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _count(self, member: Membership) -> None:
        if not member.dropped:
            logger.warning("%r is too slow: messages for it are dropped", member.websocket)
        member.dropped += 1
        self.dropped += 1

    def _forget(self, member: Membership) -> None:
        if self._members.get(member.websocket) is member:
            del self._members[member.websocket]


def prepare(message: str | bytes | bytearray | memoryview | PreparedMessage) -> PreparedMessage:
    """Return *message* in the form that many WebSockets can be sent at the cost of one encoding.

    Raises:
        TypeError: *message* is neither text nor bytes.
        UnicodeEncodeError: text with a lone surrogate.
    """
    if isinstance(message, PreparedMessage):
        return message
    if isinstance(message, str):
        if not message.isascii():
            # Here, where the sender hears of it, and not at each member.
            message.encode()
        return PreparedMessage(message)
    if isinstance(message, bytes | bytearray | memoryview):
        return PreparedMessage(None, bytes(message))
    raise TypeError(f"a message is str or bytes, not {type(message).__name__}")


async def _close(websocket: WebSocket) -> None:
    await websocket.close(TRY_AGAIN_LATER, "too slow")
