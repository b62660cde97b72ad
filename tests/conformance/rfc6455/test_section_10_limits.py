"""RFC 6455 §10.4: limits, judged before anything is kept."""

from __future__ import annotations

import logging
import struct

import pytest

from blackbull.messages import WebSocketAccept
from tests.conformance.websocket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Handler,
    failing,
    frame,
    talking,
)
from tests.spec import spec


@spec("RFC 6455 §10.4", "RFC 6455 §7.4.1")
async def test_frame_over_the_limit_fails_by_its_header(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "blackbull.caps"):
        async with talking(ws_max_frame_payload=1000) as client:
            await client.say(b"x" * 1000)
            assert await client.hear() == b"x" * 1000
            await client.send(frame(BINARY, b"x" * 1001)[:4])
            await client.fails(1009)
    caps = [record.cap for record in caplog.records]
    assert caps == ["ws_max_frame_payload"]
    assert (caplog.records[0].requested, caplog.records[0].limit) == (1001, 1000)
    assert (caplog.records[0].protocol, caplog.records[0].scope_path) == ("websocket", "/")


@spec("RFC 6455 §10.4")
@pytest.mark.parametrize("size", [(1 << 24) + 1, 1 << 40, (1 << 63) - 1])
async def test_frame_that_announces_too_much_fails_before_it_arrives(size: int) -> None:
    wire = frame(TEXT, b"", length=struct.pack("!Q", size))
    await failing(wire[:10], code=1009)


async def test_message_over_the_limit_fails(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "blackbull.caps"):
        await failing(frame(TEXT, "x" * 101), code=1009, ws_max_message_size=100)
    assert {record.cap for record in caplog.records} == {"ws_max_message_size"}


async def test_message_over_the_limit_in_fragments_fails() -> None:
    parts = [frame(TEXT, "x" * 50, fin=False), frame(0, "x" * 50, fin=False)]
    async with talking(ws_max_message_size=100) as client:
        await client.send(*parts, frame(0, ""))
        assert await client.hear() == "x" * 100
    await failing(*parts, frame(0, "x"), code=1009, ws_max_message_size=100)


async def test_message_over_the_limit_of_its_route_fails() -> None:
    handler = Handler(WebSocketAccept(max_message_size=10))
    async with talking(handler) as client:
        await client.say("x" * 10)
        assert await client.hear() == "x" * 10
        await client.say("x" * 11)
        await client.fails(1009)


async def test_route_cannot_raise_the_limit() -> None:
    handler = Handler(WebSocketAccept(max_message_size=1000))
    async with talking(handler, ws_max_message_size=100) as client:
        await client.say("x" * 101)
        await client.fails(1009)


@spec("RFC 6455 §10.4", "RFC 6455 §7.4.1")
@pytest.mark.parametrize("opcode", [PING, PONG])
async def test_control_frames_in_a_flood_fail_with_1008(
    opcode: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "blackbull.caps"):
        async with talking() as client:
            await client.send(frame(opcode, b"x") * 20)
            await client.say("still here")
            while (got := await client.frame()).opcode == PONG:
                pass
            assert got.payload == b"still here"
            await client.send(frame(opcode, b"x") * 5000)
            while (got := await client.frame()).opcode == PONG:
                pass
            assert (got.opcode, got.code) == (CLOSE, 1008)
    assert [record.cap for record in caplog.records] == ["frame_rate"]


async def test_control_frames_without_a_limit_are_all_answered() -> None:
    async with talking(frame_rate_limit=0) as client:
        await client.send(frame(PING, b"x") * 500)
        assert {(await client.frame()).opcode for _ in range(500)} == {PONG}
