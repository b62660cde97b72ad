"""The messages that pass between whoever serves and the application.

A server's ``receive`` returns :class:`RequestBody` parts, then :class:`RequestDisconnected`; its
``send`` takes a complete :class:`~blackbull.response.Response`, or :class:`ResponseStart`,
:class:`ResponseBody` parts and, if announced, :class:`ResponseTrailers`. A message that has been
handed over is never changed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from .headers import Fields


@dataclass(slots=True)
class RequestBody:
    """A part of the request's content, as ``receive`` returns it.

    Attributes:
        data: Bytes of content, possibly none.
        more: False with the last part.
        trailers: The trailer fields, with the last part only (RFC 9110 §6.5).
    """

    data: bytes
    more: bool
    trailers: Fields = ()


@dataclass(slots=True)
class RequestDisconnected:
    """The client left: it will send nothing more and may not read our answer."""


@dataclass(slots=True)
class InterimResponse:
    """An interim response: 103 Early Hints, 102; before :class:`ResponseStart` (RFC 9110 §15.2)."""

    status: int
    fields: Fields = ()


@dataclass(slots=True)
class ResponsePush:
    """Answer a GET of *path* as well, before it is asked for; a hint, before the last content.

    Where that cannot be done nothing happens: the connection's ``extensions`` tell whether
    ``http.response.push`` can be of use (RFC 9113 §8.4).

    Attributes:
        path: The path, with the query if there is one, as it goes on the wire.
        fields: The request's fields: lower-case names and values.
    """

    path: str
    fields: Fields = ()


@dataclass(slots=True)
class ResponseStart:
    """The head of a response whose content follows in parts.

    Attributes:
        status: 200 to 599.
        fields: Lower-case names and values; without a content-length the length is unknown.
        trailers: True when a :class:`ResponseTrailers` will end the response.
        cancel_on_disconnect: True when the task that sends may be cancelled once the client left.
        lingers_half_closed: False when a client that will send no more counts as gone (SSE).
        heartbeat: Seconds and bytes: whenever the content has been silent for so long, the server
            sends the bytes as a part of it, between two :class:`ResponseBody`. None: never.
    """

    status: int
    fields: Fields = ()
    trailers: bool = False
    cancel_on_disconnect: bool = False
    lingers_half_closed: bool = True
    heartbeat: tuple[float, bytes] | None = None


@dataclass(slots=True)
class ResponseBody:
    """A part of the response's content; ``more=False`` with the last one."""

    data: bytes = b""
    more: bool = False


@dataclass(slots=True)
class ResponseTrailers:
    """The trailer fields, after the last :class:`ResponseBody` (RFC 9110 §6.5)."""

    fields: Fields = ()


@dataclass(slots=True)
class WebSocketConnect:
    """A client asks for a WebSocket: the first thing that ``receive`` returns for one."""


@dataclass(slots=True)
class WebSocketAccept:
    """Open the WebSocket: answer 101, or 200 on HTTP/2 (RFC 6455 §4.2.2, RFC 8441 §5).

    Attributes:
        subprotocol: One of those that the client offered; None for none.
        fields: Further fields of the response, checked.
        max_message_size: Bytes that a message from the client may have, after reassembly and
            inflation; None for what the settings say.
    """

    subprotocol: str | None = None
    fields: Fields = ()
    max_message_size: int | None = None


@dataclass(slots=True)
class WebSocketMessage:
    """A whole message, either way: exactly one of *text* and *data* is set (RFC 6455 §5.6)."""

    text: str | None = None
    data: bytes | None = None


@dataclass(slots=True)
class PreparedMessage:
    """A message for many WebSockets, encoded for the wire once per form that it takes there.

    Attributes:
        text: The message, if it is text.
        data: The message, if it is binary.
        frames: What the server keeps of it, by the form: plain, compressed.
    """

    text: str | None = None
    data: bytes | None = None
    frames: dict[object, bytes] = field(default_factory=dict, compare=False, repr=False)


@dataclass(slots=True)
class WebSocketClose:
    """Close the WebSocket; before it is open: refuse it with 403 (RFC 6455 §7.1.2).

    Attributes:
        code: 1000, 1001, 1003, 1007 to 1014, or 3000 to 4999.
        reason: At most 123 bytes as UTF-8.
    """

    code: int = 1000
    reason: str = ""


@dataclass(slots=True)
class WebSocketDisconnected:
    """The WebSocket is closed: the last thing that ``receive`` returns, and that again.

    Attributes:
        code: The peer's close code; 1005 if it gave none, 1006 if it just left (RFC 6455 §7.1.5).
        reason: The peer's text.
    """

    code: int = 1005
    reason: str = ""


RequestMessage: TypeAlias = RequestBody | RequestDisconnected
Receive: TypeAlias = Callable[[], Awaitable[RequestMessage]]
WebSocketEvent: TypeAlias = WebSocketConnect | WebSocketMessage | WebSocketDisconnected
WebSocketReceive: TypeAlias = Callable[[], Awaitable[WebSocketEvent]]
Offer: TypeAlias = Callable[[str | bytes | PreparedMessage], bool]
"""Takes a message for the peer without waiting; False: nothing was taken, only ``send`` can."""


class Inbox(Protocol):
    """What has arrived on an open WebSocket, without an event for every message."""

    def take(self) -> str | bytes | None:
        """Return the next message that is there; None if there is none."""

    def wait(self) -> Awaitable[None] | None:
        """Return what to await before there can be a message; None: ask for the next event."""
