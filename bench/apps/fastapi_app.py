"""FastAPI: typed handlers, its default response serialisation."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from payloads import BIG, HELLO, MESSAGE, PART, PARTS

app = FastAPI()


@app.get("/plaintext")
async def plaintext() -> Response:
    return PlainTextResponse(HELLO)


@app.get("/json")
async def message() -> dict[str, str]:
    return {"message": MESSAGE}


@app.get("/users/{id}")
async def user(id: int) -> dict[str, int]:
    return {"id": id}


@app.post("/echo")
async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/octet-stream")


@app.get("/big")
async def big() -> Response:
    return Response(BIG, media_type="application/octet-stream")


async def parts() -> AsyncIterator[bytes]:
    for _ in range(PARTS):
        yield PART


@app.get("/stream")
async def stream() -> Response:
    return StreamingResponse(parts(), media_type="text/plain")
