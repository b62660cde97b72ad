"""WebSocket clients that nobody here wrote."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

import aiohttp
import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.sync.client import connect as connect_sync
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.extensions import PerMessageDeflate

from blackbull import BlackBull, Response, WebSocket
from blackbull.config import Settings
from blackbull.server import Server
from blackbull.utils import Scheme


def make_app() -> BlackBull:
    app = BlackBull(settings=Settings(port=0))
    app.available_ws_protocols = ["chat", b"superchat"]

    @app.route(path="/echo", scheme=Scheme.websocket)
    async def echo(ws: WebSocket) -> None:
        await ws.accept()
        async for message in ws:
            await ws.send(message)

    @app.route(path="/bye", scheme=Scheme.websocket)
    async def bye(ws: WebSocket) -> None:
        await ws.accept()
        await ws.close(4001, "enough")

    @app.route(path="/private", scheme=Scheme.websocket)
    async def private(ws: WebSocket) -> None:
        await ws.deny(Response("who?", 401))

    @app.route(path="/broken", scheme=Scheme.websocket)
    async def broken(ws: WebSocket) -> None:
        await ws.accept()
        raise ZeroDivisionError

    return app


@contextlib.asynccontextmanager
async def serving(**settings: object) -> AsyncIterator[str]:
    server = Server(make_app(), settings=Settings(port=0, **settings))
    await server.start()
    try:
        yield f"ws://127.0.0.1:{server.port}"
    finally:
        await server.stop(1.0)


MESSAGES = ["", "hello", "grüß" * 1000, b"", b"\x00\xff" * 70_000, "x" * 1_000_000]


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("takeover", [False, True])
async def test_websockets_echo(compression: str | None, *, takeover: bool) -> None:
    async with (
        serving(ws_context_takeover=takeover) as url,
        connect(f"{url}/echo", compression=compression) as client,
    ):
        for _ in range(3):
            for message in MESSAGES:
                await client.send(message)
                assert await client.recv() == message
        assert bool(client.protocol.extensions) is bool(compression)


async def test_websockets_many_in_flight() -> None:
    async with serving() as url, connect(f"{url}/echo") as client:
        for number in range(500):
            await client.send(f"message {number}" * (number % 7))
        for number in range(500):
            assert await client.recv() == f"message {number}" * (number % 7)


async def test_websockets_fragments_and_pings() -> None:
    async with serving() as url, connect(f"{url}/echo") as client:
        await client.send(["frag", "ments ", "grü", "ß", ""])
        assert await client.recv() == "fragments grüß"
        await client.send([b"a" * 70_000, b"b" * 70_000])
        assert await client.recv() == b"a" * 70_000 + b"b" * 70_000
        await (await client.ping(b"there?"))


async def test_websockets_subprotocol_is_the_first_that_both_know() -> None:
    async with serving() as url:
        async with connect(f"{url}/echo", subprotocols=["x", "superchat", "chat"]) as client:
            assert client.subprotocol == "superchat"
        async with connect(f"{url}/echo", subprotocols=["x"]) as client:
            assert client.subprotocol is None


async def test_websockets_close_both_ways() -> None:
    async with serving() as url:
        client: ClientConnection
        async with connect(f"{url}/bye") as client:
            with pytest.raises(websockets.ConnectionClosedError) as caught:
                await client.recv()
            assert caught.value.rcvd is not None
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4001, "enough")
        async with connect(f"{url}/echo") as client:
            await client.close(3000, "leaving")
            assert (client.close_code, client.close_reason) == (3000, "")
        async with connect(f"{url}/broken") as client:
            with pytest.raises(websockets.ConnectionClosedError) as caught:
                await client.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1011


@pytest.mark.parametrize(("path", "status"), [("/private", 401), ("/nowhere", 404)])
async def test_websockets_refusal_is_seen(path: str, status: int) -> None:
    async with serving() as url:
        with pytest.raises(websockets.InvalidStatus) as caught:
            async with connect(f"{url}{path}"):
                pytest.fail("it was accepted")
        assert caught.value.response.status_code == status


async def test_websockets_sync_client_echo() -> None:
    def talk(url: str) -> list[str | bytes]:
        with connect_sync(f"{url}/echo") as client:
            client.send("from a thread")
            return [client.recv()]

    async with serving() as url:
        assert await asyncio.to_thread(talk, url) == ["from a thread"]


async def test_websockets_is_told_that_the_server_stops() -> None:
    server = Server(make_app(), settings=Settings(port=0))
    await server.start()
    async with connect(f"ws://127.0.0.1:{server.port}/echo") as client:
        stopping = asyncio.create_task(server.stop(5.0))
        with pytest.raises(websockets.ConnectionClosed) as caught:
            await client.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1001
        await stopping


@pytest.mark.parametrize("compress", [0, 9, 15])
async def test_aiohttp_echo(compress: int) -> None:
    async with (
        serving() as url,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}/echo", compress=compress, heartbeat=0.2) as client,
    ):
        for message in MESSAGES:
            if isinstance(message, str):
                await client.send_str(message)
                assert await client.receive_str() == message
            else:
                await client.send_bytes(message)
                assert await client.receive_bytes() == message
        await client.ping(b"x")
        await client.close(code=3001)
        assert client.close_code == 3001


async def test_aiohttp_refusal_and_close_are_seen() -> None:
    async with serving() as url, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(f"{url}/private")
        assert caught.value.status == 401
        async with session.ws_connect(f"{url}/bye") as client:
            got = await client.receive()
            assert (got.type, got.data, got.extra) == (aiohttp.WSMsgType.CLOSE, 4001, "enough")


class Wsproto:
    """A client of the wsproto package, on a socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.protocol = WSConnection(ConnectionType.CLIENT)
        self.seen: deque[Event] = deque()

    async def tell(self, event: Event) -> None:
        self.writer.write(self.protocol.send(event))
        await self.writer.drain()

    async def event(self) -> Event:
        while not self.seen:
            self.protocol.receive_data(await asyncio.wait_for(self.reader.read(65536), 10) or None)
            self.seen.extend(self.protocol.events())
        return self.seen.popleft()

    async def message(self) -> str | bytes:
        """Return the next message, put together."""
        parts = []
        while True:
            event = await self.event()
            assert isinstance(event, Message)
            parts.append(bytes(event.data) if isinstance(event, BytesMessage) else event.data)
            if event.message_finished:
                return parts[0][:0].join(parts)


@contextlib.asynccontextmanager
async def wsproto(path: str, *, deflate: bool = False) -> AsyncIterator[tuple[Wsproto, Event]]:
    """Yield a client and what it understood of the answer to its handshake."""
    async with serving() as url:
        host, _, port = url.removeprefix("ws://").partition(":")
        client = Wsproto(*await asyncio.open_connection(host, int(port)))
        extensions = [PerMessageDeflate()] if deflate else []
        await client.tell(Request(host=host, target=path, extensions=extensions))
        yield client, await client.event()
        client.writer.close()
        await client.writer.wait_closed()


@pytest.mark.parametrize("deflate", [False, True])
async def test_wsproto_echo_and_close(*, deflate: bool) -> None:
    async with wsproto("/echo", deflate=deflate) as (client, answer):
        assert isinstance(answer, AcceptConnection)
        assert len(answer.extensions) == deflate
        for message in MESSAGES:
            event: Event = (
                TextMessage(data=message)
                if isinstance(message, str)
                else BytesMessage(data=message)
            )
            await client.tell(event)
            assert await client.message() == message
        await client.tell(TextMessage(data="in ", message_finished=False))
        await client.tell(Ping(payload=b"between"))
        await client.tell(TextMessage(data="parts"))
        assert await client.event() == Pong(payload=b"between")
        assert await client.message() == "in parts"
        await client.tell(CloseConnection(code=3002, reason="enough"))
        closed = await client.event()
        assert isinstance(closed, CloseConnection)
        assert closed.code == 3002


@pytest.mark.parametrize(("path", "status"), [("/private", 401), ("/nowhere", 404)])
async def test_wsproto_refusal_is_seen(path: str, status: int) -> None:
    async with wsproto(path) as (_, answer):
        assert isinstance(answer, RejectConnection)
        assert answer.status_code == status
