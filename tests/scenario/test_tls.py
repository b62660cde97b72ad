"""TLS over real sockets, on both event loops, with clients that nobody here wrote."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from blackbull import BlackBull, Connection, TLSFiles
from blackbull.abc import ProtocolContext, Reader, Writer
from blackbull.config import ClientCert
from blackbull.transport.tls import server_context
from tests.certificates import HOST, Authority
from tests.program import Program, run_to_end
from tests.serving import WAIT, Serving, until
from tests.spec import spec

T = TypeVar("T")


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The lines about TLS, and about limits, so far."""
    caplog.set_level(logging.INFO, "blackbull")

    def lines() -> list[str]:
        named = ("blackbull.tls", "blackbull.caps")
        assert not any(record.exc_info for record in caplog.records)
        return [
            f"{record.levelname} {record.getMessage()}"
            for record in list(caplog.records)
            if record.name in named
        ]

    return lines


def application() -> BlackBull:
    app = BlackBull()

    @app.route(path="/")
    async def index(conn: Connection) -> str:
        return f"{conn.scheme} {conn.http_version}"

    @app.route(path="/who")
    async def who(conn: Connection) -> dict[str, object]:
        certificate = conn.peer_certificate
        return {"names": certificate and certificate["subjectAltName"]}

    @app.route(path="/length", methods=["POST"])
    async def length(conn: Connection) -> str:
        return str(len(await conn.body()))

    @app.route(path="/large")
    async def large() -> bytes:
        return b"x" * 3_000_000

    return app


async def echo(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
    while data := await reader.read(65536):
        await writer.write(data)
    assert isinstance(ctx.ssl, ssl.SSLObject)
    await writer.write(str(ctx.ssl.version()).encode())


def fetch(serving: Serving, context: ssl.SSLContext, path: str = "/", **how: bool) -> str:
    with httpx.Client(verify=context, **how) as client:  # type: ignore[arg-type]
        answer = client.get(serving.url + path)
        assert answer.status_code == 200
        return answer.text


def connect(port: int, context: ssl.SSLContext, host: str = HOST) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", port), timeout=WAIT)
    try:
        return context.wrap_socket(plain, server_hostname=host, suppress_ragged_eofs=False)
    except BaseException:
        plain.close()
        raise


def command(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, input=stdin, capture_output=True, text=True, timeout=WAIT, check=False
    )


def s_client(port: int, *arguments: str, stdin: str = "") -> str:
    """Return all that ``openssl s_client`` says."""
    done = command("openssl", "s_client", "-connect", f"127.0.0.1:{port}", *arguments, stdin=stdin)
    return done.stdout + done.stderr


def rest(sock: socket.socket) -> bytes:
    parts = b""
    while part := sock.recv(65536):
        parts += part
    return parts


# Requests


def test_https_is_served_to_httpx_and_curl(authority: Authority, loop: str) -> None:
    chain, key = authority.issue_pair()
    with Serving(application(), loop, certfile=chain, keyfile=key) as serving:
        assert fetch(serving, authority.client_context()) == "https 1.1"
        for version in ("--tlsv1.2 --tls-max 1.2", "--tlsv1.3"):
            done = command("curl", "-sS", "--http1.1", "--cacert", authority.path,
                           *version.split(), serving.url + "/")  # fmt: skip
            assert (done.stdout, done.stderr) == ("https 1.1", "")


def test_https_carries_large_contents_both_ways(authority: Authority, loop: str) -> None:
    with (
        Serving(application(), loop, certfile=authority.issue()) as serving,
        httpx.Client(verify=authority.client_context()) as client,
    ):
        answer = client.post(serving.url + "/length", content=b"x" * 3_000_000)
        assert answer.text == "3000000"
        assert client.get(serving.url + "/large").content == b"x" * 3_000_000


def test_https_on_a_unix_socket(authority: Authority, loop: str, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with Serving(application(), loop, certfile=authority.issue(), unix_path=path):
        done = command("curl", "-sS", "--http1.1", "--cacert", authority.path, "--unix-socket",
                       path, f"https://{HOST}/")  # fmt: skip
        assert (done.stdout, done.stderr) == ("https 1.1", "")


def test_ready_made_context_is_used_as_it_is(authority: Authority, loop: str) -> None:
    context = server_context(authority.issue(), alpn=["http/1.1"])
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    app = application()
    app.register_protocol_handler("echo", echo, port=0, tls=True)
    with Serving(app, loop, ssl_context=context) as serving:
        client = authority.client_context(alpn=["h2", "http/1.1"])
        for protocol in ("http", "echo"):
            with connect(serving.port(protocol), client) as tls:
                assert tls.selected_alpn_protocol() == "http/1.1"
                assert tls.version() == "TLSv1.3"
        assert serving.call(serving.server.reload_certificates) is True


@pytest.mark.parametrize(
    ("offer", "chosen"), [(("http/1.1", "h2"), "h2"), (("http/1.1",), "http/1.1"), ((), None)]
)
def test_alpn_chooses_the_version_of_http(
    authority: Authority, loop: str, offer: tuple[str, ...], chosen: str | None
) -> None:
    """S17"""
    with (
        Serving(application(), loop, certfile=authority.issue()) as serving,
        connect(serving.port(), authority.client_context(alpn=offer)) as tls,
    ):
        assert tls.selected_alpn_protocol() == chosen
        if chosen == "h2":
            tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
            assert tls.recv(9)[3:5] == b"\x04\x00"  # SETTINGS
        else:
            tls.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            assert rest(tls).endswith(b"https 1.1")


def test_alpn_gives_httpx_http2(authority: Authority, loop: str) -> None:
    """S17"""
    with Serving(application(), loop, certfile=authority.issue()) as serving:
        context = authority.client_context(alpn=["h2", "http/1.1"])
        assert fetch(serving, context, http2=True) == "https 2"


# Clients' certificates


def test_client_certificate_is_accepted_and_the_handler_sees_whose(
    authority: Authority, loop: str
) -> None:
    alice = authority.issue("alice@example.org", file="alice")
    with Serving(
        application(), loop, certfile=authority.issue(), client_ca=authority.path
    ) as serving:
        said = fetch(serving, authority.client_context(alice), "/who")
        assert said == '{"names":[["email","alice@example.org"]]}'
        done = command("curl", "-sS", "--cacert", authority.path, "--cert", alice,
                       serving.url + "/who")  # fmt: skip
        assert done.stdout == said


def test_client_certificate_absent_or_strange_is_refused(
    authority: Authority, loop: str, tmp_path: Path, log: Callable[[], list[str]]
) -> None:
    stranger = Authority(tmp_path, "stranger").issue("mallory@example.org", file="mallory")
    with Serving(
        application(), loop, certfile=authority.issue(), client_ca=authority.path
    ) as serving:
        with pytest.raises(httpx.HTTPError, match="CERTIFICATE_REQUIRED"):
            fetch(serving, authority.client_context())
        with pytest.raises(httpx.HTTPError, match="ALERT_UNKNOWN_CA"):
            fetch(serving, authority.client_context(stranger))
    absent, strange = log()
    where = r"INFO no TLS with 127\.0\.0\.1:\d+: "
    assert re.fullmatch(where + "peer did not return a certificate", absent)
    assert re.fullmatch(where + "the client's certificate is refused: .*issuer.*", strange)


def test_client_certificate_optional_lets_anybody_in(authority: Authority, loop: str) -> None:
    alice = authority.issue("alice@example.org", file="alice")
    with Serving(
        application(), loop, certfile=authority.issue(), client_ca=authority.path,
        client_cert=ClientCert.OPTIONAL,
    ) as serving:  # fmt: skip
        assert fetch(serving, authority.client_context(), "/who") == '{"names":null}'
        assert "alice" in fetch(serving, authority.client_context(alice), "/who")


# Names


@pytest.mark.parametrize(
    ("asked", "shown"),
    [("a.example", "a.example"), ("x.b.example", "*.b.example"), ("c.example", HOST)],
)
def test_server_name_selects_the_certificate(
    authority: Authority, loop: str, asked: str, shown: str
) -> None:
    sni = {name: authority.issue_pair(name, file=name) for name in ("a.example", "*.b.example")}
    with Serving(application(), loop, certfile=authority.issue(), sni=sni) as serving:
        said = s_client(serving.port(), "-servername", asked)
        certificate = command("openssl", "x509", "-noout", "-ext", "subjectAltName", stdin=said)
        assert f"DNS:{shown}" in certificate.stdout


# Changes


def serial(tls: ssl.SSLSocket) -> object:
    certificate = tls.getpeercert()
    assert certificate is not None
    return certificate["serialNumber"]


def shown(serving: Serving, context: ssl.SSLContext) -> object:
    with connect(serving.port(), context) as tls:
        return serial(tls)


def test_changed_file_is_seen_by_new_connections_while_old_ones_stay(
    authority: Authority, loop: str, log: Callable[[], list[str]]
) -> None:
    path = authority.issue()
    context = authority.client_context()
    request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
    with (
        Serving(
            application(), loop, certfile=path, certificate_interval=0.01, keep_alive_timeout=60
        ) as serving,
        connect(serving.port(), context) as old,
    ):
        first = serial(old)
        old.sendall(request)
        assert old.recv(65536).endswith(b"https 1.1")
        authority.issue()
        until(lambda: shown(serving, context) != first)
        second = shown(serving, context)

        broken = Path(path).with_suffix(".broken")
        broken.write_text("nothing")
        os.replace(broken, path)
        until(lambda: any("the certificates in use stay" in line for line in log()))
        assert shown(serving, context) == second

        authority.issue()
        until(lambda: shown(serving, context) != second)
        old.sendall(request)
        assert old.recv(65536).endswith(b"https 1.1")
    assert [line.split()[0] for line in log()] == ["INFO", "ERROR", "INFO"]


def test_hangup_reads_the_certificates_anew(authority: Authority, tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text("from blackbull import BlackBull\napp = BlackBull()\napp.run(port=0)\n")
    path = authority.issue()
    context = authority.client_context()
    environ = {"BB_CERTIFICATE_INTERVAL": "0", "BLACKBULL_CERT": path}
    with Program([str(script)], environ=environ) as program:
        port = program.serving()["http"]
        assert program.lines[0] == f"blackbull: serving http on https://127.0.0.1:{port}"
        with connect(port, context) as old:
            authority.issue()
            program.signal(signal.SIGHUP)

            def changed() -> bool:
                with connect(port, context) as new:
                    return serial(new) != serial(old)

            until(changed)
            Path(path).write_text("nothing")
            program.signal(signal.SIGHUP)
            said = program.said("the certificates in use stay")
            assert "holds no certificate" in said


# What is no TLS, or not the right one


@spec("RFC 8996 §5")
def test_tls_1_1_is_refused(authority: Authority, loop: str, log: Callable[[], list[str]]) -> None:
    with Serving(application(), loop, certfile=authority.issue()) as serving:
        said = s_client(serving.port(), "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
        assert "alert protocol version" in said
    (line,) = log()
    assert line.endswith("unsupported protocol")


def test_plain_http_on_the_tls_port_is_closed_at_once(
    authority: Authority, loop: str, log: Callable[[], list[str]]
) -> None:
    with Serving(application(), loop, certfile=authority.issue()) as serving:
        began = time.monotonic()
        done = command("curl", "-sS", f"http://{HOST}:{serving.port()}/")
        assert done.returncode in {52, 56}  # nothing came back
        assert time.monotonic() - began < 2.0
        until(lambda: not serving.server.tls.handshakes)
    (line,) = log()
    assert re.fullmatch(r"INFO no TLS with 127\.0\.0\.1:\d+: the client spoke plain HTTP", line)


def test_client_that_looks_and_leaves_is_no_news(
    authority: Authority, loop: str, log: Callable[[], list[str]]
) -> None:
    with Serving(application(), loop, certfile=authority.issue()) as serving:
        socket.create_connection(("127.0.0.1", serving.port())).close()
        assert fetch(serving, authority.client_context()) == "https 1.1"
        until(lambda: not serving.server.tls.handshakes)
    assert log() == []


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02"])
def test_slow_handshake_is_cut_and_recorded(
    authority: Authority, loop: str, log: Callable[[], list[str]], said: bytes
) -> None:
    with Serving(application(), loop, certfile=authority.issue(), header_timeout=0.1) as serving:
        with socket.create_connection(("127.0.0.1", serving.port()), timeout=WAIT) as slow:
            slow.sendall(said)
            assert rest(slow) == b""
        (line,) = log()
    assert re.match(r"WARNING header_timeout: 0\.1 exceeds 0\.1 \(peer=127.0.0.1:\d+ ", line)
    assert "protocol=tls" in line


def dropped(peers: list[socket.socket]) -> list[socket.socket]:
    """Return those whose connection was ended."""
    ended = []
    for peer in peers:
        peer.setblocking(False)
        try:
            if peer.recv(1) == b"":
                ended.append(peer)
        except BlockingIOError:
            continue
        except ConnectionResetError:
            ended.append(peer)
    return ended


def test_handshakes_count_as_connections(
    authority: Authority, loop: str, log: Callable[[], list[str]]
) -> None:
    """Whoever begins a handshake and stops cannot take more than there is."""
    with Serving(application(), loop, certfile=authority.issue(), max_connections=2) as serving:
        peers = [socket.create_connection(("127.0.0.1", serving.port())) for _ in range(19)]
        until(log)
        until(lambda: dropped(peers))
        assert len(dropped(peers)) == 1
        for peer in peers:
            peer.close()
        until(lambda: not serving.server.tls.handshakes)
        assert fetch(serving, authority.client_context()) == "https 1.1"
    assert all("max_connections" in line for line in log())


def test_too_many_connections_are_told_so_within_tls(authority: Authority, loop: str) -> None:
    context = authority.client_context()
    with (
        Serving(application(), loop, certfile=authority.issue(), max_connections=1) as serving,
        connect(serving.port(), context) as first,
    ):
        first.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert first.recv(65536).startswith(b"HTTP/1.1 200 ")
        with connect(serving.port(), context) as second:
            assert rest(second).startswith(b"HTTP/1.1 503 ")


def test_stop_does_not_wait_for_handshakes(authority: Authority, loop: str) -> None:
    with Serving(application(), loop, certfile=authority.issue()) as serving:
        peer = socket.create_connection(("127.0.0.1", serving.port()), timeout=WAIT)
        until(lambda: serving.server.tls.handshakes)
        began = time.monotonic()
    assert time.monotonic() - began < 2.0
    with peer:
        try:
            assert peer.recv(1) == b""
        except ConnectionResetError:
            assert peer.fileno() >= 0


# The end of a connection


@spec("RFC 9112 §9.8")
def test_answered_connection_ends_with_close_notify(authority: Authority, loop: str) -> None:
    """Without it the client's read would raise: it does not suppress ragged ends."""
    with (
        Serving(application(), loop, certfile=authority.issue()) as serving,
        connect(serving.port(), authority.client_context()) as tls,
    ):
        tls.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert rest(tls).endswith(b"https 1.1")


def test_idle_connection_ends_with_close_notify(authority: Authority, loop: str) -> None:
    with (
        Serving(
            application(), loop, certfile=authority.issue(), keep_alive_timeout=0.05
        ) as serving,
        connect(serving.port(), authority.client_context()) as tls,
    ):
        tls.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert rest(tls).endswith(b"https 1.1")


def test_refused_upload_can_be_read_about(authority: Authority, loop: str) -> None:
    with Serving(application(), loop, certfile=authority.issue(), max_body_size=1000) as serving:
        done = command("curl", "-sS", "--http1.1", "--cacert", authority.path, "--data-binary",
                       "@-", "-o", "/dev/null", "-w", "%{http_code}", "-H", "expect:",
                       serving.url + "/length", stdin="x" * 3_000_000)  # fmt: skip
        assert done.stdout == "413"


# Raw protocols


def with_echo(tls: bool | TLSFiles = True) -> BlackBull:
    app = application()
    app.register_protocol_handler("echo", echo, port=0, tls=tls).alpn = ("echo/1",)  # type: ignore[misc]
    return app


def talk(tls: ssl.SSLSocket, said: bytes) -> bytes:
    """Say *said*, a part at a time, and return all that comes back."""
    heard = b""
    for start in range(0, len(said), 50_000):
        part = said[start : start + 50_000]
        tls.sendall(part)
        while len(heard) < start + len(part):
            heard += tls.recv(65536)
    return heard


def test_raw_protocol_speaks_tls_with_its_own_alpn(authority: Authority, loop: str) -> None:
    """S04: ``ctx.ssl`` is there."""
    with Serving(with_echo(), loop, certfile=authority.issue()) as serving:
        context = authority.client_context(alpn=["h2", "echo/1"])
        with connect(serving.port("echo"), context) as tls:
            assert tls.selected_alpn_protocol() == "echo/1"
            assert talk(tls, b"x" * 1_000_000) == b"x" * 1_000_000


def test_raw_protocol_can_answer_after_the_peers_close_notify(
    authority: Authority, loop: str
) -> None:
    """As on plain TCP: the end of one direction is not the end of the other."""
    with Serving(with_echo(), loop, certfile=authority.issue()) as serving:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = authority.client_context().wrap_bio(incoming, outgoing, server_hostname=HOST)
        with socket.create_connection(("127.0.0.1", serving.port("echo")), timeout=WAIT) as sock:

            def run(step: Callable[[], T]) -> T:
                while True:
                    try:
                        return step()
                    except ssl.SSLWantReadError:
                        sock.sendall(outgoing.read())
                        data = sock.recv(65536)
                        assert data
                        incoming.write(data)

            run(client.do_handshake)
            client.write(b"hello")
            with pytest.raises(ssl.SSLWantReadError):
                client.unwrap()
            heard = b""
            while len(heard) < 12:
                heard += run(lambda: client.read(100))
            assert heard == b"helloTLSv1.3"
            run(client.unwrap)


def test_raw_protocol_can_have_a_certificate_of_its_own(
    authority: Authority, loop: str, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    files = TLSFiles(certfile=other.issue(file="other-server"), client_ca=other.path)
    bob = other.client_context(other.issue("bob@example.org", file="bob"))
    with Serving(with_echo(files), loop) as serving:
        assert [each.tls for each in serving.server.listening] == [False, True]
        with connect(serving.port("echo"), bob) as tls:
            assert talk(tls, b"hello") == b"hello"
        assert command("curl", "-sS", f"http://127.0.0.1:{serving.port()}/").stdout == "http 1.1"


@spec("RFC 8446 §4.6.3")
def test_raw_protocol_survives_key_updates_of_openssl(authority: Authority, loop: str) -> None:
    with Serving(with_echo(), loop, certfile=authority.issue()) as serving:
        client = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{serving.port('echo')}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        with client:
            assert client.stdin is not None
            assert client.stdout is not None
            for said in ("before\n", "K\n", "after\n"):
                client.stdin.write(said)
                client.stdin.flush()
                heard = ""
                wanted = "KEYUPDATE\n" if said == "K\n" else said
                while heard != wanted:
                    heard = client.stdout.readline()
                    assert heard
            client.stdin.close()
            assert client.wait(WAIT) == 0


def test_raw_protocol_without_a_certificate_is_one_line(loop: str) -> None:
    with (
        pytest.raises(Exception, match="protocol 'echo' wants TLS, but there is no certificate"),
        Serving(with_echo(), loop),
    ):
        pass


# Starting


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "main.py"
    path.write_text("from blackbull import BlackBull\napp = BlackBull()\napp.run(port=0)\n")
    return str(path)


def one_line(arguments: list[str], **environ: str) -> str:
    status, out, err = run_to_end(arguments, environ=environ)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("blackbull: ")
    return err


def test_start_with_files_that_cannot_be_used_is_one_line_and_status_1(
    authority: Authority, script: str, tmp_path: Path
) -> None:
    chain, key = authority.issue_pair(file="one")
    _, other = authority.issue_pair(file="other")
    _, locked = authority.issue_pair(file="locked", password=b"right")
    cases = {
        ("--cert", "absent.pem"): "there is no certificate file 'absent.pem'",
        ("--cert", chain, "--key", "absent.key"): "there is no key file 'absent.key'",
        ("--cert", chain, "--key", other): "does not belong to the certificate",
        ("--cert", chain): "holds no private key",
        ("--cert", chain, "--key", locked): "is encrypted: give password=",
        ("--cert", str(tmp_path), "--key", key): "certificate file",
        ("--cert", chain, "--key", key, "--client-ca", key): "holds no certificate",
        ("--cert", chain, "--key", key, "--sni", "a.example"): "is not NAME=CERT,KEY",
        ("--cert", chain, "--key", key, "--sni", "a.example=b,c"): "certificate file 'b'",
        ("--client-ca", authority.path): "without a certificate",
    }
    for arguments, said in cases.items():
        assert said in one_line([script, *arguments])


def test_start_password_comes_from_the_environment(authority: Authority, script: str) -> None:
    chain, key = authority.issue_pair(password=b"right")
    arguments = [script, "--cert", chain, "--key", key]
    assert "cannot be decrypted" in one_line(arguments, BLACKBULL_KEY_PASSWORD="wrong")
    with Program(arguments, environ={"BLACKBULL_KEY_PASSWORD": "right"}) as program:
        port = program.serving()["http"]
        with connect(port, authority.client_context()) as tls:
            assert tls.version() == "TLSv1.3"


def test_start_arguments_reach_the_server(authority: Authority, tmp_path: Path) -> None:
    chain, key = authority.issue_pair(password=b"right")
    wild = authority.issue("*.b.example", file="wild")
    alice = authority.issue("alice@example.org", file="alice")
    script = tmp_path / "main.py"
    script.write_text(
        "from blackbull import BlackBull\napp = BlackBull()\n"
        f"app.run({chain!r}, {key!r}, port=0, password='right', client_ca={authority.path!r},\n"
        f"        sni={{'*.b.example': ({wild!r}, None)}})\n"
    )
    with Program([str(script)]) as program:
        port = program.serving()["http"]
        with connect(port, authority.client_context(alice), "x.b.example") as tls:
            tls.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            assert rest(tls).startswith(b"HTTP/1.1 404 ")


def test_start_command_takes_the_flags(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("from blackbull import BlackBull\napp = BlackBull()\n")
    chain, key = authority.issue_pair()
    wild = authority.issue("*.b.example", file="wild")
    arguments = ["-m", "blackbull", "main:app", "--port", "0", "--cert", chain, "--key", key,
                 "--client-ca", authority.path, "--sni", f"*.b.example={wild}"]  # fmt: skip
    alice = authority.issue("alice@example.org", file="alice")
    with Program(arguments, cwd=tmp_path) as program:
        port = program.serving()["http"]
        with connect(port, authority.client_context(alice), "x.b.example") as tls:
            certificate = tls.getpeercert()
            assert certificate is not None
            assert certificate["subjectAltName"] == (("DNS", "*.b.example"),)


def test_start_without_arguments_speaks_no_tls(script: str) -> None:
    with Program([script]) as program:
        assert "http on http://" in program.said("serving")
