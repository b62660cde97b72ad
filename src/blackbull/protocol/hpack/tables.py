"""The static and the dynamic table (RFC 7541 §2.3)."""

from __future__ import annotations

from typing import Final, TypeAlias, final

Field: TypeAlias = tuple[bytes, bytes]

DEFAULT_CAPACITY: Final = 4096
"""RFC 9113 §6.5.2: what a dynamic table may count before anybody says otherwise."""

OVERHEAD: Final = 32
"""RFC 7541 §4.1: what an entry counts beyond its name and value."""

_NAMED_VALUES = (
    (":authority",), (":method", "GET", "POST"), (":path", "/", "/index.html"),
    (":scheme", "http", "https"), (":status", "200", "204", "206", "304", "400", "404", "500"),
    ("accept-charset",), ("accept-encoding", "gzip, deflate"), ("accept-language",),
    ("accept-ranges",), ("accept",), ("access-control-allow-origin",), ("age",), ("allow",),
    ("authorization",), ("cache-control",), ("content-disposition",), ("content-encoding",),
    ("content-language",), ("content-length",), ("content-location",), ("content-range",),
    ("content-type",), ("cookie",), ("date",), ("etag",), ("expect",), ("expires",), ("from",),
    ("host",), ("if-match",), ("if-modified-since",), ("if-none-match",), ("if-range",),
    ("if-unmodified-since",), ("last-modified",), ("link",), ("location",), ("max-forwards",),
    ("proxy-authenticate",), ("proxy-authorization",), ("range",), ("referer",), ("refresh",),
    ("retry-after",), ("server",), ("set-cookie",), ("strict-transport-security",),
    ("transfer-encoding",), ("user-agent",), ("vary",), ("via",), ("www-authenticate",),
)  # fmt: skip

STATIC: Final[tuple[Field, ...]] = tuple(
    (name.encode(), value.encode()) for name, *values in _NAMED_VALUES for value in values or [""]
)
"""RFC 7541 Appendix A; index 1 is the first."""

STATIC_SIZE: Final = 61

STATIC_FIELDS: Final = {field: number for number, field in enumerate(STATIC, 1)}
STATIC_NAMES: Final = {field[0]: number for number, field in reversed(list(enumerate(STATIC, 1)))}

_NONE: Final[list[Field]] = []


@final
class DynamicTable:
    """The fields that a connection has sent before, the newest with the lowest index.

    Args:
        capacity: The most that its entries may count together.

    Attributes:
        entries: The fields, the newest last: index 62 is ``entries[-1]``.
        size: What the entries count together, overhead included.
        capacity: The most that they may.
        added: Entries ever added.
        changes: Counts whatever changed the table.

    Spec:
        RFC 7541 §2.3.2, §4
    """

    __slots__ = ("added", "capacity", "changes", "entries", "size")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.entries: list[Field] = []
        self.size = 0
        self.added = 0
        self.changes = 0

    def add(self, field: Field) -> list[Field]:
        """Add *field*; return the entries that left to make room, itself if it can have none."""
        self.changes += 1
        self.size += len(field[0]) + len(field[1]) + OVERHEAD
        self.entries.append(field)
        self.added += 1
        return self._evict() if self.size > self.capacity else _NONE

    def resize(self, capacity: int) -> list[Field]:
        """Change the capacity; return the entries that have no room any more."""
        self.changes += 1
        self.capacity = capacity
        return self._evict() if self.size > capacity else _NONE

    def _evict(self) -> list[Field]:
        entries = self.entries
        count = 0
        while self.size > self.capacity:
            name, value = entries[count]
            self.size -= len(name) + len(value) + OVERHEAD
            count += 1
        leaving = entries[:count]
        del entries[:count]
        return leaving
