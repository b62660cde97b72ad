"""RFC 7692 §5, §7: which offers of permessage-deflate are accepted, and with what answer."""

from __future__ import annotations

import pytest

from tests.conformance.websocket import RSV1, TEXT, frame, talking
from tests.spec import spec

ANSWER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


@spec("RFC 7692 §7", "RFC 7692 §7.1")
@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=10",
        'permessage-deflate; client_max_window_bits="15"',
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
        "permessage-deflate ;server_no_context_takeover , x-webkit-deflate-frame",
        "x-webkit-deflate-frame, permessage-deflate; client_max_window_bits",
        "permessage-bzip2; comp_size=3, permessage-deflate",
        "permessage-deflate, permessage-deflate; server_max_window_bits=10",
    ],
)
async def test_offer_is_accepted_with_exactly_two_flags(offer: str) -> None:
    """S26."""
    async with talking(None, f"Sec-WebSocket-Extensions: {offer}") as client:
        assert client.field("sec-websocket-extensions") == [ANSWER]


async def test_offers_in_several_fields_are_one_list() -> None:
    lines = ["Sec-WebSocket-Extensions: foo", "Sec-WebSocket-Extensions: permessage-deflate"]
    async with talking(None, *lines) as client:
        assert client.field("sec-websocket-extensions") == [ANSWER]


@spec("RFC 7692 §7.1.2.1", "a limit on the server's window is accepted by repeating it")
@pytest.mark.parametrize("bits", [9, 10, 15])
async def test_offer_that_limits_our_window_is_repeated(bits: int) -> None:
    offer = f"permessage-deflate; server_max_window_bits={bits}"
    async with talking(None, f"Sec-WebSocket-Extensions: {offer}") as client:
        assert client.field("sec-websocket-extensions") == [
            f"{ANSWER}; server_max_window_bits={bits}"
        ]


@spec("RFC 7692 §7", "an offer MUST be declined for an unknown, repeated or invalid parameter")
@pytest.mark.parametrize(
    "offer",
    [
        "x-webkit-deflate-frame",
        "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=015",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=10; client_max_window_bits=11",
        "PerMessage-Deflate",
    ],
)
async def test_offer_that_cannot_be_accepted_is_declined_and_the_handshake_succeeds(
    offer: str,
) -> None:
    async with talking(None, f"Sec-WebSocket-Extensions: {offer}") as client:
        assert client.field("sec-websocket-extensions") == []
        await client.say("x")
        assert await client.hear() == "x"


@spec("RFC 7692 §5", "the first acceptable offer counts")
async def test_offer_that_is_declined_gives_way_to_the_next() -> None:
    offers = "permessage-deflate; server_max_window_bits=8, permessage-deflate"
    async with talking(None, f"Sec-WebSocket-Extensions: {offers}") as client:
        assert client.field("sec-websocket-extensions") == [ANSWER]


async def test_compression_that_is_switched_off_is_not_negotiated() -> None:
    """S26."""
    lines = ["Sec-WebSocket-Extensions: permessage-deflate"]
    async with talking(None, *lines, ws_permessage_deflate=False) as client:
        assert client.field("sec-websocket-extensions") == []
        await client.say("x" * 500)
        assert await client.hear() == "x" * 500
        await client.send(frame(TEXT, "x", rsv=RSV1))
        await client.fails(1002)


@spec("RFC 7692 §7.1")
@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        ("permessage-deflate", "permessage-deflate"),
        (
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=12",
        ),
        (
            "permessage-deflate; client_max_window_bits=9; server_max_window_bits=15",
            "permessage-deflate; client_max_window_bits=9; server_max_window_bits=12",
        ),
        ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", ANSWER),
    ],
)
async def test_takeover_is_agreed_on_if_it_is_switched_on(offer: str, answer: str) -> None:
    lines = [f"Sec-WebSocket-Extensions: {offer}"]
    async with talking(None, *lines, ws_context_takeover=True) as client:
        assert client.field("sec-websocket-extensions") == [answer]
