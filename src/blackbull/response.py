"""What handlers answer with.

:class:`Response` and its kin are complete: the server sends head and content in one write.
:class:`StreamingResponse` and :class:`EventSourceResponse` send an iterator's items as they come,
waiting whenever the client does not read.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final, TypeAlias

from .connection import Connection
from .cookies import SameSite, cookie_header
from .headers import (
    Field,
    Fields,
    Headers,
    HeadersLike,
    checked_field,
    checked_fields,
    checked_value,
)
from .json import encode
from .messages import (
    InterimResponse,
    Receive,
    ResponseBody,
    ResponsePush,
    ResponseStart,
    ResponseTrailers,
)
from .protocol.sse import COMMENT, encode_item

__all__ = [
    "EventSourceResponse",
    "JSONResponse",
    "RedirectResponse",
    "Response",
    "ResponseMessage",
    "Send",
    "StreamingResponse",
    "WebSocketResponse",
    "cookie_header",
]

# RFC 9112 §6, §9.6: framing and the connection belong to the codec.
_CONNECTION_FIELDS: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding")
)
_FRAMING_FIELDS: Final = _CONNECTION_FIELDS | {b"content-length"}
_REDIRECTS: Final = frozenset((300, 301, 302, 303, 307, 308))
_MAX_CONTENT_TYPES: Final = 256

_content_types: dict[str, bytes] = {"text/html; charset=utf-8": b"text/html; charset=utf-8"}


class Response:
    """A complete response.

    Args:
        content: Text is encoded as UTF-8.
        status: 200 to 599.
        content_type: ``""`` for none; a content-type among *headers* replaces it.
        headers: Further fields. Those that frame the message or name the connection are left
            out: content-length and the like are the server's to say.

    Attributes:
        status: The status code.
        body: The content.
        content_type: The content-type's value; ``b""`` for none.
        fields: All other fields, lower-case names first; ``()`` when there are none.

    Raises:
        TypeError: *content* is neither text nor bytes.
        ValueError: the status is out of range, or a field is unsafe to send.

    Spec:
        RFC 9110 §6.4, §15
    """

    __slots__ = ("body", "content_type", "fields", "status")

    body: bytes
    content_type: bytes
    fields: list[Field] | tuple[()]
    status: int

    def __init__(
        self,
        content: str | bytes | bytearray | memoryview = b"",
        status: int = 200,
        content_type: str = "text/html; charset=utf-8",
        headers: HeadersLike | None = None,
    ) -> None:
        if isinstance(content, str):
            self.body = content.encode()
        else:
            self.body = content if isinstance(content, bytes) else bytes(_octets(content))
        if not 200 <= status <= 599:
            raise ValueError(f"a response's status is from 200 to 599, not {status}")
        self.status = status
        known = _content_types.get(content_type)
        self.content_type = _learn_content_type(content_type) if known is None else known
        if headers:
            self._take(headers)
        else:
            self.fields = ()

    def _take(self, headers: HeadersLike) -> None:
        fields = []
        for field in checked_fields(headers):
            if field[0] == b"content-type":
                self.content_type = field[1]
            elif field[0] not in _FRAMING_FIELDS:
                fields.append(field)
        self.fields = fields or ()

    async def __call__(self, conn: Connection, receive: Receive, send: Send) -> None:
        """Send this response; a response is a handler too.

        Raises:
            ClientDisconnected: the client left first.
        """
        await send(self)

    @property
    def headers(self) -> Headers:
        """A copy of the fields, the content-type first."""
        own = [(b"content-type", self.content_type)] if self.content_type else []
        return Headers.from_lowered([*own, *self.fields])

    def add_header(self, name: str | bytes, value: str | bytes) -> None:
        """Add one field after the others; a content-type replaces the one there is.

        Raises:
            ValueError: the field is unsafe to send.
        """
        field = checked_field(name, value)
        if field[0] == b"content-type":
            self.content_type = field[1]
        elif field[0] not in _FRAMING_FIELDS:
            self.fields = [*self.fields, field]

    def set_cookie(
        self,
        name: str,
        value: str,
        *,
        path: str = "/",
        domain: str = "",
        max_age: int | None = None,
        secure: bool = False,
        http_only: bool = True,
        same_site: SameSite = "Lax",
    ) -> None:
        """Add a set-cookie field; the arguments are :func:`cookie_header`'s.

        Raises:
            ValueError: as :func:`cookie_header`.
        """
        field = cookie_header(
            name, value, path, http_only,
            domain=domain, max_age=max_age, secure=secure, same_site=same_site,
        )  # fmt: skip
        self.fields = [*self.fields, field]

    def delete_cookie(self, name: str, *, path: str = "/", domain: str = "") -> None:
        """Ask the client to forget a cookie; *path* and *domain* as when it was set."""
        self.set_cookie(name, "", path=path, domain=domain, max_age=0)

    def __repr__(self) -> str:
        kind = self.content_type.decode("latin-1") or "no content-type"
        return f"<{type(self).__name__} {int(self.status)} {kind}, {len(self.body)} bytes>"


class JSONResponse(Response):
    """A response whose content is *content* as JSON, in UTF-8.

    Args:
        content: What :func:`blackbull.json.encode` takes.
        status: 200 to 599.
        headers: Further fields.

    Raises:
        TypeError: *content* holds something that has no JSON form.
        ValueError: *content* contains itself or is nested too deeply; or as :class:`Response`.

    Spec:
        RFC 8259
    """

    __slots__ = ()

    def __init__(
        self, content: object, status: int = 200, headers: HeadersLike | None = None
    ) -> None:
        super().__init__(encode(content), status, "application/json", headers)


class RedirectResponse(Response):
    """A response that sends the client elsewhere.

    Args:
        url: An absolute or relative URL, ASCII.
        status: 301, 302, 303, 307, 308, or 300.
        headers: Further fields.

    Raises:
        ValueError: *url* is not ASCII or has a control character; *status* is no redirect.

    Spec:
        RFC 9110 §10.2.2, §15.4
    """

    __slots__ = ()

    def __init__(
        self, url: str, status: int = HTTPStatus.FOUND, headers: HeadersLike | None = None
    ) -> None:
        if status not in _REDIRECTS:
            raise ValueError(f"{int(status)} does not redirect; use 301, 302, 303, 307 or 308")
        if not url.isascii():
            raise ValueError(f"{url!r} is not ASCII; encode it with urllib.parse.quote")
        super().__init__(b"", status, "", headers)
        self.fields = [(b"location", checked_value(url)), *self.fields]


ResponseMessage: TypeAlias = (
    Response | InterimResponse | ResponsePush | ResponseStart | ResponseBody | ResponseTrailers
)
Send: TypeAlias = Callable[[ResponseMessage], Awaitable[None]]


def WebSocketResponse(content: object) -> dict[str, object]:  # noqa: N802 - it reads as its kin
    """Return the ``websocket.send`` event of *content*, for the ``send`` of a full handler.

    Args:
        content: Text makes a text message, bytes a binary one, all else JSON as text.

    Raises:
        TypeError: *content* holds something that has no JSON form.
    """
    if isinstance(content, bytes | bytearray | memoryview):
        return {"type": "websocket.send", "bytes": bytes(content)}
    text = content if isinstance(content, str) else encode(content).decode()
    return {"type": "websocket.send", "text": text}


class StreamingResponse:
    """A response whose content comes in parts, each sent as soon as it is there.

    Waiting in the iterator is cancelled when the client leaves; an iterator with ``aclose`` (an
    async generator) is closed however the response ends. Not iterated for HEAD.

    Args:
        content: Yields text or bytes; text is encoded as UTF-8.
        status: 200 to 599.
        headers: Further fields; a content-length must be right.
        media_type: The content-type; text gets ``charset=utf-8`` unless it names one.

    Raises:
        TypeError: *content* is no async iterable.
        ValueError: the status is out of range, or a field is unsafe to send.

    Spec:
        RFC 9112 §7.1
    """

    __slots__ = ("content", "fields", "status")

    def __init__(
        self,
        content: AsyncIterable[str | bytes],
        *,
        status: int = 200,
        headers: HeadersLike | None = None,
        media_type: str = "text/plain",
    ) -> None:
        _check_stream(content, status)
        if media_type.startswith("text/") and "charset" not in media_type:
            media_type += "; charset=utf-8"
        self.content = content
        self.status = status
        self.fields = _stream_fields(headers, [(b"content-type", checked_value(media_type))])

    async def __call__(self, conn: Connection, receive: Receive, send: Send) -> None:
        """Send the head, then every item. Cancelling closes the iterator.

        Raises:
            ClientDisconnected: the client left.
            TypeError: an item is neither text nor bytes.
        """
        content = self.content
        try:
            await send(ResponseStart(self.status, self.fields, cancel_on_disconnect=True))
            if conn.method != "HEAD":
                async for item in content:
                    data = item if item.__class__ is bytes else _octets(item)
                    if data:
                        await send(ResponseBody(data, True))
            await send(ResponseBody())
        finally:
            await _close(content)


class EventSourceResponse:
    """A stream of server-sent events.

    It ends as soon as the client leaves, also by closing only its sending side; see
    :class:`StreamingResponse` for how.

    Args:
        content: Yields text or bytes (an event's data) or mappings with ``data``, ``event``,
            ``id``, ``retry`` (milliseconds, the standard's unit) and ``comment``; data that is
            neither text nor bytes is sent as JSON.
        status: 200 to 599.
        headers: Further fields; ``cache-control: no-cache`` is added unless one is given.
        ping_interval: Seconds of silence after which a comment is sent, so that proxies keep the
            connection and a vanished client is noticed; None: never.

    Raises:
        TypeError: *content* is no async iterable.
        ValueError: the status is out of range, *ping_interval* is not positive, or a field is
            unsafe to send.

    Spec:
        HTML Living Standard §9.2
    """

    __slots__ = ("content", "fields", "ping_interval", "status")

    def __init__(
        self,
        content: AsyncIterable[str | bytes | Mapping[str, object]],
        *,
        status: int = 200,
        headers: HeadersLike | None = None,
        ping_interval: float | None = 15.0,
    ) -> None:
        _check_stream(content, status)
        if ping_interval is not None and ping_interval <= 0:
            raise ValueError("ping_interval is a number of seconds above 0, or None for never")
        self.content = content
        self.status = status
        self.ping_interval = ping_interval
        self.fields = _stream_fields(
            headers,
            [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")],
        )

    async def __call__(self, conn: Connection, receive: Receive, send: Send) -> None:
        """Send the head, then every event. Cancelling closes the iterator.

        Raises:
            ClientDisconnected: the client left.
            TypeError: an item is no event.
            ValueError: an event breaks the format.
        """
        content = self.content
        interval = self.ping_interval
        start = ResponseStart(
            self.status,
            self.fields,
            cancel_on_disconnect=True,
            lingers_half_closed=False,
            heartbeat=None if interval is None else (interval, COMMENT),
        )
        try:
            await send(start)
            if conn.method != "HEAD":
                async for item in content:
                    await send(ResponseBody(encode_item(item), True))
            await send(ResponseBody())
        finally:
            await _close(content)


def _learn_content_type(content_type: str) -> bytes:
    value = checked_value(content_type)
    if len(_content_types) < _MAX_CONTENT_TYPES:
        _content_types[content_type] = value
    return value


def _check_stream(content: object, status: int) -> None:
    if not isinstance(content, AsyncIterable):
        raise TypeError(
            f"a stream's content is an async iterable, not {type(content).__name__}; "
            "write an async generator and call it"
        )
    if not 200 <= status <= 599:
        raise ValueError(f"a response's status is from 200 to 599, not {status}")


def _stream_fields(headers: HeadersLike | None, defaults: list[Field]) -> Fields:
    given = [field for field in checked_fields(headers or ()) if field[0] not in _CONNECTION_FIELDS]
    names = {name for name, _ in given}
    return (*(field for field in defaults if field[0] not in names), *given)


def _octets(item: object) -> bytes:
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, bytes | bytearray | memoryview):
        return bytes(item)
    raise TypeError(f"content is str or bytes, not {type(item).__name__}")


async def _close(content: object) -> None:
    aclose = getattr(content, "aclose", None)
    if aclose is not None:
        await aclose()
