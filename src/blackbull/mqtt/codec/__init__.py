"""The codec of MQTT 5.0 and 3.1.1: packets from bytes and to bytes, without I/O."""

from __future__ import annotations

from .connect import MQTTConnack, MQTTConnect
from .control import MQTTAuth, MQTTDisconnect, MQTTPingreq, MQTTPingresp
from .errors import IncompletePacket, MQTTDecodeError, MQTTEncodeError, PacketTooLarge
from .framer import PacketFramer
from .message import MQTTMessage
from .packets import decode_body, decode_packet, encode_packet
from .properties import (
    PROPERTY_IDENTIFIERS,
    PropertyId,
    PropertyInfo,
    WireType,
    decode_properties,
    encode_properties,
    get_property_info,
    properties_length,
)
from .publish import MQTTPuback, MQTTPubcomp, MQTTPublish, MQTTPubrec, MQTTPubrel
from .reasons import MQTTReasonCode
from .strings import decode_binary, decode_string, encode_binary, encode_string
from .subscribe import MQTTSuback, MQTTSubscribe, MQTTUnsuback, MQTTUnsubscribe
from .types import (
    CLIENT_DISCONNECT_CODES,
    MAX_STRING,
    MAX_VARIABLE_BYTE_INTEGER,
    PUBLISH_QOS_SHIFT,
    REASON_CODES,
    SESSION_EXPIRY_NEVER,
    WILL_QOS_SHIFT,
    ConnectFlags,
    ConnectReturnCode,
    MQTTPacketType,
    ProtocolLevel,
    PublishFlagBits,
    PublishFlags,
    ReasonCode,
    SubscriptionOptions,
    decode_publish_flags,
    extract_flags,
    extract_packet_type,
)
from .varint import decode_variable_byte_integer, encode_variable_byte_integer, fixed_header

__all__ = [
    "CLIENT_DISCONNECT_CODES",
    "MAX_STRING",
    "MAX_VARIABLE_BYTE_INTEGER",
    "PROPERTY_IDENTIFIERS",
    "PUBLISH_QOS_SHIFT",
    "REASON_CODES",
    "SESSION_EXPIRY_NEVER",
    "WILL_QOS_SHIFT",
    "ConnectFlags",
    "ConnectReturnCode",
    "IncompletePacket",
    "MQTTAuth",
    "MQTTConnack",
    "MQTTConnect",
    "MQTTDecodeError",
    "MQTTDisconnect",
    "MQTTEncodeError",
    "MQTTMessage",
    "MQTTPacketType",
    "MQTTPingreq",
    "MQTTPingresp",
    "MQTTPuback",
    "MQTTPubcomp",
    "MQTTPublish",
    "MQTTPubrec",
    "MQTTPubrel",
    "MQTTReasonCode",
    "MQTTSuback",
    "MQTTSubscribe",
    "MQTTUnsuback",
    "MQTTUnsubscribe",
    "PacketFramer",
    "PacketTooLarge",
    "PropertyId",
    "PropertyInfo",
    "ProtocolLevel",
    "PublishFlagBits",
    "PublishFlags",
    "ReasonCode",
    "SubscriptionOptions",
    "WireType",
    "decode_binary",
    "decode_body",
    "decode_packet",
    "decode_properties",
    "decode_publish_flags",
    "decode_string",
    "decode_variable_byte_integer",
    "encode_binary",
    "encode_packet",
    "encode_properties",
    "encode_string",
    "encode_variable_byte_integer",
    "extract_flags",
    "extract_packet_type",
    "fixed_header",
    "get_property_info",
    "properties_length",
]
