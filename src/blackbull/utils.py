"""Small names that programs written for this package expect here."""

from __future__ import annotations

import enum
from collections.abc import MutableMapping
from typing import Final, TypeVar

__all__ = ["HTTP2", "Scheme", "do_nothing", "is_client_error", "is_server_error", "pop_safe"]

HTTP2: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""The bytes that open an HTTP/2 connection (RFC 9113 §3.4)."""

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class Scheme(enum.StrEnum):
    """What kind of exchange a route serves."""

    http = "http"
    websocket = "websocket"


def is_client_error(status: int) -> bool:
    """Return True for 400 to 499 (RFC 9110 §15.5)."""
    return 400 <= status <= 499


def is_server_error(status: int) -> bool:
    """Return True for 500 to 599 (RFC 9110 §15.6)."""
    return 500 <= status <= 599


async def do_nothing(*args: object, **kwargs: object) -> None:
    """Take anything, do nothing."""


def pop_safe(
    key: KeyT,
    source: MutableMapping[KeyT, ValueT],
    target: MutableMapping[KeyT, ValueT],
    *,
    new_key: KeyT | None = None,
) -> None:
    """Move *key* from *source* to *target*, as *new_key* if given; nothing if it is not there."""
    if key in source:
        target[key if new_key is None else new_key] = source.pop(key)
