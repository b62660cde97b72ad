"""What the WebSocket machine reports, in the order of the wire.

A text message is reported as ``str``, a binary one as ``bytes``; everything else has a class.
"""

from __future__ import annotations

from typing import TypeAlias

from blackbull.errors import RemoteProtocolError


class PingReceived:
    """The peer asks whether we are there; answer with a pong of the same payload.

    Attributes:
        payload: At most 125 bytes.
    """

    __slots__ = ("payload",)

    def __init__(self, payload: bytes) -> None:
        self.payload = payload


class PongReceived:
    """The peer is there.

    Attributes:
        payload: At most 125 bytes.
    """

    __slots__ = ("payload",)

    def __init__(self, payload: bytes) -> None:
        self.payload = payload


class CloseReceived:
    """The peer closes, or answers our close; it will send nothing more.

    Attributes:
        code: As it was sent; 1005 if none was.
        reason: The text with it.
    """

    __slots__ = ("code", "reason")

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason


class ViolationReceived:
    """The peer broke the protocol; nothing more is read.

    Attributes:
        error: ``code`` is the close code to answer with, ``spec`` the clause that was broken.
    """

    __slots__ = ("error",)

    def __init__(self, error: RemoteProtocolError) -> None:
        self.error = error


ControlEvent: TypeAlias = PingReceived | PongReceived | CloseReceived | ViolationReceived
Event: TypeAlias = str | bytes | ControlEvent
