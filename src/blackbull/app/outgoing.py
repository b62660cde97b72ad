"""What the application knows about an answer on its way out."""

from __future__ import annotations

from blackbull.errors import LocalProtocolError
from blackbull.native import (
    ResponseBody,
    ResponseMessage,
    ResponseStart,
    ResponseTrailers,
    Send,
)
from blackbull.response import Response


class Outgoing:
    """Passes messages on to the server and remembers how far the answer has come.

    Args:
        send: The server's.

    Attributes:
        status: The status sent; 0 before.
        size: Bytes of content sent so far.
        started: True once a second answer is impossible.
        complete: True once the answer has ended: what fails after that has no answer.
    """

    __slots__ = ("_send", "_trailers", "complete", "size", "started", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._trailers = False
        self.status = 0
        self.size = 0
        self.started = False
        self.complete = False

    async def send(self, message: ResponseMessage) -> None:
        """Send *message*.

        Raises:
            ClientDisconnected: the client is gone.
            LocalProtocolError: *message* may not be sent now; nothing of it was.
        """
        try:
            await self._send(message)
        except LocalProtocolError:
            raise
        except BaseException:
            # Part of it may be on its way.
            self.started = True
            raise
        if isinstance(message, ResponseBody):
            self.size += len(message.data)
            self.complete = not (message.more or self._trailers)
        elif isinstance(message, Response):
            self.status = message.status
            self.size = len(message.body)
            self.started = self.complete = True
        elif isinstance(message, ResponseStart):
            self.status = message.status
            self._trailers = message.trailers
            self.started = True
        elif isinstance(message, ResponseTrailers):
            self.complete = True
