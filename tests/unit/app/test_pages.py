"""The default pages."""

from __future__ import annotations

import pytest

from blackbull.app.pages import error_page, phrase_of, prefers_html
from tests.spec import spec
from tests.unit.app.doubles import Exchange


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (b"", False),
        (b"*/*", False),
        (b"text/html", True),
        (b"Text/HTML; q=0.4", True),
        (b"text/html;q=0", False),
        (b"text/html;q=0.4, text/plain;q=0.5", False),
        (b"text/plain, text/html", True),
        (b"application/xhtml+xml,text/html;q=0.9,*/*;q=0.8", True),
        (b"text/html;q=much", False),
        (b",;q=1,", False),
        (b"\xff\xfe", False),
    ],
)
@spec("RFC 9110 §12.5.1")
def test_prefers_html_weighs_accept(accept: bytes, expected: bool) -> None:
    assert prefers_html(Exchange(fields=[(b"accept", accept)]).conn) is expected


def test_prefers_html_joins_repeated_fields() -> None:
    fields = [(b"accept", b"text/plain;q=0.1"), (b"accept", b"text/html")]
    assert prefers_html(Exchange(fields=fields).conn)


def test_phrase_of_unknown_status_is_its_number() -> None:
    assert phrase_of(499) == "499"


def test_error_page_shows_causes_in_development() -> None:
    try:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise ValueError("outer") from inner
    except ValueError as error:
        page = error_page(Exchange().conn, 500, error=error, development=True)
    assert b"inner" in page.body
    assert b"outer" in page.body
