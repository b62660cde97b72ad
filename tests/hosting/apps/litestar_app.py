"""The application of the cases, written for Litestar."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, MediaType, Request, Response, WebSocket, get, post, websocket
from litestar.response import Redirect, Stream

AnyRequest = Request[Any, Any, Any]
AnyWebSocket = WebSocket[Any, Any, Any]
left = asyncio.Event()
closes: asyncio.Queue[str] = asyncio.Queue()


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    app.state.word = "started"
    yield


@get("/", media_type=MediaType.TEXT)
async def index() -> Response[str]:
    return Response("hello", headers={"x-app": "yes"})


@get("/json")
async def as_json() -> dict[str, str]:
    return {"hello": "wörld"}


@get("/items/{item:int}")
async def item(item: int, q: str = "") -> dict[str, int | str]:
    return {"item": item, "q": q}


@get("/names/{name:str}", media_type=MediaType.TEXT)
async def name(name: str) -> str:
    return name


@post("/echo", status_code=200)
async def echo(request: AnyRequest) -> Response[bytes]:
    return Response(await request.body(), media_type="application/octet-stream")


@post("/count", status_code=200, media_type=MediaType.TEXT)
async def count(request: AnyRequest) -> str:
    total = 0
    async for part in request.stream():
        total += len(part)
    return str(total)


@get("/fields")
async def fields(request: AnyRequest) -> list[str]:
    return request.headers.getall("x-a", [])


@get("/cookies", media_type=MediaType.TEXT)
async def cookies() -> Response[str]:
    response = Response("")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


@get("/empty", status_code=204)
async def empty() -> None:
    return None


@get("/large")
async def large() -> Response[bytes]:
    return Response(b"x" * 262144, media_type="application/octet-stream")


@get("/elsewhere", status_code=307)
async def elsewhere() -> Redirect:
    return Redirect("/", status_code=307)


@get("/parts")
async def parts() -> Stream:
    async def produce() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d\n" % number
            await asyncio.sleep(0)

    return Stream(produce(), media_type="text/plain")


@get("/state", media_type=MediaType.TEXT)
async def state(request: AnyRequest) -> str:
    return str(request.app.state.word)


@get("/boom")
async def boom() -> str:
    raise ZeroDivisionError


@get("/endless")
async def endless() -> Stream:
    async def produce() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"again\n"
                await asyncio.sleep(0.005)
        finally:
            left.set()

    return Stream(produce())


@get("/left", media_type=MediaType.TEXT)
async def has_left() -> str:
    await asyncio.wait_for(left.wait(), 20)
    left.clear()
    return "left"


@websocket("/ws/echo")
async def ws_echo(socket: AnyWebSocket) -> None:
    offered = socket.scope["subprotocols"]
    chosen = "chat" if "chat" in offered else offered[0] if offered else None
    await socket.accept(subprotocols=chosen, headers={"x-app": "yes"})
    while True:
        event: Any = await socket.receive()
        if event["type"] == "websocket.disconnect":
            if event["code"] != 1000:
                await closes.put(f"{event['code']} {event.get('reason')}")
            return
        if event.get("text") is not None:
            await socket.send_text(event["text"])
        else:
            await socket.send_bytes(event["bytes"])


@websocket("/ws/full/{name:str}")
async def ws_full(socket: AnyWebSocket, name: str) -> None:
    await socket.accept()
    scope = socket.scope
    await socket.send_text(f"{scope['type']} {scope['path']} {name} {scope['scheme']}")
    await socket.close(4001, "enough")


@websocket("/ws/close")
async def ws_close(socket: AnyWebSocket) -> None:
    await socket.close(1008)


@websocket("/ws/boom")
async def ws_boom(socket: AnyWebSocket) -> None:
    await socket.accept()
    raise ZeroDivisionError


@get("/ws/closed", media_type=MediaType.TEXT)
async def ws_closed() -> str:
    return await asyncio.wait_for(closes.get(), 20)


app = Litestar(
    [
        index, as_json, item, name, echo, count, fields, cookies, empty, large, elsewhere, parts,
        state, boom, endless, has_left, ws_echo, ws_full, ws_close, ws_boom, ws_closed,
    ],
    lifespan=[lifespan],
)  # fmt: skip
