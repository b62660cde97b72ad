"""What leaves on one WebSocket: gathered while something arrives or runs, written in one piece."""

from __future__ import annotations

import asyncio
from typing import Final

from blackbull.protocol.websocket import WebSocketConnection

from .upgrade import ByteStream

MAX_BATCH: Final = 65536
"""Bytes that are gathered before they are written."""

LARGE: Final = 16384
"""Characters or bytes of a message from which on it is not copied behind its header."""


class Outbox:
    """The frames of one WebSocket that have not been written.

    Args:
        turn: Writes what has gathered when a turn of the loop ends.
        machine: Makes frames of messages.

    Attributes:
        bytes: What was written.
        fed: Something is arriving: whatever is put in leaves when that is done.
        machine: As above.
        messages: How many were put in.
        parts: The frames, in order, or pieces of them.
        paused: The client does not read.
        stream: Where they go; None until the WebSocket is open.
    """

    __slots__ = (
        "_drained", "_gathered", "_scheduled", "_turn", "bytes", "fed", "machine", "messages",
        "parts", "paused", "stream",
    )  # fmt: skip

    def __init__(self, turn: Turn, machine: WebSocketConnection) -> None:
        self._turn = turn
        self._drained: asyncio.Future[None] | None = None
        self._gathered = 0
        self._scheduled = False
        self.bytes = 0
        self.fed = False
        self.machine = machine
        self.messages = 0
        self.parts: list[bytes] = []
        self.paused = False
        self.stream: ByteStream | None = None

    def put(self, payload: str | bytes, frames: dict[object, bytes] | None = None) -> None:
        """Put a message in.

        Args:
            payload: Text or bytes.
            frames: Where its frames are kept, if other WebSockets are sent it as well.

        Raises:
            UnicodeEncodeError: text with a lone surrogate.
        """
        self.messages += 1
        if frames is not None:
            frame = self.machine.send_shared(payload, frames)
            self.parts.append(frame)
            self._gathered += len(frame)
        elif len(payload) < LARGE:
            frame = self.machine.send_message(payload)
            self.parts.append(frame)
            self._gathered += len(frame)
        else:
            pieces = self.machine.send_parts(payload)
            self.parts.extend(pieces)
            self._gathered += sum(map(len, pieces))
        if self._gathered >= MAX_BATCH:
            self.flush()
        elif not self.fed and not self._scheduled:
            self._scheduled = True
            self._turn.flush_soon(self)

    def put_frame(self, frame: bytes) -> None:
        """Put a control frame in; ``b""`` is none."""
        if not frame:
            return
        self.parts.append(frame)
        self._gathered += len(frame)
        if not self.fed and not self._scheduled:
            self._scheduled = True
            self._turn.flush_soon(self)

    def flush(self) -> None:
        """Write what was gathered."""
        self._scheduled = False
        parts = self.parts
        stream = self.stream
        if not parts or stream is None:
            return
        self.bytes += self._gathered
        if len(parts) == 1:
            data = parts[0]
            parts.clear()
            self._gathered = 0
            stream.send(data)
        elif self._gathered >= LARGE:
            self.parts = []
            self._gathered = 0
            stream.send_parts(parts)
        else:
            data = b"".join(parts)
            parts.clear()
            self._gathered = 0
            stream.send(data)

    async def wait(self) -> None:
        """Return when :meth:`wake` is called. Cancelling loses nothing."""
        if self._drained is None:
            self._drained = self._turn.loop.create_future()
        await asyncio.shield(self._drained)

    def wake(self) -> None:
        """Let whoever waits for room look again."""
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None


class Turn:
    """The outboxes that are written when the current turn of the loop ends, all in one callback.

    Args:
        loop: The loop that serves.

    Attributes:
        loop: As above.
    """

    __slots__ = ("_dirty", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._dirty: list[Outbox] = []

    def flush_soon(self, outbox: Outbox) -> None:
        """Let *outbox* be written at the end of this turn of the loop."""
        if not self._dirty:
            self.loop.call_soon(self._flush)
        self._dirty.append(outbox)

    def _flush(self) -> None:
        dirty = self._dirty
        self._dirty = []
        for outbox in dirty:
            outbox.flush()
