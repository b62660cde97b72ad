"""Clients that nobody here wrote: curl, httpx, aiohttp, h11, netcat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import h11
import httpx
import pytest
import pytest_asyncio

from blackbull import BlackBull
from blackbull.connection import Connection
from blackbull.native import Receive, ResponseBody, ResponseStart, ResponseTrailers, Send
from blackbull.response import EventSourceResponse, Response, StreamingResponse
from blackbull.server import Server
from tests.conformance.peer import App, serving

CONTENT = bytes(range(256)) * 400
"""100 KiB that no text mode survives."""


async def echo(conn: Connection, receive: Receive, send: Send) -> None:
    await send(Response(await conn.body(), content_type="application/octet-stream"))


async def stream(conn: Connection, receive: Receive, send: Send) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for i in range(0, len(CONTENT), 1000):
            yield CONTENT[i : i + 1000]

    await StreamingResponse(parts())(conn, receive, send)


async def trailers(conn: Connection, receive: Receive, send: Send) -> None:
    await send(ResponseStart(200, ((b"trailer", b"x-sum"),), trailers=True))
    await send(ResponseBody(b"content"))
    await send(ResponseTrailers(((b"x-sum", b"42"),)))


async def deny(conn: Connection, receive: Receive, send: Send) -> None:
    await send(Response("no", 403, "text/plain"))


async def events(conn: Connection, receive: Receive, send: Send) -> None:
    async def items() -> AsyncIterator[str]:
        for i in range(3):
            yield f"event {i}"

    await EventSourceResponse(items())(conn, receive, send)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    app = App(
        {
            "/echo": echo,
            "/stream": stream,
            "/trailers": trailers,
            "/deny": deny,
            "/events": events,
            "/none": Response(b"", 204, ""),
            "/large": Response(CONTENT * 30, content_type="application/octet-stream"),
        }
    )
    async with serving(app) as server:
        yield server


async def run(*command: str, given: bytes = b"") -> tuple[int, bytes, bytes]:
    """Run a program to its end; return its exit status and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await asyncio.wait_for(process.communicate(given), 20)
    assert process.returncode is not None
    return process.returncode, out, errors


async def curl(server: Server, path: str, *options: str, given: bytes = b"") -> bytes:
    """Return what curl wrote; it found nothing wrong."""
    url = f"http://127.0.0.1:{server.port}{path}"
    status, out, errors = await run("curl", "-sS", "-m", "10", *options, url, given=given)
    assert status == 0, errors
    return out


# curl


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
async def test_curl_method_is_answered(server: Server, method: str) -> None:
    assert await curl(server, "/path", "-X", method) == f"{method} /path".encode()


async def test_curl_head_gets_the_head_only(server: Server) -> None:
    out = await curl(server, "/path", "-I")
    assert out.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-length: 10\r\n" in out
    assert out.endswith(b"\r\n\r\n")


async def test_curl_http_10_is_answered_and_closed(server: Server) -> None:
    assert await curl(server, "/path", "--http1.0") == b"GET /path"
    assert await curl(server, "/stream", "--http1.0") == CONTENT
    head = await curl(server, "/stream", "--http1.0", "-D", "-", "-o", "/dev/null")
    assert b"transfer-encoding" not in head


async def test_curl_upload_with_expect_is_continued(server: Server) -> None:
    command = ("-T", "-", "-H", "Expect: 100-continue", "--expect100-timeout", "5", "-v")
    url = f"http://127.0.0.1:{server.port}/echo"
    status, out, errors = await run("curl", "-sS", "-m", "10", *command, url, given=CONTENT)
    assert (status, out) == (0, CONTENT)
    assert errors.count(b"HTTP/1.1 100 Continue") == 1


async def test_curl_upload_with_expect_that_is_denied_is_not_sent(server: Server) -> None:
    command = ("-X", "PUT", "--data-binary", "@-", "-H", "Expect: 100-continue", "-v")
    url = f"http://127.0.0.1:{server.port}/deny"
    wait = ("--expect100-timeout", "5")
    status, out, errors = await run("curl", "-sS", *wait, *command, url, given=CONTENT)
    assert (status, out) == (0, b"no")
    assert b"100 Continue" not in errors


async def test_curl_upload_with_a_length_or_in_chunks_comes_back(server: Server) -> None:
    out = await curl(server, "/echo", "--data-binary", "@-", "-H", "Expect:", given=CONTENT)
    assert out == CONTENT
    chunked = ("-H", "Transfer-Encoding: chunked", "-H", "Expect:", "--data-binary", "@-")
    assert await curl(server, "/echo", *chunked, given=CONTENT) == CONTENT


async def test_curl_stream_and_trailers_are_read(server: Server) -> None:
    assert await curl(server, "/stream") == CONTENT
    out = await curl(server, "/trailers", "--raw", "-D", "-")
    assert out.endswith(b"7\r\ncontent\r\n0\r\nx-sum: 42\r\n\r\n")
    assert await curl(server, "/trailers") == b"content"


async def test_curl_reuses_the_connection_after_everything(server: Server) -> None:
    base = f"http://127.0.0.1:{server.port}"
    paths = ["/a", "/none", "/stream", "/trailers", "/large", "/events", "/b"]
    urls = [base + path for path in paths]
    status, _, errors = await run("curl", "-sS", "-v", "-o", "/dev/null", *urls)
    assert status == 0
    assert errors.count(b"* Connected to") == 1
    assert errors.count(b"Re-using existing connection") == len(paths) - 1


async def test_curl_gets_large_content_and_ranges_are_ignored(server: Server) -> None:
    assert await curl(server, "/large") == CONTENT * 30
    assert await curl(server, "/large", "-r", "0-9") == CONTENT * 30


async def test_curl_path_as_is_is_taken(server: Server) -> None:
    assert await curl(server, "/a/../b//c", "--path-as-is") == b"GET /a/../b//c"
    assert await curl(server, "/x", "--request-target", "http://other/y") == b"GET /y"
    assert await curl(server, "/", "-X", "OPTIONS", "--request-target", "*") == b"OPTIONS *"


# netcat


async def test_netcat_that_half_closes_is_answered(server: Server) -> None:
    request = b"GET /path HTTP/1.1\r\nhost: a\r\n\r\n"
    status, out, _ = await run("nc", "-N", "127.0.0.1", str(server.port), given=request)
    assert status == 0
    assert out.endswith(b"GET /path")


# httpx


async def test_httpx_talks_on_one_connection(server: Server) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        assert (await client.get("/path?q=1")).text == "GET /path"
        assert (await client.head("/path")).headers["content-length"] == "10"
        assert (await client.post("/echo", content=CONTENT)).content == CONTENT
        assert (await client.get("/none")).status_code == 204
        assert (await client.get("/large")).content == CONTENT * 30
        assert (await client.get("/stream")).content == CONTENT
        async with client.stream("GET", "/events") as response:
            lines = [line async for line in response.aiter_lines() if line]
        assert lines == ["data: event 0", "data: event 1", "data: event 2"]
        assert len(server.connections) == 1


async def test_httpx_chunked_upload_comes_back(server: Server) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for i in range(0, len(CONTENT), 700):
            yield CONTENT[i : i + 700]

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        assert (await client.post("/echo", content=parts())).content == CONTENT


async def test_httpx_many_at_once_get_their_own_answers(server: Server) -> None:
    limits = httpx.Limits(max_connections=10)
    url = f"http://127.0.0.1:{server.port}"
    async with httpx.AsyncClient(base_url=url, limits=limits) as client:
        bodies = [b"%d" % i * 100 for i in range(50)]
        replies = await asyncio.gather(*(client.post("/echo", content=body) for body in bodies))
    assert [reply.content for reply in replies] == bodies


@pytest.mark.parametrize(
    ("path", "size", "status"), [("/deny", 20 << 20, 403), ("/echo", 40 << 20, 413)]
)
async def test_httpx_reads_the_early_answer_to_a_large_upload(
    server: Server, path: str, size: int, status: int
) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        assert (await client.post(path, content=bytes(size))).status_code == status


# aiohttp


async def test_aiohttp_talks_on_one_connection(server: Server) -> None:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        for _ in range(2):
            async with session.get("/path") as reply:
                assert await reply.text() == "GET /path"
            async with session.post("/echo", data=CONTENT, expect100=True) as reply:
                assert await reply.read() == CONTENT
            async with session.get("/stream") as reply:
                assert await reply.read() == CONTENT
            async with session.head("/large") as reply:
                assert reply.headers["content-length"] == str(len(CONTENT) * 30)
        assert len(server.connections) == 1


async def test_aiohttp_chunked_upload_comes_back(server: Server) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield CONTENT[:1]
        yield CONTENT[1:]

    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session,
        session.put("/echo", data=parts()) as reply,
    ):
        assert await reply.read() == CONTENT


# h11


async def test_h11_reads_trailers_and_sends_them(server: Server) -> None:
    machine = h11.Connection(h11.CLIENT)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    fields = [("host", "a"), ("transfer-encoding", "chunked")]
    for event in (
        h11.Request(method="POST", target="/trailers", headers=fields),
        h11.Data(data=b"ignored"),
        h11.EndOfMessage(headers=[("x-ours", "1")]),
    ):
        writer.write(machine.send(event))
    seen = []
    while not seen or not isinstance(seen[-1], h11.EndOfMessage):
        event = machine.next_event()
        if event is h11.NEED_DATA:
            machine.receive_data(await reader.read(1000))
        else:
            seen.append(event)
    writer.close()
    await writer.wait_closed()
    assert seen[-1].headers == [(b"x-sum", b"42")]
    assert machine.our_state is h11.DONE
    assert machine.their_state is h11.DONE


# The whole framework


async def test_application_is_served_to_every_client() -> None:
    app = BlackBull()

    @app.route(path="/hello/{name}")
    async def hello(name: str) -> dict[str, str]:
        return {"hello": name}

    @app.route(path="/upload", methods=["POST"])
    async def upload(body: bytes) -> str:
        await asyncio.sleep(0)
        return str(len(body))

    async with serving(app) as server:
        assert await curl(server, "/hello/curl") == b'{"hello":"curl"}'
        out = await curl(server, "/upload", "--data-binary", "@-", given=CONTENT)
        assert out == str(len(CONTENT)).encode()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
            assert (await client.get("/hello/httpx")).json() == {"hello": "httpx"}
            assert (await client.get("/nothing")).status_code == 404
            assert (await client.post("/hello/x")).headers["allow"]
