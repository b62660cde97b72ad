from __future__ import annotations

import os

import pytest

from blackbull.errors import LocalProtocolError, RemoteProtocolError
from blackbull.protocol.websocket import CloseCode, Opcode, is_close_code
from blackbull.protocol.websocket.frames import (
    STRIDED,
    apply_mask,
    check_header,
    decode_close,
    decode_size,
    encode_close,
    encode_frame,
    encode_ping,
    encode_pong,
    frame_header,
)
from tests.spec import spec


@spec("RFC 6455 §5.3")
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 125, STRIDED - 1, STRIDED, STRIDED + 3, 9999])
def test_mask_is_applied_octet_by_octet_and_undone_by_itself(size: int) -> None:
    payload, key = os.urandom(size), os.urandom(4)
    masked = apply_mask(payload, key)
    assert masked == bytes(octet ^ key[i % 4] for i, octet in enumerate(payload))
    assert apply_mask(masked, key) == payload


@spec("RFC 6455 §5.2", "RFC 6455 §5.7", "the examples of the standard")
@pytest.mark.parametrize(
    ("made", "wire"),
    [
        (encode_frame(1, b"Hello"), "81 05 48 65 6c 6c 6f"),
        (
            encode_frame(1, b"Hello", mask_key=b"\x37\xfa\x21\x3d"),
            "81 85 37 fa 21 3d 7f 9f 4d 51 58",
        ),
        (encode_frame(1, b"Hel", fin=False), "01 03 48 65 6c"),
        (encode_frame(0, b"lo"), "80 02 6c 6f"),
        (encode_ping(b"Hello"), "89 05 48 65 6c 6c 6f"),
        (encode_pong(b"Hello"), "8a 05 48 65 6c 6c 6f"),
        (encode_frame(2, b"\0" * 256)[:4], "82 7e 01 00"),
        (encode_frame(2, b"\0" * 65536)[:10], "82 7f 00 00 00 00 00 01 00 00"),
        (encode_frame(1, b"x", rsv1=True), "c1 01 78"),
    ],
)
def test_frame_is_written_as_the_standard_shows(made: bytes, wire: str) -> None:
    assert made == bytes.fromhex(wire)


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 1 << 40])
@pytest.mark.parametrize("masked", [False, True])
def test_header_has_the_fewest_octets(size: int, *, masked: bool) -> None:
    header = frame_header(0x82, size, masked=masked)
    assert len(header) == (2 if size < 126 else 4 if size < 65536 else 10)
    assert bool(header[1] & 0x80) is masked
    if size > 125:
        assert decode_size(header[2:]) == size


@pytest.mark.parametrize(
    ("first", "second", "compressible", "clause"),
    [
        (0xA1, 0x80, True, "RFC 6455 §5.2"),
        (0x91, 0x80, True, "RFC 6455 §5.2"),
        (0xC1, 0x80, False, "RFC 6455 §5.2"),
        (0x83, 0x80, False, "RFC 6455 §5.2"),
        (0x8B, 0x80, False, "RFC 6455 §5.2"),
        (0x09, 0x80, False, "RFC 6455 §5.5"),
        (0x89, 0xFE, False, "RFC 6455 §5.5"),
        (0xC9, 0x80, True, "RFC 7692 §6.1"),
        (0xC0, 0x80, True, "RFC 7692 §6.1"),
        (0x81, 0x00, False, "RFC 6455 §5.1"),
    ],
)
def test_header_that_breaks_a_rule_names_code_and_clause(
    first: int, second: int, *, compressible: bool, clause: str
) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        check_header(first, second, compressible=compressible)
    assert (caught.value.code, caught.value.spec) == (1002, clause)


@pytest.mark.parametrize("field", [b"\0\0", b"\0\x7d", b"\0" * 8, b"\0" * 6 + b"\xff\xff",
                                   b"\x80" + b"\0" * 7])  # fmt: skip
def test_size_in_a_wrong_form_is_refused(field: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_size(field)
    assert (caught.value.code, caught.value.spec) == (1002, "RFC 6455 §5.2")


@pytest.mark.parametrize("code", [1000, 1003, 1014, 3000, 4999])
def test_close_round_trip(code: int) -> None:
    frame = encode_close(code, "Grüße")
    assert frame[0] == 0x88
    assert decode_close(frame[2:]) == (code, "Grüße")


def test_close_without_a_code_is_empty() -> None:
    assert encode_close(1005) == b"\x88\x00"
    assert decode_close(b"") == (1005, "")


@pytest.mark.parametrize(
    ("payload", "code", "clause"),
    [
        (b"\x03", 1002, "RFC 6455 §7.4"),
        (b"\x03\xed", 1002, "RFC 6455 §7.4"),
        (b"\x00\x00x", 1002, "RFC 6455 §7.4"),
        (b"\x03\xe8\xff", 1007, "RFC 6455 §8.1"),
    ],
)
def test_close_that_is_malformed_names_code_and_clause(
    payload: bytes, code: int, clause: str
) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_close(payload)
    assert (caught.value.code, caught.value.spec) == (code, clause)


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1005, "x"), (1006, ""), (1015, ""), (0, ""), (5000, ""), (1000, "x" * 124)],
)
def test_close_that_cannot_be_sent_is_our_mistake(code: int, reason: str) -> None:
    with pytest.raises(LocalProtocolError):
        encode_close(code, reason)


@pytest.mark.parametrize("encode", [encode_ping, encode_pong])
def test_control_frame_that_is_too_long_is_our_mistake(encode: object) -> None:
    assert len(encode(b"x" * 125)) == 127
    with pytest.raises(LocalProtocolError):
        encode(b"x" * 126)


@spec("RFC 6455 §7.4", "RFC 6455 §11.7")
def test_close_codes_that_may_be_sent() -> None:
    allowed = {code for code in range(70_000) if is_close_code(code)}
    assert allowed == {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}
    assert {int(code) for code in CloseCode} - allowed == {1005, 1006, 1015}
    assert [int(opcode) for opcode in Opcode] == [0, 1, 2, 8, 9, 10]
