"""Header fields: an ordered multi-map of lower-case names and raw values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, TypeAlias

from .protocol.grammar import is_field_value, is_token

Field: TypeAlias = tuple[bytes, bytes]
Fields: TypeAlias = tuple[Field, ...]
"""Pairs of lower-case name and value, in wire order; immutable, so that heads can share it."""
HeaderPairs: TypeAlias = Iterable[tuple[str | bytes, str | bytes]]
HeadersLike: TypeAlias = Mapping[str, str] | HeaderPairs
"""What callers may give as header fields: a mapping, or pairs of text or bytes."""


class Headers:
    """Header fields in wire order; names are compared without case (RFC 9110 §5.1).

    Args:
        pairs: Names and values; text is encoded as ASCII.

    Raises:
        UnicodeEncodeError: text that is not ASCII.
    """

    __slots__ = ("_pairs",)

    __hash__: ClassVar[None]  # type: ignore[assignment]  # append() changes it

    _pairs: Fields | list[Field]

    def __init__(self, pairs: HeaderPairs = ()) -> None:
        self._pairs = [(raw(name).lower(), raw(value)) for name, value in pairs]

    @classmethod
    def from_lowered(cls, pairs: Fields | list[Field]) -> Headers:
        """Wrap *pairs*, whose names are lower-case bytes already; nothing is copied."""
        headers = cls.__new__(cls)
        headers._pairs = pairs
        return headers

    def get(self, name: str | bytes, default: bytes = b"") -> bytes:
        """Return the first value of *name*, or *default*."""
        wanted = raw(name).lower()
        for key, value in self._pairs:
            if key == wanted:
                return value
        return default

    def getlist(self, name: str | bytes) -> list[Field]:
        """Return every ``(name, value)`` of *name*, in wire order."""
        wanted = raw(name).lower()
        return [pair for pair in self._pairs if pair[0] == wanted]

    def get_combined(self, name: str | bytes) -> bytes | None:
        """Return all values of *name* joined by commas, or None (RFC 9110 §5.3)."""
        values = [value for _, value in self.getlist(name)]
        return b", ".join(values) if values else None

    def append(self, name: str | bytes | HeaderPairs, value: str | bytes | None = None) -> None:
        """Append one field, or every pair of an iterable.

        Raises:
            TypeError: a name without a value.
            UnicodeEncodeError: text that is not ASCII.
        """
        if isinstance(name, str | bytes):
            if value is None:
                raise TypeError("append(name, value) needs a value")
            added: HeaderPairs = [(name, value)]
        else:
            added = name
        # A new list: the old one may be a head's, shared and never changed.
        self._pairs = [*self._pairs, *((raw(key).lower(), raw(val)) for key, val in added)]

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str | bytes):
            return False
        wanted = raw(name).lower()
        return any(key == wanted for key, _ in self._pairs)

    def __iter__(self) -> Iterator[Field]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, name: str | bytes) -> bytes:
        wanted = raw(name).lower()
        for key, value in self._pairs:
            if key == wanted:
                return value
        raise KeyError(name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return list(self._pairs) == list(other._pairs)

    def __repr__(self) -> str:
        return f"Headers({list(self._pairs)!r})"


def raw(text: str | bytes) -> bytes:
    """Return *text* as bytes; ASCII only (RFC 9110 §5.5).

    Raises:
        UnicodeEncodeError: text that is not ASCII.
    """
    return text.encode("ascii") if isinstance(text, str) else text


def checked_field(name: str | bytes, value: str | bytes) -> Field:
    """Return a field that is safe to send: lower-case name, value without blanks around it.

    Raises:
        ValueError: *name* is no token, or *value* has a control character or is not ASCII text.

    Spec:
        RFC 9110 §5.1, §5.5
    """
    key = raw(name).lower()
    if not is_token(key):
        raise ValueError(f"{name!r} is no header name: letters, digits and !#$%&'*+-.^_`|~ only")
    return key, checked_value(value)


def checked_value(value: str | bytes) -> bytes:
    """Return a field value that is safe to send, without blanks around it.

    Raises:
        ValueError: *value* has a control character or is not ASCII text.

    Spec:
        RFC 9110 §5.5
    """
    octets = raw(value).strip(b" \t")
    if not is_field_value(octets):
        raise ValueError(f"{value!r} is no header value: it holds a control character")
    return octets


def checked_fields(headers: HeadersLike) -> list[Field]:
    """Return *headers* as fields that are safe to send; see :func:`checked_field`.

    Raises:
        ValueError: a name is no token, or a value has a control character or is not ASCII text.
    """
    pairs: HeaderPairs = headers.items() if isinstance(headers, Mapping) else headers
    return [checked_field(name, value) for name, value in pairs]
