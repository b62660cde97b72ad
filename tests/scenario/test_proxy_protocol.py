"""Listeners behind a proxy that says on whose behalf it connects."""

from __future__ import annotations

import logging
import re
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from blackbull import BlackBull, Connection, Event, Listener, Tcp, Unix
from blackbull.abc import ProtocolContext, Reader, Writer
from blackbull.config import Settings
from blackbull.errors import ConfigurationError
from blackbull.protocol.proxy import ProxyHeader, encode_v1, encode_v2
from blackbull.server import Server
from tests.certificates import HOST, Authority
from tests.scenario.test_listeners import curl, port
from tests.serving import WAIT, Serving, until

REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
CLIENT = ("203.0.113.7", 4711)
OURS = ("198.51.100.1", 443)
V1 = encode_v1(ProxyHeader(1, CLIENT, OURS))
V2 = encode_v2(ProxyHeader(2, CLIENT, OURS), checksum=True)
V2_TLS = encode_v2(ProxyHeader(2, CLIENT, OURS, extensions=((0x20, b"\x01" + bytes(4)),)))


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged, but for what the libraries say, and for requests."""
    caplog.set_level(logging.INFO, "blackbull")
    return lambda: [
        f"{record.levelname} {record.getMessage()}"
        for record in list(caplog.records)
        if record.name.startswith("blackbull") and record.name != "blackbull.access"
    ]


def application(seen: list[object] | None = None) -> BlackBull:
    app = BlackBull()

    @app.route(path="/")
    async def index(conn: Connection) -> str:
        return f"{conn.client} {conn.server} {conn.scheme}"

    @app.on("connection_accepted")
    async def accepted(event: Event) -> None:
        if seen is not None:
            seen.append(event.detail)

    async def who(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        await writer.write(f"{ctx.peername} {ctx.sockname} ".encode() + await reader.read())

    app.register_protocol_handler("who", who)
    return app


def serving(
    loop: str, listener: Listener, seen: list[object] | None = None, **settings: object
) -> Serving:
    return Serving(application(seen), loop, listeners=[listener], **settings)


def exchange(number: int, *parts: bytes, context: ssl.SSLContext | None = None) -> bytes:
    """Connect, send each of *parts* by itself, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", number), timeout=WAIT) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts[:-1]:
            peer.sendall(part)
        if context is None:
            peer.sendall(parts[-1])
            peer.shutdown(socket.SHUT_WR)
            return peer.makefile("rb").read()
        with context.wrap_socket(peer, server_hostname=HOST) as secure:
            secure.sendall(parts[-1])
            return secure.makefile("rb").read()


def dropped(number: int, data: bytes, *, more: bool = False) -> bytes:
    """Return what comes back before the connection is gone, reset or not."""
    with socket.create_connection(("127.0.0.1", number), timeout=WAIT) as peer:
        try:
            peer.sendall(data)
            if not more:
                peer.shutdown(socket.SHUT_WR)
            return peer.makefile("rb").read()
        except TimeoutError:
            raise AssertionError("the connection is still there") from None
        except OSError:  # reset, or not even there any more
            return b""


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_client_is_the_one_of_the_header(loop: str, header: bytes) -> None:
    seen: list[object] = []
    with serving(loop, Listener(Tcp(0), proxy_protocol=True), seen) as house:
        number = port(house, 0)
        expected = f"{CLIENT} {OURS} http".encode()
        assert exchange(number, header + REQUEST).endswith(expected)
        assert exchange(number, header, REQUEST).endswith(expected)
        bytewise = [bytes((octet,)) for octet in header]
        assert exchange(number, *bytewise, REQUEST).endswith(expected)
    assert [event["peername"] for event in seen] == [CLIENT] * 3  # type: ignore[index]


def test_client_of_a_raw_protocol_is_the_one_of_the_header(loop: str) -> None:
    with serving(loop, Listener(Tcp(0), speaks="who", proxy_protocol=True)) as house:
        assert exchange(port(house, 0), V2 + b"hi") == f"{CLIENT} {OURS} hi".encode()


@pytest.mark.parametrize("target", [b"/", b"https://a/"])
def test_client_of_a_proxy_that_has_decrypted_its_tls_uses_https(loop: str, target: bytes) -> None:
    with serving(loop, Listener(Tcp(0), proxy_protocol=True)) as house:
        request = REQUEST.replace(b"/ HTTP", target + b" HTTP", 1)
        answer = exchange(port(house, 0), V2_TLS + request)
        assert answer.endswith(f"{CLIENT} {OURS} https".encode())
        unknown = encode_v2(ProxyHeader(2, extensions=((0x20, b"\x01" + bytes(4)),)))
        answer = exchange(port(house, 0), unknown + request)
        assert answer.endswith(b" https")
        assert b"('127.0.0.1', " in answer


@pytest.mark.parametrize("header", [V1, V2, V2_TLS], ids=["v1", "v2", "v2 tls"])
def test_header_comes_before_tls(tmp_path: Path, loop: str, header: bytes) -> None:
    authority = Authority(tmp_path)
    listener = Listener(Tcp(0), proxy_protocol=["127.0.0.0/8"])
    with serving(loop, listener, certfile=authority.issue()) as house:
        context = authority.client_context()
        answer = exchange(port(house, 0), header, REQUEST, context=context)
        assert answer.endswith(f"{CLIENT} {OURS} https".encode())


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY UNKNOWN\r\n",
        encode_v2(ProxyHeader(2, local=True)),
        encode_v2(ProxyHeader(2, extensions=((4, b""),))),
    ],
)
def test_proxy_that_speaks_for_itself_is_the_client(header: bytes) -> None:
    with serving("asyncio", Listener(Tcp(0), proxy_protocol=True)) as house:
        number = port(house, 0)
        answer = exchange(number, header + REQUEST)
        assert re.search(rb"\('127.0.0.1', \d+\) \('127.0.0.1', (\d+)\) http$", answer)
        assert f"{number}) http".encode() in answer


def test_ipv4_client_that_a_proxy_writes_as_ipv6_is_one() -> None:
    header = encode_v2(ProxyHeader(2, ("::ffff:203.0.113.7", 1), ("2001:db8::1", 2)))
    with serving("asyncio", Listener(Tcp(0), proxy_protocol=True)) as house:
        answer = exchange(port(house, 0), header + REQUEST)
    assert answer.endswith(b"('203.0.113.7', 1) ('2001:db8::1', 2) http")


def test_curl_writes_the_header(tmp_path: Path, loop: str) -> None:
    path = str(tmp_path / "a.sock")
    listeners = [Listener(where, proxy_protocol=True) for where in (Tcp(0), Unix(path))]
    with Serving(application(), loop, listeners=listeners) as house:
        number = port(house, 0)
        local = ("--interface", "127.0.0.5")
        answer = curl("--haproxy-protocol", *local, f"http://127.0.0.1:{number}/")
        assert re.fullmatch(rf"\('127.0.0.5', \d+\) \('127.0.0.1', {number}\) http", answer)
        answer = curl("--haproxy-protocol", "--unix-socket", path, "http://a/")
        assert answer == f"None ('{path}', None) http"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (REQUEST, "PROXY header: there is none"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n" + REQUEST, "PROXY header: it is neither"),
        (V2[:-1] + bytes((V2[-1] ^ 1,)) + REQUEST, "PROXY header: its checksum is wrong"),
        (b"PROXY " + b"x" * 200, "proxy_header: 108 exceeds 107"),
        (V2[:20], "the peer left"),
    ],
)
def test_connection_without_a_header_is_dropped_with_one_line(
    loop: str, lines: Callable[[], list[str]], data: bytes, reason: str
) -> None:
    seen: list[object] = []
    with serving(loop, Listener(Tcp(0), proxy_protocol=True), seen) as house:
        assert dropped(port(house, 0), data, more=reason != "the peer left") == b""
        until(lines)
        assert exchange(port(house, 0), V1 + REQUEST)
    (line,) = lines()
    assert re.match(rf"WARNING connection from 127.0.0.1:\d+ dropped: {reason}", line)
    assert len(seen) == 1


def test_peer_that_says_nothing_is_no_news(lines: Callable[[], list[str]]) -> None:
    with serving("asyncio", Listener(Tcp(0), proxy_protocol=True)) as house:
        assert dropped(port(house, 0), b"") == b""
    assert lines() == []


def test_peer_that_is_no_trusted_proxy_is_dropped(
    loop: str, lines: Callable[[], list[str]]
) -> None:
    with serving(loop, Listener(Tcp(0), proxy_protocol=["192.0.2.0/24"])) as house:
        for _ in range(2):
            assert dropped(port(house, 0), V1 + REQUEST) == b""
        until(lambda: len(lines()) == 2)
    first, second = lines()
    assert first.startswith("WARNING connection from 127.0.0.1:")
    assert first.endswith("it is no trusted proxy; name it in proxy_protocol if it should be one")
    assert second.startswith("INFO ")


def test_proxy_that_is_too_slow_is_dropped(loop: str, lines: Callable[[], list[str]]) -> None:
    with serving(loop, Listener(Tcp(0), proxy_protocol=True), header_timeout=0.2) as house:
        assert dropped(port(house, 0), V1[:10], more=True) == b""
    (line,) = lines()
    assert "header_timeout: 0.2 exceeds 0.2" in line
    assert "protocol=proxy" in line


def test_stopping_waits_for_no_header(loop: str) -> None:
    with serving(loop, Listener(Tcp(0), proxy_protocol=True)) as house:
        peer = socket.create_connection(("127.0.0.1", port(house, 0)), timeout=WAIT)
        peer.sendall(V1[:5])
        until(lambda: house.server.admission.opening)
    with peer, suppress(ConnectionResetError):
        assert peer.recv(1) == b""


def test_setting_is_for_every_listener_that_says_nothing(lines: Callable[[], list[str]]) -> None:
    listeners = [Listener(Tcp(0)), Listener(Tcp(0), proxy_protocol=False)]
    trusted = ("127.0.0.1", "unix")
    with Serving(
        application(), "asyncio", listeners=listeners, proxy_protocol=trusted
    ) as house:  # fmt: skip
        assert exchange(port(house, 0), V1 + REQUEST).endswith(f"{CLIENT} {OURS} http".encode())
        assert exchange(port(house, 1), REQUEST).endswith(b" http")
        assert b" 400 " in exchange(port(house, 1), V1 + REQUEST)
    assert all("proxy" not in line for line in lines())


async def test_proxy_that_is_no_address_is_refused() -> None:
    server = Server(application(), settings=Settings(port=0, proxy_protocol=("proxy1",)))
    with pytest.raises(ConfigurationError, match="proxy1"):
        await server.start()


def test_clients_behind_a_proxy_are_counted_one_by_one(loop: str) -> None:
    listener = Listener(Tcp(0), proxy_protocol=True)
    other = encode_v1(ProxyHeader(1, ("203.0.113.8", 1), OURS))
    with serving(loop, listener, max_connections_per_address=1) as house:
        number = port(house, 0)
        with socket.create_connection(("127.0.0.1", number), timeout=WAIT) as first:
            first.sendall(V1 + b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert first.recv(65536).startswith(b"HTTP/1.1 200 ")
            assert exchange(number, V1 + REQUEST).startswith(b"HTTP/1.1 503 ")
            assert exchange(number, other + REQUEST).startswith(b"HTTP/1.1 200 ")
        until(lambda: not house.server.connections)
        assert exchange(number, V1 + REQUEST).startswith(b"HTTP/1.1 200 ")
