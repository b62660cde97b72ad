"""Messages between the supervisor and one worker, with open files attached to them.

A message is a JSON object on one line. Its ``say`` names what it is about, and ``files`` counts
the descriptors that come with it. Both ends use the same class: nothing here waits, except
:meth:`Channel.wait`, so the supervisor can drive it with a selector and a worker with its loop.
"""

from __future__ import annotations

import json
import os
import select
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias, cast

Content: TypeAlias = dict[str, object]

MAX_FILES: Final = 64
"""Descriptors that one read may bring; more than any message has."""

_CHUNK: Final = 65536
_CLOSE_ON_EXEC: Final = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class OpenFile(Protocol):
    """Something that has a descriptor."""

    def fileno(self) -> int:
        """Return it."""


@dataclass(frozen=True, slots=True)
class Message:
    """What the other end said.

    Attributes:
        say: What it is about.
        content: The rest of it.
        files: Descriptors that came with it; whoever takes the message closes them.
        torn: Not all of them came: this process may have no more open.
    """

    say: str
    content: Content
    files: list[int] = field(default_factory=list)
    torn: bool = False

    def text(self, key: str) -> str:
        """Return the text called *key*; empty if there is none."""
        return str(self.content.get(key, ""))

    def number(self, key: str) -> float:
        """Return the number called *key*; 0 if there is none."""
        return float(cast("float", self.content.get(key, 0)))

    def items(self, key: str) -> list[object]:
        """Return the list called *key*; empty if there is none."""
        return list(cast("list[object]", self.content.get(key, [])))

    def drop(self) -> None:
        """Close the descriptors that came with it: nobody wants them."""
        for fd in self.files:
            socket.close(fd)


class Channel:
    """One end.

    Args:
        sock: A connected Unix stream; it becomes non-blocking, and is closed by :meth:`close`.

    Attributes:
        closed: The other end is gone and all that it said was received, or this one was closed.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._inbox = b""
        self._files: deque[int] = deque()
        self._outbox: deque[tuple[bytes, Sequence[int]]] = deque()
        self._sending: list[int] = []
        self._deaf = False
        self.closed = False

    def fileno(self) -> int:
        """Return the descriptor, to wait for."""
        return self._sock.fileno()

    @property
    def stuck(self) -> bool:
        """Something waits to be sent: call :meth:`flush` when the other end has read."""
        return bool(self._outbox)

    def send(
        self, say: str, content: Content | None = None, *, files: Sequence[OpenFile] = ()
    ) -> None:
        """Send a message, now or as soon as the other end has read; never waits.

        Args:
            say: What it is about.
            content: The rest of it.
            files: Their descriptors go with it; the caller keeps its own.

        Raises:
            OSError: no descriptor is left for these; nothing was sent.
        """
        if self.closed or self._deaf:
            return
        line = json.dumps({"say": say, "files": len(files), **(content or {})}).encode() + b"\n"
        # Duplicates, because the caller may close its own before they are sent.
        copies: list[int] = []
        with ExitStack() as undo:
            for each in files:
                copies.append(os.dup(each.fileno()))
                undo.callback(os.close, copies[-1])
            undo.pop_all()
        self._sending.extend(copies)
        self._outbox.append((line, copies))
        self.flush()

    def flush(self) -> None:
        """Send what can be sent."""
        while self._outbox:
            data, files = self._outbox[0]
            try:
                if files:
                    sent = socket.send_fds(self._sock, [data], list(files))
                else:
                    sent = self._sock.send(data)
            except BlockingIOError:
                return
            except OSError:  # it may have said something before it went
                self._deaf = True
                self._outbox.clear()
                break
            if sent < len(data):  # the files have gone with the first byte
                self._outbox[0] = (data[sent:], ())
            else:
                self._outbox.popleft()
        for copy in self._sending:
            os.close(copy)
        self._sending.clear()

    def receive(self) -> Iterator[Message]:
        """Yield what has arrived; sets :attr:`closed` at the end of the stream."""
        while not self.closed:
            try:
                data, files, _, _ = socket.recv_fds(self._sock, _CHUNK, MAX_FILES, _CLOSE_ON_EXEC)
            except BlockingIOError:
                return
            except OSError:
                data, files = b"", []
            for fd in files:
                os.set_inheritable(fd, False)
            self._files.extend(files)
            if not data:
                self._lose()
                return
            *lines, self._inbox = (self._inbox + data).split(b"\n")
            for line in lines:
                yield self._parse(line)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until something can be received; return False after *timeout* seconds."""
        waiting = select.poll()
        waiting.register(self._sock, select.POLLIN)
        return bool(waiting.poll(None if timeout is None else timeout * 1000.0))

    def close(self) -> None:
        """Close this end; calling it again does nothing."""
        self._lose()
        self._sock.close()

    def _parse(self, line: bytes) -> Message:
        content = cast("Content", json.loads(line))
        count = int(cast("int", content.pop("files")))
        files = [self._files.popleft() for _ in range(min(count, len(self._files)))]
        return Message(str(content.pop("say")), content, files, torn=len(files) < count)

    def _lose(self) -> None:
        self.closed = True
        self._outbox.clear()
        for copy in self._sending:
            os.close(copy)
        self._sending.clear()
        while self._files:
            socket.close(self._files.popleft())
