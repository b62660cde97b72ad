"""Encoding header blocks (RFC 7541 §6, §7.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, final

from . import huffman
from .integers import encode_integer
from .tables import (
    DEFAULT_CAPACITY,
    OVERHEAD,
    STATIC_FIELDS,
    STATIC_NAMES,
    STATIC_SIZE,
    DynamicTable,
    Field,
)

SENSITIVE: Final = frozenset({b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"})
"""RFC 7541 §7.1.3: fields that nobody on the way may put into a table."""

CHANGING: Final = frozenset({
    b":path", b"age", b"content-length", b"content-range", b"etag", b"expires",
    b"if-modified-since", b"if-none-match", b"last-modified", b"location",
})  # fmt: skip
"""Fields whose values seldom come back, so that they would only push others out."""

INDEXED: Final = tuple(encode_integer(index, 127, flags=128) for index in range(192))
PLAIN: Final = tuple(encode_integer(length, 127) for length in range(256))


@final
class Encoder:
    """The encoder of one connection; its dynamic table is a part of the connection's state.

    Args:
        max_table_size: The most that we let the dynamic table count, whatever the peer allows.

    Attributes:
        table: The dynamic table: while it is unchanged, fields make the same blocks.

    Spec:
        RFC 7541 §2.3, §6
    """

    __slots__ = ("_fields", "_max_table_size", "_names", "_smallest", "_update_due", "table")

    def __init__(self, max_table_size: int = 4096) -> None:
        self.table = DynamicTable(min(max_table_size, DEFAULT_CAPACITY))
        self._max_table_size = max_table_size
        self._update_due = max_table_size < DEFAULT_CAPACITY
        self._smallest = max_table_size
        # the number of an entry: it is the n-th that was ever added
        self._fields: dict[Field, int] = {}
        self._names: dict[bytes, int] = {}

    def limit_table(self, size: int) -> None:
        """Apply the peer's SETTINGS_HEADER_TABLE_SIZE; the next block says so.

        Spec:
            RFC 7541 §4.2; RFC 9113 §4.3.1
        """
        capacity = min(size, self._max_table_size)
        if capacity == self.table.capacity and not self._update_due:
            return
        if not self._update_due:
            self._smallest = self.table.capacity
        self._smallest = min(self._smallest, capacity)
        self._update_due = True
        self._forget(self.table.resize(capacity))

    def encode(self, fields: Iterable[Field]) -> bytes:
        """Return the block for *fields*: lower-case names and values that were checked.

        Spec:
            RFC 7541 §6
        """
        parts = [self._announce_size()] if self._update_due else []
        known = self._fields
        table = self.table
        for field in fields:
            name = field[0]
            index = STATIC_FIELDS.get(field, 0)
            if not index and field in known:
                index = STATIC_SIZE + 1 + table.added - known[field]
            if index:
                parts.append(
                    INDEXED[index] if index < 192 else encode_integer(index, 127, flags=128)
                )
            elif name in SENSITIVE:
                parts.append(self._literal(field, 0x10, 15))
            elif name in CHANGING or 4 * _size(field) > 3 * table.capacity:
                parts.append(self._literal(field, 0, 15))
            else:
                parts.append(self._literal(field, 0x40, 63))
                self._add(field)
        return b"".join(parts)

    def _announce_size(self) -> bytes:
        # RFC 7541 §4.2: the smallest size since the last block, then the one that holds
        self._update_due = False
        self.table.changes += 1
        capacity = self.table.capacity
        update = encode_integer(capacity, 31, flags=32)
        if self._smallest < capacity:
            return encode_integer(self._smallest, 31, flags=32) + update
        return update

    def _literal(self, field: Field, flags: int, mask: int) -> bytes:
        name, value = field
        index = STATIC_NAMES.get(name, 0)
        if not index and name in self._names:
            index = STATIC_SIZE + 1 + self.table.added - self._names[name]
        # Huffman's work is paid once for what enters the table, and each time for what does not
        string = _shorter(value) if flags == 0x40 else _plain(value)
        if index:
            return encode_integer(index, mask, flags=flags) + string
        return b"".join((bytes((flags,)), _shorter(name), string))

    def _add(self, field: Field) -> None:
        self._forget(self.table.add(field))
        self._fields[field] = self.table.added
        self._names[field[0]] = self.table.added

    def _forget(self, fields: list[Field]) -> None:
        oldest = self.table.added - len(self.table.entries) + 1
        for field in fields:
            if self._fields.get(field, oldest) < oldest:
                del self._fields[field]
            if self._names.get(field[0], oldest) < oldest:
                del self._names[field[0]]


def _size(field: Field) -> int:
    return len(field[0]) + len(field[1]) + OVERHEAD


def _plain(value: bytes) -> bytes:
    length = len(value)
    return (PLAIN[length] if length < 256 else encode_integer(length, 127)) + value


def _shorter(value: bytes) -> bytes:
    coded = huffman.encode(value)
    if len(coded) >= len(value):
        return _plain(value)
    return encode_integer(len(coded), 127, flags=128) + coded
