"""Routes that set their own limits, seen by curl, httpx and h2."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from h2.errors import ErrorCodes

from blackbull import BlackBull
from blackbull.config import Settings
from blackbull.connection import Connection
from blackbull.response import StreamingResponse
from blackbull.server import Server
from blackbull.server.workers.requests import count_requests
from tests.conformance import http2
from tests.conformance.peer import connected, serving
from tests.fault.caps import cap_record, caps
from tests.spec import spec

VERSIONS = ["1.1", "2"]
ENDED: list[str] = []


def application() -> BlackBull:
    app = BlackBull()
    uploads = app.group(max_body_size=5000, body_timeout=0.2)

    @app.route("POST", "/global")
    @app.route("POST", "/small", max_body_size=10)
    @app.route("POST", "/nothing", max_body_size=0)
    async def size(body: bytes) -> str:
        return str(len(body))

    @uploads.route("POST", "/upload/{name}")
    @uploads.route("POST", "/patient/{name}", body_timeout=0)
    @app.route("POST", "/dribbled", body_total_timeout=0.3, min_body_rate=0)
    async def count(conn: Connection) -> str:
        total = 0
        async for part in conn.stream():
            total += len(part)
        return str(total)

    @app.route("GET", "/short", request_timeout=0.2)
    @app.route("GET", "/broken-off", request_timeout=0.2)
    async def waits(conn: Connection) -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            try:
                yield "begun"
                await asyncio.Event().wait()
            finally:
                ENDED.append(conn.path)

        try:
            if conn.path == "/short":
                await asyncio.Event().wait()
        finally:
            ENDED.append(conn.path)
        return StreamingResponse(parts())

    @app.route("GET", "/long", request_timeout=0)
    async def long() -> str:
        await asyncio.sleep(0.6)
        return "done"

    return app


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    ENDED.clear()
    async with serving(application(), max_body_size=1000, request_timeout=0.5) as server:
        yield server


@contextlib.asynccontextmanager
async def browsing(server: Server, version: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{server.port}", http1=version == "1.1", http2=version == "2"
    ) as client:
        yield client


async def in_parts(size: int) -> AsyncIterator[bytes]:
    """Content whose length is not announced."""
    for at in range(0, size, 400):
        yield b"x" * min(400, size - at)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("/global", 1000, 200),
        ("/global", 1001, 413),
        ("/small", 10, 200),
        ("/small", 11, 413),
        ("/nothing", 0, 200),
        ("/nothing", 1, 413),
        ("/upload/a", 5000, 200),
        ("/upload/a", 5001, 413),
        ("/no/such/route", 1000, 404),
    ],
)
@spec("RFC 9110 §15.5.14")
async def test_route_bounds_its_content(
    server: Server, version: str, announced: bool, path: str, size: int, status: int
) -> None:
    async with browsing(server, version) as client:
        content = b"x" * size if announced else in_parts(size)
        answer = await client.post(path, content=content)
        assert answer.status_code == status
        if status == 200:
            assert answer.text == str(size)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("size", "status"), [(5000, b"200"), (5001, b"413")])
async def test_curl_upload_that_waits_for_100_is_judged_before(
    server: Server, caplog: pytest.LogCaptureFixture, version: str, size: int, status: bytes
) -> None:
    process = await asyncio.create_subprocess_exec(
        "curl", "-sS", "-m", "10", "-o", "/dev/null", "-w", "%{http_code} %{size_upload}",
        "--http2-prior-knowledge" if version == "2" else "--http1.1",
        "-H", "expect: 100-continue", "--expect100-timeout", "10", "--data-binary", "@-",
        f"http://127.0.0.1:{server.port}/upload/a",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(b"x" * size), 15)
    sent = str(size).encode() if status == b"200" else b"0"
    if version == "1.1":
        assert out == status + b" " + sent
    else:
        assert out.startswith(status)
    if status == b"413":
        assert cap_record(caplog, "max_body_size")["limit"] == 5000


@pytest.mark.parametrize("wrapped", ["proxies", "counted"])
async def test_route_bounds_its_content_whoever_stands_before_the_application(
    wrapped: str,
) -> None:
    app: object = application()
    settings = {"max_body_size": 1000}
    if wrapped == "proxies":
        settings["trusted_proxies"] = "127.0.0.1"
    else:
        count = count_requests(Settings(max_requests=100), lambda: None)
        assert count is not None
        app = count(app)
    async with serving(app, **settings) as server, browsing(server, "1.1") as client:
        for size, status in ((5000, 200), (5001, 413)):
            answer = await client.post("/upload/a", content=b"x" * size)
            assert answer.status_code == status


async def test_content_beyond_the_limit_is_never_asked_for(server: Server) -> None:
    async with connected(server) as peer:
        head = b"POST /small HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 11\r\n"
        reply = await peer.ask(head + b"\r\n", "POST")
        assert (reply.status, reply.interim) == (413, [])
        assert await peer.closed()


@pytest.mark.parametrize(("path", "status"), [("/upload/a", 408), ("/patient/a", 200)])
async def test_route_gives_its_content_time(
    server: Server, caplog: pytest.LogCaptureFixture, path: str, status: int
) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(0.4)
        yield b"x"

    for version in VERSIONS:
        async with browsing(server, version) as client:
            answer = await client.post(path, content=slow())
            assert answer.status_code == status, version
    assert caps(caplog) == (["body_timeout"] * 2 if status == 408 else [])


@pytest.mark.parametrize("version", VERSIONS)
async def test_content_without_end_has_one(
    server: Server, caplog: pytest.LogCaptureFixture, version: str
) -> None:
    async def dribbled() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x"
            await asyncio.sleep(0.02)

    async with browsing(server, version) as client:
        with contextlib.suppress(httpx.WriteError):
            assert (await client.post("/dribbled", content=dribbled())).status_code == 408
    assert cap_record(caplog, "body_total_timeout")["limit"] == 0.3


@spec("RFC 9110 §15.5.9")
async def test_route_bounds_the_request_in_http11(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with browsing(server, "1.1") as client:
        assert (await client.get("/short")).status_code == 408
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/broken-off")
        assert (await client.get("/long")).text == "done"
    assert ENDED == ["/short", "/broken-off", "/broken-off"]
    assert {r.__dict__["limit"] for r in caplog.records if r.name == "blackbull.caps"} == {0.2}


@spec("RFC 9113 §8.1")
async def test_route_bounds_the_request_in_http2(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with http2.connected(server) as talk:
        for path in ("/short", "/broken-off"):
            reply = await talk.ask(path)
            assert reply.reset == ErrorCodes.CANCEL
        assert (await talk.ask("/long")).body == b"done"
    assert ENDED == ["/short", "/broken-off", "/broken-off"]
    assert set(caps(caplog)) == {"request_timeout"}
