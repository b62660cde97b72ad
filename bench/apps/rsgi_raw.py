"""RSGI, granian's own interface, without a framework: the fastest way to use granian."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from payloads import BIG, HELLO, JOINED, MESSAGE, PART, PARTS

if TYPE_CHECKING:
    from granian.rsgi import HTTPProtocol, Scope, WebsocketProtocol

TEXT = [("content-type", "text/plain; charset=utf-8")]
JSON = [("content-type", "application/json")]
OCTETS = [("content-type", "application/octet-stream")]


CLOSE = 0


async def app(scope: Scope, protocol: HTTPProtocol | WebsocketProtocol) -> None:
    """Answer one request, or serve one WebSocket."""
    path = scope.path
    if scope.proto == "ws":
        await WEBSOCKETS[path](await protocol.accept())
        protocol.close(None)
        return
    if path == "/plaintext":
        protocol.response_bytes(200, TEXT, HELLO)
    elif path == "/json":
        protocol.response_bytes(200, JSON, json.dumps({"message": MESSAGE}).encode())
    elif path.startswith("/users/"):
        protocol.response_bytes(200, JSON, json.dumps({"id": int(path[7:])}).encode())
    elif path == "/echo":
        protocol.response_bytes(200, OCTETS, await protocol())
    elif path == "/upload":
        protocol.response_bytes(200, TEXT, b"%d" % len(await protocol()))
    elif path == "/big":
        protocol.response_bytes(200, OCTETS, BIG)
    elif path == "/stream":
        transport = protocol.response_stream(200, TEXT)
        for _ in range(PARTS):
            await transport.send_bytes(PART)
    else:
        protocol.response_str(404, TEXT, "Not Found")


MEMBERS = set()


async def echo(transport) -> None:
    while (message := await transport.receive()).kind != CLOSE:
        await transport.send_str(message.data)


async def join(transport) -> None:
    MEMBERS.add(transport)
    try:
        await transport.send_str(JOINED)
        while (await transport.receive()).kind != CLOSE:
            pass
    finally:
        MEMBERS.discard(transport)


async def publish(transport) -> None:
    while (message := await transport.receive()).kind != CLOSE:
        for member in tuple(MEMBERS):
            await member.send_str(message.data)


WEBSOCKETS = {"/ws": echo, "/members": join, "/publish": publish}
