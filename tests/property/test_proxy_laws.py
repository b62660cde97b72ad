"""The laws of the PROXY protocol's codec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from blackbull.errors import LimitExceeded, RemoteProtocolError
from blackbull.protocol.proxy import ProxyConnection, ProxyHeader, encode_v1, encode_v2

LAW = settings(deadline=None, max_examples=250)
MAX_HEADER = 600

Outcome: TypeAlias = tuple[str, object, bytes]

PORTS = st.integers(0, 65535)
IPV4 = st.tuples(st.ip_addresses(v=4).map(str), PORTS)
IPV6 = st.tuples(st.ip_addresses(v=6).map(str), PORTS)
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=2, max_size=107)
PATHS = st.tuples(st.one_of(NAMES.map("/".__add__), NAMES.map("@".__add__)), st.none())
PAIRS = st.one_of(st.tuples(IPV4, IPV4), st.tuples(IPV6, IPV6))
EXTENSIONS = st.lists(
    st.one_of(
        st.tuples(
            st.integers(0, 255).filter(lambda kind: kind not in (3, 5, 32)), st.binary(max_size=40)
        ),
        st.tuples(st.just(32), st.binary(min_size=5, max_size=40)),
    ),
    max_size=4,
).map(tuple)

LINES = st.one_of(
    PAIRS.map(lambda pair: encode_v1(ProxyHeader(1, *pair))),
    st.binary(max_size=90).map(lambda junk: b"PROXY UNKNOWN " + junk + b"\r\n"),
    st.binary(max_size=120).map(lambda junk: b"PROXY TCP4 " + junk),
)
BLOCKS = st.builds(
    lambda command, family, payload, length: (
        b"\r\n\r\n\x00\r\nQUIT\n"
        + bytes((command, family))
        + (len(payload) if length is None else length).to_bytes(2, "big")
        + payload
    ),
    st.sampled_from([0x20, 0x21, 0x22, 0x11]),
    st.sampled_from([0x00, 0x11, 0x12, 0x21, 0x31, 0x41]),
    st.binary(max_size=300),
    st.one_of(st.none(), st.integers(0, 700)),
)
WIRES = st.tuples(st.one_of(LINES, BLOCKS, st.binary(max_size=40)), st.binary(max_size=20)).map(
    b"".join
)


def observe(parts: Sequence[bytes]) -> Outcome:
    """Return how it ends: what kind, the header or the error, and what follows the header.

    Raises:
        AssertionError: more was held than a header may be long.
        Exception: whatever the machine should not have raised.
    """
    machine = ProxyConnection(max_header=MAX_HEADER)
    for index, part in enumerate(parts):
        try:
            header = machine.receive(part)
        except LimitExceeded as error:
            return "limit", (error.limit, error.allowed, error.seen), b""
        except RemoteProtocolError as error:
            return "refused", (str(error), error.spec), b""
        assert machine.held <= MAX_HEADER
        if header is not None:
            return f"v{header.version}", header, machine.rest + b"".join(parts[index + 1 :])
    return "open", None, b""


def cut(wire: bytes, places: Sequence[int]) -> list[bytes]:
    ends = sorted({place % (len(wire) + 1) for place in places})
    return [wire[a:b] for a, b in zip([0, *ends], [*ends, len(wire)], strict=True)]


@LAW
@given(PAIRS, st.binary(max_size=10))
def test_round_trip_of_version_1(
    pair: tuple[tuple[str, int], tuple[str, int]], rest: bytes
) -> None:
    header = ProxyHeader(1, *pair)
    assert observe([encode_v1(header) + rest]) == ("v1", header, rest)


@LAW
@given(st.one_of(PAIRS, st.tuples(PATHS, PATHS)), EXTENSIONS, st.booleans())
def test_round_trip_of_version_2(
    pair: tuple[tuple[str, int], tuple[str, int]],
    extensions: tuple[tuple[int, bytes], ...],
    checksum: bool,
) -> None:
    header = ProxyHeader(2, *pair, extensions=extensions)
    kind, found, rest = observe([encode_v2(header, checksum=checksum) + b"rest"])
    assert (kind, rest) == ("v2", b"rest")
    assert isinstance(found, ProxyHeader)
    kept = tuple(each for each in found.extensions if each[0] != 3)
    assert replace(found, extensions=kept) == header


@LAW
@given(WIRES, st.lists(st.integers(0, 1000), max_size=6))
def test_segmentation_changes_nothing(wire: bytes, places: list[int]) -> None:
    whole = observe([wire])
    assert observe(cut(wire, places)) == whole
    assert observe([bytes((octet,)) for octet in wire]) == whole


@LAW
@given(st.lists(st.binary(max_size=300), max_size=20))
def test_errors_are_closed_and_memory_is_bounded(parts: list[bytes]) -> None:
    observe([b"\r\n\r\n\x00\r\nQUIT\n\x21\x11", *parts])
    observe([b"PROXY ", *parts])
    observe(parts)
