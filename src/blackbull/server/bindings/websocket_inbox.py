"""What arrives on one WebSocket: read as far as there is room, kept until the handler takes it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from blackbull.messages import (
    WebSocketConnect,
    WebSocketDisconnected,
    WebSocketEvent,
    WebSocketMessage,
)
from blackbull.protocol.websocket import ControlEvent, Event, WebSocketConnection

from .upgrade import ByteStream
from .wakeup import Wakeup
from .websocket_outbox import Outbox
from .websocket_service import WebSocketService


class Inbox:
    """The messages of one WebSocket that its handler has not taken.

    Args:
        service: How many there may be, and how much of them.
        machine: Finds them.
        outbox: Gathers what is answered while something is read.
        on_control: Is given whatever is no message, in the order of the wire.

    Attributes:
        bytes: What has arrived.
        count: How many messages that were.
        end: How the WebSocket was closed; None while messages may be to come.
        machine: As above.
        messages: Those that wait.
        paused: Nothing is read from the client.
    """

    __slots__ = (
        "_asked", "_compressed", "_depth", "_direct", "_held", "_max_held", "_on_control",
        "_outbox", "_read_ahead", "_stream", "_told", "_wakeup", "_wanted", "bytes", "count", "end",
        "machine", "messages", "paused",
    )  # fmt: skip

    def __init__(
        self,
        service: WebSocketService,
        machine: WebSocketConnection,
        *,
        outbox: Outbox,
        on_control: Callable[[ControlEvent], None],
    ) -> None:
        self._depth = service.depth
        self._max_held = service.max_held
        self._read_ahead = service.read_ahead
        self._outbox = outbox
        self._on_control = on_control
        self._stream: ByteStream | None = None
        self._wakeup = Wakeup(service.http.loop)
        self._asked = True  # the handler has not taken that a client asks
        self._told = False  # it has taken the end
        self._wanted = False  # messages are kept, not discarded
        self._direct = False  # that, and nothing is compressed
        self._compressed = False
        self._held = 0  # bytes that arrived since it was empty
        self.bytes = 0
        self.count = 0
        self.end: WebSocketDisconnected | None = None
        self.machine = machine
        self.messages: deque[str | bytes] = deque()
        self.paused = False

    # What the handler calls

    async def receive(self) -> WebSocketEvent:
        """Return what comes next; in the end, again and again, how the WebSocket was closed.

        Cancelling loses nothing.

        Raises:
            RuntimeError: another task waits already.
        """
        messages = self.messages
        if self._asked:
            self._asked = False
            if self.paused:
                self._make_room()
            return WebSocketConnect()
        while not messages:
            self._held = 0
            if self.end is not None:
                if self._told:
                    await asyncio.sleep(0)  # whoever does not listen does not block the others
                self._told = True
                return self.end
            if not self.paused or not self.read_on():
                await self._wakeup
        message = messages.popleft()
        if self.paused:
            self._make_room()
        if message.__class__ is str:
            return WebSocketMessage(message)
        return WebSocketMessage(None, message)  # type: ignore[arg-type]

    def take(self) -> str | bytes | None:
        """Return the next message if one has arrived."""
        messages = self.messages
        if not messages or self._asked:
            return None
        message = messages.popleft()
        if self.paused:
            self._make_room()
        return message

    def wait(self) -> Wakeup | None:
        """Return what to await before there can be a message; None: :meth:`receive` knows more."""
        if self.messages or self._asked or self.end is not None:
            return None
        self._held = 0
        return None if self.paused and self.read_on() else self._wakeup

    # What the driver calls

    def open(self, stream: ByteStream, *, compressed: bool) -> None:
        """The WebSocket is open: messages can arrive.

        Args:
            stream: Where they come from.
            compressed: They may have to be inflated.
        """
        self._stream = stream
        self._compressed = compressed
        self._wanted = True
        self._direct = not compressed
        if not self._read_ahead:
            self.pause()

    def feed(self, data: bytes) -> None:
        """Take bytes that arrived, let the handler go on, and write what was answered."""
        outbox = self._outbox
        outbox.fed = True
        self.bytes += len(data)
        if self._direct and not self.messages:
            # What nearly every arrival is: it finds nothing in its way and takes little room.
            machine = self.machine
            events = machine.receive(data, self._depth)
            self._held = len(data)
            if machine.messages_only and len(events) < self._depth:
                self.count += len(events)
                self.messages.extend(events)  # type: ignore[arg-type]
            else:
                self._sort(events)
                self._read(b"")
        else:
            self._read(data)
        if self.messages or self.end is not None:
            self._wakeup.wake()
        outbox.fed = False
        if outbox.parts:
            outbox.flush()
        if not self._read_ahead and self._wanted and self._wakeup.done():
            self.pause()

    def wake(self) -> None:
        """Let the handler look at what has arrived."""
        self._wakeup.wake()

    def pause(self) -> None:
        """Read nothing more until there is room, or the handler asks."""
        if self._stream is not None:
            self.paused = True
            self._stream.pause_reading()

    def read_on(self) -> bool:
        """Read what was left, then let more come; return True if there is something to take."""
        self.paused = False
        outbox = self._outbox
        outbox.fed, fed = True, outbox.fed
        self._read(b"")
        outbox.fed = fed
        if not fed and outbox.parts:
            outbox.flush()
        if not self.paused and self._stream is not None:
            self._stream.resume_reading()
        return bool(self.messages) or self.end is not None

    def discard(self, end: WebSocketDisconnected | None = None) -> None:
        """Keep no more messages, but look for the client's close.

        Args:
            end: What the handler gets behind those that are there; None: that is not known yet.
        """
        self._wanted = self._direct = False
        if end is not None:
            self.end = end

    def finish(self, end: WebSocketDisconnected) -> None:
        """Nothing more will arrive: the handler gets *end* behind the messages that are there."""
        self.discard(end)
        self.machine.forget()
        self._on_control = _ignore  # the WebSocket is gone as soon as nobody needs it
        if not self._outbox.fed:
            self._wakeup.wake()

    # Inside

    def _make_room(self) -> None:
        """Reading has paused: read on if enough was taken."""
        if len(self.messages) <= self._depth >> 1:
            self.read_on()

    def _read(self, data: bytes) -> None:
        """Read *data*, and what was left before, as far as there is room for messages."""
        machine = self.machine
        messages = self.messages
        while True:
            if not self._wanted:
                self._discard(data)
                return
            if not messages:
                self._held = 0
            room = self._depth - len(messages)
            spare = self._max_held - self._held
            if room <= 0 or spare < 0:
                machine.receive(data, 0)
                self.pause()
                return
            events = machine.receive(data, room, spare)
            if not self._compressed:
                self._held += len(data)
            elif machine.messages_only:
                self._held += sum(map(len, events))  # type: ignore[arg-type]
            if machine.messages_only:
                self.count += len(events)
                messages.extend(events)  # type: ignore[arg-type]
            else:
                self._sort(events)
            if len(events) < room and self._held <= self._max_held:
                return
            data = b""

    def _sort(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, str | bytes):
                self.messages.append(event)
                self.count += 1
                self._held += len(event)
            else:
                self._on_control(event)

    def _discard(self, data: bytes) -> None:
        """Look for the peer's close only; its messages come too late."""
        while not self.machine.finished:
            events = self.machine.receive(data, 1)
            data = b""
            if not events:
                return
            if not isinstance(events[0], str | bytes):
                self._on_control(events[0])


def _ignore(event: ControlEvent) -> None:
    """Nobody is concerned any more."""
