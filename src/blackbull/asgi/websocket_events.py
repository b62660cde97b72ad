"""The border for WebSockets: ASGI events to native messages, and back, on either side of us."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from blackbull.messages import (
    PreparedMessage,
    ResponseBody,
    ResponseStart,
    WebSocketAccept,
    WebSocketClose,
    WebSocketConnect,
    WebSocketDisconnected,
    WebSocketEvent,
    WebSocketMessage,
)
from blackbull.response import Response
from blackbull.websocket_session import SessionMessage

from .messages import (
    misuse,
    parse_fields,
    parse_response_event,
    to_body_event,
    to_start_event,
)
from .types import ASGIReceiveEvent, ASGISendEvent

DENIAL: Final = "websocket.http.response"
"""The extension by which a WebSocket is refused with an HTTP response of one's own."""

NO_CODE: Final = 1005


def parse_command(
    event: Mapping[str, object],
) -> WebSocketMessage | WebSocketAccept | WebSocketClose | ResponseStart | ResponseBody:
    """Return the native message of an event that an ASGI application sends.

    Raises:
        LocalProtocolError: no such event, or a key has the wrong type.

    Spec:
        ASGI HTTP & WebSocket 2.4, "Accept", "Send", "Close"; the WebSocket Denial Response
        extension
    """
    kind = event.get("type")
    if kind == "websocket.send":
        return _parse_message(event)
    if kind == "websocket.accept":
        subprotocol = event.get("subprotocol")
        if subprotocol is not None and not isinstance(subprotocol, str):
            raise misuse(f"'subprotocol' takes text, not {type(subprotocol).__name__}")
        return WebSocketAccept(subprotocol or None, parse_fields(event.get("headers") or ()))
    if kind == "websocket.close":
        return WebSocketClose(*_parse_close(event, 1000))
    if kind in {f"{DENIAL}.start", f"{DENIAL}.body"}:
        refusal = {**event, "type": str(kind).removeprefix("websocket.")}
        return cast("ResponseStart | ResponseBody", parse_response_event(refusal))
    raise misuse(f"{kind!r} is not an event that a WebSocket takes")


def to_received(event: WebSocketEvent) -> ASGIReceiveEvent:
    """Return *event* as ``receive`` gives it to an ASGI application.

    Both keys of a message are always there, one of them None.
    """
    if isinstance(event, WebSocketMessage):
        return {"type": "websocket.receive", "text": event.text, "bytes": event.data}
    if isinstance(event, WebSocketConnect):
        return {"type": "websocket.connect"}
    return {"type": "websocket.disconnect", "code": event.code, "reason": event.reason}


def parse_received(event: Mapping[str, object]) -> WebSocketEvent:
    """Return the native message of what an ASGI server's ``receive`` returned.

    Raises:
        LocalProtocolError: not an event of a WebSocket, or a key has the wrong type.

    Spec:
        ASGI HTTP & WebSocket 2.4, "Connect", "Receive", "Disconnect"
    """
    kind = event.get("type")
    if kind == "websocket.receive":
        return _parse_message(event)
    if kind == "websocket.connect":
        return WebSocketConnect()
    if kind == "websocket.disconnect":
        return WebSocketDisconnected(*_parse_close(event, NO_CODE))
    raise misuse(f"{kind!r} is not an event of a WebSocket")


def to_commands(message: SessionMessage) -> list[ASGISendEvent]:
    """Return *message* as an ASGI server takes it; a response takes two events."""
    if isinstance(message, Response):
        fields = [*message.headers, (b"content-length", b"%d" % len(message.body))]
        start = ResponseStart(message.status, tuple(fields))
        return [*to_commands(start), *to_commands(ResponseBody(message.body))]
    if isinstance(message, ResponseStart):
        event = to_start_event(message.status, message.fields, trailers=False)
        return [{**event, "type": f"{DENIAL}.start"}]
    if isinstance(message, ResponseBody):
        return [{**to_body_event(message.data, more=message.more), "type": f"{DENIAL}.body"}]
    return [_to_command(message)]


def _to_command(
    message: WebSocketAccept | WebSocketMessage | PreparedMessage | WebSocketClose,
) -> ASGISendEvent:
    if isinstance(message, WebSocketAccept):
        return {
            "type": "websocket.accept",
            "subprotocol": message.subprotocol,
            "headers": list(message.fields),
        }
    if isinstance(message, WebSocketClose):
        return {"type": "websocket.close", "code": message.code, "reason": message.reason}
    if message.text is not None:
        return {"type": "websocket.send", "text": message.text}
    return {"type": "websocket.send", "bytes": message.data}


def _parse_message(event: Mapping[str, object]) -> WebSocketMessage:
    text = event.get("text")
    if isinstance(text, str):
        return WebSocketMessage(text)
    data = event.get("bytes")
    if isinstance(data, bytes):
        return WebSocketMessage(None, data)
    if isinstance(data, bytearray | memoryview):
        return WebSocketMessage(None, bytes(data))
    raise misuse(
        f"{event.get('type')!r} takes 'text' as str or 'bytes' as bytes, "
        f"not {type(text).__name__} and {type(data).__name__}"
    )


def _parse_close(event: Mapping[str, object], default: int) -> tuple[int, str]:
    code = event.get("code")
    reason = event.get("reason")
    if not isinstance(code, int | None) or not isinstance(reason, str | None):
        raise misuse(f"'code' is a number and 'reason' text, not {code!r} and {reason!r}")
    return default if code is None else int(code), reason or ""
