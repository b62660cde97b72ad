"""The application of the cases, written for BlackBull."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

from blackbull import (
    BlackBull,
    Connection,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
    WebSocket,
)
from blackbull.utils import Scheme

app = BlackBull()
app.available_ws_protocols = ["chat", "stomp"]
started: list[str] = []
left = asyncio.Event()
closes: asyncio.Queue[str] = asyncio.Queue()


@app.on_startup
async def start() -> None:
    started.append("started")
    print("the application started", file=sys.stderr, flush=True)


@app.on_shutdown
async def stop() -> None:
    print("the application stopped", file=sys.stderr, flush=True)


@app.route(path="/")
async def index() -> Response:
    return Response("hello", content_type="text/plain; charset=utf-8", headers={"x-app": "yes"})


@app.route(path="/json")
async def as_json() -> Response:
    return JSONResponse({"hello": "wörld"})


@app.route(path="/items/{item:int}")
async def item(item: int, q: str = "") -> Response:
    return JSONResponse({"item": item, "q": q})


@app.route(path="/names/{name}")
async def name(name: str) -> Response:
    return Response(name, content_type="text/plain; charset=utf-8")


@app.route(methods=["POST"], path="/echo")
async def echo(body: bytes) -> Response:
    return Response(body, content_type="application/octet-stream")


@app.route(methods=["POST"], path="/small", max_body_size=10)
async def small(body: bytes) -> Response:
    return Response(body, content_type="application/octet-stream")


@app.route(methods=["POST"], path="/count")
async def count(conn: Connection) -> Response:
    total = 0
    async for part in conn.stream():
        total += len(part)
    return Response(str(total), content_type="text/plain; charset=utf-8")


@app.route(path="/fields")
async def fields(conn: Connection) -> Response:
    values = [value.decode() for _, value in conn.headers.getlist("x-a")]
    return JSONResponse(values)


@app.route(path="/cookies")
async def cookies() -> Response:
    response = Response("", content_type="text/plain; charset=utf-8")
    response.add_header("set-cookie", "a=1")
    response.add_header("set-cookie", "b=2")
    return response


@app.route(path="/empty")
async def empty() -> Response:
    return Response("", status=204, content_type="")


@app.route(path="/large")
async def large() -> Response:
    return Response(b"x" * 262144, content_type="application/octet-stream")


@app.route(path="/elsewhere")
async def elsewhere() -> Response:
    return RedirectResponse("/", status=307)


@app.route(path="/parts")
async def parts() -> StreamingResponse:
    async def produce() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d\n" % number
            await asyncio.sleep(0)

    return StreamingResponse(produce(), media_type="text/plain; charset=utf-8")


@app.route(path="/state")
async def state() -> Response:
    return Response(started[0], content_type="text/plain; charset=utf-8")


@app.route(path="/boom")
async def boom() -> str:
    raise ZeroDivisionError


@app.route(path="/endless")
async def endless() -> StreamingResponse:
    async def produce() -> AsyncIterator[bytes]:
        # Nothing more is sent, so only the disconnect itself can end this.
        try:
            yield b"first\n"
            await asyncio.Event().wait()
        finally:
            left.set()

    return StreamingResponse(produce())


@app.route(path="/left")
async def has_left() -> Response:
    await asyncio.wait_for(left.wait(), 20)
    left.clear()
    return Response("left", content_type="text/plain; charset=utf-8")


@app.route(path="/ws/echo", scheme=Scheme.websocket)
async def ws_echo(ws: WebSocket) -> None:
    await ws.accept(headers={"x-app": "yes"})
    async for message in ws:
        await ws.send(message)
    if ws.close_code != 1000:
        await closes.put(f"{ws.close_code} {ws.close_reason}")


@app.route(path="/ws/full/{name}", scheme=Scheme.websocket)
async def ws_full(scope: Any, receive: Any, send: Any) -> None:
    assert await receive() == {"type": "websocket.connect"}
    await send({"type": "websocket.accept"})
    seen = [scope["type"], scope["path"], scope["path_params"]["name"], scope["scheme"]]
    await send({"type": "websocket.send", "text": " ".join(seen)})
    await send({"type": "websocket.close", "code": 4001, "reason": "enough"})


@app.route(path="/ws/deny", scheme=Scheme.websocket)
async def ws_deny(ws: WebSocket) -> None:
    await ws.deny(Response("short", 418, "text/plain; charset=utf-8", {"x-app": "no"}))


@app.route(path="/ws/close", scheme=Scheme.websocket)
async def ws_close(ws: WebSocket) -> None:
    await ws.close(1008)


@app.route(path="/ws/boom", scheme=Scheme.websocket)
async def ws_boom(ws: WebSocket) -> None:
    await ws.accept()
    raise ZeroDivisionError


@app.route(path="/ws/small", scheme=Scheme.websocket, max_message_size=1000)
async def ws_small(ws: WebSocket) -> None:
    await ws.accept()
    async for message in ws:
        await ws.send(message)


@app.route(path="/ws/closed")
async def ws_closed() -> Response:
    code = await asyncio.wait_for(closes.get(), 20)
    return Response(code, content_type="text/plain; charset=utf-8")
