from __future__ import annotations

import dataclasses

import pytest

from blackbull.mqtt import messages

NAMES = """
    MQTTPacketType extract_packet_type extract_flags decode_publish_flags PublishFlags
    PublishFlagBits ConnectFlags SubscriptionOptions ProtocolLevel SESSION_EXPIRY_NEVER
    WILL_QOS_SHIFT encode_variable_byte_integer decode_variable_byte_integer PropertyId
    PropertyInfo PROPERTY_IDENTIFIERS get_property_info encode_properties decode_properties
    ReasonCode MQTTReasonCode MQTTMessage encode_packet decode_packet MQTTDecodeError
    IncompletePacket topic_matches_filter validate_topic_name validate_topic_filter
"""

PACKETS = {
    "MQTTConnect": "client_id clean_start keep_alive proto_level username password will_topic "
    "will_payload will_qos will_retain will_properties properties",
    "MQTTConnack": "session_present reason_code properties",
    "MQTTPublish": "topic payload qos packet_id retain dup properties",
    "MQTTPuback": "packet_id reason_code properties",
    "MQTTPubrec": "packet_id reason_code properties",
    "MQTTPubrel": "packet_id reason_code properties",
    "MQTTPubcomp": "packet_id reason_code properties",
    "MQTTSubscribe": "packet_id subscriptions properties subscription_options",
    "MQTTSuback": "packet_id reason_codes properties",
    "MQTTUnsubscribe": "packet_id topics properties",
    "MQTTUnsuback": "packet_id reason_codes properties",
    "MQTTPingreq": "",
    "MQTTPingresp": "",
    "MQTTDisconnect": "reason_code properties",
    "MQTTAuth": "reason_code properties",
}


def test_messages_names_what_programs_import() -> None:
    assert set(NAMES.split()) | set(PACKETS) <= set(messages.__all__)
    assert all(hasattr(messages, name) for name in messages.__all__)


@pytest.mark.parametrize(("name", "expected"), PACKETS.items())
def test_packet_class_is_frozen_and_has_its_fields(name: str, expected: str) -> None:
    """S42: fifteen packet dataclasses."""
    cls = getattr(messages, name)
    assert [field.name for field in dataclasses.fields(cls)] == expected.split()
    assert issubclass(cls, messages.MQTTMessage)
    assert cls.__dataclass_params__.frozen
    assert not hasattr(cls.__new__(cls), "__dict__")


def test_packet_not_decoded_has_consumed_nothing() -> None:
    message, consumed = messages.MQTTPingreq()
    assert (message, consumed) == (messages.MQTTPingreq(), 0)
