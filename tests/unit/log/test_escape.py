"""No text of a peer can break a log line or end a quoted text in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackbull.log import escape


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("/a b?c=d", "/a b?c=d"),
        ("/größe", "/größe"),
        ("a\r\nINFO forged", r"a\x0d\x0aINFO forged"),
        ('a" 200', r"a\" 200"),
        ("a\\x0d", r"a\\x0d"),
        ("\x1b[31m\x00\x7f", r"\x1b[31m\x00\x7f"),
        ("\x85\u2028\u202e", r"\x85\u2028\u202e"),
        ("\U000e0001", r"\U000e0001"),
        ("\udcff", r"\udcff"),
        (b"\xff\n", r"ÿ\x0a"),
    ],
)
def test_escape_text_is_one_printable_line(text: str | bytes, shown: str) -> None:
    assert escape(text) == shown


def test_escape_long_text_says_how_much_is_missing() -> None:
    assert escape("a" * 20, max_length=4) == "aaaa...(+16)"
    assert escape(b"a" * 20, max_length=4) == "aaaa...(+16)"
    assert escape("abcd", max_length=4) == "abcd"


@given(st.text())
def test_escape_any_text_is_printable_and_keeps_quotes_closed(text: str) -> None:
    shown = escape(text)
    assert shown.isprintable()
    assert shown.replace("\\\\", "").count('"') == shown.replace("\\\\", "").count('\\"')


@given(st.text(max_size=20), st.text(max_size=20))
def test_escape_different_texts_stay_different(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) is (one == other)
