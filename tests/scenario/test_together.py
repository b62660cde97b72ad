"""Everything at once: HTTP/1.1, HTTP/2, a WebSocket and a raw protocol, from one application."""

from __future__ import annotations

import asyncio

import httpx
from websockets.asyncio.client import connect

from blackbull import BlackBull, Settings, WebSocket
from blackbull.abc import ProtocolContext, Reader, Writer
from blackbull.server import Server
from blackbull.utils import Scheme


def application(closed: list[str]) -> BlackBull:
    app = BlackBull()

    @app.route(path="/")
    async def index() -> str:
        return "HTTP here"

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def talk(ws: WebSocket) -> None:
        await ws.accept()
        async for message in ws:
            await ws.send(message)

    @app.raw_handler("echo", port=0)
    async def echo(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        while data := await reader.read(1024):
            await writer.write(data)

    @app.on("connection_closed")
    async def note(event: object) -> None:
        closed.append(event.detail["protocol"])  # type: ignore[attr-defined]

    return app


async def test_every_protocol_is_reached_beside_the_others() -> None:
    """S11: a WebSocket by Upgrade on the HTTP listener while raw handlers exist; S15, S17, S20."""
    closed: list[str] = []
    app = application(closed)
    server = Server(app, settings=Settings(port=0))
    await server.start()
    ports = {each.protocol: each.address[1] for each in server.listening}
    url = f"http://127.0.0.1:{ports['http']}/"
    reader, writer = await asyncio.open_connection("127.0.0.1", ports["echo"])
    async with (
        connect(f"ws://127.0.0.1:{ports['http']}/ws") as ws,
        httpx.AsyncClient() as http1,
        httpx.AsyncClient(http1=False, http2=True) as http2,
    ):
        for _ in range(3):
            await ws.send("hello")
            assert await ws.recv() == "hello"
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await reader.readexactly(18) == b"GET / HTTP/1.1\r\n\r\n"
            old, new = await http1.get(url), await http2.get(url)
            assert (old.http_version, old.text) == ("HTTP/1.1", "HTTP here")
            assert (new.http_version, new.text) == ("HTTP/2", "HTTP here")
    writer.close()
    await writer.wait_closed()
    await server.stop(1.0)
    await app.drain_events()
    assert sorted(closed) == ["echo", "http1", "http1", "http2"]
