"""RFC 6455 §5: frames, masks, control frames, fragments."""

from __future__ import annotations

import asyncio

import pytest

from blackbull.connection import Connection
from blackbull.messages import WebSocketAccept, WebSocketMessage
from blackbull.native import Receive, Send
from tests.conformance.websocket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    Frame,
    Handler,
    close,
    failing,
    frame,
    key,
    talking,
)
from tests.spec import spec

SIZES = [0, 1, 5, 125, 126, 127, 128, 1499, 1500, 65535, 65536, 300_000]


@spec("RFC 6455 §5.2", "RFC 6455 §5.6", "every form of the length")
@pytest.mark.parametrize("size", SIZES)
async def test_message_of_any_size_is_echoed(size: int) -> None:
    async with talking() as client:
        await client.say("*" * size, b"\xfe" * size)
        assert await client.hear() == "*" * size
        assert await client.hear() == b"\xfe" * size


@spec("RFC 6455 §5.2")
@pytest.mark.parametrize("size", [0, 5, 126, 65536])
@pytest.mark.parametrize("chop", [1, 997])
async def test_message_in_small_pieces_is_the_same(size: int, chop: int) -> None:
    if size > 1000 and chop == 1:
        size = 1000
    wire = frame(TEXT, "ä" * (size // 2), mask=key())
    async with talking() as client:
        for at in range(0, len(wire), chop):
            await client.send(wire[at : at + chop])
            await asyncio.sleep(0)
        assert await client.hear() == "ä" * (size // 2)


@spec("RFC 6455 §5.3", "any mask, a zero one too")
@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\1\2\3"])
@pytest.mark.parametrize("size", [3, 200, 5001])
async def test_mask_of_any_kind_is_removed(mask: bytes, size: int) -> None:
    payload = bytes(i % 251 for i in range(size))
    async with talking() as client:
        await client.send(frame(BINARY, payload, mask=mask))
        assert await client.hear() == payload


async def test_messages_that_arrive_together_are_answered_together_and_in_order() -> None:
    async with talking() as client:
        await client.say(*(f"message {i}" for i in range(600)))
        assert [await client.hear() for _ in range(600)] == [f"message {i}" for i in range(600)]


@spec("RFC 6455 §5.1", "a server MUST close on a frame that is not masked: 1002")
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
async def test_frame_without_a_mask_fails(opcode: int) -> None:
    await failing(frame(opcode, b"", mask=None), code=1002)


@spec("RFC 6455 §5.2", "reserved bits MUST be 0 unless an extension gives them a meaning")
@pytest.mark.parametrize("rsv", [RSV1, RSV2, RSV3, RSV1 | RSV2, RSV1 | RSV2 | RSV3])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
async def test_reserved_bit_fails(rsv: int, opcode: int) -> None:
    """S26."""
    await failing(frame(opcode, b"", rsv=rsv), code=1002)


async def test_reserved_bit_after_a_good_message_fails_only_then() -> None:
    async with talking() as client:
        await client.send(frame(TEXT, "good"), frame(TEXT, "bad", rsv=RSV2), frame(TEXT, "late"))
        assert await client.hear() == "good"
        await client.fails(1002)


@spec("RFC 6455 §5.2", "an unknown opcode MUST fail the connection")
@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
async def test_reserved_opcode_fails(opcode: int) -> None:
    await failing(frame(opcode, b"x"), code=1002)


@spec("RFC 6455 §5.2", "the fewest octets MUST be used; the most significant bit MUST be 0")
@pytest.mark.parametrize(
    "length",
    [
        b"\x00\x00", b"\x00\x7d", b"\x00\x00\x00\x00\x00\x00\x00\x05",
        b"\x00\x00\x00\x00\x00\x00\xff\xff", b"\x80\x00\x00\x00\x00\x00\x00\x00",
    ],
)  # fmt: skip
async def test_length_in_a_wrong_form_fails(length: bytes) -> None:
    await failing(frame(BINARY, b"", length=length), code=1002)


# Control frames


@spec("RFC 6455 §5.5.2", "RFC 6455 §5.5.3", "a pong carries the ping's payload")
@pytest.mark.parametrize(
    "payload", [b"", b"Hello", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"x" * 125]
)
async def test_ping_is_answered(payload: bytes) -> None:
    async with talking() as client:
        await client.send(frame(PING, payload))
        assert await client.frame() == Frame(PONG, payload)


@spec("RFC 6455 §5.5.2")
async def test_pings_are_answered_in_order_also_in_pieces() -> None:
    wire = b"".join(frame(PING, f"payload {i}", mask=key()) for i in range(10))
    async with talking() as client:
        await client.send(wire)
        for octet in wire:
            await client.send(bytes((octet,)))
        got = [await client.frame() for _ in range(20)]
        assert got == [Frame(PONG, b"payload %d" % (i % 10)) for i in range(20)]


@spec("RFC 6455 §5.5.2", "a pong is sent as soon as is practical, whatever the handler does")
async def test_ping_is_answered_while_the_handler_is_busy() -> None:
    free = asyncio.Event()

    async def busy(conn: Connection, receive: Receive, send: Send) -> None:
        await send(WebSocketAccept())
        await free.wait()
        await send(WebSocketMessage("done"))

    async with talking(busy) as client:
        await client.send(frame(TEXT, "unread"), frame(PING, b"there?"))
        assert await client.frame() == Frame(PONG, b"there?")
        free.set()
        assert await client.hear() == "done"


@spec("RFC 6455 §5.5.3", "an unsolicited pong is not answered")
async def test_pong_is_not_answered() -> None:
    async with talking() as client:
        await client.send(frame(PONG), frame(PONG, b"x"), frame(PING, b"y"))
        assert await client.frame() == Frame(PONG, b"y")


@spec("RFC 6455 §5.5", "125 bytes or less, MUST NOT be fragmented")
@pytest.mark.parametrize(
    "wire",
    [
        frame(PING, b"x" * 126),
        frame(PONG, b"x" * 126),
        frame(CLOSE, b"\x03\xe8" + b"x" * 124),
        frame(PING, b"", fin=False),
        frame(PONG, b"", fin=False),
        frame(CLOSE, b"", fin=False),
    ],
)
async def test_control_frame_long_or_fragmented_fails(wire: bytes) -> None:
    """S30."""
    await failing(wire, code=1002)


# Fragments


@spec("RFC 6455 §5.4", "fragments are joined")
@pytest.mark.parametrize(
    "parts",
    [
        ["hel", "lo", ""], ["", "hello"], ["", "", ""], ["h", "e", "l", "l", "o"],
        ["hello" * 40, "world" * 40], ["x" * 70_000, "y" * 70_000],
    ],
)  # fmt: skip
async def test_fragments_are_one_message(parts: list[str]) -> None:
    """S29."""
    frames = [
        frame(TEXT if i == 0 else 0, part, fin=i == len(parts) - 1, mask=key())
        for i, part in enumerate(parts)
    ]
    handler = Handler()
    async with talking(handler) as client:
        await client.send(*frames)
        assert await client.hear() == "".join(parts)
        for each in frames:
            await client.send(each)
            await asyncio.sleep(0)
        assert await client.hear() == "".join(parts)
    assert handler.messages == ["".join(parts)] * 2


@spec("RFC 6455 §5.4", "control frames MAY stand between fragments, and MUST be handled there")
async def test_ping_between_fragments_is_answered_before_the_message() -> None:
    """S29."""
    async with talking() as client:
        await client.send(
            frame(TEXT, "hel", fin=False),
            frame(PING, b"1"),
            frame(0, "lo", fin=False),
            frame(PING, b"2"),
        )
        assert await client.frame() == Frame(PONG, b"1")
        assert await client.frame() == Frame(PONG, b"2")
        await client.send(frame(PONG, b"3"), frame(0, ""))
        assert await client.hear() == "hello"


@spec("RFC 6455 §5.4", "a close may stand between fragments")
async def test_close_between_fragments_closes() -> None:
    async with talking() as client:
        await client.send(frame(TEXT, "hel", fin=False), close(1000))
        assert (await client.ended()).code == 1000


@spec("RFC 6455 §5.4", "continuations of nothing; a message within a message")
@pytest.mark.parametrize(
    "frames",
    [
        [frame(0, "x")],
        [frame(0, "x", fin=False)],
        [frame(0, "x"), frame(TEXT, "y")],
        [frame(TEXT, "x"), frame(0, "y")],
        [frame(TEXT, "x", fin=False), frame(0, "y"), frame(0, "z")],
        [frame(TEXT, "x", fin=False), frame(TEXT, "y")],
        [frame(TEXT, "x", fin=False), frame(BINARY, "y", fin=False)],
        [frame(BINARY, "x", fin=False), frame(TEXT, "y" * 200)],
        [frame(TEXT, "x", fin=False), frame(0, "y", fin=False), frame(TEXT, "z", fin=False)],
    ],
)
async def test_fragments_out_of_order_fail(frames: list[bytes]) -> None:
    """S30."""
    handler = Handler()
    async with talking(handler) as client:
        await client.send(*frames)
        got = await client.frame()
        while got.opcode != CLOSE:
            got = await client.frame()
        assert got.code == 1002
        assert (await handler.disconnected()).code == 1002


@spec("RFC 6455 §5.1", "a server MUST NOT mask")
async def test_server_writes_messages_unmasked_in_one_frame() -> None:
    async with talking() as client:
        await client.say("x" * 100_000)
        assert await client.frame() == Frame(TEXT, b"x" * 100_000)
