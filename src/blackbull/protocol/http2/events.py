"""What the HTTP/2 machine reports, in the order of the wire."""

from __future__ import annotations

from typing import TypeAlias, final

from blackbull.errors import RemoteProtocolError
from blackbull.protocol.head import Fields

from .head import HTTP2RequestHead
from .priority import Priority


@final
class RequestReceived:
    """A request has begun: a response is owed on *stream_id*.

    Attributes:
        stream_id: Names the request in all that follows.
        head: Its head; shared between identical heads.
        ended: It has no content: nothing more follows, no :class:`RequestEnded` either.
        priority: How urgent it is.
    """

    __slots__ = ("ended", "head", "priority", "stream_id")

    def __init__(
        self, stream_id: int, head: HTTP2RequestHead, ended: bool, priority: Priority
    ) -> None:
        self.stream_id = stream_id
        self.head = head
        self.ended = ended
        self.priority = priority


@final
class DataReceived:
    """A part of a request's content, or of a tunnel; never empty.

    The peer gets credit for it with ``acknowledge(stream_id, len(data))``.
    """

    __slots__ = ("data", "stream_id")

    def __init__(self, stream_id: int, data: bytes) -> None:
        self.stream_id = stream_id
        self.data = data


@final
class RequestEnded:
    """A request's content is complete.

    Attributes:
        stream_id: The request.
        trailers: Its trailer fields (RFC 9110 §6.5).
    """

    __slots__ = ("stream_id", "trailers")

    def __init__(self, stream_id: int, trailers: Fields = ()) -> None:
        self.stream_id = stream_id
        self.trailers = trailers


@final
class RequestRefused:
    """A request cannot be served: it is to be answered with ``send_refusal``.

    It comes instead of :class:`RequestReceived`, or later instead of the rest of the content.

    Attributes:
        stream_id: The request.
        error: Why; its ``code`` is the status to answer.
    """

    __slots__ = ("error", "stream_id")

    def __init__(self, stream_id: int, error: RemoteProtocolError) -> None:
        self.stream_id = stream_id
        self.error = error


@final
class StreamReset:
    """The peer has reset a stream: it wants no response, or ends a tunnel.

    Attributes:
        stream_id: The stream.
        code: Why; an :class:`ErrorCode` if it is known.
    """

    __slots__ = ("code", "stream_id")

    def __init__(self, stream_id: int, code: int) -> None:
        self.stream_id = stream_id
        self.code = code


@final
class StreamFailed:
    """The peer broke a rule: the machine has reset the stream.

    Attributes:
        stream_id: The stream; it may never have been reported.
        error: What the peer did; its ``code`` is what the peer was told.
    """

    __slots__ = ("error", "stream_id")

    def __init__(self, stream_id: int, error: RemoteProtocolError) -> None:
        self.stream_id = stream_id
        self.error = error


@final
class PriorityUpdated:
    """The peer has changed a request's priority (RFC 9218 §7)."""

    __slots__ = ("priority", "stream_id")

    def __init__(self, stream_id: int, priority: Priority) -> None:
        self.stream_id = stream_id
        self.priority = priority


@final
class PingAcknowledged:
    """The peer answers a PING frame of ours; it lives."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


@final
class GoAwayReceived:
    """The peer will leave: it takes no pushed streams above *last_stream_id*.

    Attributes:
        last_stream_id: The last of our streams that it may have seen.
        code: Why; an :class:`ErrorCode` if it is known.
        debug: What it says to people: not to be trusted.
    """

    __slots__ = ("code", "debug", "last_stream_id")

    def __init__(self, last_stream_id: int, code: int, debug: bytes) -> None:
        self.last_stream_id = last_stream_id
        self.code = code
        self.debug = debug


@final
class ConnectionFailed:
    """The peer broke the connection's rules: the last event.

    The machine takes and sends nothing more but the GOAWAY frame that says why; all streams are
    gone. What remains is to write that frame and to close.

    Attributes:
        error: What the peer did; its ``code`` is what the peer is told.
    """

    __slots__ = ("error",)

    def __init__(self, error: RemoteProtocolError) -> None:
        self.error = error


Event: TypeAlias = (
    RequestReceived
    | DataReceived
    | RequestEnded
    | RequestRefused
    | StreamReset
    | StreamFailed
    | PriorityUpdated
    | PingAcknowledged
    | GoAwayReceived
    | ConnectionFailed
)
