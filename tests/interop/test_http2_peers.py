"""HTTP/2 clients that nobody here wrote: curl, nghttp, h2load, httpx; in cleartext and with TLS."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from blackbull import BlackBull
from blackbull.connection import Connection
from blackbull.messages import ResponsePush
from blackbull.native import (
    InterimResponse,
    Receive,
    ResponseBody,
    ResponseStart,
    ResponseTrailers,
    Send,
)
from blackbull.response import EventSourceResponse, Response, StreamingResponse
from blackbull.server import Server
from blackbull.server.bindings.http2_consumer import HTTP2Consumer
from tests.certificates import Authority
from tests.conformance.peer import App, serving
from tests.spec import spec

CONTENT = bytes(range(256)) * 400
"""100 KiB that no text mode survives."""


async def echo(conn: Connection, receive: Receive, send: Send) -> None:
    await send(Response(await conn.body(), content_type="application/octet-stream"))


async def count(conn: Connection, receive: Receive, send: Send) -> None:
    size = 0
    async for part in conn.stream():
        size += len(part)
    await send(Response(str(size), content_type="text/plain"))


async def stream(conn: Connection, receive: Receive, send: Send) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for i in range(0, len(CONTENT), 1000):
            yield CONTENT[i : i + 1000]

    await StreamingResponse(parts())(conn, receive, send)


async def trailers(conn: Connection, receive: Receive, send: Send) -> None:
    await send(ResponseStart(200, ((b"trailer", b"x-sum"),), trailers=True))
    await send(ResponseBody(b"content"))
    await send(ResponseTrailers(((b"x-sum", b"42"),)))


async def hint(conn: Connection, receive: Receive, send: Send) -> None:
    await send(InterimResponse(103, ((b"link", b"</style.css>; rel=preload"),)))
    await send(Response("hinted", content_type="text/plain"))


async def push(conn: Connection, receive: Receive, send: Send) -> None:
    await send(ResponsePush("/pushed"))
    await send(Response("page", content_type="text/html"))


async def deny(conn: Connection, receive: Receive, send: Send) -> None:
    await send(Response("no", 403, "text/plain"))


async def version(conn: Connection, receive: Receive, send: Send) -> None:
    await send(Response(f"{conn.http_version} {conn.scheme}", content_type="text/plain"))


async def events(conn: Connection, receive: Receive, send: Send) -> None:
    async def items() -> AsyncIterator[str]:
        for i in range(3):
            yield f"event {i}"

    await EventSourceResponse(items())(conn, receive, send)


def application() -> App:
    return App(
        {
            "/echo": echo,
            "/count": count,
            "/stream": stream,
            "/trailers": trailers,
            "/hint": hint,
            "/push": push,
            "/deny": deny,
            "/version": version,
            "/events": events,
            "/none": Response(b"", 204, ""),
            "/large": Response(CONTENT * 30, content_type="application/octet-stream"),
        }
    )


@dataclass
class Site:
    """A server, and how to reach it."""

    server: Server
    base: str
    authority: str | None = None

    @property
    def curl_options(self) -> tuple[str, ...]:
        if self.authority is None:
            return ("--http2-prior-knowledge",)
        return ("--http2", "--cacert", self.authority)

    def client(self) -> httpx.AsyncClient:
        verify: ssl.SSLContext | bool = True
        if self.authority is not None:
            verify = ssl.create_default_context(cafile=self.authority)
        return httpx.AsyncClient(http1=False, http2=True, base_url=self.base, verify=verify)


@pytest_asyncio.fixture(params=["cleartext", "tls"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    if request.param == "cleartext":
        async with serving(application()) as server:
            yield Site(server, f"http://127.0.0.1:{server.port}")
        return
    authority = Authority(tmp_path)
    certificate, key = authority.issue_pair()
    async with serving(application(), certfile=certificate, keyfile=key) as server:
        yield Site(server, f"https://localhost:{server.port}", str(authority.path))


async def run(*command: str, given: bytes = b"") -> tuple[int, bytes, bytes]:
    """Run a program to its end; return its exit status and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await asyncio.wait_for(process.communicate(given), 30)
    assert process.returncode is not None
    return process.returncode, out, errors


async def curl(site: Site, path: str, *options: str, given: bytes = b"") -> bytes:
    """Return what curl wrote; it found nothing wrong."""
    command = ("curl", "-sS", "-m", "10", *site.curl_options, *options, site.base + path)
    status, out, errors = await run(*command, given=given)
    assert status == 0, errors
    return out


# curl


async def test_curl_speaks_http2(site: Site) -> None:
    """S17."""
    scheme = site.base.partition(":")[0]
    assert await curl(site, "/version") == f"2 {scheme}".encode()


async def test_curl_that_offers_http11_only_gets_it(site: Site) -> None:
    """S17."""
    options = ("--cacert", site.authority) if site.authority else ()
    command = ("curl", "-sS", "--http1.1", *options, f"{site.base}/version")
    status, out, errors = await run(*command)
    assert (status, out[:3]) == (0, b"1.1"), errors


@spec("RFC 9113 §3.1", "Upgrade: h2c is gone")
async def test_curl_upgrade_to_h2c_is_ignored(site: Site) -> None:
    if site.authority is None:
        status, out, _ = await run("curl", "-sS", "--http2", f"{site.base}/version")
        assert (status, out) == (0, b"1.1 http")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
async def test_curl_method_is_answered(site: Site, method: str) -> None:
    assert await curl(site, "/path", "-X", method) == f"{method} /path".encode()


async def test_curl_head_gets_the_head_only(site: Site) -> None:
    out = await curl(site, "/path", "-I")
    assert out.startswith(b"HTTP/2 200 \r\n")
    assert b"content-length: 10\r\n" in out


async def test_curl_uploads_come_back(site: Site) -> None:
    assert await curl(site, "/echo", "--data-binary", "@-", given=CONTENT) == CONTENT
    assert await curl(site, "/echo", "-T", "-", given=CONTENT) == CONTENT
    out = await curl(site, "/count", "-T", "-", given=bytes(20_000_000))
    assert out == b"20000000"


async def test_curl_upload_with_expect_is_continued(site: Site) -> None:
    expect = ("-H", "Expect: 100-continue", "--expect100-timeout", "5", "-D", "-")
    out = await curl(site, "/echo", "-T", "-", *expect, given=CONTENT)
    # RFC 9110 §10.1.1: none is due where content has come already
    assert out.removeprefix(b"HTTP/2 100 \r\n\r\n").startswith(b"HTTP/2 200 \r\n")
    assert out.endswith(CONTENT)


async def test_curl_upload_that_is_denied_is_not_read(site: Site) -> None:
    expect = ("-H", "Expect: 100-continue", "--expect100-timeout", "5")
    assert await curl(site, "/deny", "-T", "-", *expect, given=CONTENT) == b"no"
    assert await curl(site, "/deny", "--data-binary", "@-", given=CONTENT * 50) == b"no"


async def test_curl_upload_too_large_is_413(site: Site) -> None:
    out = await curl(site, "/echo", "-T", "-", "-D", "-", given=bytes(32_000_000))
    assert out.startswith(b"HTTP/2 413 \r\n")


async def test_curl_stream_trailers_and_hints_are_read(site: Site) -> None:
    assert await curl(site, "/stream") == CONTENT
    assert (await curl(site, "/trailers", "-D", "-")).endswith(b"contentx-sum: 42\r\n")
    out = await curl(site, "/hint", "-D", "-")
    assert out.startswith(b"HTTP/2 103 \r\nlink: </style.css>; rel=preload\r\n\r\nHTTP/2 200 \r\n")


def everything_was_said(server: Server) -> bool:
    """Return whether every response has left, to its end."""
    drivers = [view._consumer for view in server.connections]
    assert all(isinstance(driver, HTTP2Consumer) for driver in drivers)
    return not any(driver.machine.active or driver.view.queued for driver in drivers)


@pytest.mark.parametrize("site", ["tls"], indirect=True)  # with prior knowledge curl cannot
async def test_curl_gets_many_at_once_on_one_connection(site: Site) -> None:
    """curl 7.88 now and then sleeps on what it has read: then it must not be for want of ours."""
    urls = [f"{site.base}/{name}" for name in ("a", "large", "stream", "none", "b") * 5]
    outputs = [option for url in urls for option in ("-o", "/dev/null", url)]
    command = ("curl", "-sS", "-v", "--parallel", "--parallel-max", "20", *site.curl_options)
    for _ in range(3):
        process = await asyncio.create_subprocess_exec(
            *command, *outputs, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(10):
                _, errors = await process.communicate()
            break
        except TimeoutError:
            assert everything_was_said(site.server)
            process.kill()
            await process.communicate()
    else:
        pytest.fail("curl has slept three times")
    assert process.returncode == 0, errors
    assert errors.count(b"< HTTP/2 200") == 20
    assert errors.count(b"< HTTP/2 204") == 5


async def test_curl_field_too_long_is_431(site: Site) -> None:
    out = await curl(site, "/", "-D", "-", "-H", "x-long: " + "y" * 9000)
    assert out.startswith(b"HTTP/2 431 \r\n")


# nghttp and h2load


def nghttp_options(site: Site) -> tuple[str, ...]:
    return ("--no-verify-peer",) if site.authority else ()


async def test_nghttp_finds_nothing_wrong(site: Site) -> None:
    urls = [site.base + path for path in ("/a", "/stream", "/trailers", "/none", "/hint")]
    status, out, errors = await run("nghttp", "-v", *nghttp_options(site), *urls)
    assert status == 0, errors
    assert b"error" not in out.lower().replace(b"error_code=no_error", b"")
    assert out.count(b":status: 200") >= 4
    assert b"x-sum: 42" in out


async def test_nghttp_takes_what_is_pushed(site: Site) -> None:
    status, out, errors = await run("nghttp", "-v", *nghttp_options(site), f"{site.base}/push")
    assert status == 0, errors
    assert b"recv PUSH_PROMISE frame" in out
    assert b"GET /pushed" in out
    status, out, errors = await run("nghttp", "-v", "--no-push", f"{site.base}/push")
    if site.authority is None:
        assert status == 0, errors
        assert b"PUSH_PROMISE" not in out


async def test_nghttp_uploads_with_padding_and_continuations(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "content"
    file.write_bytes(CONTENT)
    for options in (
        ("--padding=200",),
        ("--continuation",),
        ("--expect-continue",),
        ("--upgrade",),
    ):
        if options == ("--upgrade",) and site.authority:
            continue
        command = ("nghttp", *nghttp_options(site), *options, "-d", str(file), f"{site.base}/echo")
        status, out, errors = await run(*command)
        if options == ("--upgrade",):
            continue  # ignored: nghttp gives up, the server must not
        assert (status, out) == (0, CONTENT), errors
    assert await curl(site, "/path") == b"GET /path"


@pytest.mark.parametrize("path", ["/path", "/stream", "/large", "/echo", "/version"])
async def test_h2load_gets_every_answer(site: Site, path: str, tmp_path: Path) -> None:
    number = 200 if path == "/large" else 1000
    options: tuple[str, ...] = ("-n", str(number), "-c", "4", "-m", "25", "-t", "1")
    if path == "/echo":
        file = tmp_path / "content"
        file.write_bytes(CONTENT)
        options += ("-d", str(file))
    status, out, errors = await run("h2load", *options, f"{site.base}{path}")
    assert status == 0, errors
    expected = rf"requests: {number} total, {number} started, {number} done, {number} succeeded"
    assert re.search(expected.encode(), out), out
    assert b"0 failed, 0 errored, 0 timeout" in out


# httpx, on the strict h2 package


async def test_httpx_talks_on_one_connection(site: Site) -> None:
    async with site.client() as client:
        reply = await client.get("/path?q=1")
        assert (reply.http_version, reply.text) == ("HTTP/2", "GET /path")
        assert (await client.head("/path")).headers["content-length"] == "10"
        assert (await client.post("/echo", content=CONTENT)).content == CONTENT
        assert (await client.get("/none")).status_code == 204
        assert (await client.get("/large")).content == CONTENT * 30
        assert (await client.get("/stream")).content == CONTENT
        async with client.stream("GET", "/events") as response:
            lines = [line async for line in response.aiter_lines() if line]
        assert lines == ["data: event 0", "data: event 1", "data: event 2"]
        assert len(site.server.connections) == 1
        assert next(iter(site.server.connections)).protocol == "http2"


async def test_httpx_upload_in_parts_comes_back(site: Site) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for i in range(0, len(CONTENT), 700):
            yield CONTENT[i : i + 700]

    async with site.client() as client:
        assert (await client.post("/echo", content=parts())).content == CONTENT


async def test_httpx_many_at_once_get_their_own_answers(site: Site) -> None:
    async with site.client() as client:
        bodies = [b"%d" % i * 100 for i in range(50)]
        replies = await asyncio.gather(*(client.post("/echo", content=body) for body in bodies))
    assert [reply.content for reply in replies] == bodies


async def test_httpx_that_leaves_a_stream_keeps_its_connection(site: Site) -> None:
    async with site.client() as client:
        async with client.stream("GET", "/large") as response:
            assert response.status_code == 200
        assert (await client.get("/path")).text == "GET /path"
        assert len(site.server.connections) == 1


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
        site = Site(server, f"http://127.0.0.1:{server.port}")
        assert await curl(site, "/hello/curl") == b'{"hello":"curl"}'
        out = await curl(site, "/upload", "--data-binary", "@-", given=CONTENT)
        assert out == str(len(CONTENT)).encode()
        async with site.client() as client:
            assert (await client.get("/hello/httpx")).json() == {"hello": "httpx"}
            assert (await client.get("/nothing")).status_code == 404
            assert (await client.post("/hello/x")).headers["allow"]
