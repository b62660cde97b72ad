"""The application of the cases, written for FastAPI."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import PlainTextResponse, RedirectResponse, StreamingResponse

left = asyncio.Event()
closes: asyncio.Queue[str] = asyncio.Queue()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
    yield {"word": "started"}


app = FastAPI(lifespan=lifespan)


@app.api_route("/", methods=["GET", "HEAD"])
async def index() -> Response:
    return PlainTextResponse("hello", headers={"x-app": "yes"})


@app.get("/json")
async def as_json() -> dict[str, str]:
    return {"hello": "wörld"}


@app.get("/items/{item}")
async def item(item: int, q: str = "") -> dict[str, int | str]:
    return {"item": item, "q": q}


@app.get("/names/{name}")
async def name(name: str) -> Response:
    return PlainTextResponse(name)


@app.post("/echo")
async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/octet-stream")


@app.post("/count")
async def count(request: Request) -> Response:
    total = 0
    async for part in request.stream():
        total += len(part)
    return PlainTextResponse(str(total))


@app.get("/fields")
async def fields(request: Request) -> list[str]:
    return request.headers.getlist("x-a")


@app.get("/cookies")
async def cookies() -> Response:
    response = PlainTextResponse("")
    response.headers.append("set-cookie", "a=1")
    response.headers.append("set-cookie", "b=2")
    return response


@app.get("/empty", status_code=204)
async def empty() -> None:
    return None


@app.get("/large")
async def large() -> Response:
    return Response(b"x" * 262144, media_type="application/octet-stream")


@app.get("/elsewhere")
async def elsewhere() -> Response:
    return RedirectResponse("/", status_code=307)


@app.get("/parts")
async def parts() -> Response:
    async def produce() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d\n" % number
            await asyncio.sleep(0)

    return StreamingResponse(produce(), media_type="text/plain")


@app.get("/state")
async def state(request: Request) -> Response:
    return PlainTextResponse(request.state.word)


@app.get("/boom")
async def boom() -> str:
    raise ZeroDivisionError


@app.get("/endless")
async def endless() -> Response:
    async def produce() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"again\n"
                await asyncio.sleep(0.005)
        finally:
            left.set()

    return StreamingResponse(produce())


@app.get("/left")
async def has_left() -> Response:
    await asyncio.wait_for(left.wait(), 20)
    left.clear()
    return PlainTextResponse("left")


@app.websocket("/ws/echo")
async def ws_echo(ws: WebSocket) -> None:
    offered = ws.scope["subprotocols"]
    chosen = "chat" if "chat" in offered else offered[0] if offered else None
    await ws.accept(chosen, headers=[(b"x-app", b"yes")])
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


@app.websocket("/ws/full/{name}")
async def ws_full(ws: WebSocket, name: str) -> None:
    await ws.accept()
    await ws.send_text(f"{ws.scope['type']} {ws.scope['path']} {name} {ws.scope['scheme']}")
    await ws.close(4001, "enough")


@app.websocket("/ws/deny")
async def ws_deny(ws: WebSocket) -> None:
    await ws.send_denial_response(PlainTextResponse("short", 418, {"x-app": "no"}))


@app.websocket("/ws/close")
async def ws_close(ws: WebSocket) -> None:
    await ws.close(1008)


@app.websocket("/ws/boom")
async def ws_boom(ws: WebSocket) -> None:
    await ws.accept()
    raise ZeroDivisionError


@app.get("/ws/closed")
async def ws_closed() -> Response:
    return PlainTextResponse(await asyncio.wait_for(closes.get(), 20))
