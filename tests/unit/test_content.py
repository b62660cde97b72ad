"""The messages that bring content, and what it is read as."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from blackbull.content import as_request_message, native_receive, parse_json, parse_urlencoded
from blackbull.messages import RequestBody, RequestDisconnected, RequestMessage


async def test_native_receive_takes_both_forms() -> None:
    messages: Iterator[RequestMessage | Mapping[str, object]] = iter((
        {"type": "http.request", "body": b"a", "more_body": True},
        RequestBody(b"b", False),
        {"type": "http.disconnect"},
    ))  # fmt: skip

    async def either() -> RequestMessage | Mapping[str, object]:
        return next(messages)

    receive = native_receive(either)
    assert await receive() == RequestBody(b"a", True)
    assert await receive() == RequestBody(b"b", False)
    assert await receive() == RequestDisconnected()


def test_as_request_message_both_shapes_are_ours() -> None:
    part = RequestBody(b"a", False)
    assert as_request_message(part) is part
    assert as_request_message({"type": "http.request"}) == RequestBody(b"", False)
    assert as_request_message({"type": "http.disconnect"}) == RequestDisconnected()
    with pytest.raises(ValueError, match=r"websocket\.receive"):
        as_request_message({"type": "websocket.receive"})


@pytest.mark.parametrize("content", [b"", b"{", b"NaN"])
def test_parse_json_of_what_is_none_is_none(content: bytes) -> None:
    assert parse_json(content) is None


def test_parse_urlencoded_keeps_every_value_in_order() -> None:
    assert parse_urlencoded("a=1&b=%C3%A9+x&a=2&c=") == {"a": ["1", "2"], "b": ["é x"], "c": [""]}


def test_parse_urlencoded_as_many_fields_as_allowed_and_one_more() -> None:
    assert parse_urlencoded("a&a", max_fields=2) == {"a": ["", ""]}
    with pytest.raises(ValueError, match="fields"):
        parse_urlencoded("a&a&a", max_fields=2)
