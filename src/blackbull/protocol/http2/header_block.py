"""Header blocks: how they arrive, and which fields may stand in them (RFC 9113 §4.3, §8.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, final

from blackbull.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError
from blackbull.protocol.grammar import FIELD_VALUE
from blackbull.protocol.head import Fields
from blackbull.protocol.hpack import Field

from .codes import ENHANCE_YOUR_CALM, PROTOCOL_ERROR
from .limits import HTTP2Limits

NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
"""RFC 9113 §8.2.1: a token without upper-case letters."""

CONNECTION_FIELDS: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
"""RFC 9113 §8.2.2: HTTP/2 says all this in other ways."""

FORBIDDEN_TRAILERS: Final = frozenset({
    b"authorization", b"cache-control", b"content-encoding", b"content-length", b"content-range",
    b"content-type", b"cookie", b"expect", b"host", b"if-match", b"if-modified-since",
    b"if-none-match", b"if-range", b"if-unmodified-since", b"max-forwards", b"pragma",
    b"proxy-authorization", b"range", b"set-cookie", b"te", b"trailer",
})  # fmt: skip
"""RFC 9110 §6.5.1: fields for framing, routing, authentication, requests and content."""

MAX_CHECKED: Final = 2048

_checked: set[Field] = set()


@final
class HeaderBlock:
    """A header block that comes in several frames.

    Args:
        stream_id: The stream of all its frames.
        limits: How long it may be.

    Attributes:
        ended: Nothing follows the block on its stream.
        fault: What was wrong with its first frame; the block is decoded all the same.
        size: Bytes that have arrived.
    """

    __slots__ = ("_frames", "_limits", "_parts", "ended", "fault", "size", "stream_id")

    def __init__(
        self,
        stream_id: int,
        limits: HTTP2Limits,
        *,
        ended: bool,
        fault: RemoteProtocolError | None,
    ) -> None:
        self.stream_id = stream_id
        self.ended = ended
        self.fault = fault
        self.size = 0
        self._limits = limits
        self._parts: list[bytes] = []
        self._frames = -1

    def add(self, fragment: bytes) -> None:
        """Append what one frame holds.

        Raises:
            LimitExceeded: ``header_max_total`` or ``h2_max_continuations`` (ENHANCE_YOUR_CALM). The
                connection cannot go on without the block.

        Spec:
            RFC 9113 §6.10, §10.5.1
        """
        self._frames += 1
        self.size += len(fragment)
        self._parts.append(fragment)
        limits = self._limits
        if self.size > limits.max_header_block:
            raise _too_long("header_max_total", limits.max_header_block, self.size)
        if self._frames > limits.max_continuations:
            raise _too_long("h2_max_continuations", limits.max_continuations, self._frames)

    def join(self) -> bytes:
        """Return the block."""
        return b"".join(self._parts)


def check_fields(fields: Iterable[Field], limits: HTTP2Limits) -> None:
    """Check regular fields that the peer sent.

    Raises:
        LimitExceeded: ``header_max_line`` (431).
        RemoteProtocolError: a name or a value is malformed, or of HTTP/1.1.

    Spec:
        RFC 9113 §8.2.1, §8.2.2
    """
    for name, value in fields:
        if not NAME.fullmatch(name):
            raise _name_error(name)
        if not FIELD_VALUE.fullmatch(value):
            raise malformed("a field value holds what it must not", "RFC 9113 §8.2.1")
        if name in CONNECTION_FIELDS:
            raise malformed(f"{name.decode()} has no place in HTTP/2", "RFC 9113 §8.2.2")
        if name == b"te" and value.lower() != b"trailers":
            raise malformed("te says something else than trailers", "RFC 9113 §8.2.2")
        if len(name) + len(value) > limits.max_header_line:
            raise LimitExceeded(
                "header_max_line",
                allowed=limits.max_header_line,
                seen=len(name) + len(value),
                code=431,
                spec="RFC 6585 §5",
            )


def check_trailers(fields: list[Field], limits: HTTP2Limits) -> Fields:
    """Return the trailer fields of a request.

    Raises:
        LimitExceeded: ``header_max_line``.
        RemoteProtocolError: a field is malformed, or is none that trailers can have.

    Spec:
        RFC 9113 §8.1; RFC 9110 §6.5.1
    """
    check_fields(fields, limits)
    for name, _ in fields:
        if name in FORBIDDEN_TRAILERS:
            raise malformed(f"{name.decode()} is no trailer field", "RFC 9110 §6.5.1")
    return tuple(fields)


def response_fields(status: int, fields: Iterable[Field], *, date: bytes) -> list[Field]:
    """Return the fields of a response's head, content-length apart.

    Args:
        status: 100 to 999.
        fields: Lower-case names; content-length and what HTTP/2 has no place for is left out.
        date: The value of the date field that is added where there is none; ``b""`` for none.

    Raises:
        LocalProtocolError: the status is none, or a field cannot be sent.

    Spec:
        RFC 9113 §8.2, §8.3.2
    """
    if not 100 <= status <= 999:
        raise LocalProtocolError(f"{status} is no status code", spec="RFC 9110 §15")
    made: list[Field] = [(b":status", b"%d" % status)]
    for field in fields:
        name = field[0]
        if name == b"content-length" or name in CONNECTION_FIELDS:
            continue
        if name == b"date":
            date = b""
        if field not in _checked:
            check_own_field(field)
        made.append(field)
    if date:
        made.append((b"date", date))
    return made


def announced_length(fields: Iterable[Field]) -> int:
    """Return what content-length says in our own *fields*, or -1.

    Raises:
        LocalProtocolError: it is no number.

    Spec:
        RFC 9110 §8.6
    """
    for name, value in fields:
        if name == b"content-length":
            if not value.isdigit():
                raise LocalProtocolError(f"{value!r} is no content-length", spec="RFC 9110 §8.6")
            return int(value)
    return -1


def trailer_fields(fields: Iterable[Field]) -> list[Field]:
    """Return our own trailer *fields*, checked.

    Raises:
        LocalProtocolError: a field cannot be sent, or is no trailer field.

    Spec:
        RFC 9113 §8.1; RFC 9110 §6.5.1
    """
    made = []
    for field in fields:
        if field[0] in FORBIDDEN_TRAILERS or field[0] in CONNECTION_FIELDS:
            raise LocalProtocolError(f"{field[0]!r} is no trailer field", spec="RFC 9110 §6.5.1")
        check_own_field(field)
        made.append(field)
    return made


def check_own_field(field: Field) -> None:
    """Check a field of ours, and remember it.

    Raises:
        LocalProtocolError: it cannot be sent.

    Spec:
        RFC 9113 §8.2.1
    """
    name, value = field
    if not NAME.fullmatch(name) or not FIELD_VALUE.fullmatch(value):
        raise LocalProtocolError(
            f"{name!r}: {value!r} is no field: the name must be a lower-case token, "
            "the value must hold no line break and no edge space",
            spec="RFC 9113 §8.2.1",
        )
    if len(value) <= 256:
        if len(_checked) >= MAX_CHECKED:
            _checked.clear()
        _checked.add(field)


def malformed(message: str, spec: str) -> RemoteProtocolError:
    """Return the error for a malformed message: it ends its stream (RFC 9113 §8.1.1)."""
    return RemoteProtocolError(message, code=PROTOCOL_ERROR, spec=spec)


def _name_error(name: bytes) -> RemoteProtocolError:
    if name[:1] == b":":
        return malformed("a pseudo-header field out of place", "RFC 9113 §8.3")
    if name != name.lower():
        return malformed("a field name with upper-case letters", "RFC 9113 §8.2.1")
    return malformed("a field name is no token", "RFC 9113 §8.2.1")


def _too_long(limit: str, allowed: int, seen: int) -> LimitExceeded:
    return LimitExceeded(
        limit, allowed=allowed, seen=seen, code=ENHANCE_YOUR_CALM, spec="RFC 9113 §10.5.1"
    )
