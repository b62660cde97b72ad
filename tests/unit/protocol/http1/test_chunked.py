from __future__ import annotations

import pytest

from blackbull.errors import LimitExceeded, RemoteProtocolError
from blackbull.protocol.http1 import HeadParser, HTTP1Limits
from blackbull.protocol.http1.chunked import FORBIDDEN_TRAILERS, ChunkedDecoder, decode_chunk_size
from tests.spec import spec

LIMITS = HTTP1Limits(
    max_body=100, max_chunk_line=16, max_chunk_overhead=64, max_header_total=64, max_header_line=32,
    max_fields=2,
)  # fmt: skip


def decoder(limits: HTTP1Limits = LIMITS) -> ChunkedDecoder:
    return ChunkedDecoder(HeadParser(limits), limits.max_body)


def refusal(wire: bytes, limits: HTTP1Limits = LIMITS) -> RemoteProtocolError:
    chunks = decoder(limits)
    with pytest.raises(RemoteProtocolError) as caught:
        drain(chunks, wire)
    return caught.value


def drain(chunks: ChunkedDecoder, wire: bytes) -> tuple[bytes, int]:
    """Return all content of *wire*, and where the decoder stopped."""
    content = b""
    at = 0
    while True:
        data, at = chunks.decode(wire, at)
        if not data:
            return content, at
        content += data


@spec("RFC 9112 §7.1")
def test_chunks_are_joined_and_the_rest_is_left() -> None:
    chunks = decoder()
    wire = b"5\r\nhello\r\n001\r\n!\r\n0\r\n\r\nGET /"
    assert drain(chunks, wire) == (b"hello!", wire.index(b"GET"))
    assert chunks.trailers == ()


@spec("RFC 9112 §7.1")
@pytest.mark.parametrize(
    "line",
    [b"5", b"A", b"a", b"05", b"5;x", b"5 ; x = y", b'5;x="a;\\" b"', b"5;x;y=z", b"5\t;\tx"],
)
def test_chunk_size_valid_is_read(line: bytes) -> None:
    assert decode_chunk_size(line) == int(line.split(b";")[0], 16)


@spec("RFC 9112 §7.1", "RFC 9112 §7.1.1")
@pytest.mark.parametrize(
    "line",
    [
        b"", b"-1", b"+1", b"0x5", b"5_0", b" 5", b"5 ", b"5\t", b"5h", b"g", b"1 2", b"5;",
        b"5;;x", b"5; ", b"5;x=", b'5;x="', b'5;x="a', b"5;x=a b", b"5;=y", b"5;x\x00",
        b"5;\rx", b"5\r",
        b"5\nx", b"\xb2", b"5;x=\x80", b"1" * 17, b'5;x="\x00"',
    ],
)  # fmt: skip
def test_chunk_size_malformed_is_400(line: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_chunk_size(line)
    assert caught.value.code == 400


@spec("RFC 9112 §7.1")
@pytest.mark.parametrize(
    "wire",
    [
        b"5\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhelloX",
        b"5\r\nhello!\r\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\r0\r\n\r\n",
        b"\r\n5\r\nhello\r\n0\r\n\r\n",
        b"5\rhello\r\n",
        b"0\r\n\n",
        b"0\r\nx: y\n\r\n",
        b"0\r\n x: y\r\n\r\n",
        b"0\r\nx : y\r\n\r\n",
        b"0\r\nx\r\n\r\n",
        b"0\r\nGET / HTTP/1.1\r\n\r\n",
    ],
)
def test_chunk_framing_malformed_is_400(wire: bytes) -> None:
    assert refusal(wire).code == 400


def test_chunk_malformed_after_good_content_reports_the_content_first() -> None:
    chunks = decoder()
    data, at = chunks.decode(b"5\r\nhello\r\nX\r\n", 0)
    assert data == b"hello"
    with pytest.raises(RemoteProtocolError):
        chunks.decode(b"5\r\nhello\r\nX\r\n", at)


@spec("RFC 9110 §6.5.1")
@pytest.mark.parametrize("name", sorted(FORBIDDEN_TRAILERS))
def test_trailer_forbidden_is_400(name: bytes) -> None:
    wire = b"0\r\n" + name.title() + b": 1\r\n\r\n"
    assert refusal(wire, HTTP1Limits()).spec == "RFC 9110 §6.5.1"


@spec("RFC 9112 §7.1.2")
def test_trailers_are_reported_in_order() -> None:
    chunks = decoder()
    drain(chunks, b"0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n")
    assert chunks.trailers == ((b"x-sum", b"1"), (b"x-sum", b"2"))


@pytest.mark.parametrize(
    ("wire", "limit", "code"),
    [
        (b"65\r\n", "max_body_size", 413),
        (b"FFFFFFFFFFFFFFFF\r\n", "max_body_size", 413),
        (b"64\r\n" + b"x" * 100 + b"\r\n1\r\n", "max_body_size", 413),
        (b"1;" + b"x" * 16, "max_chunk_line", 400),
        (b"1" * 18, "max_chunk_line", 400),
        (b"1;abcdefgh\r\nx\r\n" * 6, "max_chunk_overhead", 400),
        (b"1\r\nx\r\n" * 20, "max_chunk_overhead", 400),
        (b"1;aaa\r\nx\r\n" + b"1\r\nx\r\n" * 13 + b"0\r\n\r\n", "max_chunk_overhead", 400),
        (b"0\r\n" + b"x: y\r\n" * 3 + b"\r\n", "max_fields", 431),
        (b"0\r\nx: " + b"y" * 40 + b"\r\n\r\n", "header_max_line", 431),
        (b"0\r\nx: " + b"y" * 80, "header_max_total", 431),
        (b"0\r\nx: " + b"y" * 80 + b"\r\n\r\n", "header_max_total", 431),
    ],
)
@spec("RFC 9112 §7.1.1", "RFC 9110 §15.5.14", "RFC 6585 §5")
def test_chunks_beyond_a_limit_name_it(wire: bytes, limit: str, code: int) -> None:
    error = refusal(wire)
    assert isinstance(error, LimitExceeded)
    assert (error.limit, error.code) == (limit, code)


@pytest.mark.parametrize(
    "wire",
    [
        b"1;abcdefghijklmn\r\nx\r\n0\r\n\r\n",
        b"1;aa\r\nx\r\n" + b"1\r\nx\r\n" * 13 + b"0\r\n\r\n",
        b"64\r\n" + b"x" * 100 + b"\r\n0\r\n\r\n",
        b"0\r\na: " + b"y" * 29 + b"\r\nb: " + b"y" * 27 + b"\r\n\r\n",
    ],
)
def test_chunks_exactly_at_the_limits_are_taken_however_they_arrive(wire: bytes) -> None:
    whole = decoder()
    content, _ = drain(whole, wire)
    dribbled = decoder()
    buffer = b""
    parts = b""
    for byte in wire:
        data, at = dribbled.decode(buffer + bytes([byte]), 0)
        buffer = (buffer + bytes([byte]))[at:]
        parts += data
    assert (parts, dribbled.trailers) == (content, whole.trailers)
