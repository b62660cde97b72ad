"""The helpers that take a ``receive``, ours or an ASGI host's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from blackbull.connection import Connection
from blackbull.content import AnyReceive
from blackbull.errors import ClientDisconnected
from blackbull.headers import Headers
from blackbull.messages import RequestBody, RequestDisconnected, RequestMessage
from blackbull.request import (
    cookies_from_headers,
    parse_cookies,
    read_body,
    read_json,
    read_text,
    stream_body,
)


def ours(*parts: bytes, complete: bool = True) -> AnyReceive:
    messages: list[RequestMessage] = [RequestBody(part, True) for part in parts]
    messages.append(RequestBody(b"", False) if complete else RequestDisconnected())
    waiting = iter(messages)

    async def receive() -> RequestMessage:
        return next(waiting)

    return receive


def asgi(*parts: bytes, complete: bool = True) -> AnyReceive:
    events: list[dict[str, object]] = [
        {"type": "http.request", "body": part, "more_body": True} for part in parts
    ]
    events.append({"type": "http.request"} if complete else {"type": "http.disconnect"})
    waiting = iter(events)

    async def receive() -> Mapping[str, object]:
        return next(waiting)

    return receive


both = pytest.mark.parametrize("make", [ours, asgi])


@both
async def test_read_body_parts_are_joined(make: Callable[..., AnyReceive]) -> None:
    assert await read_body(make(b"a", b"", b"b")) == b"ab"


@both
async def test_stream_body_yields_parts_that_are_not_empty(make: Callable[..., AnyReceive]) -> None:
    assert [part async for part in stream_body(make(b"a", b"", b"b"))] == [b"a", b"b"]


@both
async def test_read_body_client_leaves_raises_with_partial(make: Callable[..., AnyReceive]) -> None:
    with pytest.raises(ClientDisconnected) as caught:
        await read_body(make(b"a", b"b", complete=False))
    assert caught.value.partial == b"ab"


@both
async def test_read_json_is_parsed_or_none(make: Callable[..., AnyReceive]) -> None:
    assert await read_json(make(b'{"a"', b":1}")) == {"a": 1}
    assert await read_json(make(b"{")) is None
    assert await read_json(make()) is None


@both
async def test_read_text_decodes_and_replaces(make: Callable[..., AnyReceive]) -> None:
    assert await read_text(make(b"\xc3", b"\xa9\xff")) == "é\ufffd"
    assert await read_text(make(b"\xe9"), "latin-1") == "é"


def test_parse_cookies_every_source_gives_the_same() -> None:
    pairs = [(b"cookie", b"a=1"), (b"Cookie", b"b=2")]
    scope: dict[str, object] = {"type": "http", "headers": pairs}
    expected = {"a": "1", "b": "2"}
    assert parse_cookies(scope) == expected
    assert parse_cookies(Connection.from_scope(scope)) == expected
    assert parse_cookies(Headers(pairs)) == expected
    assert parse_cookies(pairs) == expected
    assert cookies_from_headers(pairs) == expected
    assert cookies_from_headers(Headers(pairs)) == expected
    assert parse_cookies({"type": "http"}) == {}
