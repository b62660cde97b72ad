"""Header fields as handlers see them, and the check of those they send."""

from __future__ import annotations

import pytest

from blackbull.headers import Headers, checked_field, checked_fields, checked_value
from tests.spec import spec

PAIRS = ((b"accept", b"a"), (b"x", b"1"), (b"accept", b"b"))


@spec("RFC 9110 §5.1")
def test_headers_get_any_case_finds_first() -> None:
    headers = Headers([("Accept", "a"), (b"ACCEPT", b"b")])
    assert headers.get("aCCept") == b"a"
    assert headers[b"Accept"] == b"a"
    assert "ACCEPT" in headers


def test_headers_missing_name_gives_default_or_key_error() -> None:
    headers = Headers()
    assert headers.get("x") == b""
    assert headers.get("x", b"y") == b"y"
    assert "x" not in headers
    assert 3 not in headers
    assert headers.get_combined("x") is None
    with pytest.raises(KeyError):
        headers["x"]


@spec("RFC 9110 §5.3")
def test_headers_repeated_name_keeps_order_and_combines() -> None:
    headers = Headers.from_lowered(PAIRS)
    assert headers.getlist("accept") == [(b"accept", b"a"), (b"accept", b"b")]
    assert headers.get_combined("accept") == b"a, b"
    assert list(headers) == list(PAIRS)
    assert dict(headers) == {b"accept": b"b", b"x": b"1"}
    assert len(headers) == 3


def test_headers_append_leaves_shared_pairs_unchanged() -> None:
    shared = list(PAIRS)
    headers = Headers.from_lowered(shared)
    headers.append("X", "2")
    headers.append([("Y", "3"), (b"z", b"4")])
    assert list(headers)[3:] == [(b"x", b"2"), (b"y", b"3"), (b"z", b"4")]
    assert shared == list(PAIRS)


def test_headers_append_name_without_value_raises() -> None:
    with pytest.raises(TypeError):
        Headers().append("x")


def test_headers_equality_compares_pairs() -> None:
    assert Headers([("A", "b")]) == Headers.from_lowered(((b"a", b"b"),))
    assert Headers([("a", "b")]) != Headers([("a", "c")])
    assert Headers() != ()
    with pytest.raises(TypeError):
        hash(Headers())


def test_headers_text_beyond_ascii_raises() -> None:
    with pytest.raises(UnicodeEncodeError):
        Headers([("x", "é")])


@spec("RFC 9110 §5.5")
def test_checked_field_valid_is_lowered_and_stripped() -> None:
    assert checked_field("X-Name", "\t value \t") == (b"x-name", b"value")
    assert checked_field(b"x", b"\xc3\xa9") == (b"x", b"\xc3\xa9")
    assert checked_value("") == b""


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "a\0", "(a)", "é"])
@spec("RFC 9110 §5.1")
def test_checked_field_name_no_token_raises(name: str) -> None:
    with pytest.raises(ValueError, match=r"header name|ascii"):
        checked_field(name, "v")


@pytest.mark.parametrize("value", ["a\r\nset-cookie: x=y", "a\nb", "a\rb", "a\0", "a\x7f", "é"])
@spec("RFC 9110 §5.5")
def test_checked_field_value_with_control_raises(value: str) -> None:
    with pytest.raises(ValueError, match=r"header value|ascii"):
        checked_field("x", value)


@pytest.mark.parametrize(
    "given", [{"A": "1", "b": "2"}, [("A", b"1"), (b"b", "2")], Headers([("a", "1"), ("b", "2")])]
)
def test_checked_fields_mapping_or_pairs_same_result(given: dict[str, str]) -> None:
    assert checked_fields(given) == [(b"a", b"1"), (b"b", b"2")]
