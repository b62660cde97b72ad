"""The application of the cases, written for Starlette."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

left = asyncio.Event()
closes: asyncio.Queue[str] = asyncio.Queue()


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
    print("the application started", file=sys.stderr, flush=True)
    yield {"word": "started"}
    print("the application stopped", file=sys.stderr, flush=True)


async def index(request: Request) -> Response:
    return PlainTextResponse("hello", headers={"x-app": "yes"})


async def as_json(request: Request) -> Response:
    return JSONResponse({"hello": "wörld"})


async def item(request: Request) -> Response:
    return JSONResponse(
        {"item": request.path_params["item"], "q": request.query_params.get("q", "")}
    )


async def name(request: Request) -> Response:
    return PlainTextResponse(request.path_params["name"])


async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/octet-stream")


async def count(request: Request) -> Response:
    total = 0
    async for part in request.stream():
        total += len(part)
    return PlainTextResponse(str(total))


async def fields(request: Request) -> Response:
    return JSONResponse(request.headers.getlist("x-a"))


async def cookies(request: Request) -> Response:
    response = PlainTextResponse("")
    response.headers.append("set-cookie", "a=1")
    response.headers.append("set-cookie", "b=2")
    return response


async def empty(request: Request) -> Response:
    return Response(status_code=204)


async def large(request: Request) -> Response:
    return Response(b"x" * 262144, media_type="application/octet-stream")


async def elsewhere(request: Request) -> Response:
    return RedirectResponse("/", status_code=307)


async def parts(request: Request) -> Response:
    async def produce() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d\n" % number
            await asyncio.sleep(0)

    return StreamingResponse(produce(), media_type="text/plain")


async def state(request: Request) -> Response:
    return PlainTextResponse(request.state.word)


async def boom(request: Request) -> Response:
    raise ZeroDivisionError


async def endless(request: Request) -> Response:
    async def produce() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"again\n"
                await asyncio.sleep(0.005)
        finally:
            left.set()

    return StreamingResponse(produce())


async def has_left(request: Request) -> Response:
    await asyncio.wait_for(left.wait(), 20)
    left.clear()
    return PlainTextResponse("left")


async def ws_echo(ws: WebSocket) -> None:
    offered = ws.scope["subprotocols"]
    await ws.accept(
        "chat" if "chat" in offered else offered[0] if offered else None,
        headers=[(b"x-app", b"yes")],
    )
    try:
        while True:
            event = await ws.receive()
            if event["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(event["code"], event.get("reason"))
            if event.get("text") is not None:
                await ws.send_text(event["text"])
            else:
                await ws.send_bytes(event["bytes"])
    except WebSocketDisconnect as error:
        if error.code != 1000:
            await closes.put(f"{error.code} {error.reason}")


async def ws_full(ws: WebSocket) -> None:
    await ws.accept()
    seen = [ws.scope["type"], ws.scope["path"], ws.path_params["name"], ws.scope["scheme"]]
    await ws.send_text(" ".join(seen))
    await ws.close(4001, "enough")


async def ws_deny(ws: WebSocket) -> None:
    await ws.send_denial_response(PlainTextResponse("short", 418, {"x-app": "no"}))


async def ws_close(ws: WebSocket) -> None:
    await ws.close(1008)


async def ws_boom(ws: WebSocket) -> None:
    await ws.accept()
    raise ZeroDivisionError


async def ws_closed(request: Request) -> Response:
    return PlainTextResponse(await asyncio.wait_for(closes.get(), 20))


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/", index),
        Route("/json", as_json),
        Route("/items/{item:int}", item),
        Route("/names/{name}", name),
        Route("/echo", echo, methods=["POST"]),
        Route("/count", count, methods=["POST"]),
        Route("/fields", fields),
        Route("/cookies", cookies),
        Route("/empty", empty),
        Route("/large", large),
        Route("/elsewhere", elsewhere),
        Route("/parts", parts),
        Route("/state", state),
        Route("/boom", boom),
        Route("/endless", endless),
        Route("/left", has_left),
        Route("/ws/closed", ws_closed),
        WebSocketRoute("/ws/echo", ws_echo),
        WebSocketRoute("/ws/full/{name}", ws_full),
        WebSocketRoute("/ws/deny", ws_deny),
        WebSocketRoute("/ws/close", ws_close),
        WebSocketRoute("/ws/boom", ws_boom),
    ],
)
