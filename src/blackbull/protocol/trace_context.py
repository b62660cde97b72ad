"""The ``traceparent`` field: which trace a request belongs to (W3C Trace Context)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

LENGTH: Final = 55
SAMPLED: Final = 0x01

_FIELD: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class TraceParent(NamedTuple):
    """What a ``traceparent`` field says.

    Attributes:
        trace_id: The trace, 32 hexadecimal digits.
        span_id: The caller's span, 16 hexadecimal digits.
        flags: The eight trace flags.
    """

    trace_id: str
    span_id: str
    flags: int

    @property
    def sampled(self) -> bool:
        """The caller may have recorded its span."""
        return bool(self.flags & SAMPLED)


def parse_traceparent(value: bytes) -> TraceParent | None:
    """Return what the field's *value* says; None if it is malformed and so means nothing.

    Spec:
        W3C Trace Context §3.2.2, §3.2.3, §4.3
    """
    found = _FIELD.match(value)
    if found is None or found[1] == b"ff":
        return None
    # A later version may say more, behind another dash.
    if len(value) > LENGTH and (found[1] == b"00" or value[LENGTH : LENGTH + 1] != b"-"):
        return None
    trace_id, span_id = found[2].decode(), found[3].decode()
    if not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return TraceParent(trace_id, span_id, int(found[4], 16))


def find_traceparent(fields: Iterable[tuple[bytes, bytes]]) -> TraceParent | None:
    """Return what the ``traceparent`` field says; None without one, or with more than one.

    Args:
        fields: Lower-case names and values.

    Spec:
        W3C Trace Context §3.2, §4.3
    """
    values = [value for name, value in fields if name == b"traceparent"]
    return parse_traceparent(values[0]) if len(values) == 1 else None
