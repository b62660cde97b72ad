"""What the HTTP/1.1 machine reports, in the order of the wire."""

from __future__ import annotations

from typing import Final, TypeAlias

from blackbull.protocol.head import Fields, RequestHead


class Framing:
    """What a header section says about the message and the connection, for one version of HTTP.

    Attributes:
        content_length: Bytes of content that are announced; -1 when none is.
        chunked: The content comes in chunks.
        keep_alive: The client wants the connection to stay open (RFC 9112 §9.3).
        expects_continue: The client waits for 100 before it sends content (RFC 9110 §10.1.1).
        upgrade: The protocols that the client would switch to, or ``b""`` (RFC 9110 §7.8).
        plain: HTTP/1.1, no content, and nothing else that has to be looked at.
    """

    __slots__ = (
        "chunked", "content_length", "expects_continue", "keep_alive", "plain", "upgrade",
    )  # fmt: skip

    def __init__(
        self,
        content_length: int,
        chunked: bool,
        *,
        keep_alive: bool,
        expects_continue: bool,
        upgrade: bytes,
        modern: bool,
    ) -> None:
        self.content_length = content_length
        self.chunked = chunked
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue
        self.upgrade = upgrade
        has_content = chunked or content_length > 0
        self.plain = modern and keep_alive and not has_content and not upgrade


class HTTP1RequestHead(RequestHead):
    """A request's head, as it came over HTTP/1.1. Shared between identical heads.

    Attributes:
        framing: What its fields say about the message and the connection.
        plain: An HTTP/1.1 request without content, not HEAD, that keeps the connection: the
            answer needs no look at any field.
        simple: HTTP/1.1 and not HEAD: the answer is framed in the usual way.
    """

    __slots__ = ("framing", "plain", "simple")

    framing: Framing
    plain: bool
    simple: bool


class Data:
    """A part of a request's content; never empty."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class EndOfMessage:
    """The request's content is complete.

    Attributes:
        trailers: The trailer fields (RFC 9110 §6.5).
    """

    __slots__ = ("trailers",)

    def __init__(self, trailers: Fields = ()) -> None:
        self.trailers = trailers


END_OF_MESSAGE: Final = EndOfMessage()

Event: TypeAlias = HTTP1RequestHead | Data | EndOfMessage
