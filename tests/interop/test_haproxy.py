"""HAProxy in front of us, speaking the protocol that it has invented."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from blackbull import BlackBull, Connection, Event, Listener, Tcp
from blackbull.abc import ProtocolContext, Reader, Writer
from blackbull.mqtt import MQTTExtension
from tests.certificates import HOST, Authority
from tests.serving import WAIT, Serving, until

CLIENT = "127.0.0.9"

CONFIGURATION = """
global
    log stderr format raw local0 notice
defaults
    mode tcp
    timeout connect {wait}s
    timeout client {wait}s
    timeout server {wait}s
"""
WAY = """
frontend front{index}
    bind fd@{fd} {terms}
    default_backend back{index}
backend back{index}
    server us 127.0.0.1:{port} {options}
"""
ALL_EXTENSIONS = "proxy-v2-options crc32c,ssl,cert-cn,unique-id,authority"


def application(seen: list[tuple[object, object]]) -> BlackBull:
    app = BlackBull()

    @app.route(path="/")
    async def index(conn: Connection) -> str:
        return f"{conn.client} {conn.server} {conn.scheme}"

    @app.on("connection_accepted")
    async def accepted(event: Event) -> None:
        seen.append((event.detail["protocol"], event.detail["peername"]))

    async def who(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        await writer.write(f"{ctx.peername} {ctx.sockname}".encode())

    app.register_protocol_handler("who", who)
    app.add_extension(MQTTExtension(port=None))
    return app


@contextmanager
def haproxy(tmp_path: Path, *ways: tuple[int, str], terms: str = "") -> Iterator[list[int]]:
    """Run HAProxy with a way to each of these ports, spoken to with these options.

    Args:
        tmp_path: Where its configuration is written.
        ways: The ports and the options.
        terms: How it listens itself.
    """
    fronts = [socket.create_server(("127.0.0.1", 0)) for _ in ways]
    text = CONFIGURATION.format(wait=int(WAIT)) + "".join(
        WAY.format(index=index, fd=front.fileno(), port=port, options=options, terms=terms)
        for index, (front, (port, options)) in enumerate(zip(fronts, ways, strict=True))
    )
    path = tmp_path / "haproxy.cfg"
    path.write_text(text)
    process = subprocess.Popen(
        ["haproxy", "-db", "-f", str(path)],
        pass_fds=[front.fileno() for front in fronts], stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield [front.getsockname()[1] for front in fronts]
    finally:
        process.terminate()
        process.communicate(timeout=WAIT)
        for front in fronts:
            front.close()


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(
        ("127.0.0.1", port), timeout=WAIT, source_address=(CLIENT, 0)
    ) as peer:
        yield peer


def ask(peer: socket.socket) -> bytes:
    peer.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    return peer.makefile("rb").read().partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_client_of_haproxy_is_the_client(tmp_path: Path, loop: str) -> None:
    seen: list[tuple[object, object]] = []
    authority = Authority(tmp_path)
    listeners = [
        Listener(Tcp(0), proxy_protocol=["127.0.0.1"], tls=False),
        Listener(Tcp(0), proxy_protocol=True, tls=True),
        Listener(Tcp(0), proxy_protocol=True, tls=False, speaks="who"),
    ]
    with Serving(
        application(seen), loop, listeners=listeners, certfile=authority.issue()
    ) as serving:
        clear, tls, who = (each.address[1] or 0 for each in serving.server.listening)
        with haproxy(
            tmp_path,
            (clear, "send-proxy"),
            (clear, "send-proxy-v2"),
            (clear, f"send-proxy-v2 {ALL_EXTENSIONS}"),
            (tls, "send-proxy-v2"),
            (who, "send-proxy-v2"),
        ) as ports:
            for port in ports[:3]:
                with connected(port) as peer:
                    expected = f"{peer.getsockname()} ('127.0.0.1', {port}) http"
                    assert ask(peer).decode() == expected
            with connected(ports[3]) as peer:
                expected = f"{peer.getsockname()} ('127.0.0.1', {ports[3]}) https"
                context: ssl.SSLContext = authority.client_context()
                with context.wrap_socket(peer, server_hostname=HOST) as secure:
                    assert ask(secure).decode() == expected
            with connected(ports[4]) as peer:
                expected = f"{peer.getsockname()} ('127.0.0.1', {ports[4]})"
                assert peer.makefile("rb").read().decode() == expected
            with connected(ports[2]) as peer:
                peer.sendall(b"\x10\x0e\0\x04MQTT\x05\x02\0\x05\0\0\x01a")
                assert peer.recv(4)[0] == 0x20
                expected_event = ("mqtt", peer.getsockname())
                until(lambda: expected_event in seen)


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
def test_client_whose_tls_ends_at_haproxy_uses_https(tmp_path: Path, protocol: str) -> None:
    authority = Authority(tmp_path)
    listeners = [Listener(Tcp(0), proxy_protocol=True)]
    terms = f"ssl crt {authority.issue()} alpn {protocol}"
    with Serving(application([]), "asyncio", listeners=listeners) as serving:
        ways = [(serving.port(), f"send-proxy-v2{more}") for more in ("", "-ssl", "-ssl-cn")]
        with (
            haproxy(tmp_path, *ways, terms=terms) as ports,
            httpx.Client(verify=authority.client_context(), http2=protocol == "h2") as client,
        ):
            answers = [client.get(f"https://127.0.0.1:{port}/").text for port in ports]
    assert [answer.rpartition(" ")[2] for answer in answers] == ["http", "https", "https"]


def test_health_check_of_haproxy_finds_us(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It begins its checks with LOCAL, which is nobody's connection but its own."""
    seen: list[tuple[object, object]] = []
    with Serving(
        application(seen), "asyncio", listeners=[Listener(Tcp(0), proxy_protocol=True)]
    ) as serving:
        way = (serving.port(), "send-proxy-v2 check-send-proxy check inter 50")
        with haproxy(tmp_path, way) as (port,):
            until(lambda: len(seen) >= 2)
            with connected(port) as peer:
                assert ask(peer).startswith(f"{peer.getsockname()}".encode())
    # A check is reset at once, maybe before we could ask whose it was.
    checks = [each for _, each in seen[:2]]
    assert all(
        peername is None or str(peername).startswith("('127.0.0.1', ") for peername in checks
    )
    assert [r for r in caplog.records if r.name == "blackbull.proxy"] == []
