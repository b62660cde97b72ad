"""Handlers that are async generators and cannot wait: their content is there at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final, TypeAlias

from blackbull.native import NativeHandler
from blackbull.response import Response, StreamingResponse

Items: TypeAlias = AsyncGenerator[str | bytes, None]

MAX_GATHERED: Final = 65536
"""Bytes of content after which the rest is streamed, at the pace of the client."""

CONTENT_TYPE: Final = "text/plain; charset=utf-8"


def gather(items: Items) -> Response | NativeHandler:
    """Return what *items*, which cannot wait, yields: whole if it is small, else as a stream.

    Raises:
        TypeError: an item is neither text nor bytes.
        Exception: whatever the generator raises.
    """
    parts: list[bytes] = []
    size = 0
    step = items.__anext__
    while size < MAX_GATHERED:
        try:
            step().__await__().__next__()
        except StopIteration as stop:
            item = stop.value
        except StopAsyncIteration:
            return Response(b"".join(parts), content_type=CONTENT_TYPE)
        else:
            raise RuntimeError("an async generator without an await point has waited")
        part = item.encode() if isinstance(item, str) else item
        if not isinstance(part, bytes | bytearray | memoryview):
            raise TypeError(f"content is str or bytes, not {type(item).__name__}")
        parts.append(bytes(part))
        size += len(part)
    return StreamingResponse(_continue(b"".join(parts), items))


async def _continue(gathered: bytes, items: Items) -> AsyncIterator[str | bytes]:
    async with aclosing(items):
        yield gathered
        async for item in items:
            yield item
