"""Decoding header blocks (RFC 7541 §3.2, §6)."""

from __future__ import annotations

from typing import Final, final

from blackbull.errors import LimitExceeded, RemoteProtocolError

from . import huffman
from .integers import decode_integer, malformed
from .tables import DEFAULT_CAPACITY, OVERHEAD, STATIC, STATIC_SIZE, DynamicTable, Field

FIRST_DYNAMIC: Final = 128 + STATIC_SIZE + 1


@final
class Decoder:
    """The decoder of one connection; its dynamic table is a part of the connection's state.

    Args:
        max_table_size: The most that the peer may let the dynamic table count. It begins with
            4096, until an update says otherwise.
        max_list_size: The most that the fields of a block may count, each with 32 octets of
            overhead. Until they are counted there are only references to them: a block takes
            no more memory than a few times its own length, whatever it refers to.
        max_fields: The most fields of a block.

    Attributes:
        size: What the fields of the last block count, overhead included.
        table: The dynamic table: while it is unchanged, blocks mean what they meant.

    Spec:
        RFC 7541 §3.2; RFC 9113 §4.3, §10.5.1
    """

    __slots__ = ("_update_due", "max_fields", "max_list_size", "max_table_size", "size", "table")

    def __init__(
        self, max_table_size: int = 4096, *, max_list_size: int = 65536, max_fields: int = 256
    ) -> None:
        self.table = DynamicTable(DEFAULT_CAPACITY)
        self._update_due = False
        self.size = 0
        self.max_table_size = max_table_size
        self.max_list_size = max_list_size
        self.max_fields = max_fields

    def limit_table(self, max_table_size: int) -> None:
        """Apply a maximum that the peer has acknowledged.

        Spec:
            RFC 7541 §4.2; RFC 9113 §4.3.1
        """
        self.max_table_size = max_table_size
        self._update_due = self.table.capacity > max_table_size

    def decode(self, block: bytes) -> list[Field]:
        """Return the fields of *block*, in order.

        Raises:
            LimitExceeded: ``header_max_total`` or ``max_fields``. The whole block was decoded all
                the same: the connection can go on.
            RemoteProtocolError: the block is malformed. The connection cannot go on.

        Spec:
            RFC 7541 §3.2, §6
        """
        try:
            return self._decode(block)
        except IndexError:
            raise malformed("a header block ends too early", "RFC 7541 §3.2") from None

    def _decode(self, block: bytes) -> list[Field]:
        table = self.table
        entries = table.entries
        fields: list[Field] = []
        append = fields.append
        at = 0
        end = len(block)
        if self._update_due and (not end or block[0] & 0xE0 != 0x20):
            raise malformed("the dynamic table was not reduced", "RFC 9113 §4.3.1")
        while at < end:
            octet = block[at]
            if octet > 128:
                if octet < FIRST_DYNAMIC:
                    append(STATIC[octet - 129])
                    at += 1
                    continue
                if octet < 255:
                    index = octet - 128
                    at += 1
                else:
                    index, at = decode_integer(block, at, mask=127)
                if index > STATIC_SIZE + len(entries):
                    raise _no_field()
                append(entries[STATIC_SIZE - index])
            elif octet >= 64:
                if octet == 128:
                    raise _no_field()
                field, at = self._literal(block, at, 63)
                table.add(field)
                append(field)
            elif octet >= 32:
                if fields:
                    raise malformed("a size update after a field", "RFC 7541 §4.2")
                at = self._resize(block, at)
            else:
                field, at = self._literal(block, at, 15)
                append(field)
        self._check(fields)
        return fields

    def _check(self, fields: list[Field]) -> None:
        size = OVERHEAD * len(fields) + sum([len(name) + len(value) for name, value in fields])
        self.size = size
        if size > self.max_list_size:
            raise _too_large("header_max_total", self.max_list_size, size)
        if len(fields) > self.max_fields:
            raise _too_large("max_fields", self.max_fields, len(fields))

    def _literal(self, block: bytes, at: int, mask: int) -> tuple[Field, int]:
        index = block[at] & mask
        if 0 < index < mask:
            at += 1
        else:
            index, at = decode_integer(block, at, mask=mask)
        if not index:
            name, at = _decode_string(block, at)
        elif index <= STATIC_SIZE:
            name = STATIC[index - 1][0]
        elif index <= STATIC_SIZE + len(self.table.entries):
            name = self.table.entries[STATIC_SIZE - index][0]
        else:
            raise _no_field()
        value, at = _decode_string(block, at)
        return (name, value), at

    def _resize(self, block: bytes, at: int) -> int:
        capacity, at = decode_integer(block, at, mask=31)
        if capacity > self.max_table_size:
            raise malformed("a table larger than we allow", "RFC 7541 §6.3")
        self.table.resize(capacity)
        self._update_due = False
        return at


def _decode_string(block: bytes, at: int) -> tuple[bytes, int]:
    """Return the string literal at *at*, and the position after it (RFC 7541 §5.2)."""
    octet = block[at]
    length = octet & 127
    if length < 127:
        at += 1
    else:
        length, at = decode_integer(block, at, mask=127)
    end = at + length
    if end > len(block):
        raise malformed("a string is longer than its block", "RFC 7541 §5.2")
    data = block[at:end]
    return (huffman.decode(data) if octet >= 128 else data), end


def _no_field() -> RemoteProtocolError:
    return malformed("an index that names no field", "RFC 7541 §2.3.3")


def _too_large(limit: str, allowed: int, seen: int) -> RemoteProtocolError:
    return LimitExceeded(limit, allowed=allowed, seen=seen, code=431, spec="RFC 9113 §10.5.1")
