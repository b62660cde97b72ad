"""Plain ASGI applications on our server, with uvicorn's for comparison, down to the octets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import uvicorn

from blackbull.asgi import HostedApp
from blackbull.asgi.types import ASGIApplication, ASGIReceiveCallable, ASGISendCallable, Scope
from blackbull.server import Server
from tests.spec import spec

Hosting = Callable[[ASGIApplication], AbstractAsyncContextManager[int]]


@asynccontextmanager
async def our_server(app: ASGIApplication) -> AsyncIterator[int]:
    server = Server(HostedApp(app))
    server.open_socket(0)
    await server.start()
    try:
        assert server.port is not None
        yield server.port
    finally:
        await server.stop(1.0)


@asynccontextmanager
async def uvicorn_server(app: ASGIApplication) -> AsyncIterator[int]:
    config = uvicorn.Config(app, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            yield sock.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


async def exchange(port: int, request: bytes) -> bytes:
    """Send *request*, which must ask to close; return all that comes back, without the date."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    lines = [line for line in answer.split(b"\r\n") if not line.lower().startswith(b"date:")]
    return b"\r\n".join(lines)


def get(target: str = "/", *fields: str, method: str = "GET") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: example.test", "Connection: close", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


@spec("ASGI HTTP & WebSocket", "HTTP Connection Scope")
@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(get(), id="plain"),
        pytest.param(get("/a%20b%2Fc;d=1/%C3%A9?x=%20&y"), id="encoded"),
        pytest.param(get("//double/../dots?"), id="dots"),
        pytest.param(get("/", "X-Thing: 1", "x-thing:  2", "Cookie: a=b"), id="fields"),
        pytest.param(get("/", method="PROPFIND"), id="method"),
        pytest.param(b"GET /old HTTP/1.0\r\n\r\n", id="http10"),
        pytest.param(get("/", "Content-Length: 2", method="POST") + b"hi", id="content"),
    ],
)
async def test_scope_on_our_server_is_uvicorns(request_bytes: bytes) -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "http":
            scopes.append(scope)
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

    for hosting in (our_server, uvicorn_server):
        async with hosting(app) as port:
            await exchange(port, request_bytes)
    ours, reference = scopes
    for scope in scopes:
        client, server = scope.pop("client"), scope.pop("server")
        assert isinstance(client, tuple)
        assert isinstance(server, tuple)
        assert (client[0], server[0]) == ("127.0.0.1", "127.0.0.1")
        del scope["asgi"]
    del ours["extensions"]
    assert ours == reference


def answering(*events: dict[str, object]) -> ASGIApplication:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "http":
            for event in events:
                await send(event)

    return app


START: dict[str, object] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain")],
}


@spec("RFC 9112 §7.1.2")
async def test_trailers_reach_the_client_after_the_last_chunk() -> None:
    app = answering(
        {**START, "trailers": True},
        {"type": "http.response.body", "body": b"hello"},
        {"type": "http.response.trailers", "headers": [(b"digest", b"1")]},
    )
    async with our_server(app) as port:
        answer = await exchange(port, get())
    assert answer.endswith(b"\r\n\r\n5\r\nhello\r\n0\r\ndigest: 1\r\n\r\n")
    assert b"\r\ntransfer-encoding: chunked\r\n" in answer


@spec("RFC 8297 §2")
async def test_early_hint_reaches_the_client_before_the_response() -> None:
    app = answering(
        {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]},
        START,
        {"type": "http.response.body", "body": b"hello"},
    )
    async with our_server(app) as port:
        answer = await exchange(port, get())
    hint, _, response = answer.partition(b"\r\n\r\n")
    assert hint == b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload"
    assert response.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_response_complete_at_once_has_a_length_though_none_was_told() -> None:
    async with our_server(answering(START, {"type": "http.response.body", "body": b"abc"})) as port:
        assert b"\r\ncontent-length: 3\r\n" in await exchange(port, get())


async def test_response_to_head_keeps_the_length_it_tells() -> None:
    app = answering(
        {**START, "headers": [(b"content-length", b"5")]}, {"type": "http.response.body"}
    )
    async with our_server(app) as port:
        answer = await exchange(port, get(method="HEAD"))
    assert b"\r\ncontent-length: 5\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("hosting", [our_server, uvicorn_server])
async def test_connection_close_of_the_application_is_obeyed(hosting: Hosting) -> None:
    app = answering(
        {**START, "headers": [(b"connection", b"close")]}, {"type": "http.response.body"}
    )
    async with hosting(app) as port:
        answer = await exchange(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.lower().count(b"connection: close") == 1


@pytest.mark.parametrize("hosting", [our_server, uvicorn_server])
@pytest.mark.parametrize(
    "events",
    [
        [],
        [{"type": "http.response.body", "body": b"x"}],
    ],
)
async def test_application_without_a_response_is_answered_for(
    hosting: Hosting, events: list[dict[str, object]], caplog: pytest.LogCaptureFixture
) -> None:
    async with hosting(answering(*events)) as port:
        answer = await exchange(port, get())
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert any(record.levelname == "ERROR" for record in caplog.records)


@spec("RFC 9112 §8", "incomplete message")
@pytest.mark.parametrize("hosting", [our_server, uvicorn_server])
@pytest.mark.parametrize(
    "events",
    [
        [START, {"type": "http.response.body", "body": b"half", "more_body": True}],
        [
            {**START, "headers": [(b"content-length", b"9")]},
            {"type": "http.response.body", "body": b"half", "more_body": True},
            {"type": "http.response.body"},
        ],
    ],
)
async def test_response_left_unfinished_is_seen_to_be(
    hosting: Hosting, events: list[dict[str, object]], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a last chunk nor the announced length may pretend that all is well."""
    async with hosting(answering(*events)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        received = await reader.readuntil(b"half")
        with contextlib.suppress(ConnectionResetError):
            received += await reader.read()
        writer.close()
    assert not received.endswith(b"0\r\n\r\n")
    assert any(record.levelname == "ERROR" for record in caplog.records)


@spec("RFC 9110 §9.3.7")
async def test_options_asterisk_is_answered_for_the_server() -> None:
    async with our_server(answering()) as port:
        answer = await exchange(port, get("*", method="OPTIONS"))
    assert answer.startswith(b"HTTP/1.1 204 ")


@spec("RFC 9110 §10.1.1")
async def test_content_held_back_is_asked_for_when_the_application_reads() -> None:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "http":
            event = await receive()
            await send(START)
            await send({"type": "http.response.body", "body": event["body"]})

    async with our_server(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
            b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hi")
        assert (await reader.read()).endswith(b"\r\n\r\nhi")
        writer.close()
        await writer.wait_closed()


async def test_pipelined_requests_are_answered_in_order() -> None:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            assert isinstance(path, str)
            await send(START)
            await send({"type": "http.response.body", "body": path.encode()})

    requests = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(5))
    async with our_server(app) as port:
        answer = await exchange(port, requests + get("/last"))
    bodies = [part.partition(b"HTTP/1.1")[0] for part in answer.split(b"\r\n\r\n")[1:]]
    assert bodies == [b"/0", b"/1", b"/2", b"/3", b"/4", b"/last"]
