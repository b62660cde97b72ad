"""The seam at which an HTTP/1.1 connection becomes something else (RFC 9110 §7.8)."""

from __future__ import annotations

from abc import ABC, abstractmethod

from blackbull.abc import ConnectionView, Consumer
from blackbull.connection import Connection
from blackbull.headers import Fields


class Upgrade(ABC):
    """A protocol that an HTTP/1.1 connection can be switched to.

    Attributes:
        token: The lower-case name in the Upgrade field, for example ``b"websocket"``.
    """

    token: bytes

    @abstractmethod
    def accept(self, conn: Connection) -> Fields | None:
        """Return the fields of the 101 response, or None to answer as if nothing was asked."""

    @abstractmethod
    def switch(self, conn: Connection, view: ConnectionView) -> Consumer:
        """Return who is fed the bytes that follow the request, those already here first."""
