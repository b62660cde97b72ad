"""Who may open a WebSocket."""

from __future__ import annotations

import pytest

from blackbull.routing.origins import Origins
from tests.spec import spec
from tests.websocket_peer import Peer

pytestmark = spec("RFC 6455 §10.2", "Origin Considerations")


def admits(allowed: list[str] | str, *origins: bytes) -> bool:
    return Origins(allowed).admit(Peer(fields=[(b"origin", origin) for origin in origins]).conn)


@pytest.mark.parametrize(
    ("allowed", "origin"),
    [
        ("https://app.test", b"https://app.test"),
        ("https://app.test", b"HTTPS://APP.test:443"),
        ("https://app.test:443", b"https://app.test"),
        ("http://app.test:8000", b"http://app.test:8000"),
        ("http://[::1]:8000", b"http://[::1]:8000"),
        ("self", b"http://example.test"),
        ("self", b"http://example.test:80"),
        ("null", b"null"),
        ("*", b"https://anything.test"),
        ("*", b"nonsense"),
    ],
)
def test_origin_that_is_allowed_is_admitted(allowed: str, origin: bytes) -> None:
    assert admits(allowed, origin)


@pytest.mark.parametrize(
    ("allowed", "origin"),
    [
        ("https://app.test", b"http://app.test"),
        ("https://app.test", b"https://app.test:8443"),
        ("https://app.test", b"https://evil.app.test"),
        ("https://app.test", b"https://app.test.evil.test"),
        ("https://app.test", b"https://app.test/"),
        ("https://app.test", b"https://user@app.test:1/x"),
        ("https://app.test", b"null"),
        ("https://app.test", b""),
        ("https://app.test", b"\xff"),
        ("https://app.test", b"https://app.test:99999"),
        ("https://app.test", b"https://[::1"),
        ("self", b"https://example.test"),
        ("self", b"http://example.test:8000"),
        ("self", b"http://elsewhere.test"),
        ("null", b"http://example.test"),
    ],
)
def test_other_origin_is_not_admitted(allowed: str, origin: bytes) -> None:
    assert not admits(allowed, origin)


def test_client_without_origin_is_no_browser_and_is_admitted() -> None:
    assert admits("https://app.test")


def test_two_origins_are_not_admitted() -> None:
    assert not admits("https://app.test", b"https://app.test", b"https://app.test")


def test_several_origins_may_be_allowed() -> None:
    allowed = ["https://a.test", "https://b.test"]
    assert admits(allowed, b"https://b.test")
    assert not admits(allowed, b"https://c.test")


@pytest.mark.parametrize(
    "wrong", ["", "app.test", "https://", "https://app.test/", "https://app.test?x", "https://a:b"]
)
def test_text_that_is_no_origin_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Origins([wrong])
