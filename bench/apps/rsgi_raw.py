"""RSGI, granian's own interface, without a framework: the fastest way to use granian."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from payloads import BIG, HELLO, MESSAGE, PART, PARTS

if TYPE_CHECKING:
    from granian.rsgi import HTTPProtocol, Scope

TEXT = [("content-type", "text/plain; charset=utf-8")]
JSON = [("content-type", "application/json")]
OCTETS = [("content-type", "application/octet-stream")]


async def app(scope: Scope, protocol: HTTPProtocol) -> None:
    """Answer one request."""
    path = scope.path
    if path == "/plaintext":
        protocol.response_bytes(200, TEXT, HELLO)
    elif path == "/json":
        protocol.response_bytes(200, JSON, json.dumps({"message": MESSAGE}).encode())
    elif path.startswith("/users/"):
        protocol.response_bytes(200, JSON, json.dumps({"id": int(path[7:])}).encode())
    elif path == "/echo":
        protocol.response_bytes(200, OCTETS, await protocol())
    elif path == "/big":
        protocol.response_bytes(200, OCTETS, BIG)
    elif path == "/stream":
        transport = protocol.response_stream(200, TEXT)
        for _ in range(PARTS):
            await transport.send_bytes(PART)
    else:
        protocol.response_str(404, TEXT, "Not Found")
