"""Parsing a request's head: the request line and the header section (RFC 9112 §3, §5)."""

from __future__ import annotations

from typing import Final, TypeAlias

from blackbull.errors import RemoteProtocolError
from blackbull.protocol.grammar import BARE_LF, FIELD_LINE, TOKEN
from blackbull.protocol.head import BodyLimit, Fields

from .events import HTTP1RequestHead
from .framing import Decision, Decisive, decisive_values
from .limits import HTTP1Limits
from .request_line import (
    RequestLine,
    check_line_start,
    malformed,
    parse_request_line,
    too_large,
)

MAX_HEADS: Final = 512
MAX_STARTS: Final = 1024
MAX_SECTIONS: Final = 1024
MAX_DECISIONS: Final = 1024
MAX_LINES: Final = 4096
MAX_LINE: Final = 256
MAX_REMEMBERED: Final = 2048

CONFUSABLE: Final = frozenset({b"content-length", b"transfer-encoding"})


FieldSection: TypeAlias = tuple[Fields, Decision]
"""A header section: its fields, and what they say about framing and connection."""


class HeadParser:
    """Parses heads, and remembers them: clients repeat themselves.

    Bounded memories of whole heads, request lines, header sections, field lines and what these
    decide turn parsing into look-ups. They hold only what passed every check, under these limits.
    One parser serves all connections of a listener.

    Args:
        limits: The bounds that every head is held to.
        secure: The connections are TLS: decides which scheme an absolute-form target may have.

    Attributes:
        body_limit: Returns how much content a request may have; None: ``max_body``, whatever it is.
    """

    __slots__ = (
        "_decisions", "_heads", "_lines", "_sections", "_starts", "body_limit", "limits", "secure",
    )  # fmt: skip

    def __init__(self, limits: HTTP1Limits, *, secure: bool = False) -> None:
        self.limits = limits
        self.body_limit: BodyLimit | None = None
        self.secure = secure
        self._heads: dict[bytes, HTTP1RequestHead] = {}
        self._decisions: dict[Decisive, Decision] = {}
        self._starts: dict[bytes, RequestLine] = {}
        self._sections: dict[bytes, FieldSection] = {}
        self._lines: dict[bytes, tuple[bytes, bytes]] = {}

    def max_body(self, head: HTTP1RequestHead) -> int:
        """Return how many bytes of content the request with *head* may have."""
        find = self.body_limit
        return self.limits.max_body if find is None else find(head)

    def parse(self, raw: bytes) -> HTTP1RequestHead:
        """Return the head that *raw* holds.

        Args:
            raw: A head from the first byte of its request line up to, and without, the empty line.

        Raises:
            LimitExceeded: ``header_max_line``, ``header_max_total``, ``max_fields``.
            RemoteProtocolError: the head is malformed, ambiguous or asks for what we do not do.

        Spec:
            RFC 9112 §3, §5, §6; RFC 9110 §5, §7
        """
        known = self._heads.get(raw)
        if known is not None:
            return known
        line, _, block = raw.partition(b"\r\n")
        start = self._starts.get(line)
        if start is None:
            start = self._parse_start(line)
        if len(raw) > self.limits.max_header_total:
            raise too_large("header_max_total", self.limits.max_header_total, len(raw))
        section = self._sections.get(block)
        if section is None:
            section = self._parse_section(block)
        head = make_head(start, section)
        if len(raw) <= MAX_REMEMBERED:
            if len(self._heads) >= MAX_HEADS:
                self._heads.clear()
            self._heads[raw] = head
        return head

    def check_incomplete(self, start: bytes, *, scanned: int) -> None:
        """Judge a head of which more is to come by what has arrived: it is not waited for in vain.

        Args:
            start: What has arrived, from the first byte of the request line.
            scanned: So much of it was judged before.

        Raises:
            LimitExceeded: ``header_max_line``, ``header_max_total``.
            RemoteProtocolError: the request line, or the end of a line, is malformed.

        Spec:
            RFC 9112 §2.2, §3
        """
        limits = self.limits
        line_end = start.find(b"\r\n")
        if line_end < 0:
            check_line_start(start, limits)
        else:
            parse_request_line(start[:line_end], limits, secure=self.secure)
        if len(start) > limits.max_header_total + 3:
            raise too_large("header_max_total", limits.max_header_total, len(start))
        if BARE_LF.search(start, scanned):
            raise malformed("a line ends in a bare LF", "RFC 9112 §2.2")
        if line_end >= 0:
            last_line = len(start) - start.rfind(b"\r\n") - 2 - start.endswith(b"\r")
            if last_line > limits.max_header_line:
                raise too_large("header_max_line", limits.max_header_line, last_line)

    def _parse_start(self, line: bytes) -> RequestLine:
        start = parse_request_line(line, self.limits, secure=self.secure)
        if len(line) <= MAX_LINE:
            if len(self._starts) >= MAX_STARTS:
                self._starts.clear()
            self._starts[line] = start
        return start

    def parse_fields(self, block: bytes) -> Fields:
        """Return the fields of *block*: field lines separated by CRLF.

        Raises:
            LimitExceeded: ``header_max_line`` or ``max_fields``.
            RemoteProtocolError: a line is malformed.

        Spec:
            RFC 9112 §5; RFC 9110 §5.6
        """
        if not block:
            return ()
        lines = block.split(b"\r\n")
        if len(lines) > self.limits.max_fields:
            raise too_large("max_fields", self.limits.max_fields, len(lines))
        known = self._lines.get
        return tuple([known(line) or self._parse_line(line) for line in lines])

    def _parse_section(self, block: bytes) -> FieldSection:
        fields = self.parse_fields(block)
        values = decisive_values(fields)
        decision = self._decisions.get(values)
        if decision is None:
            decision = Decision(values)
            if len(block) <= MAX_REMEMBERED:
                if len(self._decisions) >= MAX_DECISIONS:
                    self._decisions.clear()
                self._decisions[values] = decision
        section = (fields, decision)
        if len(block) <= MAX_REMEMBERED:
            if len(self._sections) >= MAX_SECTIONS:
                self._sections.clear()
            self._sections[block] = section
        return section

    def _parse_line(self, line: bytes) -> tuple[bytes, bytes]:
        if len(line) > self.limits.max_header_line:
            raise too_large("header_max_line", self.limits.max_header_line, len(line))
        match = FIELD_LINE.fullmatch(line)
        if match is None:
            raise _field_error(line)
        name, value = match.groups()
        name = name.lower()
        if b"_" in name and name.replace(b"_", b"-") in CONFUSABLE:
            raise malformed(f"{name.decode()} could be taken for a framing field", "RFC 9112 §11.2")
        pair = (name, value)
        if len(line) <= MAX_LINE:
            if len(self._lines) >= MAX_LINES:
                self._lines.clear()
            self._lines[line] = pair
        return pair


def make_head(start: RequestLine, section: FieldSection) -> HTTP1RequestHead:
    """Return the head that *start* and *section* make.

    Raises:
        RemoteProtocolError: they do not go together.

    Spec:
        RFC 9112 §3.2, §6.1; RFC 9110 §10.1.1
    """
    fields, decision = section
    framing = decision.framing(start.http_version)
    authority = start.authority
    head = HTTP1RequestHead(
        start.method,
        start.path,
        raw_path=start.raw_path,
        query_string=start.query_string,
        http_version=start.http_version,
        authority=authority or decision.host,
        fields=_name_host(fields, authority) if authority else fields,
    )
    head.framing = framing
    head.simple = start.http_version == "1.1" and start.method != "HEAD"
    head.plain = head.simple and framing.plain
    return head


def _name_host(fields: Fields, authority: bytes) -> Fields:
    """Return *fields* with *authority* as host: RFC 9112 §3.2.2, the received one is ignored."""
    return ((b"host", authority), *(field for field in fields if field[0] != b"host"))


def _field_error(line: bytes) -> RemoteProtocolError:
    if line[:1] in {b" ", b"\t"}:
        return malformed("a field line is folded", "RFC 9112 §5.2")
    name, colon, _ = line.partition(b":")
    if not colon:
        return malformed("a field line has no colon", "RFC 9112 §5")
    if name != name.rstrip(b" \t"):
        return malformed("white space before a colon", "RFC 9112 §5.1")
    if not TOKEN.fullmatch(name):
        return malformed("a field name is no token", "RFC 9110 §5.1")
    return malformed("a field value holds a control character", "RFC 9110 §5.5")
