from __future__ import annotations

import pytest

from blackbull.errors import LimitExceeded, RemoteProtocolError
from blackbull.protocol.hpack import Decoder
from tests.spec import spec


def fails(decoder: Decoder, block: bytes) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        decoder.decode(block)
    assert caught.value.code == 9
    return caught.value.spec


@spec("RFC 7541 §6.1", "§2.3.3")
@pytest.mark.parametrize("block", [b"\x80", b"\xbe", b"\xff\x00", b"\xff\xff\x7f", b"\xc6"])
def test_index_that_names_nothing_is_refused(block: bytes) -> None:
    assert fails(Decoder(), block) == "RFC 7541 §2.3.3"


@spec("RFC 7541 §2.3.3")
@pytest.mark.parametrize("block", [b"\x7e\x01a", b"\x1f\x2f\x01a", b"\x0f\x2f\x01a"])
def test_index_of_a_name_that_names_nothing_is_refused(block: bytes) -> None:
    assert fails(Decoder(), block) == "RFC 7541 §2.3.3"


@spec("RFC 7541 §6.2.1", "§6.2.2", "§6.2.3")
@pytest.mark.parametrize(
    ("block", "kept"), [(b"\x40\x01a\x01b", 1), (b"\x00\x01a\x01b", 0), (b"\x10\x01a\x01b", 0)]
)
def test_literal_enters_the_table_only_if_it_says_so(block: bytes, kept: int) -> None:
    decoder = Decoder()
    assert decoder.decode(block) == [(b"a", b"b")]
    assert len(decoder.table.entries) == kept
    assert decoder.table.changes == kept


@spec("RFC 7541 §4.2")
def test_size_update_after_a_field_is_refused() -> None:
    assert fails(Decoder(), b"\x82\x20") == "RFC 7541 §4.2"


@spec("RFC 7541 §6.3")
def test_size_update_above_the_limit_is_refused() -> None:
    assert fails(Decoder(), b"\x3f\xe2\x1f") == "RFC 7541 §6.3"
    assert Decoder().decode(b"\x3f\xe1\x1f") == []


@spec("RFC 7541 §6.3", "§4.3")
def test_size_update_evicts_and_stays() -> None:
    decoder = Decoder()
    decoder.decode(b"\x40\x01a\x01b\x40\x01c\x01d")
    assert decoder.table.size == 68
    decoder.decode(b"\x3f\x04")
    assert decoder.table.entries == [(b"c", b"d")]
    decoder.decode(b"\x20")
    assert decoder.table.entries == []
    assert decoder.decode(b"\x40\x01a\x01b") == [(b"a", b"b")]
    assert decoder.table.entries == []


@spec("RFC 7541 §4.2", "RFC 9113 §4.3.1")
def test_size_update_is_due_after_the_limit_shrank() -> None:
    decoder = Decoder()
    decoder.limit_table(100)
    assert fails(decoder, b"\x82") == "RFC 9113 §4.3.1"
    assert fails(decoder, b"") == "RFC 9113 §4.3.1"
    assert decoder.decode(b"\x3f\x45\x82") == [(b":method", b"GET")]
    assert decoder.decode(b"\x82") == [(b":method", b"GET")]
    decoder.limit_table(4096)
    assert decoder.decode(b"\x82") == [(b":method", b"GET")]


@spec("RFC 7541 §4.4")
def test_entry_larger_than_the_table_empties_it() -> None:
    decoder = Decoder()
    decoder.decode(b"\x40\x01a\x01b")
    big = b"\x40\x01a\x7f\xe1\x1f" + bytes(4192)
    assert len(decoder.decode(big)[0][1]) == 4192
    assert decoder.table.entries == []
    assert decoder.table.size == 0


@spec("RFC 7541 §4.1", "§4.4")
def test_table_never_counts_more_than_its_capacity() -> None:
    decoder = Decoder()
    for turn in range(500):
        name = b"%d" % turn
        decoder.decode(b"\x40" + bytes((len(name),)) + name + b"\x32" + bytes(50))
        assert decoder.table.size <= 4096
    assert decoder.table.entries[-1][0] == b"499"


@spec("RFC 7541 §4.1", "§4.4")
def test_table_is_as_full_as_it_may_be_to_the_byte() -> None:
    decoder = Decoder()
    decoder.decode(b"\x3f\x45")  # a capacity of 100 bytes: three fields of one octet and 32 each
    for name in (b"a", b"b", b"c"):
        decoder.decode(b"\x40\x01" + name + b"\x00")
    assert (decoder.table.size, len(decoder.table.entries)) == (99, 3)
    decoder.decode(b"\x40\x01d\x01e")
    assert decoder.table.entries == [(b"b", b""), (b"c", b""), (b"d", b"e")]
    assert decoder.table.size == 100
    decoder.decode(b"\x40\x01f\x01g")
    assert decoder.table.entries == [(b"d", b"e"), (b"f", b"g")]


@spec("RFC 7541 §5.2")
@pytest.mark.parametrize(
    "block",
    [b"\x40", b"\x40\x01", b"\x40\x01a", b"\x40\x01a\x05b", b"\x00\x7f\xff", b"\x41", b"\x3f",
     b"\xff", b"\x40\x7f\xff\xff\xff\xff\x07a"],
)  # fmt: skip
def test_block_that_ends_too_early_is_refused(block: bytes) -> None:
    assert fails(Decoder(), block).startswith("RFC 7541")


@spec("RFC 7541 §5.2")
@pytest.mark.parametrize(
    "value", [b"\x81\x00", b"\x82\x1f\xff", b"\x84\xff\xff\xff\xff", b"\x85\x1f\xff\xff\xff\xff"]
)
def test_huffman_string_that_is_malformed_is_refused(value: bytes) -> None:
    assert fails(Decoder(), b"\x00\x01a" + value) == "RFC 7541 §5.2"


@spec("RFC 9113 §10.5.1")
def test_list_that_counts_too_much_is_decoded_and_refused() -> None:
    decoder = Decoder(max_list_size=100)
    with pytest.raises(LimitExceeded) as caught:
        decoder.decode(b"\x40\x01a\x01b\xbe\xbe\x40\x01c\x01d")
    error = caught.value
    assert (error.limit, error.allowed, error.seen) == ("header_max_total", 100, 136)
    assert error.code == 431
    assert decoder.decode(b"\xbe\xbf") == [(b"c", b"d"), (b"a", b"b")]


def test_list_is_as_long_as_it_may_be_to_the_byte_and_the_field() -> None:
    block = b"\x00\x01a\x01b" * 3
    counted = 3 * (32 + 2)
    assert len(Decoder(max_list_size=counted, max_fields=3).decode(block)) == 3
    for limits in ({"max_list_size": counted - 1}, {"max_fields": 2}):
        with pytest.raises(LimitExceeded) as caught:
            Decoder(**limits).decode(block)
        assert caught.value.code == 431


@spec("RFC 9113 §10.5.1")
def test_list_with_too_many_fields_is_decoded_and_refused() -> None:
    decoder = Decoder(max_fields=2)
    with pytest.raises(LimitExceeded) as caught:
        decoder.decode(b"\x82\x82\x82")
    assert (caught.value.limit, caught.value.seen) == ("max_fields", 3)
    assert len(decoder.decode(b"\x82\x82")) == 2


@spec("RFC 7541 §4.2")
def test_table_begins_with_its_standard_size_whatever_may_come() -> None:
    decoder = Decoder(8192)
    assert decoder.table.capacity == 4096
    decoder.decode(b"\x3f\xe1\x3f")
    assert decoder.table.capacity == 8192
