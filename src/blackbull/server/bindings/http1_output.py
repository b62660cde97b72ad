"""What leaves on one HTTP/1.1 connection: gathered while something arrives, written in one go."""

from __future__ import annotations

import asyncio
from typing import Final

from blackbull.abc import ConnectionView
from blackbull.protocol.http1 import HTTP1Connection
from blackbull.response import Response

from .service import HTTPService

MAX_BATCH: Final = 65536
"""Bytes of answers that are gathered before they are written."""

LARGE: Final = 16384
"""Bytes of content from which on head and content are not joined."""


class Output:
    """The parts of responses that have not been written.

    Args:
        view: Where they go.
        machine: Renders responses.
        service: Tells the date and when a turn of the loop ends.

    Attributes:
        fed: Something is arriving: whatever is queued leaves when that is done.
        paused: The client does not read what was sent.
    """

    __slots__ = (
        "_closed", "_drained", "_gathered", "_machine", "_parts", "_scheduled", "_service", "_view",
        "fed", "paused",
    )  # fmt: skip

    def __init__(
        self, view: ConnectionView, machine: HTTP1Connection, *, service: HTTPService
    ) -> None:
        self._view = view
        self._machine = machine
        self._service = service
        self._drained: asyncio.Future[None] | None = None
        self._parts: list[bytes] = []
        self._gathered = 0
        self._scheduled = False
        self._closed = False
        self.fed = False
        self.paused = False

    def send_response(self, response: Response) -> None:
        """Queue a complete response; large content is not copied.

        Raises:
            LocalProtocolError: it cannot be sent.
        """
        machine = self._machine
        date = self._service.date
        body = response.body
        if len(body) < LARGE:
            data = machine.send_response(
                response.status, response.content_type, response.fields, body, date
            )
            self._parts.append(data)
            self._gathered += len(data)
        else:
            length = len(body)
            head = machine.send_head(response.status, response.headers, date, length=length)
            self._parts += (head, machine.send_data(body))
            machine.send_end()
            self._gathered += length
        if self._gathered >= MAX_BATCH:
            self.flush()

    def send(self, data: bytes) -> None:
        """Queue *data*, a part of a response; :meth:`flush_soon` sends it."""
        if not data:
            return
        self._parts.append(data)
        self._gathered += len(data)
        if self._gathered >= MAX_BATCH:
            self.flush()

    def flush_soon(self) -> None:
        """Send what is queued at the end of this turn of the loop, with what is still to come."""
        if self._parts and not self._scheduled and not self.fed:
            self._scheduled = True
            self._service.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send what is queued."""
        self._scheduled = False
        parts = self._parts
        if not parts:
            return
        if len(parts) == 1:
            self._view.send(parts[0])
        elif self._gathered >= LARGE:
            self._view.send_parts(parts.copy())
        else:
            self._view.send(b"".join(parts))
        parts.clear()
        self._gathered = 0

    async def drain(self) -> None:
        """Wait until the client reads again. Cancelling is safe."""
        while self.paused and not self._closed:
            if self._drained is None:
                self._drained = self._service.loop.create_future()
            await asyncio.shield(self._drained)

    def resume(self) -> None:
        """The client reads again."""
        self.paused = False
        self._wake()

    def close(self) -> None:
        """Nobody has to wait for the client any more."""
        self._closed = True
        self._wake()

    def lose(self) -> None:
        """The client is gone: nothing can be sent."""
        self._parts.clear()
        self.paused = False
        self.close()

    def _wake(self) -> None:
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None
