"""Turning a client away that the server has no room for, in words that it understands.

A server says nothing before CONNECT. So the first bytes of that are waited for, briefly: they
tell the protocol's version, and with it what an answer looks like.

Spec:
    MQTT 5.0 §3.1.2.2, §3.2.2.2; MQTT 3.1.1 §3.2.2.3
"""

from __future__ import annotations

from typing import Final

from blackbull.abc import ConnectionView, Consumer, Refusal

from .codec.connect import MQTTConnack, encode_connack
from .codec.errors import IncompletePacket, MQTTDecodeError
from .codec.types import ConnectReturnCode, ReasonCode
from .codec.varint import scan_variable_byte_integer

PATIENCE: Final = 2.0
"""Seconds that a client gets to say its version."""

CONNECT: Final = 0x10

_NAMES: Final = {b"\0\4MQTT": 6, b"\0\6MQIsdp": 8}
_ENOUGH: Final = 16
_REASONS: Final = {
    Refusal.OVERLOADED: ReasonCode.SERVER_BUSY,
    Refusal.CROWDED: ReasonCode.QUOTA_EXCEEDED,
}


class TurnedAway(Consumer):
    """One client, until it was told that there is no room.

    Args:
        view: Its connection.
        why: Why it is turned away.
    """

    __slots__ = ("_head", "_view", "_why")

    def __init__(self, view: ConnectionView, why: Refusal) -> None:
        self._view = view
        self._why = why
        self._head = b""
        view.deadline.set(PATIENCE)
        view.attach(self)

    def data_received(self, data: bytes) -> None:
        """Look for the version; nothing is kept beyond it."""
        self._head = (self._head + data)[:_ENOUGH]
        try:
            level = find_level(self._head)
        except IncompletePacket:
            return
        except MQTTDecodeError:
            self._view.abort()
            return
        self._view.send(encode_refusal(self._why, level))
        self._view.linger()

    def eof_received(self) -> None:
        """It has gone without asking for anything."""
        self._view.close()

    def deadline_expired(self) -> None:
        """It asks for nothing."""
        self._view.abort()

    def shutdown(self) -> None:
        """The server stops: there is nothing to wait for."""
        self._view.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Nothing is to be done."""

    def writing_paused(self) -> None:
        """One small packet is written."""

    def writing_resumed(self) -> None:
        """One small packet is written."""


def find_level(head: bytes) -> int:
    """Return the protocol level in the first bytes of a CONNECT.

    Raises:
        IncompletePacket: more bytes are needed.
        MQTTDecodeError: it is no CONNECT.
    """
    if head and head[0] != CONNECT:
        raise MQTTDecodeError("it is no CONNECT", spec="MQTT 5.0 §3.1 [MQTT-3.1.0-1]")
    _, size = scan_variable_byte_integer(head, 1)
    body = head[1 + size :]
    for name, length in _NAMES.items():
        if body.startswith(name) and len(body) > length:
            return body[length]
        if name.startswith(body[:length]):
            raise IncompletePacket(2 + size + length)
    raise MQTTDecodeError("it speaks another protocol", spec="MQTT 5.0 §3.1.2.1")


def encode_refusal(why: Refusal, level: int) -> bytes:
    """Return the CONNACK that says *why*; levels below 5 have one code for all reasons."""
    if level < 5:
        return encode_connack(MQTTConnack(False, ConnectReturnCode.SERVER_UNAVAILABLE), 4)
    code = _REASONS.get(why, ReasonCode.SERVER_UNAVAILABLE)
    return encode_connack(MQTTConnack(False, code), 5)
