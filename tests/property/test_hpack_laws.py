"""The laws of the HPACK coders, and agreement with the hpack package."""

from __future__ import annotations

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackbull.errors import LimitExceeded, RemoteProtocolError
from blackbull.protocol.hpack import Decoder, Encoder, Field, huffman
from blackbull.protocol.hpack.integers import decode_integer, encode_integer
from blackbull.protocol.hpack.tables import STATIC

LAW = settings(deadline=None, max_examples=250)

NAMES = st.one_of(
    st.sampled_from([name for name, _ in STATIC]),
    st.sampled_from([b"x-a", b"x-b", b"authorization", b"cookie", b"set-cookie", b"etag"]),
    st.binary(min_size=1, max_size=40),
)
VALUES = st.one_of(
    st.sampled_from([value for _, value in STATIC]),
    st.sampled_from([b"a", b"b", b"v" * 200, b"v" * 4200]),
    st.binary(max_size=80),
)
FIELDS = st.lists(st.one_of(st.sampled_from(STATIC), st.tuples(NAMES, VALUES)), max_size=12)
SIZES = st.one_of(st.none(), st.sampled_from([0, 31, 32, 33, 100, 300, 2000, 4096, 1 << 16]))
EXCHANGES = st.lists(st.tuples(FIELDS, SIZES), max_size=12)
BLOCKS = st.one_of(
    st.binary(max_size=200),
    st.lists(
        st.one_of(
            st.integers(0x80, 0xFF).map(lambda octet: bytes((octet,))),
            st.builds(
                lambda kind, name, value: b"".join((
                    kind, bytes((len(name),)), name, bytes((len(value),)), value
                )),
                st.sampled_from([b"\x40", b"\x00", b"\x10"]),
                st.binary(max_size=20),
                st.binary(max_size=100),
            ),
            st.integers(0, 5000).map(lambda size: encode_integer(size, 31, flags=32)),
            st.binary(max_size=3),
        ),
        max_size=20,
    ).map(b"".join),
)  # fmt: skip


def decode_with_package(decoder: hpack.Decoder, block: bytes) -> list[Field]:
    return [(bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True)]


@LAW
@given(st.integers(0, 1 << 31), st.integers(1, 8), st.integers(0, 255))
def test_round_trip_of_integers(value: int, bits: int, flags: int) -> None:
    mask = (1 << bits) - 1
    data = encode_integer(value, mask, flags=flags & ~mask)
    assert decode_integer(data, 0, mask=mask) == (value, len(data))


@LAW
@given(st.binary(max_size=300))
def test_round_trip_of_huffman_strings(text: bytes) -> None:
    assert huffman.decode(huffman.encode(text)) == text


@LAW
@given(st.binary(max_size=100))
def test_round_trip_of_what_is_a_huffman_string(data: bytes) -> None:
    try:
        text = huffman.decode(data)
    except RemoteProtocolError:
        return
    assert huffman.encode(text) == data
    assert len(text) * 5 <= len(data) * 8


@LAW
@given(EXCHANGES)
def test_round_trip_of_header_sections(exchanges: list[tuple[list[Field], int | None]]) -> None:
    encoder = Encoder()
    decoder = Decoder(1 << 16, max_list_size=1 << 20)
    for fields, size in exchanges:
        if size is not None:
            encoder.limit_table(size)
        assert decoder.decode(encoder.encode(fields)) == fields
        assert encoder.table.entries == decoder.table.entries
        assert encoder.table.size == decoder.table.size


@LAW
@given(EXCHANGES)
def test_our_blocks_mean_the_same_to_the_package(
    exchanges: list[tuple[list[Field], int | None]],
) -> None:
    encoder = Encoder()
    decoder = hpack.Decoder(max_header_list_size=1 << 20)
    decoder.max_allowed_table_size = 1 << 16
    for fields, size in exchanges:
        if size is not None:
            encoder.limit_table(size)
        assert decode_with_package(decoder, encoder.encode(fields)) == fields


@LAW
@given(EXCHANGES, st.booleans())
def test_blocks_of_the_package_mean_the_same_to_us(
    exchanges: list[tuple[list[Field], int | None]], coded: bool
) -> None:
    encoder = hpack.Encoder()
    decoder = Decoder(1 << 16, max_list_size=1 << 20)
    for fields, size in exchanges:
        if size is not None:
            encoder.header_table_size = size
        assert decoder.decode(encoder.encode(fields, huffman=coded)) == fields


@LAW
@given(st.lists(BLOCKS, max_size=6))
def test_closed_errors_and_the_same_verdict_as_the_package(blocks: list[bytes]) -> None:
    ours = Decoder(max_list_size=1 << 20, max_fields=1 << 20)
    theirs = hpack.Decoder(max_header_list_size=1 << 20)
    for block in blocks:
        try:
            expected = decode_with_package(theirs, block)
        except hpack.HPACKError:
            with pytest.raises(RemoteProtocolError) as caught:
                ours.decode(block)
            assert caught.value.code == 9
            return
        assert ours.decode(block) == expected


@LAW
@given(st.lists(BLOCKS, max_size=6), st.integers(0, 1000), st.integers(0, 10))
def test_bounded_whatever_comes(blocks: list[bytes], list_size: int, fields: int) -> None:
    decoder = Decoder(max_list_size=list_size, max_fields=fields)
    for block in blocks:
        try:
            got = decoder.decode(block)
        except LimitExceeded:
            pass
        except RemoteProtocolError:
            return
        else:
            assert len(got) <= fields
            assert sum(len(name) + len(value) + 32 for name, value in got) <= list_size
        table = decoder.table
        assert table.size <= table.capacity <= 4096
        assert table.size == sum(len(name) + len(value) + 32 for name, value in table.entries)


@LAW
@given(EXCHANGES)
def test_parity_of_a_block_that_left_the_table_alone(
    exchanges: list[tuple[list[Field], int | None]],
) -> None:
    """What lets whole blocks be remembered: while the table stands, a block means the same."""
    encoder = Encoder()
    decoder = Decoder(max_list_size=1 << 20)
    for fields, _ in exchanges:
        block = encoder.encode(fields)
        first = decoder.decode(block)
        changes = decoder.table.changes
        again = encoder.encode(fields)
        if encoder.table.changes == changes:
            assert decoder.decode(again) == first
            assert decoder.decode(again) == first
            assert decoder.table.changes == changes
        else:
            assert decoder.decode(again) == first
