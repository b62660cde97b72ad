"""ASGI without a framework: what uvicorn, hypercorn and granian are measured with."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping

from payloads import BIG, HELLO, JOINED, MESSAGE, PART, PARTS

Scope = Mapping[str, str]
Receive = Callable[[], Awaitable[MutableMapping[str, object]]]
Send = Callable[[dict[str, object]], Awaitable[None]]

TEXT = [(b"content-type", b"text/plain; charset=utf-8")]
JSON = [(b"content-type", b"application/json")]
OCTETS = [(b"content-type", b"application/octet-stream")]


def sized(fields: list[tuple[bytes, bytes]], body: bytes) -> list[tuple[bytes, bytes]]:
    """Return *fields* with the length of *body*."""
    return [*fields, (b"content-length", b"%d" % len(body))]


SIZED_HELLO = sized(TEXT, HELLO)
SIZED_BIG = sized(OCTETS, BIG)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request, or serve one WebSocket."""
    if scope["type"] != "http":
        if scope["type"] != "websocket":
            raise NotImplementedError(scope["type"])
        await WEBSOCKETS[scope["path"]](receive, send)
        return
    path = scope["path"]
    status = 200
    if path == "/plaintext":
        body, fields = HELLO, SIZED_HELLO
    elif path == "/json":
        body = json.dumps({"message": MESSAGE}).encode()
        fields = sized(JSON, body)
    elif path.startswith("/users/"):
        body = json.dumps({"id": int(path[7:])}).encode()
        fields = sized(JSON, body)
    elif path == "/echo":
        body = await read(receive)
        fields = sized(OCTETS, body)
    elif path == "/upload":
        body = b"%d" % len(await read(receive))
        fields = sized(TEXT, body)
    elif path == "/big":
        body, fields = BIG, SIZED_BIG
    elif path == "/stream":
        await stream(send)
        return
    else:
        status, body, fields = 404, b"", [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def read(receive: Receive) -> bytes:
    """Return the whole request body."""
    parts = []
    more = True
    while more:
        event = await receive()
        parts.append(event.get("body", b""))
        more = bool(event.get("more_body", False))
    return b"".join(parts)  # type: ignore[arg-type]


async def stream(send: Send) -> None:
    """Send the parts of the streamed body."""
    await send({"type": "http.response.start", "status": 200, "headers": TEXT})
    for _ in range(PARTS):
        await send({"type": "http.response.body", "body": PART, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


ACCEPT: dict[str, object] = {"type": "websocket.accept"}
MEMBERS: set[Send] = set()


def message(text: object) -> dict[str, object]:
    """Return the event that sends *text*."""
    return {"type": "websocket.send", "text": text}


async def echo(receive: Receive, send: Send) -> None:
    await receive()
    await send(ACCEPT)
    while (event := await receive())["type"] == "websocket.receive":
        await send(message(event["text"]))


async def join(receive: Receive, send: Send) -> None:
    await receive()
    await send(ACCEPT)
    MEMBERS.add(send)
    try:
        await send(message(JOINED))
        while (await receive())["type"] == "websocket.receive":
            pass
    finally:
        MEMBERS.discard(send)


async def publish(receive: Receive, send: Send) -> None:
    await receive()
    await send(ACCEPT)
    while (event := await receive())["type"] == "websocket.receive":
        published = message(event["text"])
        for member in tuple(MEMBERS):
            await member(published)


WEBSOCKETS = {"/ws": echo, "/members": join, "/publish": publish}
