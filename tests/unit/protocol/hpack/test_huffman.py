from __future__ import annotations

import pytest
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

from blackbull.errors import RemoteProtocolError
from blackbull.protocol.hpack import huffman
from tests.spec import spec


@spec("RFC 7541 Appendix B")
def test_codes_are_those_of_the_hpack_package() -> None:
    assert tuple(REQUEST_CODES_LENGTH) == huffman.LENGTHS
    assert [int(code, 2) for code in huffman.CODES] == REQUEST_CODES
    assert tuple(len(code) for code in huffman.CODES) == huffman.LENGTHS


@spec("RFC 7541 Appendix C.4", "C.6")
@pytest.mark.parametrize(
    ("text", "data"),
    [
        (b"www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"),
        (b"no-cache", "a8eb10649cbf"),
        (b"custom-value", "25a849e95bb8e8b4bf"),
        (b"302", "6402"),
        (b"Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"),
        (b"https://www.example.com", "9d29ad171863c78f0b97c8e9ae82ae43d3"),
        (b"", ""),
    ],
)
def test_string_is_encoded_and_decoded(text: bytes, data: str) -> None:
    assert huffman.encode(text) == bytes.fromhex(data)
    assert huffman.decode(bytes.fromhex(data)) == text


def test_every_octet_is_encoded_and_decoded() -> None:
    every = bytes(range(256))
    assert huffman.decode(huffman.encode(every)) == every
    for octet in range(256):
        for text in (bytes((octet,)), b"a" + bytes((octet,)) * 3 + b"z"):
            assert huffman.decode(huffman.encode(text)) == text


@spec("RFC 7541 §5.2")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x00", id="padded with zeros"),
        pytest.param(huffman.encode(b"abc") + b"\xff", id="padded with an octet"),
        pytest.param(b"\xff", id="nothing but padding of an octet"),
        pytest.param(b"\xff\xff\xff\xff", id="EOS"),
        pytest.param(b"\xff\xff\xff\xfb\xff", id="an octet cut short"),
        pytest.param(huffman.encode(b"a" * 8) + b"\xff\xff\xff\xfc", id="EOS after text"),
    ],
)
def test_string_that_is_malformed_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        huffman.decode(data)
    assert caught.value.code == 9
    assert caught.value.spec == "RFC 7541 §5.2"


def test_states_are_no_more_than_the_tree_has_nodes() -> None:
    huffman.decode(huffman.encode(bytes(range(256)) * 2))
    assert len(huffman.TREE) == 512
    assert len(huffman.ROOT._known) <= 256
