"""The border: ASGI events to native messages, and back.

What an ASGI application sends is judged here, so that nothing malformed reaches a codec; the
order of its events is judged by whoever holds the exchange (:mod:`.host`, :mod:`.guest`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from blackbull.errors import LocalProtocolError
from blackbull.headers import Field, Fields, checked_field, checked_value
from blackbull.native import (
    InterimResponse,
    RequestBody,
    RequestDisconnected,
    RequestMessage,
    ResponseBody,
    ResponsePush,
    ResponseStart,
    ResponseTrailers,
)

from .types import ASGIReceiveEvent, ASGISendEvent

HTTP_SPEC: Final = "ASGI HTTP & WebSocket"
MAX_NAMES: Final = 256

_names: dict[bytes, bytes] = {}


def parse_response_event(
    event: Mapping[str, object],
) -> ResponseStart | ResponseBody | ResponseTrailers | InterimResponse | ResponsePush:
    """Return the native message of one ``http.response.*`` event.

    Args:
        event: What an ASGI application sends.

    Returns:
        Names in lower case, values without edge space. An early hint becomes a 103.

    Raises:
        LocalProtocolError: no such event, a key is missing or has the wrong type, or a field
            that HTTP cannot carry.

    Spec:
        ASGI HTTP & WebSocket 2.4, "Response Start" and following; RFC 9110 §5.1, §5.5
    """
    kind = event.get("type")
    if kind == "http.response.body":
        return ResponseBody(parse_content(event), bool(event.get("more_body")))
    if kind == "http.response.start":
        return ResponseStart(
            _parse_status(event),
            parse_fields(event.get("headers", ())),
            trailers=bool(event.get("trailers")),
        )
    if kind == "http.response.trailers":
        return ResponseTrailers(parse_fields(event.get("headers", ())))
    if kind == "http.response.early_hint":
        return InterimResponse(103, _parse_links(event))
    if kind == "http.response.push":
        return ResponsePush(_parse_path(event), parse_fields(event.get("headers", ())))
    raise misuse(f"{kind!r} is not an event of an HTTP response")


def parse_content(event: Mapping[str, object]) -> bytes:
    """Return the ``body`` of an event, ``b""`` when it has none.

    Raises:
        LocalProtocolError: it is not made of bytes.
    """
    body = event.get("body", b"")
    if isinstance(body, bytes):
        return body
    if isinstance(body, bytearray | memoryview):
        return bytes(body)
    raise misuse(f"'body' takes bytes, not {type(body).__name__}: encode it first")


def parse_fields(headers: object) -> Fields:
    """Return the fields of an event's ``headers``.

    Raises:
        LocalProtocolError: no pairs of bytes, or a field that HTTP cannot carry.

    Spec:
        RFC 9110 §5.1, §5.5
    """
    if not isinstance(headers, Iterable):
        raise misuse(f"'headers' takes pairs of bytes, not {headers!r}")
    fields: list[Field] = []
    for pair in headers:
        try:
            name, value = pair
            key = _names.get(name)
            if key is None:
                key = _learn_name(name)
            fields.append((key, checked_value(bytes(value))))
        except (TypeError, ValueError) as error:
            raise misuse(f"'headers' takes pairs of bytes, not {pair!r}: {error}") from None
    return tuple(fields)


def parse_request_event(event: Mapping[str, object]) -> RequestMessage:
    """Return the native message of what an ASGI server's ``receive`` returned.

    Raises:
        LocalProtocolError: neither ``http.request`` nor ``http.disconnect``.

    Spec:
        ASGI HTTP & WebSocket 2.4, "Request" and "Disconnect"
    """
    kind = event.get("type")
    if kind == "http.request":
        return RequestBody(parse_content(event), bool(event.get("more_body")))
    if kind == "http.disconnect":
        return RequestDisconnected()
    raise misuse(f"{kind!r} is not an event of an HTTP request")


def to_request_event(message: RequestMessage) -> ASGIReceiveEvent:
    """Return *message* as ``receive`` gives it to an ASGI application; trailers have no place."""
    if isinstance(message, RequestBody):
        return {"type": "http.request", "body": message.data, "more_body": message.more}
    return {"type": "http.disconnect"}


def to_start_event(status: int, fields: Iterable[Field], *, trailers: bool) -> ASGISendEvent:
    """Return ``http.response.start``; ``trailers`` appears only where it is True."""
    event: ASGISendEvent = {
        "type": "http.response.start",
        "status": int(status),
        "headers": [(name, value) for name, value in fields],
    }
    if trailers:
        event["trailers"] = True
    return event


def to_body_event(data: bytes, *, more: bool) -> ASGISendEvent:
    """Return ``http.response.body``."""
    return {"type": "http.response.body", "body": data, "more_body": more}


def to_trailers_event(fields: Iterable[Field]) -> ASGISendEvent:
    """Return the one ``http.response.trailers`` of a response."""
    return {"type": "http.response.trailers", "headers": list(fields), "more_trailers": False}


def to_early_hint_event(fields: Iterable[Field]) -> ASGISendEvent:
    """Return ``http.response.early_hint`` with the ``link`` values among *fields*."""
    links = [value for name, value in fields if name == b"link"]
    return {"type": "http.response.early_hint", "links": links}


def to_push_event(message: ResponsePush) -> ASGISendEvent:
    """Return ``http.response.push``."""
    return {"type": "http.response.push", "path": message.path, "headers": list(message.fields)}


def misuse(message: str) -> LocalProtocolError:
    """Return the error for an application that breaks ASGI."""
    return LocalProtocolError(message, spec=HTTP_SPEC)


def _learn_name(name: object) -> bytes:
    """Return a field's name as we send it; remember the first so many."""
    if not isinstance(name, bytes):
        raise TypeError(f"{type(name).__name__} instead of bytes")
    key, _ = checked_field(name, b"")
    if len(_names) < MAX_NAMES:
        _names[name] = key
    return key


def _parse_status(event: Mapping[str, object]) -> int:
    status = event.get("status")
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise misuse(f"'status' takes an integer from 200 to 599, not {status!r}")
    return status


def _parse_path(event: Mapping[str, object]) -> str:
    path = event.get("path")
    if not isinstance(path, str) or not path.startswith("/"):
        raise misuse(f"'path' takes text that begins with a slash, not {path!r}")
    return path


def _parse_links(event: Mapping[str, object]) -> Fields:
    links = event.get("links")
    if not isinstance(links, Iterable):
        raise misuse(f"'links' takes values of the Link field, not {links!r}")
    return parse_fields((b"link", link) for link in links)
