"""RFC 7692 §6, §7.2: compressed messages."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import tracemalloc
import zlib

import pytest

from tests.conformance.peer import App, connected, serving
from tests.conformance.websocket import (
    BINARY,
    PING,
    PONG,
    RSV1,
    TEXT,
    Client,
    Frame,
    Handler,
    failing,
    frame,
    open_client,
    talking,
)
from tests.spec import spec

OFFER = "Sec-WebSocket-Extensions: permessage-deflate"
HELLO = b"\xf2\x48\xcd\xc9\xc9\x07\x00"
TAIL = b"\x00\x00\xff\xff"
PROSE = json.dumps([{"id": i, "name": f"user {i}", "text": "grüß dich"} for i in range(40)])


def deflate(payload: bytes | str, *, level: int = 9, bits: int = 15) -> bytes:
    """Return *payload* compressed as RFC 7692 §7.2.1 says."""
    raw = payload.encode() if isinstance(payload, str) else payload
    machine = zlib.compressobj(level, zlib.DEFLATED, -bits)
    return (machine.compress(raw) + machine.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflate(got: Frame, *, bits: int = 15) -> bytes:
    """Return what a frame of the server says, on its own."""
    if not got.rsv:
        return got.payload
    assert got.rsv == RSV1
    return zlib.decompressobj(-bits).decompress(got.payload + TAIL)


async def ask(client: Client, message: bytes | str, *, bits: int = 15) -> bytes:
    opcode = TEXT if isinstance(message, str) else BINARY
    await client.send(frame(opcode, deflate(message), rsv=RSV1))
    return inflate(await client.frame(), bits=bits)


@spec("RFC 7692 §7.2.3.1", "one deflate block")
@pytest.mark.parametrize(
    "frames",
    [
        [frame(TEXT, HELLO, rsv=RSV1)],
        [frame(TEXT, HELLO[:3], rsv=RSV1, fin=False), frame(0, HELLO[3:])],
        [
            frame(TEXT, b"", rsv=RSV1, fin=False),
            *(frame(0, HELLO[i : i + 1], fin=i == 6) for i in range(7)),
        ],
        # §7.2.3.3: no compression; §7.2.3.4: a final block; §7.2.3.5: two blocks
        [frame(TEXT, b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", rsv=RSV1)],
        [frame(TEXT, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", rsv=RSV1)],
        [frame(TEXT, b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", rsv=RSV1)],
        [frame(TEXT, "Hello")],
    ],
)  # fmt: skip
async def test_hello_in_every_form_of_the_standard(frames: list[bytes]) -> None:
    async with talking(None, OFFER) as client:
        for _ in range(2):
            await client.send(*frames)
            assert await client.hear() == "Hello"
            for octet in b"".join(frames):
                await client.send(bytes((octet,)))
            assert await client.hear() == "Hello"


@spec("RFC 7692 §7.2.3.6", "an empty message")
@pytest.mark.parametrize("payload", [b"\x00", b"\x02\x00", b"\x01\x00\x00\xff\xff\x00"])
async def test_message_that_is_empty_stays_empty(payload: bytes) -> None:
    async with talking(None, OFFER) as client:
        await client.send(frame(TEXT, payload, rsv=RSV1), frame(BINARY, payload, rsv=RSV1))
        assert [await client.hear(), await client.hear()] == ["", b""]


@spec("RFC 7692 §6.1", "RSV1 is set on compressed data frames")
async def test_answer_is_compressed_and_marked() -> None:
    """S26."""
    async with talking(None, OFFER) as client:
        await client.say(PROSE)
        got = await client.frame()
        assert (got.opcode, got.rsv, got.fin) == (TEXT, RSV1, True)
        assert len(got.payload) < len(PROSE) / 4
        assert inflate(got).decode() == PROSE


@spec("RFC 7692 §7.1.1.1", "server_no_context_takeover: every message stands on its own")
async def test_answers_stand_on_their_own() -> None:
    async with talking(None, OFFER) as client:
        sizes = set()
        for _ in range(3):
            await client.say(PROSE)
            got = await client.frame()
            assert inflate(got).decode() == PROSE
            sizes.add(len(got.payload))
        assert len(sizes) == 1


async def test_messages_of_two_clients_have_nothing_to_do_with_one_another() -> None:
    """One compressor serves both, and neither sees anything of the other."""
    async with (
        serving(App({"/": Handler()})) as server,
        connected(server) as one,
        connected(server) as two,
    ):
        first, second = await open_client(one, OFFER), await open_client(two, OFFER)
        alone = []
        for client in (first, second, first):
            await client.say(PROSE)
            got = await client.frame()
            assert inflate(got).decode() == PROSE
            alone.append(got.payload)
        assert len(set(alone)) == 1


@spec("RFC 7692 §6.1", "messages that would grow are sent as they are")
@pytest.mark.parametrize("message", ["short", "x" * 63, random.Random(1).randbytes(5000)])
async def test_message_that_is_not_worth_it_is_sent_plain(message: str | bytes) -> None:
    async with talking(None, OFFER) as client:
        await client.say(message)
        assert await client.hear() == message


@pytest.mark.parametrize("size", [0, 16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072])
@pytest.mark.parametrize("bits", [9, 15])
async def test_messages_of_any_size_go_both_ways(size: int, bits: int) -> None:
    text = (PROSE * (size // len(PROSE) + 1))[:size]
    offer = f"{OFFER}; server_max_window_bits={bits}"
    async with talking(None, offer) as client:
        assert await ask(client, text, bits=bits) == text.encode()
        assert await ask(client, text.encode(), bits=bits) == text.encode()


async def test_many_messages_in_one_write_are_all_answered() -> None:
    async with talking(None, OFFER) as client:
        await client.send(*(frame(TEXT, deflate(f"{i} {PROSE}"), rsv=RSV1) for i in range(50)))
        for i in range(50):
            assert inflate(await client.frame()).decode() == f"{i} {PROSE}"


@spec("RFC 7692 §6.1", "RSV1 stands on a message's first frame only")
@pytest.mark.parametrize(
    "frames",
    [
        [frame(TEXT, HELLO[:3], rsv=RSV1, fin=False), frame(0, HELLO[3:], rsv=RSV1)],
        [frame(PING, b"x", rsv=RSV1)],
        [frame(TEXT, b"x", fin=False), frame(0, HELLO, rsv=RSV1)],
    ],
)
async def test_rsv1_where_it_does_not_belong_fails(frames: list[bytes]) -> None:
    await failing(*frames, code=1002, lines=(OFFER,))


@spec("RFC 6455 §5.4", "a ping between compressed fragments")
async def test_ping_between_compressed_fragments_is_answered() -> None:
    async with talking(None, OFFER) as client:
        await client.send(
            frame(TEXT, HELLO[:3], rsv=RSV1, fin=False), frame(PING, b"?"), frame(0, HELLO[3:])
        )
        assert await client.frame() == Frame(PONG, b"?")
        assert await client.hear() == "Hello"


@spec("RFC 7692 §7.2.2")
@pytest.mark.parametrize(
    "payload", [b"\xff", b"\x07", b"not deflate at all", deflate(PROSE)[::-1], b"\xf2\x48\xff" * 9]
)
async def test_payload_that_is_not_deflated_fails(payload: bytes) -> None:
    await failing(frame(TEXT, payload, rsv=RSV1), code=1007, lines=(OFFER,))


async def test_text_that_inflates_to_no_text_fails() -> None:
    await failing(frame(TEXT, deflate(b"\xff\xfe"), rsv=RSV1), code=1007, lines=(OFFER,))
    await failing(
        frame(TEXT, deflate(b"\xed\xa0\x80"), rsv=RSV1, fin=False), code=1007, lines=(OFFER,)
    )


async def test_final_blocks_without_end_fail() -> None:
    await failing(frame(BINARY, b"\x03\x00" * 5000, rsv=RSV1), code=1008, lines=(OFFER,))


@spec("RFC 7692 §8", "RFC 6455 §10.4")
@pytest.mark.parametrize("fragments", [1, 40])
async def test_bomb_is_never_inflated_past_the_limit(
    fragments: int, caplog: pytest.LogCaptureFixture
) -> None:
    """64 MiB in 64 KiB: the ratio is 1028 to 1."""
    bomb = deflate(b"\0" * (64 << 20))
    assert len(bomb) < 66_000
    size = len(bomb) // fragments + 1
    parts = [bomb[i : i + size] for i in range(0, len(bomb), size)]
    frames = [
        frame(BINARY if i == 0 else 0, part, rsv=RSV1 if i == 0 else 0, fin=i == len(parts) - 1)
        for i, part in enumerate(parts)
    ]
    handler = Handler()
    tracemalloc.start()
    try:
        with caplog.at_level(logging.WARNING, "blackbull.caps"):
            async with talking(handler, OFFER, ws_max_message_size=1 << 20) as client:
                await client.send(*frames)
                await client.fails(1009)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 << 20
    assert handler.messages == []
    assert [record.cap for record in caplog.records] == ["ws_max_message_size"]


async def test_message_that_inflates_to_exactly_the_limit_is_delivered() -> None:
    async with talking(None, OFFER, ws_max_message_size=10_000) as client:
        assert await ask(client, "x" * 10_000) == b"x" * 10_000
        noise = bytes(i * 7919 % 251 ^ i >> 3 & 255 for i in range(10_000))
        await client.send(frame(BINARY, deflate(noise, level=0), rsv=RSV1))
        assert inflate(await client.frame()) == noise
    await failing(
        frame(TEXT, deflate("x" * 10_001), rsv=RSV1),
        code=1009, lines=(OFFER,), ws_max_message_size=10_000,
    )  # fmt: skip


async def test_compressed_bytes_count_even_if_they_inflate_to_nothing() -> None:
    """Empty blocks: no output, so only the wire can bound them."""
    empty = b"\x00\x00\x00\xff\xff" * 1000
    await failing(
        frame(BINARY, empty, rsv=RSV1, fin=False), frame(0, empty),
        code=1009, lines=(OFFER,), ws_max_message_size=1000,
    )  # fmt: skip


# Context takeover


class Inflates:
    """A client that keeps the server's window, and its own."""

    def __init__(self) -> None:
        self.deflater = zlib.compressobj(6, zlib.DEFLATED, -12)
        self.inflater = zlib.decompressobj(-12)

    def encode(self, text: str) -> bytes:
        made = self.deflater.compress(text.encode()) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
        return frame(TEXT, made[:-4], rsv=RSV1)

    def decode(self, got: Frame) -> str:
        if not got.rsv:
            return got.payload.decode()
        return self.inflater.decompress(got.payload + TAIL).decode()


@spec("RFC 7692 §7.1.1", "windows are kept from message to message")
async def test_takeover_makes_repeated_messages_small() -> None:
    offer = f"{OFFER}; client_max_window_bits=12; server_max_window_bits=12"
    kept = Inflates()
    async with talking(None, offer, ws_context_takeover=True) as client:
        sizes = []
        for number in range(20):
            text = f"{number} {PROSE[:1500]}"
            await client.send(kept.encode(text))
            got = await client.frame()
            sizes.append(len(got.payload))
            assert kept.decode(got) == text
        assert max(sizes[1:]) < sizes[0] / 2


async def test_takeover_is_not_agreed_on_once_its_memory_is_used_up() -> None:
    """The next client gets compression without it; the memory comes back when one leaves."""
    settings = {"ws_context_takeover": True, "ws_context_memory": 160_000}
    handler = Handler()
    async with serving(App({"/": handler}), **settings) as server:
        async with connected(server) as one, connected(server) as two:
            first = await open_client(one, OFFER)
            second = await open_client(two, OFFER)
            assert first.field("sec-websocket-extensions") == ["permessage-deflate"]
            assert "no_context" in second.field("sec-websocket-extensions")[0]
        await asyncio.wait_for(handler.ended.wait(), 5)
        for _ in range(100):
            async with connected(server) as three:
                third = await open_client(three, OFFER)
                if third.field("sec-websocket-extensions") == ["permessage-deflate"]:
                    break
        else:
            raise AssertionError("the memory never came back")
