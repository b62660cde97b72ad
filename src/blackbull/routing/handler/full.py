"""The channels of full handlers: ASGI-shaped reading, and writing in every form that is handy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from blackbull.asgi.messages import parse_response_event, to_request_event
from blackbull.content import AnyReceive
from blackbull.errors import LocalProtocolError
from blackbull.headers import Field, HeadersLike
from blackbull.native import (
    InterimResponse,
    ResponseBody,
    ResponseMessage,
    ResponsePush,
    ResponseStart,
    ResponseTrailers,
    Send,
)
from blackbull.response import Response

from .returns import BINARY, complete

Sendable: TypeAlias = (
    ResponseMessage
    | bytes
    | tuple[bytes, int]
    | tuple[bytes, int, HeadersLike]
    | Mapping[str, object]
)
HandlerReceive: TypeAlias = Callable[[], Awaitable[Mapping[str, object]]]

NATIVE = (
    Response, ResponseStart, ResponseBody, ResponseTrailers, InterimResponse, ResponsePush,
)  # fmt: skip


class HandlerSend:
    """The ``send`` of a full handler.

    It takes responses, native messages, ``(content, status, headers)`` as a tuple or as arguments,
    and ASGI's ``http.response.*`` dicts. The ASGI start waits for the first part of the content,
    so that a response that is complete leaves in one piece.

    Args:
        send: Takes native messages.
    """

    __slots__ = ("_send", "_start")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: ResponseStart | None = None

    async def __call__(
        self, message: Sendable, status: int = 200, headers: HeadersLike | None = None
    ) -> None:
        """Send *message*.

        Raises:
            ClientDisconnected: the client is gone.
            LocalProtocolError: *message* may not be sent now, or is malformed.
            TypeError: *message* is nothing that can be sent.
            ValueError: a header cannot be sent.
        """
        if isinstance(message, NATIVE):
            await self._flush()
            await self._send(message)
        elif isinstance(message, Mapping):
            await self._send_event(message)
        elif isinstance(message, bytes | bytearray | memoryview):
            await self._flush()
            await self._send(_response(message, status, headers))
        elif isinstance(message, tuple):
            await self._flush()
            await self._send(_response(*message))
        else:
            raise TypeError(
                f"send takes a Response, (bytes, status, headers) or an ASGI event, "
                f"not {type(message).__name__}"
            )

    async def _send_event(self, event: Mapping[str, object]) -> None:
        message = parse_response_event(event)
        start = self._start
        if isinstance(message, ResponseStart):
            if start is not None:
                raise LocalProtocolError("http.response.start was sent twice")
            self._start = message
        elif start is not None and isinstance(message, ResponseBody):
            self._start = None
            whole = None if message.more else _joined(start, message.data)
            if whole is None:
                await self._send(start)
                await self._send(message)
            else:
                await self._send(whole)
        elif start is not None and isinstance(message, ResponseTrailers):
            raise LocalProtocolError("http.response.trailers come after http.response.body")
        else:
            await self._send(message)

    async def _flush(self) -> None:
        start = self._start
        if start is not None:
            self._start = None
            await self._send(start)


def native_send(send: Send) -> HandlerSend:
    """Return a ``send`` that takes whatever full handlers and middleware may send."""
    return send if isinstance(send, HandlerSend) else HandlerSend(send)


def handler_receive(receive: AnyReceive) -> HandlerReceive:
    """Return the ``receive`` of a full handler: ``http.request`` and ``http.disconnect``."""

    async def receive_event() -> Mapping[str, object]:
        message = await receive()
        return message if isinstance(message, Mapping) else to_request_event(message)

    return receive_event


def _response(
    content: bytes | bytearray | memoryview,
    status: int = 200,
    headers: HeadersLike | None = None,
) -> Response:
    if not isinstance(content, bytes | bytearray | memoryview):
        raise TypeError(f"content is bytes, not {type(content).__name__}: encode it first")
    return Response(bytes(content), int(status), BINARY.decode("ascii"), headers)


def _joined(start: ResponseStart, body: bytes) -> Response | None:
    """Return head and content as one response; None when the head says more than one can."""
    if start.trailers or start.cancel_on_disconnect:
        return None
    content_type = b""
    fields: list[Field] = []
    for field in start.fields:
        name, value = field
        if name == b"content-length":
            if value != b"%d" % len(body):
                # The answer to HEAD, or an error that the codec knows best.
                return None
        elif name == b"content-type" and not content_type:
            content_type = value
        else:
            fields.append(field)
    response = complete(body, content_type, status=start.status)
    if fields:
        response.fields = fields
    return response
