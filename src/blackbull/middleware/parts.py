"""A complete response, taken apart for whoever wants to see only parts."""

from __future__ import annotations

from blackbull.headers import Field
from blackbull.native import ResponseBody, ResponseMessage, ResponseStart, Send
from blackbull.response import Response

CONTENTLESS = frozenset({204, 304})


def in_parts(send: Send) -> Send:
    """Return a ``send`` that passes a complete response on as its start and its content."""

    async def send_parts(message: ResponseMessage) -> None:
        if isinstance(message, Response):
            await send(start_of(message))
            await send(ResponseBody(message.body, more=False))
        else:
            await send(message)

    return send_parts


def start_of(response: Response) -> ResponseStart:
    """Return the head of *response*, with its content-length (RFC 9110 §8.6)."""
    fields: list[Field] = list(response.fields)
    if response.content_type:
        fields.append((b"content-type", response.content_type))
    if response.status not in CONTENTLESS:
        fields.append((b"content-length", b"%d" % len(response.body)))
    return ResponseStart(response.status, tuple(fields))
