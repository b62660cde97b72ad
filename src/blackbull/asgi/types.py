"""The words of ASGI 3.0: event names, scopes, events and the callables that exchange them.

The callables are typed loosely (string-keyed mappings), because every framework types its own a
little differently; the ``TypedDict`` classes say what is inside.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Final, Literal, NotRequired, TypeAlias, TypedDict


class ASGIEvent:
    """The ``type`` of each event of ASGI 3.0.

    Spec:
        ASGI HTTP & WebSocket 2.4; ASGI Lifespan 2.0
    """

    HTTP_REQUEST: Final = "http.request"
    HTTP_DISCONNECT: Final = "http.disconnect"
    HTTP_RESPONSE_START: Final = "http.response.start"
    HTTP_RESPONSE_BODY: Final = "http.response.body"
    HTTP_RESPONSE_TRAILERS: Final = "http.response.trailers"
    HTTP_RESPONSE_EARLY_HINT: Final = "http.response.early_hint"

    WEBSOCKET_CONNECT: Final = "websocket.connect"
    WEBSOCKET_RECEIVE: Final = "websocket.receive"
    WEBSOCKET_DISCONNECT: Final = "websocket.disconnect"
    WEBSOCKET_ACCEPT: Final = "websocket.accept"
    WEBSOCKET_SEND: Final = "websocket.send"
    WEBSOCKET_CLOSE: Final = "websocket.close"
    WEBSOCKET_HTTP_RESPONSE_START: Final = "websocket.http.response.start"
    WEBSOCKET_HTTP_RESPONSE_BODY: Final = "websocket.http.response.body"

    LIFESPAN_STARTUP: Final = "lifespan.startup"
    LIFESPAN_STARTUP_COMPLETE: Final = "lifespan.startup.complete"
    LIFESPAN_STARTUP_FAILED: Final = "lifespan.startup.failed"
    LIFESPAN_SHUTDOWN: Final = "lifespan.shutdown"
    LIFESPAN_SHUTDOWN_COMPLETE: Final = "lifespan.shutdown.complete"
    LIFESPAN_SHUTDOWN_FAILED: Final = "lifespan.shutdown.failed"


class ASGIVersions(TypedDict):
    """Which ASGI a server speaks."""

    version: str
    spec_version: str


class HTTPScope(TypedDict):
    """One HTTP request."""

    type: Literal["http"]
    asgi: ASGIVersions
    http_version: str
    method: str
    scheme: str
    path: str
    raw_path: bytes | None
    query_string: bytes
    root_path: str
    headers: Iterable[tuple[bytes, bytes]]
    client: tuple[str, int] | None
    server: tuple[str, int | None] | None
    state: NotRequired[dict[str, object]]
    extensions: NotRequired[dict[str, dict[str, object]]]


class LifespanScope(TypedDict):
    """The life of the process."""

    type: Literal["lifespan"]
    asgi: ASGIVersions
    state: NotRequired[dict[str, object]]


class HTTPRequestEvent(TypedDict):
    """A part of the request's content."""

    type: Literal["http.request"]
    body: bytes
    more_body: bool


class HTTPDisconnectEvent(TypedDict):
    """The client left, or the response is complete."""

    type: Literal["http.disconnect"]


class HTTPResponseStartEvent(TypedDict):
    """The status and the header fields of the response."""

    type: Literal["http.response.start"]
    status: int
    headers: NotRequired[Iterable[tuple[bytes, bytes]]]
    trailers: NotRequired[bool]


class HTTPResponseBodyEvent(TypedDict):
    """A part of the response's content."""

    type: Literal["http.response.body"]
    body: NotRequired[bytes]
    more_body: NotRequired[bool]


class HTTPResponseTrailersEvent(TypedDict):
    """Trailer fields, after the last part of the content."""

    type: Literal["http.response.trailers"]
    headers: NotRequired[Iterable[tuple[bytes, bytes]]]
    more_trailers: NotRequired[bool]


class HTTPResponseEarlyHintEvent(TypedDict):
    """The ``link`` values of a 103 (Early Hints) response."""

    type: Literal["http.response.early_hint"]
    links: Iterable[bytes]


class WebSocketScope(TypedDict):
    """One WebSocket."""

    type: Literal["websocket"]
    asgi: ASGIVersions
    http_version: str
    scheme: str
    path: str
    raw_path: bytes | None
    query_string: bytes
    root_path: str
    headers: Iterable[tuple[bytes, bytes]]
    client: tuple[str, int] | None
    server: tuple[str, int | None] | None
    subprotocols: Iterable[str]
    state: NotRequired[dict[str, object]]
    extensions: NotRequired[dict[str, dict[str, object]]]


class WebSocketConnectEvent(TypedDict):
    """The client asks for the WebSocket."""

    type: Literal["websocket.connect"]


class WebSocketAcceptEvent(TypedDict):
    """The application opens it."""

    type: Literal["websocket.accept"]
    subprotocol: NotRequired[str | None]
    headers: NotRequired[Iterable[tuple[bytes, bytes]]]


class WebSocketReceiveEvent(TypedDict):
    """A message from the client: one of the two keys is None."""

    type: Literal["websocket.receive"]
    text: str | None
    bytes: bytes | None


class WebSocketSendEvent(TypedDict):
    """A message to the client: ``text`` or ``bytes``."""

    type: Literal["websocket.send"]
    text: NotRequired[str | None]
    bytes: NotRequired[bytes | None]


class WebSocketDisconnectEvent(TypedDict):
    """The WebSocket is closed."""

    type: Literal["websocket.disconnect"]
    code: int
    reason: NotRequired[str | None]


class WebSocketCloseEvent(TypedDict):
    """The application closes the WebSocket, or refuses it."""

    type: Literal["websocket.close"]
    code: NotRequired[int]
    reason: NotRequired[str | None]


class LifespanEvent(TypedDict):
    """Any event of the lifespan protocol; ``message`` accompanies the failures."""

    type: Literal[
        "lifespan.startup",
        "lifespan.startup.complete",
        "lifespan.startup.failed",
        "lifespan.shutdown",
        "lifespan.shutdown.complete",
        "lifespan.shutdown.failed",
    ]
    message: NotRequired[str]


Scope: TypeAlias = MutableMapping[str, object]
ASGIReceiveEvent: TypeAlias = MutableMapping[str, object]
ASGISendEvent: TypeAlias = MutableMapping[str, object]
ASGIReceiveCallable: TypeAlias = Callable[[], Awaitable[ASGIReceiveEvent]]
ASGISendCallable: TypeAlias = Callable[[ASGISendEvent], Awaitable[None]]
ASGIApplication: TypeAlias = Callable[
    [Scope, ASGIReceiveCallable, ASGISendCallable], Awaitable[None]
]
