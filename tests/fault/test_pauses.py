"""A server that was stopped for a while, and goes on: nobody pays for its sleep."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.program import Program

SLEEP = 0.8
"""Seconds that the server is stopped for: more than it gives any client."""

SCRIPT = """
import time
from blackbull import BlackBull, WebSocket
from blackbull.mqtt import MQTTExtension
from blackbull.utils import Scheme

app = BlackBull()
app.add_extension(MQTTExtension(port=0))

@app.route(path="/", methods=["GET", "POST"])
async def index(conn):
    return str(len(await conn.body()))

@app.route(path="/block")
def block():
    end = time.monotonic() + 0.8
    while time.monotonic() < end:
        pass
    return "blocked"

@app.route(path="/ws", scheme=Scheme.websocket)
async def echo(ws: WebSocket):
    await ws.accept()
    async for message in ws:
        await ws.send(message)

app.run(port=0)
"""
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nfour"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture(params=["asyncio", "uvloop"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Program]:
    script = tmp_path / "main.py"
    script.write_text(SCRIPT)
    seconds = dict.fromkeys(
        ("BB_KEEP_ALIVE_TIMEOUT", "BB_HEADER_TIMEOUT", "BB_BODY_TIMEOUT", "BB_WRITE_TIMEOUT",
         "BB_WS_IDLE_TIMEOUT", "BB_WS_PONG_TIMEOUT", "BB_MQTT_CONNECT_TIMEOUT"),
        "0.4",
    )  # fmt: skip
    environ = {"BB_UVLOOP": str(int(request.param == "uvloop")), **seconds}
    with Program([str(script)], environ=environ) as running:
        running.serving()
        yield running
    assert not [line for line in running.lines if "Traceback" in line]


def connect(program: Program, said: bytes = b"", protocol: str = "http") -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", program.ports[protocol]), timeout=10)
    sock.sendall(said)
    return sock


def hears(sock: socket.socket, expected: bytes) -> bool:
    got = b""
    while expected not in got:
        more = sock.recv(65536)
        if not more:
            return False
        got += more
    return True


def test_server_that_was_stopped_reads_before_it_judges(program: Program) -> None:
    said: list[tuple[socket.socket, bytes, bytes]] = []
    for first, answer, rest in (
        (GET, b"200", GET),  # it was idle
        (UPGRADE, b"101", b"\x81\x82\x00\x00\x00\x00hi"),
    ):
        sock = connect(program, first)
        assert hears(sock, answer)
        said.append((sock, rest, b"\x81\x02hi" if answer == b"101" else b"200"))
    for whole, cut in ((GET, 10), (POST, len(POST) - 2)):
        said.append((connect(program, whole[:cut]), whole[cut:], b"200"))
    connect_packet = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x01\x00\x01c"
    half = connect(program, connect_packet[:5], "mqtt")
    said.append((half, connect_packet[5:], b"\x20\x02\x00\x00"))
    subscriber = connect(program, connect_packet.replace(b"\x00\x01c", b"\x00\x01d"), "mqtt")
    assert hears(subscriber, b"\x20\x02\x00\x00")
    # Nothing tells whether it has read these beginnings but what it answers to others.
    with connect(program, GET) as other:
        assert hears(other, b"200")
    program.signal(signal.SIGSTOP)
    for sock, rest, _ in said:
        sock.sendall(rest)
    time.sleep(SLEEP)
    program.signal(signal.SIGCONT)
    served = [hears(sock, answer) for sock, _, answer in said]
    for sock, _, _ in said:
        sock.close()
    subscriber.close()
    assert served == [True] * len(said)


def test_handler_that_blocks_costs_nobody_else_the_connection(program: Program) -> None:
    idle, blocked = connect(program, GET), connect(program, GET)
    assert hears(idle, b"200")
    assert hears(blocked, b"200")
    blocked.sendall(GET.replace(b"/ ", b"/block "))
    idle.sendall(GET)
    assert hears(blocked, b"blocked")
    assert hears(idle, b"200")
    blocked.sendall(GET)
    assert hears(blocked, b"200"), "it was idle for no time at all"
    idle.close()
    blocked.close()
