from __future__ import annotations

import random
import zlib

import pytest

from blackbull.errors import LimitExceeded, RemoteProtocolError
from blackbull.protocol.websocket import Compressor, PermessageDeflate, negotiate
from blackbull.protocol.websocket.deflate import MAX_STREAMS, Agreement
from tests.spec import spec

NAME = b"permessage-deflate"


def agree(*parameters: tuple[bytes, bytes | None], takeover: bool = False) -> Agreement:
    agreement = negotiate([(NAME, list(parameters))], takeover=takeover)
    assert agreement is not None
    return agreement


def deflated(payload: bytes) -> bytes:
    machine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (machine.compress(payload) + machine.flush(zlib.Z_SYNC_FLUSH))[:-4]


def test_agreement_takes_the_first_acceptable_offer() -> None:
    assert negotiate([]) is None
    assert negotiate([(b"x-other", [])]) is None
    offers = [(NAME, [(b"nonsense", None)]), (NAME, [(b"server_max_window_bits", b"10")])]
    agreement = negotiate(offers)
    assert agreement is not None
    assert agreement.server_bits == 10
    assert agreement.answer.endswith(b"; server_max_window_bits=10")


def test_agreement_without_takeover_keeps_no_memory() -> None:
    assert agree().memory == 0
    assert agree(takeover=True).memory > 60_000
    small = agree((b"client_max_window_bits", None), takeover=True)
    assert (small.client_bits, small.memory < 60_000) == (12, True)
    assert agree((b"client_no_context_takeover", None), takeover=True).client_takeover is False


@pytest.mark.parametrize("bits", [9, 15])
@pytest.mark.parametrize("level", [1, 6, 9])
def test_compressor_forgets_every_message(bits: int, level: int) -> None:
    compressor = Compressor(level=level)
    payload = b"the same words again and again; " * 200
    first = compressor.compress(payload, bits)
    other = compressor.compress(payload[5:], bits)
    assert first is not None
    assert other is not None
    assert compressor.compress(payload, bits) == first
    for made, expected in ((first, payload), (other, payload[5:])):
        inflated = zlib.decompressobj(-bits).decompress(made + b"\x00\x00\xff\xff")
        assert inflated == expected


def test_compressor_leaves_what_would_not_shrink() -> None:
    compressor = Compressor(min_size=10)
    assert compressor.compress(b"x" * 9) is None
    assert compressor.compress(b"x" * 10) is not None
    assert compressor.compress(random.Random(1).randbytes(2000)) is None
    assert Compressor(min_size=0).compress(b"") is None


def test_inflating_never_makes_more_than_there_is_room_for() -> None:
    bomb = deflated(b"\0" * 5_000_000)
    deflate = PermessageDeflate(agree(), Compressor())
    assert len(deflate.inflate(bomb, 1000)) == 1001
    deflate = PermessageDeflate(agree(), Compressor())
    assert len(deflate.inflate(bomb, 0)) == 1


@pytest.mark.parametrize("cut", range(1, 12))
def test_inflating_in_parts_is_the_same(cut: int) -> None:
    payload = b"in parts, and in parts, and in parts"
    made = deflated(payload)
    deflate = PermessageDeflate(agree(), Compressor())
    for _ in range(2):
        parts = [deflate.inflate(made[i : i + cut], 100) for i in range(0, len(made), cut)]
        assert b"".join(parts) + deflate.finish(100) == payload


@spec("RFC 7692 §7.2.3.5", "final blocks")
@pytest.mark.parametrize("blocks", [1, 2, MAX_STREAMS])
def test_inflating_goes_on_after_final_blocks(blocks: int) -> None:
    one = zlib.compressobj(9, zlib.DEFLATED, -15)
    final = one.compress(b"part;") + one.flush()
    deflate = PermessageDeflate(agree(), Compressor())
    for _ in range(2):
        made = deflate.inflate(final * blocks + b"\x00", 1000) + deflate.finish(1000)
        assert made == b"part;" * blocks


def test_inflating_too_many_final_blocks_is_refused() -> None:
    deflate = PermessageDeflate(agree(), Compressor())
    assert deflate.inflate(b"\x03\x00" * MAX_STREAMS, 1000) == b""
    with pytest.raises(LimitExceeded) as caught:
        deflate.inflate(b"\x03\x00", 1000)
    assert (caught.value.limit, caught.value.code) == ("ws_deflate_streams", 1008)


def test_inflating_nonsense_is_refused() -> None:
    deflate = PermessageDeflate(agree(), Compressor())
    with pytest.raises(RemoteProtocolError) as caught:
        deflate.inflate(b"\xff\xff", 1000)
    assert (caught.value.code, caught.value.spec) == (1007, "RFC 7692 §7.2.2")


def test_windows_of_a_takeover_are_kept() -> None:
    agreement = agree(takeover=True)
    ours = PermessageDeflate(agreement, Compressor())
    theirs = PermessageDeflate(agreement, Compressor())
    payload = random.Random(2).randbytes(300)
    sizes = []
    for _ in range(3):
        made = ours.compress(payload)
        assert made is not None
        sizes.append(len(made))
        inflated = theirs.inflate(made, 300)
        assert inflated + theirs.finish(300 - len(inflated)) == payload
    assert sizes[1] < 50 < sizes[0]
    assert ours.form is None
