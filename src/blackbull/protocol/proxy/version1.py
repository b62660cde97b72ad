"""Version 1: one line of text.

Spec:
    PROXY protocol §2.1
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from .header import SPEC_V1, ProxyHeader, malformed

SIGNATURE: Final = b"PROXY "
MAX_LINE: Final = 107
"""Bytes of the longest line, its CRLF included."""

_LINE: Final = re.compile(rb"PROXY TCP([46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (\d+) (\d+)")
_PORT: Final = re.compile(rb"0|[1-9][0-9]{0,4}")
_MAX_PORT: Final = 65535


def decode_v1(line: bytes) -> ProxyHeader:
    """Return what *line* says.

    Args:
        line: The line without its CRLF; whoever calls has bounded it.

    Raises:
        RemoteProtocolError: it is not written as the specification has it.
    """
    if line == b"PROXY UNKNOWN" or line.startswith(b"PROXY UNKNOWN "):
        return ProxyHeader(1)  # whatever follows UNKNOWN is to be ignored
    found = _LINE.fullmatch(line)
    if found is None:
        raise malformed("it is neither PROXY TCP4, TCP6 nor UNKNOWN with its fields", SPEC_V1)
    version, source, destination, source_port, destination_port = found.groups()
    return ProxyHeader(
        1,
        (_host(source, version), _port(source_port)),
        (_host(destination, version), _port(destination_port)),
    )


def encode_v1(header: ProxyHeader) -> bytes:
    """Return the line that says *header*, CRLF included; UNKNOWN if it names no IP addresses."""
    source, destination = header.source, header.destination
    if source is None or destination is None or source[1] is None or destination[1] is None:
        return b"PROXY UNKNOWN\r\n"
    family = 6 if ":" in source[0] else 4
    line = f"PROXY TCP{family} {source[0]} {destination[0]} {source[1]} {destination[1]}\r\n"
    return line.encode("ascii")


def _host(raw: bytes, version: bytes) -> str:
    text = raw.decode("ascii")
    try:
        return str(IPv4Address(text) if version == b"4" else IPv6Address(text))
    except AddressValueError:
        raise malformed(f"an address is no IPv{version.decode()} address", SPEC_V1) from None


def _port(raw: bytes) -> int:
    if _PORT.fullmatch(raw) is None or int(raw) > _MAX_PORT:
        raise malformed("a port is not a number from 0 to 65535", SPEC_V1)
    return int(raw)
