"""The examples of RFC 7541, Appendix C."""

from __future__ import annotations

import pytest

from blackbull.protocol.hpack import Decoder
from tests.spec import spec

Fields = list[tuple[bytes, bytes]]

REQUESTS: list[Fields] = [
    [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"),
     (b":authority", b"www.example.com")],
    [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"),
     (b":authority", b"www.example.com"), (b"cache-control", b"no-cache")],
    [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/index.html"),
     (b":authority", b"www.example.com"), (b"custom-key", b"custom-value")],
]  # fmt: skip

DATES = [b"Mon, 21 Oct 2013 20:13:21 GMT", b"Mon, 21 Oct 2013 20:13:22 GMT"]
PLACE = (b"location", b"https://www.example.com")
COOKIE = b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"

RESPONSES: list[Fields] = [
    [(b":status", b"302"), (b"cache-control", b"private"), (b"date", DATES[0]), PLACE],
    [(b":status", b"307"), (b"cache-control", b"private"), (b"date", DATES[0]), PLACE],
    [(b":status", b"200"), (b"cache-control", b"private"), (b"date", DATES[1]), PLACE,
     (b"content-encoding", b"gzip"), (b"set-cookie", COOKIE)],
]  # fmt: skip


@spec("RFC 7541 Appendix C.2")
@pytest.mark.parametrize(
    ("block", "field", "size"),
    [
        ("400a637573746f6d2d6b65790d637573746f6d2d686561646572",
         (b"custom-key", b"custom-header"), 55),
        ("040c2f73616d706c652f70617468", (b":path", b"/sample/path"), 0),
        ("100870617373776f726406736563726574", (b"password", b"secret"), 0),
        ("82", (b":method", b"GET"), 0),
    ],
)  # fmt: skip
def test_representations(block: str, field: tuple[bytes, bytes], size: int) -> None:
    decoder = Decoder()
    assert decoder.decode(bytes.fromhex(block)) == [field]
    assert decoder.table.size == size


@spec("RFC 7541 Appendix C.3", "C.4")
@pytest.mark.parametrize(
    "blocks",
    [
        ["828684410f7777772e6578616d706c652e636f6d",
         "828684be58086e6f2d6361636865",
         "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565"],
        ["828684418cf1e3c2e5f23a6ba0ab90f4ff",
         "828684be5886a8eb10649cbf",
         "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"],
    ],
    ids=["plain", "huffman"],
)  # fmt: skip
def test_requests(blocks: list[str]) -> None:
    decoder = Decoder()
    sizes = []
    for block, fields in zip(blocks, REQUESTS, strict=True):
        assert decoder.decode(bytes.fromhex(block)) == fields
        sizes.append(decoder.table.size)
    assert sizes == [57, 110, 164]
    assert decoder.table.entries[::-1] == [
        (b"custom-key", b"custom-value"),
        (b"cache-control", b"no-cache"),
        (b":authority", b"www.example.com"),
    ]


@spec("RFC 7541 Appendix C.5", "C.6", "§4.4")
@pytest.mark.parametrize(
    "blocks",
    [
        ["4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d"
         "546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
         "4803333037c1c0bf",
         "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f"
         "6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d3336303" +
         "03b2076657273696f6e3d31"],
        ["488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c7"
         "8f0b97c8e9ae82ae43d3",
         "4883640effc1c0bf",
         "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335"
         "dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007"],
    ],
    ids=["plain", "huffman"],
)  # fmt: skip
def test_responses_with_a_table_of_256_bytes(blocks: list[str]) -> None:
    decoder = Decoder()
    decoder.decode(b"\x3f\xe1\x01")
    sizes = []
    for block, fields in zip(blocks, RESPONSES, strict=True):
        assert decoder.decode(bytes.fromhex(block)) == fields
        sizes.append(decoder.table.size)
    assert sizes == [222, 222, 215]
    assert decoder.table.entries[::-1] == [
        (b"set-cookie", COOKIE),
        (b"content-encoding", b"gzip"),
        (b"date", DATES[1]),
    ]
