"""CONNECT and CONNACK (MQTT 5.0 §3.1, §3.2; MQTT 3.1.1 §3.1, §3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Final, TypeAlias, final

from .clauses import clause_before_5
from .errors import MQTTDecodeError, MQTTEncodeError, malformed, protocol_error
from .message import MQTTMessage, bad_reason, check_end, check_reason
from .properties import decode_properties, encode_properties
from .strings import decode_binary, decode_integer, decode_string, encode_binary, encode_string
from .types import CONNACK, CONNECT, REASON_CODES, WILL, WILL_QOS_SHIFT
from .varint import fixed_header

_NAMES: Final = {3: "MQIsdp", 4: "MQTT", 5: "MQTT"}

_RESERVED: Final = 0x01
_CLEAN_START: Final = 0x02
_WILL: Final = 0x04
_WILL_QOS: Final = 0x18
_WILL_RETAIN: Final = 0x20
_PASSWORD: Final = 0x40
_USERNAME: Final = 0x80

_SECTION: Final = "MQTT 5.0 §3.1.2"
_HEAD: Final = 11
"""Where the properties of an MQTT 5.0 CONNECT begin, if their length takes one byte."""
_REMEMBERED: Final = 256
"""Heads of CONNECT packets that are known again: clients of one kind begin alike."""
_PASSWORD_ALONE: Final = "MQTT 3.1.1 §3.1.2.9 [MQTT-3.1.2-22]"

Head: TypeAlias = tuple[int, int, Mapping[str, object], int]
"""Flags, Keep Alive, properties, and where the payload begins."""


@final
@dataclass(frozen=True, slots=True)
class MQTTConnect(MQTTMessage):
    """A client asks for a session.

    Attributes:
        client_id: Empty where the server shall choose one.
        clean_start: Forget the session that there is; "Clean Session" in MQTT 3.1.1.
        keep_alive: Seconds that may pass between two packets of the client; 0 for any.
        proto_level: 3, 4 or 5.
        username: None for none.
        password: None for none.
        will_topic: None where there is no Will.
        will_payload: What the Will says.
        will_qos: How it is published.
        will_retain: It is retained.
        will_properties: Its properties.
        properties: The properties of the packet.
    """

    client_id: str = ""
    clean_start: bool = True
    keep_alive: int = 0
    proto_level: int = 5
    username: str | None = None
    password: bytes | None = None
    will_topic: str | None = None
    will_payload: bytes | None = None
    will_qos: int = 0
    will_retain: bool = False
    will_properties: Mapping[str, object] = field(default_factory=dict)
    properties: Mapping[str, object] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class MQTTConnack(MQTTMessage):
    """The server's answer to a CONNECT.

    Attributes:
        session_present: The server goes on with a session that it had.
        reason_code: A reason code of MQTT 5.0, or a return code of MQTT 3.1.1.
        properties: The properties of the packet.
    """

    session_present: bool = False
    reason_code: int = 0
    properties: Mapping[str, object] = field(default_factory=dict)


def decode_connect(body: bytes) -> MQTTConnect:
    """Return the CONNECT of *body*, read by the rules of the level that it asks for.

    Raises:
        MQTTDecodeError: 0x84, it speaks another protocol; 0x81 or 0x82, it breaks a rule.

    Spec:
        MQTT 5.0 §3.1; MQTT 3.1.1 §3.1
    """
    if body[:7] == b"\0\4MQTT\5" and len(body) >= _HEAD and body[10] < 128:
        return _decode_connect(body, 5, _decode_short_head(body[: _HEAD + body[10]]))
    level, at = _decode_level(body)
    try:
        return _decode_connect(body, level, _decode_head(body, at, level))
    except MQTTDecodeError as error:
        if level < 5:
            error.spec = clause_before_5(error.spec)
        raise


@lru_cache(_REMEMBERED)
def _decode_short_head(head: bytes) -> Head:
    """Return what an MQTT 5.0 CONNECT says before its payload; several clients share it."""
    flags, keep_alive, properties, at = _decode_head(head, 7, 5)
    return flags, keep_alive, MappingProxyType(properties), at


def _decode_head(body: bytes, at: int, level: int) -> Head:
    """Return what the CONNECT of *body*, whose flags stand at *at*, says before its payload."""
    if at >= len(body):
        raise malformed("the connect flags are cut off", _SECTION)
    flags = body[at]
    _check_flags(flags, level)
    keep_alive = decode_integer(body, at + 1, 2)
    at += 3
    properties: dict[str, object] = {}
    if level >= 5:
        properties, taken = decode_properties(body, at, packet=CONNECT)
        at += taken
        if "authentication_data" in properties and "authentication_method" not in properties:
            raise protocol_error(
                "authentication_data comes without a method", "MQTT 5.0 §3.1.2.11.10"
            )
    return flags, keep_alive, properties, at


def _decode_connect(body: bytes, level: int, head: Head) -> MQTTConnect:
    """Return the CONNECT of *body*, which begins with *head*."""
    flags, keep_alive, properties, at = head
    will_properties: dict[str, object] = {}
    client_id, at = decode_string(body, at)
    will_topic: str | None = None
    will_payload: bytes | None = None
    if flags & _WILL:
        if level >= 5:
            will_properties, taken = decode_properties(body, at, packet=WILL)
            at += taken
        will_topic, at = decode_string(body, at)
        will_payload, at = decode_binary(body, at)
    username: str | None = None
    password: bytes | None = None
    if flags & _USERNAME:
        username, at = decode_string(body, at)
    if flags & _PASSWORD:
        password, at = decode_binary(body, at)
    check_end(body, at)
    return MQTTConnect(
        client_id,
        flags & _CLEAN_START != 0,
        keep_alive,
        level,
        username,
        password,
        will_topic,
        will_payload,
        flags >> WILL_QOS_SHIFT & 3,
        flags & _WILL_RETAIN != 0,
        will_properties,
        properties,
    )


def _decode_level(body: bytes) -> tuple[int, int]:
    """Return the protocol level and the position after it."""
    name, at = decode_string(body, 0)
    if at >= len(body):
        raise malformed("the protocol level is cut off", _SECTION)
    level = body[at]
    if name not in {"MQTT", "MQIsdp"}:
        raise MQTTDecodeError(
            "this is not MQTT", reason_code=0x84, spec="MQTT 5.0 §3.1.2.1 [MQTT-3.1.2-1]"
        )
    if _NAMES.get(level) != name:
        raise MQTTDecodeError(
            f"{name} has no level {level}",
            reason_code=0x84,
            spec="MQTT 5.0 §3.1.2.2 [MQTT-3.1.2-2]",
        )
    return level, at + 1


def _check_flags(flags: int, level: int) -> None:
    if flags & _RESERVED and level > 3:
        raise malformed("the reserved connect flag is set", f"{_SECTION}.3 [MQTT-3.1.2-3]")
    if not flags & _WILL:
        if flags & _WILL_QOS:
            raise malformed("there is a Will QoS and no Will", f"{_SECTION}.6 [MQTT-3.1.2-11]")
        if flags & _WILL_RETAIN:
            raise malformed("there is a Will Retain and no Will", f"{_SECTION}.7 [MQTT-3.1.2-13]")
    elif flags & _WILL_QOS == _WILL_QOS:
        raise malformed("the Will QoS is 3", f"{_SECTION}.6 [MQTT-3.1.2-12]")
    if level < 5 and flags & _PASSWORD and not flags & _USERNAME:
        raise protocol_error("there is a password and no user name", _PASSWORD_ALONE)


def encode_connect(message: MQTTConnect) -> bytes:
    """Return the bytes of a CONNECT, at its own level.

    Raises:
        MQTTEncodeError: the standard forbids it.

    Spec:
        MQTT 5.0 §3.1; MQTT 3.1.1 §3.1
    """
    level = message.proto_level
    name = _NAMES.get(level)
    if name is None:
        raise MQTTEncodeError(f"there is no level {level}: take 3, 4 or 5", spec=_SECTION)
    if not 0 <= message.keep_alive <= 0xFFFF:
        raise MQTTEncodeError("keep_alive takes 0 to 65535 seconds", spec="MQTT 5.0 §3.1.2.10")
    parts = [
        encode_string(name),
        bytes((level, _connect_flags(message))),
        message.keep_alive.to_bytes(2, "big"),
    ]
    if level >= 5:
        parts.append(encode_properties(message.properties, packet=CONNECT))
    parts.append(encode_string(message.client_id))
    if message.will_topic is not None:
        if level >= 5:
            parts.append(encode_properties(message.will_properties, packet=WILL))
        parts.append(encode_string(message.will_topic))
        parts.append(encode_binary(message.will_payload or b""))
    if message.username is not None:
        parts.append(encode_string(message.username))
    if message.password is not None:
        parts.append(encode_binary(message.password))
    body = b"".join(parts)
    return fixed_header(CONNECT << 4, len(body)) + body


def _connect_flags(message: MQTTConnect) -> int:
    flags = _CLEAN_START if message.clean_start else 0
    if message.will_topic is not None:
        if message.will_qos not in {0, 1, 2}:
            raise MQTTEncodeError("will_qos takes 0, 1 or 2", spec=f"{_SECTION}.6")
        flags |= _WILL | message.will_qos << WILL_QOS_SHIFT
        if message.will_retain:
            flags |= _WILL_RETAIN
    elif message.will_qos or message.will_retain or message.will_properties:
        raise MQTTEncodeError("a Will needs a will_topic", spec=f"{_SECTION}.5")
    if message.username is not None:
        flags |= _USERNAME
    if message.password is not None:
        if message.username is None and message.proto_level < 5:
            raise MQTTEncodeError("a password needs a user name", spec=_PASSWORD_ALONE)
        flags |= _PASSWORD
    return flags


def decode_connack(body: bytes, level: int) -> MQTTConnack:
    """Return the CONNACK of *body*.

    Raises:
        MQTTDecodeError: 0x81 or 0x82, it breaks a rule.

    Spec:
        MQTT 5.0 §3.2; MQTT 3.1.1 §3.2
    """
    if len(body) < 2:
        raise malformed("a CONNACK is cut off", "MQTT 5.0 §3.2.2")
    flags, code = body[0], body[1]
    if flags > 1:
        raise malformed("a reserved flag is set", "MQTT 5.0 §3.2.2.1 [MQTT-3.2.2-1]")
    properties: dict[str, object] = {}
    at = 2
    if level >= 5:
        check_reason(CONNACK, code)
        properties, taken = decode_properties(body, at, packet=CONNACK)
        at += taken
    elif code > 5:
        raise protocol_error(f"there is no return code {code}", "MQTT 3.1.1 §3.2.2.3")
    check_end(body, at)
    if flags and code:
        raise protocol_error(
            "a refusal says that there is a session", "MQTT 5.0 §3.2.2.1.1 [MQTT-3.2.2-6]"
        )
    return MQTTConnack(flags == 1, code, properties)


def encode_connack(message: MQTTConnack, level: int) -> bytes:
    """Return the bytes of a CONNACK.

    Raises:
        MQTTEncodeError: the standard forbids it.

    Spec:
        MQTT 5.0 §3.2; MQTT 3.1.1 §3.2
    """
    code = message.reason_code
    if message.session_present and code:
        raise MQTTEncodeError("a refusal has no session", spec="MQTT 5.0 §3.2.2.1.1 [MQTT-3.2.2-6]")
    if code not in REASON_CODES[CONNACK] if level >= 5 else not 0 <= code <= 5:
        raise bad_reason(CONNACK, code)
    body = bytes((1 if message.session_present else 0, code))
    if level >= 5:
        body += encode_properties(message.properties, packet=CONNACK)
    return fixed_header(CONNACK << 4, len(body)) + body
