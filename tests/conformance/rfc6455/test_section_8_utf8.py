"""RFC 6455 §8.1: text is UTF-8, and fails at its first octet that is not."""

from __future__ import annotations

import pytest

from tests.conformance.websocket import BINARY, TEXT, failing, frame, talking
from tests.spec import spec

VALID = [
    "Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "\x00", "\x7f", "\x80", "\u07ff", "\u0800", "\uffff",
    "\U00010000", "\U0010ffff", "\ud7ff\ue000\ufffd", "\ufeff", "𝄞" * 300,
]  # fmt: skip

INVALID = [
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",  # a surrogate
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited",  # past U+10FFFF
    b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf",
    b"\xf0\x80\x80\x80",
    b"\xf0\x8f\xbf\xbf", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80",
    b"\xfe", b"\xff", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80",
    b"\xc2", b"\xe0\xa0", b"\xf0\x90\x80", b"\xc2x", b"\xe2\x82x", b"\xf0\x9f\x98x",
    b"a" * 500 + b"\xff", b"\xce\xba\xe1\xbd",
]  # fmt: skip


@spec("RFC 6455 §8.1", "RFC 3629 §3")
@pytest.mark.parametrize("text", VALID)
async def test_text_that_is_utf8_is_delivered_however_it_is_cut(text: str) -> None:
    raw = text.encode()
    async with talking() as client:
        await client.say(text)
        assert await client.hear() == text
        parts = [raw[i : i + 1] for i in range(len(raw))]
        await client.send(
            frame(TEXT, b"", fin=False), *(frame(0, p, fin=False) for p in parts), frame(0)
        )
        assert await client.hear() == text


@spec("RFC 6455 §8.1", "1007")
@pytest.mark.parametrize("raw", INVALID)
async def test_text_that_is_no_utf8_fails(raw: bytes) -> None:
    await failing(frame(TEXT, raw), code=1007)
    await failing(frame(TEXT, raw[:1], fin=False), frame(0, raw[1:]), code=1007)


@spec("RFC 6455 §8.1")
@pytest.mark.parametrize("raw", INVALID)
async def test_binary_may_be_anything(raw: bytes) -> None:
    async with talking() as client:
        await client.say(raw)
        assert await client.hear() == raw


@spec("RFC 6455 §8.1", "at the first bad octet, not at the end of the fragment or message")
@pytest.mark.parametrize("bad", [b"\xed\xa0", b"\xf4\x90", b"\xff"])
async def test_text_fails_at_its_first_bad_octet(bad: bytes) -> None:
    start = "κόσμε".encode()
    async with talking() as client:
        await client.send(frame(TEXT, start, fin=False), frame(0, bad, fin=False))
        await client.fails(1007)
    async with talking() as client:
        await client.send(frame(TEXT, start + bad + b"\x80edited" * 100)[: 8 + len(start + bad)])
        await client.fails(1007)


async def test_binary_fragments_are_not_checked() -> None:
    async with talking() as client:
        await client.send(frame(BINARY, b"\xff", fin=False), frame(0, b"\xfe"))
        assert await client.hear() == b"\xff\xfe"
