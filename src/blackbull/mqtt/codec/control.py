"""PINGREQ, PINGRESP, DISCONNECT and AUTH (MQTT 5.0 §3.12 to §3.15; MQTT 3.1.1 §3.12 to §3.14)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, final

from .errors import MQTTEncodeError, malformed, protocol_error
from .message import MQTTMessage, check_end, decode_reasoned, encode_reasoned
from .types import AUTH, DISCONNECT

_METHOD: Final = "MQTT 5.0 §3.15.2.2.2"


@final
@dataclass(frozen=True, slots=True)
class MQTTPingreq(MQTTMessage):
    """The client is alive."""


@final
@dataclass(frozen=True, slots=True)
class MQTTPingresp(MQTTMessage):
    """So is the server."""


@final
@dataclass(frozen=True, slots=True)
class MQTTDisconnect(MQTTMessage):
    """The connection ends.

    Attributes:
        reason_code: Why; None where it is left out, which means 0. A decoded packet of MQTT 5.0
            always has a number, one of MQTT 3.1.1 never has.
        properties: The properties of the packet.
    """

    reason_code: int | None = None
    properties: Mapping[str, object] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class MQTTAuth(MQTTMessage):
    """A step of an enhanced authentication.

    Attributes:
        reason_code: 0, 0x18 or 0x19; None where it is left out, which means 0.
        properties: The properties of the packet.
    """

    reason_code: int | None = None
    properties: Mapping[str, object] = field(default_factory=dict)


def decode_disconnect(body: bytes, level: int) -> MQTTDisconnect:
    """Return the DISCONNECT of *body*.

    Raises:
        MQTTDecodeError: 0x81 or 0x82, it breaks a rule.

    Spec:
        MQTT 5.0 §3.14; MQTT 3.1.1 §3.14
    """
    if level < 5:
        check_end(body, 0)
        return MQTTDisconnect()
    return MQTTDisconnect(*decode_reasoned(DISCONNECT, body, 0))


def encode_disconnect(message: MQTTDisconnect, level: int) -> bytes:
    """Return the bytes of a DISCONNECT; below level 5 it has no reason.

    Raises:
        MQTTEncodeError: the standard forbids it.

    Spec:
        MQTT 5.0 §3.14; MQTT 3.1.1 §3.14
    """
    if level < 5:
        return bytes((DISCONNECT << 4, 0))
    return encode_reasoned(DISCONNECT, b"", message.reason_code or 0, message.properties)


def decode_auth(body: bytes, level: int) -> MQTTAuth:
    """Return the AUTH of *body*.

    Raises:
        MQTTDecodeError: 0x81 or 0x82, it breaks a rule.

    Spec:
        MQTT 5.0 §3.15
    """
    if level < 5:
        raise malformed("MQTT 3.1.1 has no packet type 15", "MQTT 3.1.1 §2.2.1")
    if len(body) == 1:
        raise malformed("an AUTH has no length of its properties", "MQTT 5.0 §3.15.2.2.1")
    code, properties = decode_reasoned(AUTH, body, 0)
    if body and "authentication_method" not in properties:
        raise protocol_error("an AUTH has no authentication_method", _METHOD)
    return MQTTAuth(code, properties)


def encode_auth(message: MQTTAuth, level: int) -> bytes:
    """Return the bytes of an AUTH.

    Raises:
        MQTTEncodeError: the standard forbids it.

    Spec:
        MQTT 5.0 §3.15
    """
    if level < 5:
        raise MQTTEncodeError("MQTT 3.1.1 has no AUTH", spec="MQTT 3.1.1 §2.2.1")
    code = message.reason_code or 0
    if (code or message.properties) and "authentication_method" not in message.properties:
        raise MQTTEncodeError("an AUTH needs an authentication_method", spec=_METHOD)
    return encode_reasoned(AUTH, b"", code, message.properties)
