"""The small names that existing programs import."""

from __future__ import annotations

from blackbull.utils import (
    HTTP2,
    Scheme,
    do_nothing,
    is_client_error,
    is_server_error,
    pop_safe,
)


def test_scheme_members_are_their_names() -> None:
    """S22: the seed's WebSocket program imports Scheme from here."""
    assert Scheme.websocket == "websocket"
    assert Scheme.http == "http"
    assert [str(member) for member in Scheme] == ["http", "websocket"]


def test_error_classes_by_status() -> None:
    assert [is_client_error(s) for s in (399, 400, 499, 500)] == [False, True, True, False]
    assert [is_server_error(s) for s in (499, 500, 599, 600)] == [False, True, True, False]


def test_http2_preface_is_24_octets() -> None:
    assert len(HTTP2) == 24
    assert HTTP2.startswith(b"PRI * HTTP/2.0\r\n")


def test_pop_safe_moves_and_renames() -> None:
    source, target = {"a": 1, "b": 2}, {"c": 3}
    pop_safe("a", source, target)
    pop_safe("b", source, target, new_key="d")
    pop_safe("missing", source, target)
    assert source == {}
    assert target == {"a": 1, "c": 3, "d": 2}


async def test_do_nothing_takes_anything() -> None:
    assert await do_nothing(1, key="value") is None  # type: ignore[func-returns-value]
