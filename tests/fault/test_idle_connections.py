"""What thousands of connections that do nothing hold in memory, per protocol."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.certificates import HOST, Authority
from tests.conformance.http2 import END_HEADERS, END_STREAM, GET, HEADERS, PREFACE, SETTINGS, frame
from tests.fault.test_slowloris import many_files, resident
from tests.program import Program

__all__ = ["many_files"]

SCRIPT = """
from blackbull import BlackBull, WebSocket
from blackbull.mqtt import MQTTExtension
from blackbull.utils import Scheme

app = BlackBull()
app.add_extension(MQTTExtension(port=0))

@app.route(path="/")
def index():
    return "here"

@app.route(path="/ws", scheme=Scheme.websocket)
async def echo(ws: WebSocket):
    await ws.accept()
    async for message in ws:
        await ws.send(message)

app.run(port=0)
"""
REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
HTTP2 = (
    PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_STREAM | END_HEADERS, 1, GET)
)  # answered, and idle since
MQTT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00"
SILENT = {
    "BB_KEEP_ALIVE_TIMEOUT": "300",
    "BB_MQTT_MAX_SESSIONS": "20000",
    "BB_ACCESS_LOG": "0",
}


def hold(
    program: Program, count: int, connect: Callable[[], socket.socket], said: bytes, answer: bytes
) -> float:
    """Open *count* connections that have been answered once; return KiB for each."""
    held: list[socket.socket] = []

    def more(number: int) -> None:
        for _ in range(number):
            sock = connect()
            held.append(sock)
            sock.sendall(said)
            got = b""
            while answer not in got:
                got += sock.recv(65536)

    try:
        more(50)
        before = resident(program)
        more(count)
        return (resident(program) - before) / count / 1024
    finally:
        for sock in held:
            sock.close()


@pytest.mark.parametrize(
    ("protocol", "said", "answer", "count", "kib"),
    [
        ("http", REQUEST, b"here", 2000, 12.0),
        ("http", HTTP2, b"here", 500, 40.0),
        ("http", UPGRADE, b"\r\n\r\n", 500, 30.0),
        ("mqtt", MQTT, b"\x20\x02\x00\x00", 1000, 16.0),
    ],
    ids=["http1", "http2", "websocket", "mqtt"],
)
def test_connection_that_is_idle_holds_little(
    protocol: str,
    said: bytes,
    answer: bytes,
    count: int,
    kib: float,
    tmp_path: Path,
    many_files: int,
) -> None:
    (tmp_path / "main.py").write_text(SCRIPT)
    with Program([str(tmp_path / "main.py")], environ=SILENT) as program:
        port = program.serving()[protocol]

        def connect() -> socket.socket:
            return socket.create_connection(("127.0.0.1", port), timeout=20)

        each = hold(program, min(count, many_files - 500), connect, said, answer)
    print(f"{each:.1f} KiB")
    assert each < kib


def test_tls_connection_that_is_idle_holds_little(tmp_path: Path, many_files: int) -> None:
    authority = Authority(tmp_path)
    context = authority.client_context()
    (tmp_path / "main.py").write_text(SCRIPT)
    environ = {**SILENT, "BLACKBULL_CERT": authority.issue()}
    with Program([str(tmp_path / "main.py")], environ=environ) as program:
        port = program.serving()["http"]

        def connect() -> socket.socket:
            plain = socket.create_connection(("127.0.0.1", port), timeout=20)
            return context.wrap_socket(plain, server_hostname=HOST)

        each = hold(program, 500, connect, REQUEST, b"here")
    print(f"{each:.1f} KiB")
    assert each < 64
