"""Connections of one address, of one listener after the other, beyond what it may have."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from blackbull import BlackBull, Listener, Tcp
from blackbull.abc import ProtocolContext, Reader, Refusal, Writer
from blackbull.mqtt import MQTTExtension
from blackbull.mqtt.codec.errors import IncompletePacket, MQTTDecodeError
from blackbull.mqtt.refusal import encode_refusal, find_level
from tests.certificates import Authority
from tests.fault.caps import cap_record, caps
from tests.serving import WAIT, Serving, until
from tests.spec import spec

REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
CONNECT = {
    3: b"\x10\x0f\0\x06MQIsdp\x03\x02\0\x05\0\x01a",
    4: b"\x10\x0d\0\x04MQTT\x04\x02\0\x05\0\x01a",
    5: b"\x10\x0e\0\x04MQTT\x05\x02\0\x05\0\0\x01a",
}


def application(*, mqtt: bool = False) -> BlackBull:
    app = BlackBull()

    @app.route(path="/")
    async def index() -> str:
        return "hello"

    async def echo(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        while data := await reader.read(1024):
            await writer.write(data)

    app.register_protocol_handler("echo", echo, port=0)
    if mqtt:
        app.add_extension(MQTTExtension(port=0))
    return app


def connect(number: int, said: bytes = b"") -> socket.socket:
    peer = socket.create_connection(("127.0.0.1", number), timeout=WAIT)
    peer.sendall(said)
    return peer


def answer(number: int, said: bytes = b"") -> bytes:
    """Return all that comes back before the connection is closed; nothing ends it from here."""
    with connect(number, said) as peer:
        return peer.makefile("rb").read()


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_address_with_too_many_connections_is_told_so(
    loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Serving(application(), loop, max_connections_per_address=2) as serving:
        http, echo = serving.port("http"), serving.port("echo")
        with connect(http, REQUEST) as first, connect(echo, b"in") as second:
            assert first.recv(65536).startswith(b"HTTP/1.1 200 ")
            assert second.recv(2) == b"in"
            refused = answer(http)
            assert refused.startswith(b"HTTP/1.1 503 ")
            assert refused.endswith(b"\r\n\r\ntoo many connections of one address\n")
            until(lambda: len(serving.server.connections) == 2)
            assert answer(echo) == b""
            # Somebody else is served meanwhile.
            with socket.create_connection(
                ("127.0.0.1", http), timeout=WAIT, source_address=("127.0.0.9", 0)
            ) as other:
                other.sendall(REQUEST)
                assert other.recv(65536).startswith(b"HTTP/1.1 200 ")
        until(lambda: not serving.server.connections)
        assert serving.server.admission.origins == {}
        with connect(http, REQUEST) as again:
            assert again.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert caps(caplog) == ["max_connections_per_address"] * 2
    assert [(r.__dict__["requested"], r.__dict__["limit"]) for r in caplog.records] == [(3, 2)] * 2


@spec("MQTT 5.0 §3.2.2.2", "MQTT 3.1.1 §3.2.2.3")
@pytest.mark.parametrize(
    ("limit", "reason"), [("max_connections_per_address", 0x97), ("max_connections", 0x89)]
)
def test_mqtt_client_too_many_is_told_so_in_its_own_version(
    loop: str, limit: str, reason: int
) -> None:
    with Serving(application(mqtt=True), loop, **{limit: 1}) as serving:
        number = serving.port("mqtt")
        with connect(number, CONNECT[5]) as first:
            assert first.recv(4)[0] == 0x20
            assert answer(number, CONNECT[5]) == bytes((0x20, 3, 0, reason, 0))
            until(lambda: len(serving.server.connections) == 1)
            assert answer(number, CONNECT[4]) == b"\x20\x02\0\x03"
            until(lambda: len(serving.server.connections) == 1)
            said = mosquitto_pub("-p", str(number), "-V", "5", "-t", "t", "-m", "x")
            assert ("Quota exceeded" if reason == 0x97 else "Server busy") in said


def mosquitto_pub(*arguments: str) -> str:
    done = subprocess.run(
        ["mosquitto_pub", "-h", "127.0.0.1", *arguments],
        capture_output=True, text=True, timeout=WAIT, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    return done.stdout + done.stderr


def test_mqtt_client_too_many_that_says_something_else_is_dropped(loop: str) -> None:
    with Serving(application(mqtt=True), loop, max_connections=1) as serving:
        number = serving.port("mqtt")
        with connect(number, CONNECT[5]) as first:
            assert first.recv(4)[0] == 0x20
            for said in (b"\x30\0", b"\x10\x0e\0\x04MQTQ\x05", b"\x10\xff\xff\xff\xff"):
                assert answer(number, said) == b""
                until(lambda: len(serving.server.connections) == 1)
            with connect(number) as silent:
                silent.shutdown(socket.SHUT_WR)
                assert silent.recv(1) == b""


@pytest.mark.parametrize("level", CONNECT)
def test_version_is_found_in_the_first_bytes(level: int) -> None:
    data = CONNECT[level]
    for end in range(11 if level == 3 else 9):
        with pytest.raises(IncompletePacket):
            find_level(data[:end])
    for end in range(11 if level == 3 else 9, len(data)):
        assert find_level(data[:end]) == level


@pytest.mark.parametrize("data", [b"GET", b"\x10\x05\0\x05", b"\x10\x05\0\x04MQTX"])
def test_version_of_something_else_is_an_error(data: bytes) -> None:
    with pytest.raises(MQTTDecodeError):
        find_level(data)


def test_refusal_without_a_code_of_its_own_is_that_there_is_no_server() -> None:
    assert encode_refusal(Refusal.SHUTDOWN, 5) == b"\x20\x03\0\x88\0"
    assert encode_refusal(Refusal.SHUTDOWN, 4) == b"\x20\x02\0\x03"


def test_handshakes_of_one_address_are_counted(
    loop: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    listeners = [Listener(Tcp(0), tls=True)]
    with Serving(
        application(), loop, listeners=listeners, certfile=Authority(tmp_path).issue(),
        max_connections_per_address=1,
    ) as serving:  # fmt: skip
        number = serving.port("http")
        peers = [connect(number) for _ in range(18)]
        until(lambda: caplog.records)
        for peer in peers:
            peer.close()
        until(lambda: not serving.server.admission.origins)
    assert cap_record(caplog, "max_connections_per_address")["requested"] == 18
