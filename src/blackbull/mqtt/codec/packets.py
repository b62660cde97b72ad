"""Whole control packets: from bytes and to bytes (MQTT 5.0 chapters 2 and 3; MQTT 3.1.1)."""

from __future__ import annotations

from typing import Final

from .clauses import clause_before_5
from .connect import (
    MQTTConnack,
    MQTTConnect,
    decode_connack,
    decode_connect,
    encode_connack,
    encode_connect,
)
from .control import (
    MQTTAuth,
    MQTTDisconnect,
    MQTTPingreq,
    MQTTPingresp,
    decode_auth,
    decode_disconnect,
    encode_auth,
    encode_disconnect,
)
from .errors import IncompletePacket, MQTTDecodeError, MQTTEncodeError, PacketTooLarge, malformed
from .message import MQTTMessage, check_end
from .publish import (
    MQTTPuback,
    MQTTPubcomp,
    MQTTPublish,
    MQTTPubrec,
    MQTTPubrel,
    decode_puback,
    decode_pubcomp,
    decode_publish,
    decode_pubrec,
    decode_pubrel,
    encode_acknowledgement,
    encode_publish,
)
from .subscribe import (
    MQTTSuback,
    MQTTSubscribe,
    MQTTUnsuback,
    MQTTUnsubscribe,
    decode_suback,
    decode_subscribe,
    decode_unsuback,
    decode_unsubscribe,
    encode_suback,
    encode_subscribe,
    encode_unsuback,
    encode_unsubscribe,
)
from .types import (
    AUTH,
    CONNACK,
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBACK,
    SUBSCRIBE,
    UNSUBACK,
    UNSUBSCRIBE,
)
from .varint import scan_variable_byte_integer

# The flags that each packet type has to have; those of a PUBLISH vary.
_FLAGS: Final = (0, 0, 0, 0, 0, 0, 2, 0, 2, 0, 2, 0, 0, 0, 0, 0)
_DUP: Final = 8

_FLAG_SPECS: Final = {
    PUBREL: "MQTT 5.0 §3.6.1 [MQTT-3.6.1-1]",
    SUBSCRIBE: "MQTT 5.0 §3.8.1 [MQTT-3.8.1-1]",
    UNSUBSCRIBE: "MQTT 5.0 §3.10.1 [MQTT-3.10.1-1]",
    DISCONNECT: "MQTT 5.0 §3.14.1 [MQTT-3.14.1-1]",
    AUTH: "MQTT 5.0 §3.15.1 [MQTT-3.15.1-1]",
}
_ANY_FLAGS: Final = "MQTT 5.0 §2.1.3 [MQTT-2.1.3-1]"


def check_first(first: int, level: int = 5) -> None:
    """Check a packet's first byte: its type exists and its flags are those of the type.

    Raises:
        MQTTDecodeError: 0x81, they are not.

    Spec:
        MQTT 5.0 §2.1.2, §2.1.3; MQTT 3.1.1 §2.2.1, §2.2.2
    """
    packet = first >> 4
    flags = first & 15
    if packet == PUBLISH:
        if flags & 6 == 6:
            raise _refuse("the QoS is 3", "MQTT 5.0 §3.3.1.2 [MQTT-3.3.1-4]", level)
        return
    if packet == 0 or (packet == AUTH and level < 5):
        raise _refuse(f"there is no packet type {packet}", "MQTT 5.0 §2.1.2", level)
    if level == 3 and _FLAGS[packet]:
        # MQTT 3.1 lets what it calls QoS 1 be sent again, marked so.
        flags &= ~_DUP
    if flags != _FLAGS[packet]:
        raise _refuse("a reserved flag is set", _FLAG_SPECS.get(packet, _ANY_FLAGS), level)


def _refuse(message: str, spec: str, level: int) -> MQTTDecodeError:
    return malformed(message, spec if level >= 5 else clause_before_5(spec))


def packet_size(data: bytes, offset: int, level: int, maximum: int = 0) -> tuple[int, int]:
    """Judge the packet that begins at *offset* by its header.

    Args:
        data: Bytes that may end anywhere.
        offset: Where the packet begins; there is at least one byte of it.
        level: The protocol level.
        maximum: Bytes that the packet may have, header included; 0 for any number.

    Returns:
        Where its body begins and where it ends, counted from the beginning of *data*.

    Raises:
        IncompletePacket: *data* ends inside of the header.
        PacketTooLarge: 0x95.
        MQTTDecodeError: 0x81, type, flags or length are wrong.

    Spec:
        MQTT 5.0 §2.1; MQTT 3.1.1 §2.2
    """
    first = data[offset]
    check_first(first, level)
    try:
        length, size = scan_variable_byte_integer(data, offset + 1)
    except IncompletePacket:
        raise IncompletePacket(len(data) - offset + 1) from None
    except MQTTDecodeError as error:
        raise _refuse(str(error), error.spec, level) from None
    start = offset + 1 + size
    # A CONNECT may ask for another level, that has no such rule: see `check_minimal`.
    if size > 1 and data[start - 1] == 0 and level >= 5 and first != CONNECT << 4:
        raise _too_long()
    if maximum and start - offset + length > maximum:
        raise PacketTooLarge(start - offset + length, maximum)
    return start, start + length


def check_minimal(message: MQTTMessage, data: bytes, start: int) -> None:
    """Check the length before *start*, if *message* is a CONNECT that asks for level 5.

    Raises:
        MQTTDecodeError: 0x81, it has more bytes than it needs.

    Spec:
        MQTT 5.0 §1.5.5
    """
    if isinstance(message, MQTTConnect) and message.proto_level >= 5:
        last = data[start - 1]
        if last == 0:
            raise _too_long()


def _too_long() -> MQTTDecodeError:
    return malformed("an integer has more bytes than it needs", "MQTT 5.0 §1.5.5 [MQTT-1.5.5-1]")


def decode_body(first: int, body: bytes, *, level: int = 5) -> MQTTMessage:
    """Return the packet that *first* and *body* are.

    Args:
        first: The packet's first byte.
        body: All that follows the remaining length.
        level: The protocol level; a CONNECT goes by its own.

    Raises:
        MQTTDecodeError: it breaks a rule; ``reason_code`` and ``spec`` say how to answer and why.

    Spec:
        MQTT 5.0 chapter 3; MQTT 3.1.1 chapter 3
    """
    packet = first >> 4
    try:
        if packet == PUBLISH:
            return decode_publish(first, body, level)
        check_first(first, level)
        if packet <= PUBREC:
            if packet == PUBACK:
                return decode_puback(body, level)
            if packet == CONNECT:
                return decode_connect(body)
            if packet == CONNACK:
                return decode_connack(body, level)
            return decode_pubrec(body, level)
        if packet == PUBREL:
            return decode_pubrel(body, level)
        if packet == PUBCOMP:
            return decode_pubcomp(body, level)
        if packet == SUBSCRIBE:
            return decode_subscribe(body, level)
        if packet == SUBACK:
            return decode_suback(body, level)
        if packet == UNSUBSCRIBE:
            return decode_unsubscribe(body, level)
        if packet == UNSUBACK:
            return decode_unsuback(body, level)
        if packet == DISCONNECT:
            return decode_disconnect(body, level)
        if packet == AUTH:
            return decode_auth(body, level)
        check_end(body, 0)
        return MQTTPingreq() if packet == PINGREQ else MQTTPingresp()
    except MQTTDecodeError as error:
        if level < 5 and packet != CONNECT:  # which went by its own level
            error.spec = clause_before_5(error.spec)
        raise


def decode_packet(data: bytes, *, level: int = 5) -> MQTTMessage:
    """Return the first packet in *data*: ``message, consumed = decode_packet(data)``.

    Args:
        data: At least one packet; what follows it is not looked at.
        level: The protocol level; a CONNECT goes by its own.

    Raises:
        IncompletePacket: *data* ends inside of the packet.
        MQTTDecodeError: it breaks a rule.

    Spec:
        MQTT 5.0 chapters 2 and 3; MQTT 3.1.1 chapters 2 and 3
    """
    if not data:
        raise IncompletePacket(2)
    start, end = packet_size(data, 0, level)
    if end > len(data):
        raise IncompletePacket(end)
    message = decode_body(data[0], data[start:end], level=level)
    check_minimal(message, data, start)
    object.__setattr__(message, "_consumed", end)
    return message


def encode_packet(message: MQTTMessage, *, level: int = 5) -> bytes:
    """Return the bytes of *message*.

    Args:
        message: One of the fifteen packets.
        level: The protocol level; a CONNECT goes by its own. Below 5, what only MQTT 5.0 can say
            is left out, and return codes are those of MQTT 3.1.1.

    Raises:
        MQTTEncodeError: the standard forbids such a packet.

    Spec:
        MQTT 5.0 chapter 3; MQTT 3.1.1 chapter 3
    """
    if isinstance(message, MQTTPublish):
        return encode_publish(message, level)
    if isinstance(message, MQTTPuback):
        return encode_acknowledgement(message, PUBACK, level)
    if isinstance(message, MQTTPubrec):
        return encode_acknowledgement(message, PUBREC, level)
    if isinstance(message, MQTTPubrel):
        return encode_acknowledgement(message, PUBREL, level)
    if isinstance(message, MQTTPubcomp):
        return encode_acknowledgement(message, PUBCOMP, level)
    if isinstance(message, MQTTPingreq):
        return bytes((PINGREQ << 4, 0))
    if isinstance(message, MQTTPingresp):
        return bytes((PINGRESP << 4, 0))
    if isinstance(message, MQTTConnect):
        return encode_connect(message)
    if isinstance(message, MQTTConnack):
        return encode_connack(message, level)
    if isinstance(message, MQTTDisconnect):
        return encode_disconnect(message, level)
    return _encode_rest(message, level)


def _encode_rest(message: MQTTMessage, level: int) -> bytes:
    if isinstance(message, MQTTSubscribe):
        return encode_subscribe(message, level)
    if isinstance(message, MQTTSuback):
        return encode_suback(message, level)
    if isinstance(message, MQTTUnsubscribe):
        return encode_unsubscribe(message, level)
    if isinstance(message, MQTTUnsuback):
        return encode_unsuback(message, level)
    if isinstance(message, MQTTAuth):
        return encode_auth(message, level)
    raise MQTTEncodeError(f"{type(message).__name__} is no control packet", spec="MQTT 5.0 §2.1.2")
