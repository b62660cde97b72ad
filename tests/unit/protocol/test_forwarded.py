"""What proxies say about whom they forward for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackbull.errors import RemoteProtocolError
from blackbull.protocol.forwarded import Hop, parse_forwarded, parse_node, parse_x_forwarded
from tests.spec import spec


@spec("RFC 7239 §4")
@pytest.mark.parametrize(
    ("value", "hops"),
    [
        (b"for=192.0.2.60", [Hop(("192.0.2.60", 0))]),
        (b'For="[2001:db8:cafe::17]:4711"', [Hop(("2001:db8:cafe::17", 4711))]),
        (
            b"for=192.0.2.60;proto=HTTPS;by=203.0.113.43",
            [Hop(("192.0.2.60", 0), "https")],
        ),
        (
            b"for=192.0.2.43, for=198.51.100.17;proto=http",
            [Hop(("192.0.2.43", 0)), Hop(("198.51.100.17", 0), "http")],
        ),
        (b'for="192.0.2.43:47011"', [Hop(("192.0.2.43", 47011))]),
        (b'for="192.0.2.43:_port"', [Hop(("192.0.2.43", 0))]),
        (b"for=unknown", [Hop(None)]),
        (b"for=_hidden, for=_SEVKISEK", [Hop(None), Hop(None)]),
        (b"proto=https", [Hop(None, "https")]),
        (b'for="192.0.2.\\43"', [Hop(("192.0.2.43", 0))]),
        (b", ,for=192.0.2.1, ,", [Hop(("192.0.2.1", 0))]),
        (b"", []),
    ],
)
def test_parse_forwarded_returns_the_hops(value: bytes, hops: list[Hop]) -> None:
    assert parse_forwarded(value) == hops


@spec("RFC 7239 §4")
@pytest.mark.parametrize(
    "value",
    [
        b"192.0.2.60",
        b"for",
        b"for=",
        b"for =192.0.2.60",
        b"for=[2001:db8::1]",
        b'for="2001:db8::1"',
        b'for="[192.0.2.1]"',
        b'for="[::1"',
        b"for=192.0.2.1;for=192.0.2.2",
        b"for=192.0.2.1 proto=http",
        b'for="192.0.2.1',
        b"for=300.0.2.1",
        b'for="192.0.2.1:99999"',
        b'for=192.0.2.1;proto="ht tp"',
        b"for=example.com",
    ],
)
def test_parse_forwarded_malformed_is_refused(value: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_forwarded(value)


@pytest.mark.parametrize(
    ("addresses", "schemes", "hops"),
    [
        (b"192.0.2.1", b"", [Hop(("192.0.2.1", 0))]),
        (b"2001:db8::1", b"https", [Hop(("2001:db8::1", 0), "https")]),
        (b"[2001:db8::1]:80", b"", [Hop(("2001:db8::1", 80))]),
        (b"192.0.2.1:1234", b"", [Hop(("192.0.2.1", 1234))]),
        (
            b"192.0.2.1, 10.0.0.1",
            b"https",
            [Hop(("192.0.2.1", 0), "https"), Hop(("10.0.0.1", 0), "https")],
        ),
        (
            b"192.0.2.1, 10.0.0.1",
            b"https, http",
            [Hop(("192.0.2.1", 0), "https"), Hop(("10.0.0.1", 0), "http")],
        ),
        (b"unknown, 10.0.0.1", b"", [Hop(None), Hop(("10.0.0.1", 0))]),
    ],
)
def test_parse_x_forwarded_returns_the_hops(
    addresses: bytes, schemes: bytes, hops: list[Hop]
) -> None:
    assert parse_x_forwarded(addresses, schemes) == hops


@pytest.mark.parametrize(
    ("addresses", "schemes"),
    [
        (b"example.com", b""),
        (b"<script>", b""),
        (b"192.0.2.1, 10.0.0.1, 10.0.0.2", b"http, https"),
        (b"192.0.2.1", b"ht tp"),
    ],
)
def test_parse_x_forwarded_malformed_is_refused(addresses: bytes, schemes: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_x_forwarded(addresses, schemes)


@given(st.binary(max_size=80))
def test_forwarded_parsers_raise_nothing_else(value: bytes) -> None:
    for parse in (parse_forwarded, parse_x_forwarded, lambda v: parse_node(v.decode("latin-1"))):
        try:
            parse(value)
        except RemoteProtocolError:
            continue
