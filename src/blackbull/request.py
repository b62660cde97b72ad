"""Reading a request's content and cookies without a Connection.

Each ``receive`` may be ours, which returns :class:`~blackbull.messages.RequestBody`, or an ASGI
host's, which returns ``http.request`` dicts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import cast

from .connection import Connection
from .content import AnyReceive, as_request_message, parse_json
from .cookies import parse_cookie_fields
from .errors import ClientDisconnected
from .headers import HeaderPairs, Headers
from .messages import RequestDisconnected

__all__ = [
    "ClientDisconnected",
    "cookies_from_headers",
    "parse_cookies",
    "read_body",
    "read_json",
    "read_text",
    "stream_body",
]


async def stream_body(receive: AnyReceive) -> AsyncIterator[bytes]:
    """Yield the content in parts, as they arrive and none of them empty.

    Raises:
        ClientDisconnected: the client left first; ``partial`` is empty, the parts were yielded.
    """
    more = True
    while more:
        message = as_request_message(await receive())
        if isinstance(message, RequestDisconnected):
            raise ClientDisconnected
        if message.data:
            yield message.data
        more = message.more


async def read_body(receive: AnyReceive) -> bytes:
    """Return the whole content. Cancelling loses what was read.

    Raises:
        ClientDisconnected: the client left first; ``partial`` is what had arrived.
    """
    parts: list[bytes] = []
    try:
        async for part in stream_body(receive):
            parts.append(part)
    except ClientDisconnected:
        raise ClientDisconnected(b"".join(parts)) from None
    return b"".join(parts)


async def read_json(receive: AnyReceive) -> object:
    """Return the content parsed as JSON; None when it is empty or no JSON.

    Raises:
        ClientDisconnected: the client left first.
    """
    return parse_json(await read_body(receive))


async def read_text(receive: AnyReceive, encoding: str = "utf-8") -> str:
    """Return the content as text; what *encoding* cannot express becomes U+FFFD.

    Raises:
        ClientDisconnected: the client left first.
        LookupError: there is no such encoding.
    """
    return (await read_body(receive)).decode(encoding, "replace")


def parse_cookies(
    source: Connection | Headers | Mapping[str, object] | HeaderPairs,
) -> dict[str, str]:
    """Return the cookies of a connection, an ASGI scope or header fields.

    Spec:
        RFC 6265 §5.4
    """
    if isinstance(source, Connection):
        return dict(source.cookies)
    if isinstance(source, Mapping):
        return cookies_from_headers(cast("HeaderPairs", source.get("headers") or ()))
    return cookies_from_headers(source)


def cookies_from_headers(headers: Headers | HeaderPairs) -> dict[str, str]:
    """Return the cookies of header fields, however many ``cookie`` fields there are.

    Spec:
        RFC 6265 §5.4; RFC 9113 §8.2.3
    """
    fields = headers if isinstance(headers, Headers) else Headers(headers)
    return parse_cookie_fields(fields)
