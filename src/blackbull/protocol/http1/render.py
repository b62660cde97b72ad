"""Rendering responses (RFC 9112 §4, §6): heads as bytes, with the constant parts prebuilt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final

from blackbull.errors import LocalProtocolError
from blackbull.protocol.grammar import comma_list, is_field_value, is_token

MAX_PREFIXES: Final = 1024
MAX_LINES: Final = 1024
MAX_LINE: Final = 256

OURS: Final = frozenset({b"connection", b"keep-alive", b"transfer-encoding"})
FRAMING: Final = OURS | {b"content-length"}
"""What the server says of a message, and nobody else."""

CLOSE_FIELD: Final = (b"connection", b"close")

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"

STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}

_prefixes: dict[tuple[int, bytes, bool], bytes] = {}
_lines: dict[tuple[bytes, bytes], bytes] = {}


def prefix(status: int, content_type: bytes, *, keep_alive: bool) -> bytes:
    """Return a response's bytes from the status line up to the content-length's value.

    Raises:
        LocalProtocolError: the status is none, or the content type is no field value.
    """
    known = _prefixes.get((status, content_type, keep_alive))
    if known is not None:
        return known
    fields = [] if keep_alive else [CLOSE_FIELD]
    if content_type:
        fields.append((b"content-type", content_type))
    made = status_line(status) + render_fields(fields) + b"content-length: "
    if len(_prefixes) >= MAX_PREFIXES:
        _prefixes.clear()
    _prefixes[status, content_type, keep_alive] = made
    return made


def status_line(status: int) -> bytes:
    """Return the status line of *status*, with its CRLF.

    Raises:
        LocalProtocolError: *status* is not from 100 to 999.

    Spec:
        RFC 9112 §4
    """
    line = STATUS_LINES.get(status)
    if line is not None:
        return line
    if not 100 <= status <= 999:
        raise LocalProtocolError(f"{status} is no status code", spec="RFC 9110 §15")
    return b"HTTP/1.1 %d \r\n" % status


def render_fields(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return *fields* as field lines.

    Raises:
        LocalProtocolError: a name is no token, or a value holds a control character.

    Spec:
        RFC 9110 §5.1, §5.5
    """
    known = _lines.get
    return b"".join([known(field) or _render_field(*field) for field in fields])


def _render_field(name: bytes, value: bytes) -> bytes:
    if not is_token(name) or not is_field_value(value):
        raise LocalProtocolError(
            f"{name!r}: {value!r} is no field: the name must be a token, "
            "the value must hold no line break and no edge space",
            spec="RFC 9110 §5",
        )
    line = b"%b: %b\r\n" % (name, value)
    if len(line) <= MAX_LINE:
        if len(_lines) >= MAX_LINES:
            _lines.clear()
        _lines[name, value] = line
    return line


def sort_fields(
    fields: Iterable[tuple[bytes, bytes]], length: int
) -> tuple[list[tuple[bytes, bytes]], int, bool, bool, bool]:
    """Take apart what an application says in its fields, framing and connection aside.

    Args:
        fields: Lower-case names.
        length: Bytes of content to come; -1: what *fields* say.

    Returns:
        The fields that are sent as they are; the length, -1 if it is unknown; whether they end the
        connection, have a date, name an upgrade.

    Raises:
        LocalProtocolError: a content-length is no number.

    Spec:
        RFC 9110 §7.6.1, §7.8, §8.6
    """
    kept: list[tuple[bytes, bytes]] = []
    closes = dated = upgrade = False
    for field in fields:
        name, value = field
        if name in OURS:
            if name == b"connection" and b"close" in comma_list(value.lower()):
                closes = True
        elif name == b"content-length":
            length = _parse_length(value) if length < 0 else length
        else:
            kept.append(field)
            if name == b"date":
                dated = True
            elif name == b"upgrade":
                upgrade = True
    return kept, length, closes, dated, upgrade


def render_refusal(
    status: int,
    detail: str,
    date: bytes,
    *,
    fields: Sequence[tuple[bytes, bytes]] = (),
    bodiless: bool = False,
) -> bytes:
    """Return a complete error response that ends the connection.

    Args:
        status: 400 to 599.
        detail: A sentence for people; ours, never the peer's text.
        date: The ``date`` field line and the empty line that ends the head.
        fields: Extra fields, for example ``retry-after``.
        bodiless: It answers HEAD.

    Spec:
        RFC 9110 §15.5, §15.6; RFC 9112 §9.6
    """
    content = detail.encode() + b"\n"
    head = render_fields([*fields, CLOSE_FIELD])
    out = b"".join((
        status_line(status), head, b"content-type: text/plain; charset=utf-8\r\ncontent-length: ",
        b"%d" % len(content), date,
    ))  # fmt: skip
    return out if bodiless else out + content


def _parse_length(value: bytes) -> int:
    if not value.isdigit():
        raise LocalProtocolError(f"{value!r} is no content-length", spec="RFC 9110 §8.6")
    return int(value)
