"""Where a request's content ends (RFC 9112 §6), and what else its fields ask of the connection."""

from __future__ import annotations

from typing import Final, TypeAlias

from blackbull.errors import RemoteProtocolError
from blackbull.protocol.grammar import HOST, comma_list
from blackbull.protocol.head import Fields

from .events import Framing

SINGLE: Final = frozenset({b"host", b"content-length", b"content-type"})
MAX_LENGTH_DIGITS: Final = 19


Decisive: TypeAlias = tuple[
    bytes | None, bytes | None, bytes | None, bytes | None, bytes | None, bytes | None
]
"""The values of the fields that decide about framing and connection, None for an absent one."""


def decisive_values(fields: Fields) -> Decisive:
    """Return host, content-length, transfer-encoding, connection, expect and upgrade.

    Raises:
        RemoteProtocolError: a field is repeated that must not be.

    Spec:
        RFC 9110 §5.3
    """
    values = dict(fields)
    if len(values) != len(fields):
        values = combine(fields)
    get = values.get
    return (
        get(b"host"),
        get(b"content-length"),
        get(b"transfer-encoding"),
        get(b"connection"),
        get(b"expect"),
        get(b"upgrade"),
    )


class Decision:
    """What a header section says about framing and connection; shared by all that say the same.

    Args:
        values: As :func:`decisive_values` returns them.

    Raises:
        RemoteProtocolError: the fields contradict each other or ask for what we do not do.

    Spec:
        RFC 9112 §3.2, §6.1, §6.2, §9.3; RFC 9110 §7.8, §10.1.1
    """

    __slots__ = (
        "_chunked", "_connection", "_content_length", "_expect", "_has_host", "_modern", "_upgrade",
        "host",
    )  # fmt: skip

    def __init__(self, values: Decisive) -> None:
        host, length, coding, connection, expect, upgrade = values
        self.host = host or b""
        self._has_host = host is not None
        if not HOST.fullmatch(self.host):
            raise refuse("the Host field is no host and port", "RFC 9112 §3.2")
        self._content_length = -1 if length is None else parse_content_length(length)
        self._chunked = coding is not None
        if coding is not None:
            self._check_coding(comma_list(coding.lower()))
        self._connection = comma_list((connection or b"").lower())
        self._expect = comma_list((expect or b"").lower())
        self._upgrade = upgrade or b""
        self._modern: Framing | None = None

    def _check_coding(self, codings: list[bytes]) -> None:
        if self._content_length >= 0:
            raise refuse("both Transfer-Encoding and Content-Length", "RFC 9112 §6.1")
        if not codings or codings[-1] != b"chunked" or codings.count(b"chunked") != 1:
            raise refuse("chunked is not the final transfer coding", "RFC 9112 §6.3 rule 4")
        if len(codings) > 1:
            raise RemoteProtocolError(
                "no transfer coding but chunked is implemented", code=501, spec="RFC 9112 §6.1"
            )

    def framing(self, version: str) -> Framing:
        """Return what the section says in a request of *version*, ``"1.0"`` or ``"1.1"``.

        Raises:
            RemoteProtocolError: no Host in HTTP/1.1, a transfer coding in HTTP/1.0, an
                expectation that we cannot meet.

        Spec:
            RFC 9112 §3.2, §6.1, §9.3; RFC 9110 §10.1.1
        """
        if version == "1.0":
            return self._frame_old()
        if self._modern is None:
            self._modern = self._frame_modern()
        return self._modern

    def _frame_old(self) -> Framing:
        if self._chunked:
            raise refuse("HTTP/1.0 has no transfer codings", "RFC 9112 §6.1")
        return Framing(
            self._content_length,
            False,
            keep_alive=b"keep-alive" in self._connection and b"close" not in self._connection,
            expects_continue=False,
            upgrade=b"",
            modern=False,
        )

    def _frame_modern(self) -> Framing:
        if not self._has_host:
            raise refuse("an HTTP/1.1 request needs a Host field", "RFC 9112 §3.2")
        if any(expectation != b"100-continue" for expectation in self._expect):
            raise RemoteProtocolError(
                "the only expectation is 100-continue", code=417, spec="RFC 9110 §10.1.1"
            )
        return Framing(
            self._content_length,
            self._chunked,
            keep_alive=b"close" not in self._connection,
            expects_continue=bool(self._expect) and (self._chunked or self._content_length > 0),
            upgrade=self._upgrade if b"upgrade" in self._connection else b"",
            modern=True,
        )


def combine(fields: Fields) -> dict[bytes, bytes]:
    """Return one value per name: those of a repeated field are a comma-separated list.

    Raises:
        RemoteProtocolError: a field is repeated that must not be.

    Spec:
        RFC 9110 §5.3
    """
    values: dict[bytes, bytes] = {}
    for name, value in fields:
        if name not in values:
            values[name] = value
        elif name in SINGLE:
            raise refuse(f"{name.decode()} is given twice", "RFC 9110 §5.3")
        else:
            values[name] += b", " + value
    return values


def parse_content_length(value: bytes) -> int:
    """Return the number of bytes that a Content-Length field announces; 2**63 for still more.

    Raises:
        RemoteProtocolError: not 1*DIGIT, or with leading zeros.

    Spec:
        RFC 9110 §8.6; RFC 9112 §6.3 rule 5
    """
    if not value.isdigit() or (value[:1] == b"0" and value != b"0"):
        raise refuse("Content-Length is no decimal number", "RFC 9112 §6.3 rule 5")
    return int(value) if len(value) <= MAX_LENGTH_DIGITS else 1 << 63


def refuse(message: str, spec: str) -> RemoteProtocolError:
    """Return the error for a message that breaks a rule: 400."""
    return RemoteProtocolError(message, code=400, spec=spec)
