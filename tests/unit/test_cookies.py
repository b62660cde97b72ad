"""Cookies both ways."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackbull.cookies import cookie_header, parse_cookie_fields
from tests.spec import spec

NAMES = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1)
VALUES = st.text("".join(c for c in map(chr, range(0x21, 0x7F)) if c not in '",;\\'))


def parsed(*values: bytes) -> dict[str, str]:
    return parse_cookie_fields([(b"cookie", value) for value in values])


@spec("RFC 6265 §5.4")
def test_cookies_parse_pairs_in_one_field() -> None:
    assert parsed(b"a=1; b=2;c=3;  d =4") == {"a": "1", "b": "2", "c": "3", "d": "4"}


@spec("RFC 9113 §8.2.3")
def test_cookies_parse_split_fields_join() -> None:
    fields = [(b"cookie", b"a=1"), (b"x", b"y=0"), (b"cookie", b"b=2")]
    assert parse_cookie_fields(fields) == {"a": "1", "b": "2"}


def test_cookies_parse_repeated_name_keeps_first() -> None:
    assert parsed(b"a=specific; a=general", b"a=third") == {"a": "specific"}


@pytest.mark.parametrize("value", [b"", b";", b"novalue", b"=x", b" ; =; a"])
def test_cookies_parse_no_pair_is_skipped(value: bytes) -> None:
    assert parsed(value) == {}


def test_cookies_parse_value_keeps_equals_and_loses_quotes() -> None:
    assert parsed(b'a=b=c; q="x y"; e=; h="') == {"a": "b=c", "q": "x y", "e": "", "h": '"'}


def test_cookies_parse_bytes_that_are_no_utf8_are_replaced() -> None:
    assert parsed(b"a=\xc3\xa9; b=\xff") == {"a": "é", "b": "\ufffd"}


def test_cookie_header_defaults_are_safe() -> None:
    assert cookie_header("id", "1") == (b"set-cookie", b"id=1; Path=/; HttpOnly; SameSite=Lax")


def test_cookie_header_positional_arguments_match_documented_order() -> None:
    assert cookie_header("id", "1", "/app", False)[1] == b"id=1; Path=/app; SameSite=Lax"


@spec("RFC 6265 §4.1.1")
def test_cookie_header_every_attribute_is_rendered() -> None:
    moment = datetime(2030, 1, 2, 4, 4, 5, tzinfo=timezone(timedelta(hours=1)))
    _, value = cookie_header(
        "id", "1", "", domain="example.org", max_age=60, expires=moment, secure=True,
        same_site="None",
    )  # fmt: skip
    assert value == (
        b"id=1; Domain=example.org; Max-Age=60; Expires=Wed, 02 Jan 2030 03:04:05 GMT; "
        b"Secure; HttpOnly; SameSite=None"
    )


def test_cookie_header_expires_without_zone_is_utc() -> None:
    naive = cookie_header("a", "b", expires=datetime(2030, 1, 2))
    assert naive == cookie_header("a", "b", expires=datetime(2030, 1, 2, tzinfo=UTC))


def test_cookie_header_same_site_empty_is_unsaid() -> None:
    assert b"SameSite" not in cookie_header("a", "b", same_site="")[1]


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b", "é", "a\r\nb"])
def test_cookie_header_bad_name_raises(name: str) -> None:
    with pytest.raises(ValueError, match="cookie name"):
        cookie_header(name, "v")


@pytest.mark.parametrize("value", ["a b", "a;b", "a,b", 'a"b', "a\\b", "é", "a\r\nx: y", "\0"])
def test_cookie_header_bad_value_raises(value: str) -> None:
    with pytest.raises(ValueError, match="urllib"):
        cookie_header("a", value)


@pytest.mark.parametrize("text", ["/;Secure", "/\r\n", "/é"])
def test_cookie_header_bad_path_or_domain_raises(text: str) -> None:
    with pytest.raises(ValueError, match="cookie path"):
        cookie_header("a", "b", text)
    with pytest.raises(ValueError, match="cookie domain"):
        cookie_header("a", "b", domain=text)


@spec("RFC 6265bis §4.1.3")
def test_cookie_header_prefix_without_its_attributes_raises() -> None:
    with pytest.raises(ValueError, match="secure=True"):
        cookie_header("__Secure-a", "b")
    with pytest.raises(ValueError, match="path"):
        cookie_header("__Host-a", "b", domain="example.org", secure=True)
    assert cookie_header("__Host-a", "b", secure=True)[1].startswith(b"__Host-a=b; Path=/; Secure")


def test_cookie_header_same_site_that_clients_refuse_raises() -> None:
    with pytest.raises(ValueError, match="secure=True"):
        cookie_header("a", "b", same_site="None")
    with pytest.raises(ValueError, match="same_site"):
        cookie_header("a", "b", same_site="lax")  # type: ignore[arg-type]


@given(NAMES, VALUES)
def test_cookie_round_trip_keeps_name_and_value(name: str, value: str) -> None:
    _, header = cookie_header(name, value, secure=True)
    assert parsed(header.partition(b"; ")[0]) == {name: value}
