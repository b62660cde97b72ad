"""The content of a request: the messages that bring it, and what it is read as."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias, cast
from urllib.parse import parse_qsl

from .json import decode
from .messages import Receive, RequestBody, RequestDisconnected, RequestMessage

AnyReceive: TypeAlias = Callable[[], Awaitable[RequestMessage | Mapping[str, object]]]
"""Returns our messages, or an ASGI host's ``http.request`` and ``http.disconnect``."""

MAX_FORM_FIELDS: Final = 10_000


def native_receive(receive: AnyReceive) -> Receive:
    """Return a ``receive`` of our messages from one that may give ASGI events."""

    async def receive_native() -> RequestMessage:
        return as_request_message(await receive())

    return receive_native


def as_request_message(message: RequestMessage | Mapping[str, object]) -> RequestMessage:
    """Return *message*, which may be an ASGI ``http.request`` or ``http.disconnect``, as ours.

    Raises:
        ValueError: an ASGI message of another type.
    """
    if isinstance(message, RequestBody | RequestDisconnected):
        return message
    kind = message.get("type")
    if kind == "http.request":
        return RequestBody(cast(bytes, message.get("body", b"")), bool(message.get("more_body")))
    if kind == "http.disconnect":
        return RequestDisconnected()
    raise ValueError(f"a request's content comes in http.request messages, not {kind!r}")


def parse_json(content: bytes) -> object:
    """Return *content* parsed as JSON; None when it is empty or no JSON (NaN is none).

    Spec:
        RFC 8259
    """
    try:
        return decode(content) if content else None
    except ValueError:
        return None


def parse_urlencoded(text: str, *, max_fields: int | None = None) -> dict[str, list[str]]:
    """Return the names and values of a query or a form: all values of each, in order.

    Args:
        text: As it came, percent-encoded.
        max_fields: How many fields there may be; None: any number.

    Raises:
        ValueError: there are more than *max_fields*.

    Spec:
        URL Standard §5.1
    """
    grouped: dict[str, list[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=max_fields):
        grouped.setdefault(name, []).append(value)
    return grouped
