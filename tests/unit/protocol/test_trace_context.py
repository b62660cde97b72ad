"""The traceparent field, strictly (W3C Trace Context §3.2)."""

from __future__ import annotations

import pytest

from blackbull.protocol.trace_context import TraceParent, find_traceparent, parse_traceparent

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
VALID = f"00-{TRACE}-{SPAN}-01".encode()


def test_valid_field_says_trace_span_and_flags() -> None:
    found = parse_traceparent(VALID)
    assert found == TraceParent(TRACE, SPAN, 1)
    assert found.sampled
    assert parse_traceparent(f"00-{TRACE}-{SPAN}-fe".encode()) == (TRACE, SPAN, 0xFE)
    assert not TraceParent(TRACE, SPAN, 0xFE).sampled


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00",
        VALID[:-1],
        VALID + b"0",
        VALID + b"-",
        VALID + b"-more",
        b" " + VALID,
        VALID + b" ",
        VALID.upper(),
        VALID.replace(b"0af", b"0aF"),
        VALID.replace(b"0af", b"0ag"),
        VALID.replace(b"-", b"_"),
        b"ff" + VALID[2:],
        b"0g" + VALID[2:],
        b"01" + VALID[2:] + b"more",
        VALID.replace(TRACE.encode(), b"0" * 32),
        VALID.replace(SPAN.encode(), b"0" * 16),
        VALID + b"\n",
        "00-０af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".encode(),
    ],
)
def test_malformed_field_says_nothing(value: bytes) -> None:
    assert parse_traceparent(value) is None


@pytest.mark.parametrize("value", [b"01" + VALID[2:], b"fe" + VALID[2:] + b"-and-more"])
def test_later_version_is_read_as_far_as_it_is_known(value: bytes) -> None:
    assert parse_traceparent(value) == (TRACE, SPAN, 1)


def test_field_counts_only_if_it_comes_once() -> None:
    field = (b"traceparent", VALID)
    assert find_traceparent([(b"a", b"b"), field]) == (TRACE, SPAN, 1)
    assert find_traceparent([]) is None
    assert find_traceparent([field, field]) is None
