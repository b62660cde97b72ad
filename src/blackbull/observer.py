"""Who watches without taking part: access logs, metrics, traces.

An observer is called, synchronously, in the callback that found what there is to tell. Events
(:mod:`blackbull.event`) are for whoever wants to wait or to intervene; they cost a task or a turn
of the loop, an observer costs a call. Where there is none, nothing is called and nothing wrapped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeAlias

from .abc import Address
from .connection import Connection
from .native import NativeHandler
from .response import Response

logger = logging.getLogger("blackbull.observer")

Begin: TypeAlias = Callable[[Connection], Response | NativeHandler]
"""What answers a request at once or returns who does: ``NativeApp.begin``."""


class Observer:
    """Is told what happens. Every method does nothing here: override what you want to know.

    Whoever is told must be quick and must not wait; what it raises is logged. It is registered by
    ``app.observers.append(observer)`` before the application starts.
    """

    __slots__ = ()

    def wrap(self, begin: Begin) -> Begin:
        """Return what is to stand around *begin*, in order to set a context for what it calls."""
        return begin

    def exchange_begun(self, conn: Connection) -> None:
        """*conn* is not answered at once; not called for what was answered in its arrival."""

    def exchange_failed(self, conn: Connection, error: Exception) -> None:
        """The application has a bug: *error* is no answer. What is sent instead comes later."""

    def exchange_ended(
        self,
        conn: Connection,
        status: int,
        *,
        received: int,
        sent: int,
        seconds: float,
        waited: bool,
    ) -> None:
        """The response is complete, or there will be none.

        Args:
            conn: The request, or the WebSocket.
            status: The response's; 101 for a WebSocket that was open; 0 if the client left, or
                was refused by the server, before a response began.
            received: Bytes of content that the application took, or was handed with the head.
            sent: Bytes of content that the application sent.
            seconds: Since the head was handed to the application.
            waited: It was not answered in its arrival: :meth:`exchange_begun` has told of it.
        """

    def websocket_opened(self, conn: Connection) -> None:
        """A WebSocket was accepted; its end is told by :meth:`exchange_ended`."""

    def websocket_message(self, conn: Connection, size: int, *, received: bool) -> None:
        """A message of *size* bytes or characters was taken by the handler, or sent by it."""

    def refused(
        self, status: int, protocol: str, *, peer: Address | None, conn: Connection | None
    ) -> None:
        """The server itself answered *status*: what came was malformed, too large or too slow.

        Args:
            status: What was answered.
            protocol: The name of the connection's protocol.
            peer: The peer's address.
            conn: The request, if its head was good; what the application then tries to send ends
                with status 0.
        """

    def connection_opened(self, protocol: str) -> None:
        """*protocol* was chosen to serve a connection."""

    def connection_closed(self, protocol: str, seconds: float) -> None:
        """A connection that *protocol* served was closed, *seconds* after it was accepted."""

    def limit_hit(self, limit: str, protocol: str) -> None:
        """A peer went past *limit*, whether or not that is worth another line in the log."""

    def handshake_failed(self, reason: str) -> None:
        """There is no TLS with a peer; *reason* is ``""`` if it left without a word."""


def tell(observers: Iterable[Observer], notice: Callable[[Observer], None]) -> None:
    """Call *notice* for each of *observers*, and log what it raises."""
    for observer in observers:
        try:
            notice(observer)
        except Exception:
            logger.exception("%s failed to observe", type(observer).__qualname__)
