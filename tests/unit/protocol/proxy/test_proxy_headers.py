"""The header of the PROXY protocol, clause by clause."""

from __future__ import annotations

import pytest

from blackbull.errors import LimitExceeded, RemoteProtocolError
from blackbull.protocol.proxy import ProxyConnection, ProxyHeader, encode_v1, encode_v2
from blackbull.protocol.proxy.checksum import crc32c
from tests.spec import spec

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
IPV4 = bytes((192, 0, 2, 1, 198, 51, 100, 2)) + (56324).to_bytes(2, "big") + b"\x01\xbb"
SOURCE = ("192.0.2.1", 56324)
DESTINATION = ("198.51.100.2", 443)


def block(command: int, family: int, payload: bytes, *, length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    return SIGNATURE + bytes((command, family)) + size.to_bytes(2, "big") + payload


def tlv(kind: int, value: bytes, *, length: int | None = None) -> bytes:
    return bytes((kind,)) + (len(value) if length is None else length).to_bytes(2, "big") + value


def read(data: bytes) -> ProxyHeader:
    machine = ProxyConnection()
    header = machine.receive(data + b"GET")
    assert header is not None
    assert machine.rest == b"GET"
    return header


def refusal(data: bytes) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        ProxyConnection().receive(data)
    assert caught.value.spec.startswith("PROXY protocol §2")
    return str(caught.value)


@spec("PROXY protocol §2.2.6")
@pytest.mark.parametrize(
    ("value", "secure"),
    [
        (b"\x01" + bytes(4), True),
        (b"\x07" + bytes(4) + tlv(0x21, b"TLSv1.3") + tlv(0x22, b"client"), True),
        (bytes(5), False),
        (b"\x06" + bytes(4), False),
    ],
)
def test_v2_says_whether_the_client_uses_tls(value: bytes, secure: bool) -> None:
    assert read(block(0x21, 0x11, IPV4 + tlv(0x20, value))).secure is secure
    assert read(block(0x21, 0x00, tlv(0x20, value))).secure is secure
    assert not read(block(0x20, 0x11, IPV4 + tlv(0x20, value))).secure


@spec("PROXY protocol §2.1")
@pytest.mark.parametrize(
    ("line", "source", "destination"),
    [
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", SOURCE, DESTINATION),
        (b"PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n",
         ("255.255.255.255", 65535), ("0.0.0.0", 0)),
        (b"PROXY TCP6 2001:DB8::1 ::1 1 2\r\n", ("2001:db8::1", 1), ("::1", 2)),
        (b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         b"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         (":".join(["ffff"] * 8), 65535), (":".join(["ffff"] * 8), 65535)),
        (b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n",
         ("::ffff:c000:201", 1), ("::ffff:c000:202", 2)),
        (b"PROXY UNKNOWN\r\n", None, None),
        (b"PROXY UNKNOWN ffff:f...f:ffff and so on \x00\xff\r\n", None, None),
    ],
)  # fmt: skip
def test_v1_line_says_who_the_client_is(
    line: bytes, source: tuple[str, int] | None, destination: tuple[str, int] | None
) -> None:
    header = read(line)
    assert (header.version, header.local) == (1, False)
    if source is not None and "ffff:c" in source[0]:  # interpreters write it in two ways
        assert header.source is not None
        assert header.source[0] in ("::ffff:c000:201", "::ffff:192.0.2.1")
        return
    assert (header.source, header.destination) == (source, destination)


@spec("PROXY protocol §2.1")
@pytest.mark.parametrize(
    "line",
    [
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n",
        b"PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1 65536\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 +1 2\r\n",
        b"PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n",
        b"PROXY TCP4 192.0.2 198.51.100.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 192.0.2.1 192.0.2.1 1 2\r\n",
        b"PROXY TCP6 fe80::1%1 ::1 1 2\r\n",
        b"PROXY TCP6 :::1 ::1 1 2\r\n",
        b"PROXY tcp4 192.0.2.1 198.51.100.2 1 2\r\n",
        b"PROXY UNKNOWNX\r\n",
        b"PROXY \r\n",
        b"PROXY TCP4\t192.0.2.1 198.51.100.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n\r\n",
    ],
)
def test_v1_line_that_is_malformed_is_refused(line: bytes) -> None:
    refusal(line)


@spec("PROXY protocol §2.1")
def test_v1_line_has_107_bytes_at_most() -> None:
    longest = b"PROXY UNKNOWN ".ljust(105, b"x")
    assert read(longest + b"\r\n") == ProxyHeader(1)
    with pytest.raises(LimitExceeded) as caught:
        ProxyConnection().receive(longest + b"x\r\n")
    assert (caught.value.limit, caught.value.allowed) == ("proxy_header", 107)
    assert ProxyConnection().receive(longest + b"\r") is None


@pytest.mark.parametrize("data", [b"G", b"PROXX", b"\r\n\r\r", b"\x16", b"p", b"PROXY\t"])
def test_anything_else_is_refused_at_the_first_byte_that_shows_it(data: bytes) -> None:
    assert refusal(data) == "PROXY header: there is none"
    assert len(data) == 1 or ProxyConnection().receive(data[:-1]) is None


@spec("PROXY protocol §2.2")
def test_v2_ipv4_and_ipv6_addresses_are_read() -> None:
    assert read(block(0x21, 0x11, IPV4)) == ProxyHeader(2, SOURCE, DESTINATION)
    ipv6 = bytes(15) + b"\x01" + bytes(15) + b"\x02" + b"\x00\x01\x00\x02"
    assert read(block(0x21, 0x21, ipv6)) == ProxyHeader(2, ("::1", 1), ("::2", 2))


@spec("PROXY protocol §2.2")
def test_v2_unix_paths_are_read() -> None:
    paths = b"/run/a.sock".ljust(108, b"\0") + b"\0name".ljust(108, b"\0")
    assert read(block(0x21, 0x31, paths)) == ProxyHeader(2, ("/run/a.sock", None), ("@name", None))
    full = b"x" * 108 + bytes(108)
    assert read(block(0x21, 0x31, full)) == ProxyHeader(2, ("x" * 108, None), ("", None))


@spec("PROXY protocol §2.2")
@pytest.mark.parametrize(
    ("family", "payload"),
    [(0x00, b""), (0x00, tlv(4, b"noop")), (0x12, IPV4), (0x22, bytes(36)), (0x32, bytes(216))],
)
def test_v2_without_a_stream_leaves_the_addresses_open(family: int, payload: bytes) -> None:
    header = read(block(0x21, family, payload))
    assert (header.source, header.destination, header.local) == (None, None, False)


@spec("PROXY protocol §2.2")
@pytest.mark.parametrize("family", [0x00, 0x11, 0xFF])
def test_v2_local_ignores_everything_that_follows(family: int) -> None:
    assert read(block(0x20, family, b"whatever")) == ProxyHeader(2, local=True)


@spec("PROXY protocol §2.2")
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (block(0x11, 0x11, IPV4), "the version is not 2"),
        (block(0x22, 0x11, IPV4), "the command is unknown"),
        (block(0x21, 0x41, IPV4), "the address family is unknown"),
        (block(0x21, 0x13, IPV4), "the address family is unknown"),
        (block(0x21, 0x10, IPV4), "the address family is unknown"),
        (block(0x21, 0x11, IPV4[:-1]), "too short for its addresses"),
        (block(0x21, 0x21, bytes(35)), "too short for its addresses"),
        (block(0x21, 0x31, bytes(215)), "too short for its addresses"),
    ],
)
def test_v2_header_that_cannot_be_is_refused(data: bytes, said: str) -> None:
    assert said in refusal(data)


@spec("PROXY protocol §2.2")
def test_v2_header_is_bounded() -> None:
    with pytest.raises(LimitExceeded) as caught:
        ProxyConnection().receive(block(0x21, 0x11, b"", length=4081))
    assert (caught.value.limit, caught.value.allowed, caught.value.seen) == (
        "proxy_header", 4096, 4097,
    )  # fmt: skip
    assert ProxyConnection().receive(block(0x21, 0x11, b"", length=4080)) is None


@spec("PROXY protocol §2.2.1")
def test_v2_extensions_are_read_in_order() -> None:
    payload = IPV4 + tlv(0x01, b"h2") + tlv(0x02, b"example.org") + tlv(0xE0, b"")
    assert read(block(0x21, 0x11, payload)).extensions == (
        (0x01, b"h2"), (0x02, b"example.org"), (0xE0, b""),
    )  # fmt: skip


@spec("PROXY protocol §2.2.1")
@pytest.mark.parametrize(
    ("extension", "said"),
    [
        (b"\x01", "cut off"),
        (b"\x01\x00", "cut off"),
        (tlv(0x01, b"h2", length=3), "longer than the header"),
        (tlv(0x03, b"abc"), "its checksum is not 4 bytes long"),
        (tlv(0x05, b"x" * 129), "unique id is longer than 128 bytes"),
        (tlv(0x20, b"\x01" + bytes(3)), "what it says of TLS is cut off"),
    ],
)
def test_v2_extension_that_is_malformed_is_refused(extension: bytes, said: str) -> None:
    assert said in refusal(block(0x21, 0x11, IPV4 + extension))


@spec("PROXY protocol §2.2.3")
def test_v2_checksum_is_checked() -> None:
    header = ProxyHeader(2, SOURCE, DESTINATION, extensions=((0x02, b"a"),))
    data = encode_v2(header, checksum=True)
    found = read(data)
    assert (found.source, found.extensions[0]) == (SOURCE, (0x02, b"a"))
    kind = len(data) - 7  # of the checksum itself: as another extension it is not looked at
    for index in (i for i in range(len(SIGNATURE) + 4, len(data)) if i != kind):
        wrong = bytearray(data)
        wrong[index] ^= 1
        with pytest.raises(RemoteProtocolError):
            ProxyConnection().receive(bytes(wrong))


def test_checksum_is_castagnolis() -> None:
    """The check value of the catalogue, and the vectors of RFC 3720 appendix B.4."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


def test_header_without_addresses_is_written_as_unknown() -> None:
    assert encode_v1(ProxyHeader(1)) == b"PROXY UNKNOWN\r\n"
    assert encode_v1(ProxyHeader(1, ("/a", None), ("/b", None))) == b"PROXY UNKNOWN\r\n"
    assert encode_v2(ProxyHeader(2, local=True)) == block(0x20, 0x00, b"")
