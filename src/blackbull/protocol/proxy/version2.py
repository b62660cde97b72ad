"""Version 2: a binary block.

Spec:
    PROXY protocol §2.2
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Final

from .checksum import crc32c
from .header import SPEC_TLV, SPEC_V2, TLS, ProxyAddress, ProxyHeader, malformed

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
PREAMBLE: Final = 16
"""Signature, version and command, family, length."""

LOCAL: Final = 0x20
PROXY: Final = 0x21

INET: Final = 1
INET6: Final = 2
UNIX: Final = 3
STREAM: Final = 1

_FAMILIES: Final = frozenset({0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32})
_ADDRESSES: Final = {0: 0, INET: 12, INET6: 36, UNIX: 216}
"""Bytes of the two addresses, by family."""

_PATH: Final = 108

CRC32C: Final = 0x03
UNIQUE_ID: Final = 0x05
MAX_UNIQUE_ID: Final = 128
MIN_TLS: Final = 5
"""What the client has, and whether its certificate was verified."""


def check_preamble(data: bytes) -> None:
    """Refuse what cannot become a preamble; *data* may be its beginning only.

    Raises:
        RemoteProtocolError: version, command or family are none that there is.
    """
    if len(data) > 12 and data[12] not in (LOCAL, PROXY):
        raise malformed("the version is not 2, or the command is unknown", SPEC_V2)
    # For LOCAL the family has no meaning, and is to be ignored.
    if len(data) > 13 and data[12] == PROXY and data[13] not in _FAMILIES:
        raise malformed("the address family is unknown", SPEC_V2)
    if len(data) >= PREAMBLE and data[12] == PROXY:
        length = int.from_bytes(data[14:16], "big")
        if length < _ADDRESSES[data[13] >> 4]:
            raise malformed("it is too short for its addresses", SPEC_V2)


def decode_v2(block: bytes) -> ProxyHeader:
    """Return what *block* says.

    Args:
        block: The whole header; its preamble was checked.

    Raises:
        RemoteProtocolError: an extension is malformed, or the checksum is wrong.
    """
    if block[12] == LOCAL:
        return ProxyHeader(2, local=True)
    family = block[13] >> 4
    end = PREAMBLE + _ADDRESSES[family]
    extensions = _extensions(block, end)
    # A datagram is none of ours: the addresses of the connection stay what they are.
    if not family or block[13] & 0x0F != STREAM:
        return ProxyHeader(2, extensions=extensions)
    source, destination = _addresses(family, block[PREAMBLE:end])
    return ProxyHeader(2, source, destination, extensions=extensions)


def _addresses(family: int, data: bytes) -> tuple[ProxyAddress, ProxyAddress]:
    if family == UNIX:
        return (_path(data[:_PATH]), None), (_path(data[_PATH:]), None)
    source_port = int.from_bytes(data[-4:-2], "big")
    destination_port = int.from_bytes(data[-2:], "big")
    if family == INET:
        source, destination = str(IPv4Address(data[:4])), str(IPv4Address(data[4:8]))
    else:
        source, destination = str(IPv6Address(data[:16])), str(IPv6Address(data[16:32]))
    return (source, source_port), (destination, destination_port)


def _path(data: bytes) -> str:
    # An abstract socket's name begins with a zero byte, and is written with @ as usual.
    name = data[:1].replace(b"\0", b"@") + data[1:] if data[1:2] != b"\0" else data
    return name.partition(b"\0")[0].decode("utf-8", "backslashreplace")


def _extensions(block: bytes, at: int) -> tuple[tuple[int, bytes], ...]:
    found: list[tuple[int, bytes]] = []
    while at < len(block):
        if at + 3 > len(block):
            raise malformed("an extension is cut off", SPEC_TLV)
        kind = block[at]
        end = at + 3 + int.from_bytes(block[at + 1 : at + 3], "big")
        if end > len(block):
            raise malformed("an extension is longer than the header", SPEC_TLV)
        value = block[at + 3 : end]
        if kind == CRC32C:
            _check(block, at + 3, value)
        elif kind == UNIQUE_ID and len(value) > MAX_UNIQUE_ID:
            raise malformed("its unique id is longer than 128 bytes", SPEC_TLV)
        elif kind == TLS and len(value) < MIN_TLS:
            raise malformed("what it says of TLS is cut off", SPEC_TLV)
        found.append((kind, value))
        at = end
    return tuple(found)


def _check(block: bytes, at: int, value: bytes) -> None:
    if len(value) != 4:
        raise malformed("its checksum is not 4 bytes long", SPEC_TLV)
    if crc32c(block[:at] + bytes(4) + block[at + 4 :]) != int.from_bytes(value, "big"):
        raise malformed("its checksum is wrong", SPEC_TLV)


def encode_v2(header: ProxyHeader, *, checksum: bool = False) -> bytes:
    """Return the block that says *header*.

    Args:
        header: What to say; both addresses of one family, or none.
        checksum: Add a CRC-32C, after the other extensions.
    """
    family, addresses = _encode_addresses(header.source, header.destination)
    tail = b"".join(
        bytes((kind,)) + len(value).to_bytes(2, "big") + value for kind, value in header.extensions
    )
    if checksum:
        tail += bytes((CRC32C, 0, 4)) + bytes(4)
    command = LOCAL if header.local else PROXY
    length = (len(addresses) + len(tail)).to_bytes(2, "big")
    block = SIGNATURE + bytes((command, family)) + length + addresses + tail
    return block[:-4] + crc32c(block).to_bytes(4, "big") if checksum else block


def _encode_addresses(
    source: ProxyAddress | None, destination: ProxyAddress | None
) -> tuple[int, bytes]:
    if source is None or destination is None:
        return 0x00, b""
    if source[1] is None or destination[1] is None:
        paths = b"".join(_encode_path(path) for path, _ in (source, destination))
        return UNIX << 4 | STREAM, paths
    ports = source[1].to_bytes(2, "big") + destination[1].to_bytes(2, "big")
    if ":" in source[0]:
        hosts = IPv6Address(source[0]).packed + IPv6Address(destination[0]).packed
        return INET6 << 4 | STREAM, hosts + ports
    hosts = IPv4Address(source[0]).packed + IPv4Address(destination[0]).packed
    return INET << 4 | STREAM, hosts + ports


def _encode_path(path: str) -> bytes:
    raw = path.encode()
    if raw.startswith(b"@"):
        raw = b"\0" + raw[1:]
    return raw[:_PATH].ljust(_PATH, b"\0")
