"""Priorities (RFC 9218): what a request says of its urgency, and whose content is sent next."""

from __future__ import annotations

import re
from typing import Final, final

from .stream import Stream

LEVELS: Final = 8

_KEY = rb"[a-z*][a-z0-9_\-.*]*"
_BARE = (
    rb"(?:\?[01]|-?[0-9]{1,15}(?:\.[0-9]{1,3})?|:[A-Za-z0-9+/=]*:"
    rb'|"(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"|[A-Za-z*][!#$%&\'*+\-.^_`|~0-9A-Za-z:/]*)'
)
_PARAMETERS = rb"(?:; *" + _KEY + rb"(?:=" + _BARE + rb")?)*"
_INNER_LIST = rb"\( *(?:" + _BARE + _PARAMETERS + rb"(?: +|(?=\))))*\)"
_MEMBER = re.compile(
    rb"(" + _KEY + rb")(?:=(" + _BARE + rb"|" + _INNER_LIST + rb"))?" + _PARAMETERS
)
_COMMA = re.compile(rb"[ \t]*,[ \t]*")


@final
class Priority:
    """How urgent a response is, and whether parts of it are of use (RFC 9218 §4).

    Attributes:
        urgency: From 0, the most urgent, to 7.
        incremental: The client can use the response in parts as they come.
    """

    __slots__ = ("incremental", "urgency")

    def __init__(self, urgency: int = 3, incremental: bool = False) -> None:
        self.urgency = urgency
        self.incremental = incremental

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Priority):
            return NotImplemented
        return self.urgency == other.urgency and self.incremental == other.incremental

    def __hash__(self) -> int:
        return hash((self.urgency, self.incremental))

    def __repr__(self) -> str:
        return f"Priority(urgency={self.urgency}, incremental={self.incremental})"


DEFAULT_PRIORITY: Final = Priority()
_BY_VALUE: Final = {
    (urgency, incremental): Priority(urgency, incremental)
    for urgency in range(LEVELS)
    for incremental in (False, True)
}


def parse_priority(value: bytes) -> Priority:
    """Return the priority that a Priority Field Value says.

    Members that are unknown or out of range are ignored, and so is a value that is no dictionary:
    priorities are advice.

    Spec:
        RFC 9218 §4, §4.1, §4.2; RFC 9651 §4.2.2
    """
    urgency = 3
    incremental = False
    value = value.strip(b" ")
    at = 0
    end = len(value)
    while at < end:
        member = _MEMBER.match(value, at)
        if member is None:
            return DEFAULT_PRIORITY
        key, item = member.groups()
        if key == b"u":
            # RFC 9218 §4: a value out of range, or of another type, is as if it were not there
            urgency = int(item) if item and len(item) == 1 and item in b"01234567" else 3
        elif key == b"i":
            incremental = item in {None, b"?1"}
        at = member.end()
        if at < end:
            comma = _COMMA.match(value, at)
            if comma is None or comma.end() == end:
                return DEFAULT_PRIORITY
            at = comma.end()
    return _BY_VALUE[urgency, incremental]


@final
class Schedule:
    """The streams that have content to send and a window for it, in the order of their turns.

    The most urgent first; among equals, responses that are of no use in parts one after the other
    by their streams' numbers, the others in turns.

    Spec:
        RFC 9218 §10
    """

    __slots__ = ("_levels", "count")

    def __init__(self) -> None:
        self._levels: list[list[Stream]] = [[] for _ in range(LEVELS)]
        self.count = 0

    def add(self, stream: Stream) -> None:
        """Give *stream* a turn, unless it has one."""
        if stream.scheduled:
            return
        stream.scheduled = True
        self.count += 1
        level = self._levels[stream.urgency]
        if stream.incremental:
            level.append(stream)
            return
        place = 0
        for other in level:
            if other.incremental or other.id > stream.id:
                break
            place += 1
        level.insert(place, stream)

    def remove(self, stream: Stream) -> None:
        """Take *stream*'s turn away, if it has one."""
        if stream.scheduled:
            stream.scheduled = False
            self.count -= 1
            self._levels[stream.urgency].remove(stream)

    def first(self) -> Stream | None:
        """Return the stream whose turn it is."""
        if self.count:
            for level in self._levels:
                if level:
                    return level[0]
        return None

    def turn(self, stream: Stream) -> None:
        """*stream* had its turn and has more to send."""
        if stream.incremental:
            level = self._levels[stream.urgency]
            level.append(level.pop(0))

    def change(self, stream: Stream, priority: Priority) -> None:
        """Give *stream* another priority."""
        scheduled = stream.scheduled
        self.remove(stream)
        stream.urgency = priority.urgency
        stream.incremental = priority.incremental
        if scheduled:
            self.add(stream)
