"""Server-sent events: how one looks on the wire.

Spec:
    HTML Living Standard §9.2.5, §9.2.6
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

COMMENT: Final = b":\n\n"
"""A line that every client ignores; keeps a silent stream alive."""

_KEYS: Final = frozenset(("comment", "data", "event", "id", "retry"))
# Not splitlines(): the format knows these three line ends and no other.
_line_end = re.compile("\r\n|\r|\n")


def encode_event(
    data: str | None = None,
    *,
    event: str = "",
    id: str | None = None,
    retry: int | None = None,
    comment: str | None = None,
) -> bytes:
    """Return one event.

    Args:
        data: The text that the client gets, of any number of lines; None: no data, and so no
            event for the client, which still takes *id* and *retry*.
        event: The event's type; ``""``: the client's default, ``message``.
        id: What the client sends back as ``Last-Event-ID``; ``""`` resets it.
        retry: Milliseconds (the format's unit) that the client waits before it reconnects.
        comment: Text that the client ignores.

    Raises:
        ValueError: *event* or *id* has a line end, *id* has a NUL, *retry* is negative, or a text
            has no UTF-8 form.

    Spec:
        HTML Living Standard §9.2.5, §9.2.6
    """
    lines: list[str] = []
    if comment is not None:
        lines += [f": {line}" for line in _line_end.split(comment)]
    if event:
        lines.append(f"event: {_one_line('event', event)}")
    if id is not None:
        if "\0" in id:
            raise ValueError("an event's id holds no NUL: clients would ignore it")
        lines.append(f"id: {_one_line('id', id)}")
    if retry is not None:
        if retry < 0:
            raise ValueError(f"an event's retry is a number of milliseconds, not {retry}")
        lines.append(f"retry: {retry:d}")
    if data is not None:
        lines += [f"data: {line}" for line in _line_end.split(data)]
    lines.append("\n")
    return "\n".join(lines).encode()


def encode_item(item: object) -> bytes:
    """Return the event for what a handler yields.

    Args:
        item: Text or UTF-8 bytes, an event's data; or a mapping with some of ``data``,
            ``event``, ``id``, ``retry``, ``comment``. Data in a mapping that is neither text nor
            bytes is sent as JSON.

    Raises:
        TypeError: *item* is something else, or a mapping's value has the wrong type.
        ValueError: as :func:`encode_event`; a mapping has another key or none at all; bytes are
            not UTF-8.
    """
    if isinstance(item, str):
        return encode_event(item)
    if isinstance(item, bytes):
        return encode_event(item.decode())
    if not isinstance(item, Mapping):
        raise TypeError(f"an event is str, bytes or a mapping, not {type(item).__name__}")
    unknown = item.keys() - _KEYS
    if unknown or not item:
        seen = ", ".join(sorted(map(repr, unknown))) or "nothing"
        raise ValueError(f"an event has data, event, id, retry or comment, not {seen}")
    retry = item.get("retry")
    if retry is not None and (isinstance(retry, bool) or not isinstance(retry, int)):
        raise TypeError(f"an event's retry is an int, not {type(retry).__name__}")
    identity = item.get("id")
    if isinstance(identity, int) and not isinstance(identity, bool):
        identity = str(identity)
    return encode_event(
        _data(item["data"]) if "data" in item else None,
        event=_text("event", item.get("event")) or "",
        id=_text("id", identity),
        retry=retry,
        comment=_text("comment", item.get("comment")),
    )


def _data(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode()
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _text(key: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"an event's {key} is text, not {type(value).__name__}")


def _one_line(key: str, value: str) -> str:
    if "\r" in value or "\n" in value:
        raise ValueError(f"an event's {key} holds no line end: it would start another field")
    return value
