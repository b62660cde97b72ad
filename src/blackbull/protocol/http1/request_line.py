"""The request line: method, target and version (RFC 9112 §3)."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes

from blackbull.errors import LimitExceeded, RemoteProtocolError
from blackbull.protocol.grammar import ABSOLUTE_FORM, BAD_PERCENT, HOST, REQUEST_LINE, TOKEN

from .limits import HTTP1Limits

HANDSHAKE: Final = b"\x16\x03"
"""What TLS begins with (RFC 8446 §5.1): the client was told https, and the server nothing of it."""

VERSIONS: Final = {b"HTTP/1.1": "1.1", b"HTTP/1.0": "1.0"}


class RequestLine:
    """A parsed request line; shared by all heads that begin with it.

    Attributes:
        method: Case-sensitive token.
        path: Percent-decoded path without the query; ``"*"`` in asterisk-form.
        raw_path: The path as it came.
        query_string: The query as it came, without the question mark.
        http_version: ``"1.0"`` or ``"1.1"``.
        authority: What a target in absolute-form names; else ``b""``.
    """

    __slots__ = ("authority", "http_version", "method", "path", "query_string", "raw_path")

    def __init__(self, method: bytes, target: bytes, *, version: str, authority: bytes) -> None:
        self.method = method.decode()
        self.raw_path, _, self.query_string = target.partition(b"?")
        self.path = decode_path(self.raw_path)
        self.http_version = version
        self.authority = authority


def parse_request_line(line: bytes, limits: HTTP1Limits, *, secure: bool) -> RequestLine:
    """Return what *line* says.

    Args:
        line: The line without its CRLF.
        limits: ``header_max_line`` bounds it.
        secure: The connection is TLS: decides which scheme an absolute-form target may have.

    Raises:
        LimitExceeded: ``header_max_line``.
        RemoteProtocolError: the line is malformed (400), its version is not HTTP/1 (505), it asks
            for a tunnel (501) or for a scheme that this connection does not carry (421).

    Spec:
        RFC 9112 §3; RFC 9110 §2.5, §7.4
    """
    check_line_length(line, limits)
    match = REQUEST_LINE.fullmatch(line)
    if match is None:
        raise no_request_line(line, "the request line is not 'method target HTTP/x.y'")
    method, target, protocol = match.groups()
    version = VERSIONS.get(protocol) or minor_version(protocol)
    if method == b"CONNECT":
        raise RemoteProtocolError("CONNECT is not implemented", code=501, spec="RFC 9110 §15.6.2")
    authority = b""
    if target == b"*":
        if method != b"OPTIONS":
            raise malformed("'*' is a target for OPTIONS only", "RFC 9112 §3.2.4")
    elif not target.startswith(b"/"):
        authority, target = parse_absolute_form(method, target, secure=secure)
    return RequestLine(method, target, version=version, authority=authority)


def minor_version(protocol: bytes) -> str:
    """Return the version that we speak with a client of an unknown one: the highest of HTTP/1.

    Raises:
        RemoteProtocolError: it is not HTTP/1 (505).

    Spec:
        RFC 9110 §2.5, §15.6.6
    """
    if protocol.startswith(b"HTTP/1."):
        return "1.1"
    raise RemoteProtocolError("only HTTP/1.x is spoken here", code=505, spec="RFC 9110 §15.6.6")


def parse_absolute_form(method: bytes, target: bytes, *, secure: bool) -> tuple[bytes, bytes]:
    """Return the authority that *target* names, and the origin-form of the rest.

    Raises:
        RemoteProtocolError: it is no http or https URI (400), or not of this connection (421).

    Spec:
        RFC 9112 §3.2.2, §3.2.4; RFC 9110 §4.2, §7.4
    """
    match = ABSOLUTE_FORM.fullmatch(target)
    if match is None:
        raise malformed("the target has none of the four forms", "RFC 9112 §3.2")
    scheme, authority, rest = match.groups()
    scheme = scheme.lower()
    if scheme not in {b"http", b"https"} or not HOST.fullmatch(authority):
        raise malformed("the target is no http or https URI", "RFC 9110 §4.2")
    if authority[:1] in {b"", b":"}:
        raise malformed("the target names no host", "RFC 9110 §4.2.1")
    if (scheme == b"https") != secure:
        raise RemoteProtocolError(
            "this connection has no authority for that scheme", code=421, spec="RFC 9110 §7.4"
        )
    if method == b"OPTIONS" and not rest:
        return authority, b"*"
    return authority, rest if rest.startswith(b"/") else b"/" + rest


def check_line_length(line: bytes, limits: HTTP1Limits) -> None:
    """Raise if a request line, or the part of one that arrived, is too long.

    Raises:
        LimitExceeded: ``header_max_line``; 414 when the target is to blame, 501 for the method.

    Spec:
        RFC 9112 §3
    """
    allowed = limits.max_header_line
    if len(line) <= allowed:
        return
    code = 414 if b" " in line[:allowed] else 501 if TOKEN.fullmatch(line[:allowed]) else 400
    raise LimitExceeded(
        "header_max_line", allowed=allowed, seen=len(line), code=code, spec="RFC 9112 §3"
    )


def check_line_start(start: bytes, limits: HTTP1Limits) -> None:
    """Raise if no request line can begin with *start*, of which more is to come.

    Raises:
        LimitExceeded: as :func:`check_line_length`.
        RemoteProtocolError: it does not begin with a method: another protocol, perhaps.

    Spec:
        RFC 9112 §3.1
    """
    check_line_length(start.removesuffix(b"\r"), limits)
    method = start[: limits.max_header_line].partition(b" ")[0]
    if not TOKEN.fullmatch(method):
        raise no_request_line(start, "the request line does not begin with a method")


def decode_path(raw_path: bytes) -> str:
    """Return *raw_path* percent-decoded as UTF-8; octets that are none become U+FFFD.

    Raises:
        RemoteProtocolError: a percent sign is not followed by two hexadecimal digits.

    Spec:
        RFC 3986 §2.1
    """
    if b"%" not in raw_path:
        return raw_path.decode("ascii")
    if BAD_PERCENT.search(raw_path):
        raise malformed("a percent sign in the path encodes nothing", "RFC 3986 §2.1")
    return unquote_to_bytes(raw_path).decode("utf-8", "replace")


def too_large(limit: str, allowed: int, seen: int) -> LimitExceeded:
    """Return the error for a head that passes a limit: 431."""
    return LimitExceeded(limit, allowed=allowed, seen=seen, code=431, spec="RFC 6585 §5")


def no_request_line(start: bytes, why: str) -> RemoteProtocolError:
    """Return the error for *start*, which is no request line because of *why*, or is TLS."""
    if start.startswith(HANDSHAKE):
        why = "a TLS handshake, but there is no TLS on this port"
    return malformed(why, "RFC 9112 §3")


def malformed(message: str, spec: str) -> RemoteProtocolError:
    """Return the error for a message that breaks the grammar: 400."""
    return RemoteProtocolError(message, code=400, spec=spec)
