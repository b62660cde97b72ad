"""The head of a request: control data in pseudo-header fields (RFC 9113 §8.3)."""

from __future__ import annotations

import re
from typing import Final, final
from urllib.parse import unquote_to_bytes

from blackbull.errors import LimitExceeded, RemoteProtocolError
from blackbull.protocol.grammar import BAD_PERCENT, HOST, TOKEN
from blackbull.protocol.head import BodyLimit, Fields, RequestHead
from blackbull.protocol.hpack import Field

from .header_block import check_fields, malformed
from .limits import HTTP2Limits
from .priority import DEFAULT_PRIORITY, parse_priority

MAX_SECTIONS: Final = 1024
MAX_REMEMBERED: Final = 2048

_PATH: Final = re.compile(rb"/[\x21\x22\x24-\x7e]*")
_PSEUDO: Final = frozenset({b":authority", b":method", b":protocol", b":scheme"})
_SINGLE: Final = frozenset({b"content-length", b"content-type", b"host"})
_MAX_DIGITS: Final = 19


@final
class Section:
    """What a request's head says, its path apart.

    Args:
        fields: The decoded fields without ``:path``.
        limits: ``header_max_line`` bounds the fields.
        connect_protocol: Extended CONNECT is served.
        has_path: There was a ``:path``.

    Attributes:
        method: As :class:`HTTP2RequestHead` has it, and so are all others.

    Raises:
        LimitExceeded: ``header_max_line`` (431).
        RemoteProtocolError: a field is malformed, or they contradict each other.

    Spec:
        RFC 9113 §8.2, §8.3, §8.3.1, §8.5
    """

    __slots__ = (
        "authority", "content_length", "expects_continue", "fields", "method", "priority",
        "protocol", "scheme",
    )  # fmt: skip

    def __init__(
        self, fields: Fields, limits: HTTP2Limits, *, connect_protocol: bool, has_path: bool
    ) -> None:
        pseudo = _take_pseudo(fields)
        longest = max(map(len, pseudo.values()), default=0)
        if longest > limits.max_header_line:
            raise _too_long(limits.max_header_line, longest, 431)
        fields = fields[len(pseudo) :]
        check_fields(fields, limits)
        method = pseudo.get(b":method", b"")
        if not TOKEN.fullmatch(method):
            raise malformed("no :method, or one that is no token", "RFC 9113 §8.3.1")
        if method == b"CONNECT" or b":protocol" in pseudo:
            _check_connect(pseudo, method, enabled=connect_protocol, has_path=has_path)
        scheme = pseudo.get(b":scheme", b"")
        if scheme not in {b"http", b"https"}:
            raise malformed("a :scheme that is neither http nor https", "RFC 9113 §8.3.1")
        values = dict(fields)
        if len(values) != len(fields):
            fields = _combine(fields)
            values = dict(fields)
        host = values.get(b"host")
        self.method = method.decode()
        self.scheme = scheme.decode()
        self.protocol = pseudo.get(b":protocol", b"")
        self.authority = _agree(pseudo.get(b":authority"), host)
        self.fields = fields if host is not None else ((b"host", self.authority), *fields)
        length = values.get(b"content-length")
        self.content_length = -1 if length is None else _parse_length(length)
        expect = values.get(b"expect", b"").lower()
        if expect not in {b"", b"100-continue"}:
            raise RemoteProtocolError(
                "the only expectation is 100-continue", code=417, spec="RFC 9110 §10.1.1"
            )
        self.expects_continue = expect != b""
        priority = b",".join([value for name, value in fields if name == b"priority"])
        self.priority = parse_priority(priority) if priority else DEFAULT_PRIORITY


@final
class HTTP2RequestHead(RequestHead):
    """A request's head with what HTTP/2 says beyond it. Shared between identical heads.

    Args:
        section: All of it but the path.
        path: Percent-decoded, without the query.
        raw_path: As it came, without the query.
        query_string: As it came, without the question mark.

    Attributes:
        scheme: ``"http"`` or ``"https"``.
        content_length: Bytes of content that are announced; -1 when none is.
        expects_continue: The client waits for 100 before it sends content (RFC 9110 §10.1.1).
        protocol: What an extended CONNECT asks for, ``b"websocket"``; else ``b""`` (RFC 8441 §4).
        priority: What the priority field says (RFC 9218 §5).
    """

    __slots__ = ("content_length", "expects_continue", "priority", "protocol", "scheme")

    def __init__(self, section: Section, path: str, raw_path: bytes, query_string: bytes) -> None:
        super().__init__(
            section.method,
            path,
            raw_path=raw_path,
            query_string=query_string,
            http_version="2",
            authority=section.authority,
            fields=section.fields,
        )
        self.scheme = section.scheme
        self.content_length = section.content_length
        self.expects_continue = section.expects_continue
        self.protocol = section.protocol
        self.priority = section.priority


@final
class HeadParser:
    """Makes heads of decoded header sections, under its limits.

    A bounded memory of header sections turns checking into a look-up: clients repeat themselves,
    if not their paths. One parser serves all connections of a listener.

    Args:
        limits: The bounds that every connection is held to.
        connect_protocol: Extended CONNECT is served (RFC 8441).

    Attributes:
        body_limit: Returns how much content a request may have; None: ``max_body``, whatever it is.
    """

    __slots__ = ("_sections", "body_limit", "connect_protocol", "limits")

    def __init__(self, limits: HTTP2Limits, *, connect_protocol: bool = False) -> None:
        self.limits = limits
        self.connect_protocol = connect_protocol
        self.body_limit: BodyLimit | None = None
        self._sections: dict[Fields, Section] = {}

    def max_body(self, head: HTTP2RequestHead) -> int:
        """Return how many bytes of content the request with *head* may have."""
        find = self.body_limit
        return self.limits.max_body if find is None else find(head)

    def parse(self, fields: list[Field]) -> HTTP2RequestHead:
        """Return the head that a header section makes.

        Args:
            fields: As they were decoded, in order.

        Raises:
            LimitExceeded: ``header_max_line`` (414 for the path, 431 for anything else).
            RemoteProtocolError: a ``code`` of 400 or more is the status to answer; any other is
                the code to reset the stream with.

        Spec:
            RFC 9113 §8.2.3, §8.3, §8.3.1; RFC 8441 §4
        """
        at = 0
        target = b""
        for name, value in fields:
            if name == b":path":
                target = value
                break
            if name[:1] != b":":
                at = len(fields)
                break
            at += 1
        rest = (*fields[:at], *fields[at + 1 :])
        section = self._sections.get(rest)
        if section is None:
            section = self._learn(rest, has_path=at < len(fields))
        if len(target) > self.limits.max_header_line:
            raise _too_long(self.limits.max_header_line, len(target), 414)
        if not _PATH.fullmatch(target) and (target != b"*" or section.method != "OPTIONS"):
            raise malformed("a :path that is no path", "RFC 9113 §8.3.1")
        raw_path, _, query = target.partition(b"?")
        path = raw_path.decode("ascii") if b"%" not in raw_path else _decode_path(raw_path)
        return HTTP2RequestHead(section, path, raw_path, query)

    def _learn(self, fields: Fields, *, has_path: bool) -> Section:
        section = Section(
            fields, self.limits, connect_protocol=self.connect_protocol, has_path=has_path
        )
        if sum([len(name) + len(value) for name, value in fields]) <= MAX_REMEMBERED:
            if len(self._sections) >= MAX_SECTIONS:
                self._sections.clear()
            self._sections[fields] = section
        return section


def _take_pseudo(fields: Fields) -> dict[bytes, bytes]:
    """Return the pseudo-header fields at the start of *fields* (RFC 9113 §8.3)."""
    pseudo: dict[bytes, bytes] = {}
    for name, value in fields:
        if name[:1] != b":":
            break
        if name in pseudo or name not in _PSEUDO:
            raise malformed("a pseudo-header field twice, or unknown", "RFC 9113 §8.3")
        pseudo[name] = value
    return pseudo


def _check_connect(
    pseudo: dict[bytes, bytes], method: bytes, *, enabled: bool, has_path: bool
) -> None:
    if b":protocol" in pseudo:
        if not enabled:
            raise malformed("extended CONNECT was not announced", "RFC 8441 §3")
        if method != b"CONNECT" or b":authority" not in pseudo:
            raise malformed(":protocol without CONNECT or :authority", "RFC 8441 §4")
        if not TOKEN.fullmatch(pseudo[b":protocol"]):
            raise malformed("a :protocol that is no token", "RFC 8441 §4")
        return
    if has_path or b":scheme" in pseudo or b":authority" not in pseudo:
        raise malformed("CONNECT takes :authority and nothing else", "RFC 9113 §8.5")
    raise RemoteProtocolError("CONNECT is not implemented", code=501, spec="RFC 9110 §15.6.2")


def _agree(authority: bytes | None, host: bytes | None) -> bytes:
    """Return the authority that :authority and the host field name."""
    if authority is None:
        if host is None:
            raise malformed("neither :authority nor a host field", "RFC 9113 §8.3.1")
        authority = host
    _check_authority(authority)
    if host is not None:
        _check_authority(host)
    if host is not None and host != authority and host.lower() != authority.lower():
        raise malformed(":authority and host disagree", "RFC 9113 §8.3.1")
    return authority


def _check_authority(authority: bytes) -> None:
    if not authority or authority[:1] == b":" or not HOST.fullmatch(authority):
        raise malformed("an authority that is no host and port", "RFC 9113 §8.3.1")


def _combine(fields: Fields) -> Fields:
    """Return *fields* with all cookie crumbs in one field, where the first was.

    Raises:
        RemoteProtocolError: a field is repeated that must not be.

    Spec:
        RFC 9113 §8.2.3; RFC 9110 §5.3
    """
    crumbs = [value for name, value in fields if name == b"cookie"]
    made: list[Field] = []
    seen: set[bytes] = set()
    for field in fields:
        name = field[0]
        if name in _SINGLE and name in seen:
            raise malformed(f"{name.decode()} is given twice", "RFC 9110 §5.3")
        if name != b"cookie":
            made.append(field)
        elif name not in seen:
            made.append((b"cookie", b"; ".join(crumbs)))
        seen.add(name)
    return tuple(made)


def _parse_length(value: bytes) -> int:
    if not value.isdigit() or (value[:1] == b"0" and value != b"0"):
        raise malformed("content-length is no decimal number", "RFC 9110 §8.6")
    return int(value) if len(value) <= _MAX_DIGITS else 1 << 63


def _too_long(allowed: int, seen: int, code: int) -> LimitExceeded:
    return LimitExceeded(
        "header_max_line", allowed=allowed, seen=seen, code=code, spec="RFC 9110 §15.5.15"
    )


def _decode_path(raw_path: bytes) -> str:
    if BAD_PERCENT.search(raw_path):
        raise RemoteProtocolError(
            "a percent sign in the path encodes nothing", code=400, spec="RFC 3986 §2.1"
        )
    return unquote_to_bytes(raw_path).decode("utf-8", "replace")
