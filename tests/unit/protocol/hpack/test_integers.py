from __future__ import annotations

import pytest

from blackbull.errors import RemoteProtocolError
from blackbull.protocol.hpack.integers import decode_integer, encode_integer
from tests.spec import spec


@spec("RFC 7541 §5.1", "Appendix C.1")
@pytest.mark.parametrize(
    ("value", "mask", "data"),
    [(10, 31, b"\x0a"), (1337, 31, b"\x1f\x9a\x0a"), (42, 255, b"\x2a"), (31, 31, b"\x1f\x00"),
     (30, 31, b"\x1e"), (127, 127, b"\x7f\x00"), (255, 127, b"\x7f\x80\x01")],
)  # fmt: skip
def test_integer_is_encoded_and_decoded(value: int, mask: int, data: bytes) -> None:
    assert encode_integer(value, mask) == data
    assert decode_integer(data + b"rest", 0, mask=mask) == (value, len(data))


@spec("RFC 7541 §5.1")
def test_integer_flags_stand_above_the_prefix() -> None:
    assert encode_integer(2, 127, flags=128) == b"\x82"
    assert encode_integer(1337, 31, flags=32) == b"\x3f\x9a\x0a"
    assert decode_integer(b"\xff\x9a\x0a", 0, mask=31) == (1337, 3)


@spec("RFC 7541 §5.1")
def test_integer_may_be_padded_within_bounds() -> None:
    assert decode_integer(b"\x1f\x80\x80\x80\x00", 0, mask=31) == (31, 5)


@spec("RFC 7541 §5.1")
@pytest.mark.parametrize("tail", [b"\x80" * 5 + b"\x01", b"\xff" * 20, b"\x80" * 6 + b"\x00"])
def test_integer_that_is_too_long_is_refused(tail: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_integer(b"\x1f" + tail, 0, mask=31)
    assert caught.value.code == 9
    assert caught.value.spec == "RFC 7541 §5.1"


@pytest.mark.parametrize("data", [b"", b"\x1f", b"\x1f\x80", b"\x1f\xff\xff"])
def test_integer_that_ends_too_early_is_an_index_error(data: bytes) -> None:
    with pytest.raises(IndexError):
        decode_integer(data, 0, mask=31)
