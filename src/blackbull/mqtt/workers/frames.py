"""What the applications of two workers say to one another about the broker that one of them has.

A frame is one byte for its kind, four for the number of what it is about, four for the length of
its content, and the content. Messages are PUBLISH packets of MQTT 5, whose Packet Identifier
nobody looks at.
"""

from __future__ import annotations

import enum
import json
from struct import Struct
from typing import Final, NamedTuple

from blackbull.errors import LimitExceeded

from ..codec.varint import decode_variable_byte_integer
from ..payload import encode_json
from ..state.publication import Publication

_HEAD: Final = Struct("!BII")
_MESSAGE: Final = Struct("!IH")
_COUNT: Final = Struct("!I")
_PUBLISH: Final = 0x30


class Kind(enum.IntEnum):
    """What a frame says. Those from 16 on are the owner's."""

    PUBLISH = 1  # a PUBLISH packet; answered with DONE or REFUSED
    SUBSCRIBE = 2  # a wish; answered, after what is retained, with DONE or REFUSED
    UNSUBSCRIBE = 3
    LET_GO = 4  # this worker stops: its clients are to go without their wills; answered with DONE
    READY = 16  # the broker runs
    DONE = 17  # how many subscribers a message reaches
    REFUSED = 18  # why
    MESSAGE = 19  # dropped so far, publisher, PUBLISH packet
    STOPPING = 20  # the owner stops


class Frame(NamedTuple):
    """One frame."""

    kind: int
    number: int
    content: bytes


class Frames:
    """Finds the frames in a stream, however that is cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive(self, data: bytes) -> list[Frame]:
        """Return the frames that *data* completes."""
        buffer = self._buffer
        buffer += data
        frames: list[Frame] = []
        at = 0
        while len(buffer) - at >= _HEAD.size:
            kind, number, size = _HEAD.unpack_from(buffer, at)
            start = at + _HEAD.size
            if len(buffer) < start + size:
                break
            at = start + size
            frames.append(Frame(kind, number, bytes(memoryview(buffer)[start:at])))
        del buffer[:at]
        return frames


def encode_frame(kind: Kind, number: int = 0, content: bytes = b"") -> bytes:
    """Return a frame."""
    return _HEAD.pack(kind, number, len(content)) + content


class Wish(NamedTuple):
    """What a SUBSCRIBE frame asks for.

    Attributes:
        topic: A Topic Filter.
        qos: The highest QoS.
        max_queued: Messages that wait while the stream takes none.
        overflow: Which of them goes when one more comes.
    """

    topic: str
    qos: int
    max_queued: int
    overflow: str


def encode_wish(wish: Wish) -> bytes:
    """Return the content of a SUBSCRIBE frame."""
    return encode_json(wish)


def decode_wish(content: bytes) -> Wish:
    """Return what a SUBSCRIBE frame asks for."""
    return Wish(*json.loads(content))


def encode_count(count: int) -> bytes:
    """Return the content of a DONE frame."""
    return _COUNT.pack(count)


def decode_count(content: bytes) -> int:
    """Return how many subscribers a DONE frame tells of."""
    return int.from_bytes(content, "big")


def encode_refusal(error: LimitExceeded | ValueError) -> bytes:
    """Return the content of a REFUSED frame."""
    if isinstance(error, LimitExceeded):
        return encode_json([error.limit, error.allowed, error.seen])
    return encode_json([str(error)])


def decode_refusal(content: bytes) -> LimitExceeded | ValueError:
    """Return what a REFUSED frame tells of, to be raised."""
    what, *figures = json.loads(content)
    if figures:
        return LimitExceeded(what, allowed=figures[0], seen=figures[1])
    return ValueError(what)


def encode_message(publication: Publication, *, dropped: int) -> bytes:
    """Return the content of a MESSAGE frame."""
    publisher = publication.publisher.encode()
    first = _PUBLISH | publication.qos << 1 | publication.retain
    packet = publication.packet(5, first, 0)
    return _MESSAGE.pack(dropped & 0xFFFF_FFFF, len(publisher)) + publisher + packet


def decode_message(content: bytes) -> tuple[Publication, int]:
    """Return a MESSAGE frame's message, and how many were dropped before it."""
    dropped, size = _MESSAGE.unpack_from(content)
    start = _MESSAGE.size + size
    publisher = content[_MESSAGE.size : start].decode()
    return decode_publication(content[start:], publisher=publisher), dropped


def encode_publication(publication: Publication) -> bytes:
    """Return the content of a PUBLISH frame; its expiry counts from 0.

    Raises:
        MQTTEncodeError: it is longer than a packet may be.
    """
    first = _PUBLISH | publication.qos << 1 | publication.retain
    return publication.special_packet(first, 0, now=0.0)


def decode_publication(packet: bytes, *, publisher: str = "") -> Publication:
    """Return the message of a PUBLISH packet; its expiry is among its properties."""
    first = packet[0]
    at = 1 + decode_variable_byte_integer(packet, 1)[1]
    end = at + 2 + int.from_bytes(packet[at : at + 2], "big")
    tail_at = end + 2 if first & 6 else end
    length, size = decode_variable_byte_integer(packet, tail_at)
    return Publication(
        packet[at + 2 : end], packet[tail_at:], size + length, first >> 1 & 3,
        retain=bool(first & 1), publisher=publisher,
    )  # fmt: skip
