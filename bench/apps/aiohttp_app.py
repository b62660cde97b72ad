"""aiohttp's own server and handlers. Run as a script: aiohttp_app.py PORT."""

from __future__ import annotations

import sys

import uvloop
from aiohttp import web
from payloads import BIG, HELLO, JOINED, MESSAGE, PART, PARTS


async def plaintext(request: web.Request) -> web.Response:
    return web.Response(body=HELLO, content_type="text/plain", charset="utf-8")


async def message(request: web.Request) -> web.Response:
    return web.json_response({"message": MESSAGE})


async def user(request: web.Request) -> web.Response:
    return web.json_response({"id": int(request.match_info["id"])})


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read(), content_type="application/octet-stream")


async def big(request: web.Request) -> web.Response:
    return web.Response(body=BIG, content_type="application/octet-stream")


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_type = "text/plain"
    await response.prepare(request)
    for _ in range(PARTS):
        await response.write(PART)
    await response.write_eof()
    return response


async def upload(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


members: set[web.WebSocketResponse] = set()


async def accept(request: web.Request) -> web.WebSocketResponse:
    """Return the WebSocket, open."""
    websocket = web.WebSocketResponse()
    await websocket.prepare(request)
    return websocket


async def ws_echo(request: web.Request) -> web.WebSocketResponse:
    websocket = await accept(request)
    async for event in websocket:
        await websocket.send_str(event.data)
    return websocket


async def ws_join(request: web.Request) -> web.WebSocketResponse:
    websocket = await accept(request)
    members.add(websocket)
    try:
        await websocket.send_str(JOINED)
        async for _ in websocket:
            pass
    finally:
        members.discard(websocket)
    return websocket


async def ws_publish(request: web.Request) -> web.WebSocketResponse:
    websocket = await accept(request)
    async for event in websocket:
        for member in tuple(members):
            await member.send_str(event.data)
    return websocket


app = web.Application()
app.add_routes(
    [
        web.get("/plaintext", plaintext),
        web.get("/json", message),
        web.get("/users/{id:[0-9]+}", user),
        web.post("/echo", echo),
        web.get("/big", big),
        web.get("/stream", stream),
        web.post("/upload", upload),
        web.get("/ws", ws_echo),
        web.get("/members", ws_join),
        web.get("/publish", ws_publish),
    ]
)

if __name__ == "__main__":
    web.run_app(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=None,
        print=None,
        loop=uvloop.new_event_loop(),
    )
