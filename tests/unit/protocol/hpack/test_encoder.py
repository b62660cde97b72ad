from __future__ import annotations

import pytest

from blackbull.protocol.hpack import Decoder, Encoder
from tests.spec import spec


@spec("RFC 7541 §6.1")
def test_known_fields_are_single_octets() -> None:
    encoder = Encoder()
    assert encoder.encode([(b":status", b"200"), (b":method", b"POST")]) == b"\x88\x83"
    first = encoder.encode([(b"x-a", b"1")])
    assert len(first) > 1
    assert encoder.encode([(b"x-a", b"1")]) == b"\xbe"
    encoder.encode([(b"x-b", b"1")])
    assert encoder.encode([(b"x-a", b"1"), (b"x-b", b"1")]) == b"\xbf\xbe"


@spec("RFC 7541 §6.2.3", "§7.1.3")
@pytest.mark.parametrize("name", [b"authorization", b"cookie", b"set-cookie"])
def test_sensitive_fields_are_never_indexed(name: bytes) -> None:
    encoder = Encoder()
    block = encoder.encode([(name, b"secret")])
    assert block[0] & 0xF0 == 0x10
    assert encoder.encode([(name, b"secret")]) == block
    assert encoder.table.entries == []
    assert Decoder().decode(block) == [(name, b"secret")]


@spec("RFC 7541 §6.2.2")
def test_changing_fields_stay_out_of_the_table() -> None:
    encoder = Encoder()
    block = encoder.encode([(b"content-length", b"5"), (b"etag", b'"abc"')])
    assert block == b'\x0f\x0d\x015\x0f\x13\x05"abc"'
    assert encoder.table.changes == 0


@spec("RFC 7541 §4.4")
def test_fields_too_large_for_the_table_stay_out_of_it() -> None:
    encoder = Encoder()
    encoder.encode([(b"x-a", b"1")])
    block = encoder.encode([(b"x-big", b"v" * 4000)])
    assert encoder.table.entries == [(b"x-a", b"1")]
    assert Decoder().decode(block) == [(b"x-big", b"v" * 4000)]


@spec("RFC 7541 §5.2")
def test_strings_are_huffman_coded_where_that_is_shorter() -> None:
    encoder = Encoder()
    assert b"plain-text" not in encoder.encode([(b"x-a", b"plain-text")])
    assert b"\x00\xff\xfe" in Encoder().encode([(b"x-a", b"\x00\xff\xfe")])


@spec("RFC 7541 §4.2")
def test_table_size_of_the_peer_is_announced_once() -> None:
    encoder = Encoder()
    encoder.encode([(b"x-a", b"1"), (b"x-b", b"2")])
    encoder.limit_table(40)
    assert encoder.encode([(b":status", b"200")]) == b"\x3f\x09\x88"
    assert encoder.encode([(b":status", b"200")]) == b"\x88"
    assert encoder.table.entries == [(b"x-b", b"2")]
    assert encoder.encode([(b"x-b", b"2")]) == b"\xbe"


@spec("RFC 7541 §4.2")
def test_table_size_that_changes_twice_announces_the_smallest_and_the_last() -> None:
    encoder = Encoder()
    encoder.encode([(b"x-a", b"1")])
    for size in (1000, 0, 2000):
        encoder.limit_table(size)
    assert encoder.encode([]) == b"\x20\x3f\xb1\x0f"
    assert encoder.table.entries == []
    assert encoder.table.capacity == 2000


@spec("RFC 7541 §4.2")
def test_table_size_above_our_own_changes_nothing() -> None:
    encoder = Encoder()
    encoder.limit_table(1 << 20)
    assert encoder.encode([(b":status", b"200")]) == b"\x88"


@spec("RFC 7541 §4.2")
def test_table_size_of_our_own_below_the_standard_is_announced() -> None:
    encoder = Encoder(100)
    decoder = Decoder()
    assert decoder.decode(encoder.encode([(b":status", b"200")])) == [(b":status", b"200")]
    assert decoder.table.capacity == 100
    wide = Encoder(8192)
    wide.limit_table(8192)
    decoder = Decoder(8192)
    decoder.decode(wide.encode([]))
    assert decoder.table.capacity == 8192


@spec("RFC 7541 §2.3.3")
def test_table_that_turns_over_keeps_both_sides_in_step() -> None:
    encoder = Encoder()
    decoder = Decoder()
    for turn in range(2000):
        fields = [
            (b"x-%d" % (turn % 130), b"v" * (turn % 90)),
            (b"x-%d" % (turn % 7), b"w"),
            (b"x-same", b"%d" % (turn % 3)),
        ]
        assert decoder.decode(encoder.encode(fields)) == fields
        assert encoder.table.entries == decoder.table.entries
        assert len(encoder._fields) <= len(encoder.table.entries)
        assert len(encoder._names) <= len(encoder.table.entries)
