"""What two workers say to one another arrives as it was said."""

from __future__ import annotations

import pytest

from blackbull.errors import LimitExceeded
from blackbull.mqtt.state.publication import make_publication
from blackbull.mqtt.workers.frames import (
    Frame,
    Frames,
    Kind,
    Wish,
    decode_count,
    decode_message,
    decode_publication,
    decode_refusal,
    decode_wish,
    encode_count,
    encode_frame,
    encode_message,
    encode_publication,
    encode_refusal,
    encode_wish,
)
from blackbull.mqtt.workers.opening import Opening, decode_opening, encode_opening

PROPERTIES = {
    "content_type": "text/plain",
    "correlation_data": b"\x00\x01",
    "user_property": [("a", "1"), ("a", "2")],
}


@pytest.mark.parametrize("size", [1, 2, 8, 9, 10, 1000])
def test_frames_however_the_stream_is_cut_are_the_same(size: int) -> None:
    said = [(Kind.PUBLISH, 7, b"x" * 20), (Kind.READY, 0, b""), (Kind.DONE, 2**32 - 1, b"abcd")]
    data = b"".join(encode_frame(*each) for each in said)
    frames = Frames()
    heard = [
        frame for at in range(0, len(data), size) for frame in frames.receive(data[at : at + size])
    ]
    assert heard == [Frame(*each) for each in said]


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("retain", [False, True])
@pytest.mark.parametrize("properties", [{}, PROPERTIES])
@pytest.mark.parametrize("payload", [b"", b"x", b"y" * 200_000])
def test_message_arrives_as_it_was_published(
    qos: int, retain: bool, properties: dict[str, object], payload: bytes
) -> None:
    sent = make_publication(
        "rooms/küche", payload, qos=qos, retain=retain, properties=properties, publisher="é" * 20
    )
    got, dropped = decode_message(encode_message(sent, dropped=3))
    assert dropped == 3
    for name in ("topic", "payload", "qos", "retain", "properties", "publisher", "size"):
        assert getattr(got, name) == getattr(sent, name)
    asked = decode_publication(encode_publication(sent))
    assert (asked.topic, asked.payload, asked.properties) == (sent.topic, payload, properties)
    assert (asked.qos, asked.retain) == (qos, retain)


def test_message_expiry_is_told_to_the_owner_and_not_to_followers() -> None:
    sent = make_publication("t", b"x", properties={"message_expiry_interval": 60})
    assert decode_publication(encode_publication(sent)).properties == {
        "message_expiry_interval": 60
    }
    assert decode_message(encode_message(sent, dropped=0))[0].properties == {}


def test_answers_and_wishes_arrive_as_they_were_meant() -> None:
    assert decode_count(encode_count(70_000)) == 70_000
    wish = Wish("sensors/+/ö", 1, 20, "drop_newest")
    assert decode_wish(encode_wish(wish)) == wish
    limit = decode_refusal(encode_refusal(LimitExceeded("max_retained", allowed=1, seen=2)))
    assert isinstance(limit, LimitExceeded)
    assert (limit.limit, limit.allowed, limit.seen) == ("max_retained", 1, 2)
    refused = decode_refusal(encode_refusal(ValueError("no")))
    assert (type(refused), str(refused)) == (ValueError, "no")


@pytest.mark.parametrize(
    "opening",
    [
        Opening(worker="a"),
        Opening(worker="b", client=True, peername=("2001:db8::1", 4711), transport="websocket"),
        Opening(
            worker="c", client=True, peername=("/tmp/s", None), transport="tls",
            certificate={
                "subject": ((("countryName", "AT"),), (("commonName", "lämp"),)),
                "subjectAltName": (("DNS", "a.example"), ("DNS", "b.example")),
                "version": 3,
                "notAfter": "Jan  5 09:34:43 2038 GMT",
            },
        ),
    ],
    ids=lambda opening: opening.worker,
)  # fmt: skip
def test_opening_arrives_as_it_was_said(opening: Opening) -> None:
    line = encode_opening(opening)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode_opening(line) == opening
