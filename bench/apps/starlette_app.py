"""Starlette: its own routing, requests and responses."""

from __future__ import annotations

from collections.abc import AsyncIterator

from payloads import BIG, HELLO, MESSAGE, PART, PARTS
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route


async def plaintext(request: Request) -> Response:
    return PlainTextResponse(HELLO)


async def message(request: Request) -> Response:
    return JSONResponse({"message": MESSAGE})


async def user(request: Request) -> Response:
    return JSONResponse({"id": request.path_params["id"]})


async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/octet-stream")


async def big(request: Request) -> Response:
    return Response(BIG, media_type="application/octet-stream")


async def parts() -> AsyncIterator[bytes]:
    for _ in range(PARTS):
        yield PART


async def stream(request: Request) -> Response:
    return StreamingResponse(parts(), media_type="text/plain")


app = Starlette(
    routes=[
        Route("/plaintext", plaintext),
        Route("/json", message),
        Route("/users/{id:int}", user),
        Route("/echo", echo, methods=["POST"]),
        Route("/big", big),
        Route("/stream", stream),
    ]
)
