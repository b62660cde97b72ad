"""Certificates that change while somebody shakes hands, or while they are being written."""

from __future__ import annotations

import logging
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from blackbull import BlackBull
from tests.certificates import HOST, Authority, MemoryClient
from tests.serving import WAIT, Serving, until

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def application() -> BlackBull:
    app = BlackBull()

    @app.route(path="/")
    def index() -> str:
        return "here"

    return app


class Client:
    """A client that goes through its handshake step by step."""

    def __init__(self, serving: Serving, context: ssl.SSLContext) -> None:
        self.sock = socket.create_connection(("127.0.0.1", serving.port()), timeout=WAIT)
        self.side = MemoryClient(context, self.sock.sendall)

    def hello(self) -> bytes:
        """Send the first flight; return some of what answers it."""
        self.side.start()
        return self.sock.recv(1)

    def finish(self, heard: bytes) -> None:
        """Finish the handshake."""
        while not self.side.ready:
            self.side.hear(heard)
            heard = b"" if self.side.ready else self.sock.recv(65536)

    def get(self) -> bytes:
        """Make a request."""
        self.side.say(GET)
        answer = b""
        while not answer.endswith(b"here"):
            self.side.hear(self.sock.recv(65536))
            answer += self.side.read()
        return answer

    @property
    def serial(self) -> object:
        """The certificate that the server has shown."""
        certificate = self.side.tls.getpeercert()
        assert certificate is not None
        return certificate["serialNumber"]

    def close(self) -> None:
        self.sock.close()


def shown(serving: Serving, context: ssl.SSLContext) -> object:
    """Return the certificate that a new client is shown."""
    sock = socket.create_connection(("127.0.0.1", serving.port()), timeout=WAIT)
    with context.wrap_socket(sock, server_hostname=HOST) as tls:
        certificate = tls.getpeercert()
    assert certificate is not None
    return certificate["serialNumber"]


def reload(serving: Serving) -> bool:
    return serving.call(serving.server.reload_certificates)


@pytest.fixture(autouse=True)
def no_tracebacks(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.INFO)
    yield
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_handshake_under_way_ends_with_the_certificate_it_began_with(
    authority: Authority, loop: str, version: ssl.TLSVersion
) -> None:
    context = authority.client_context()
    context.maximum_version = version
    names = authority.issue(file="named")
    with Serving(
        application(), loop, certfile=authority.issue(), sni={HOST: (names, None)}
    ) as serving:
        before = shown(serving, context)
        waiting, begun, done = (Client(serving, context) for _ in range(3))
        done.finish(done.hello())
        heard = begun.hello()
        authority.issue()
        authority.issue(file="named")
        assert reload(serving)
        begun.finish(heard)
        waiting.finish(waiting.hello())
        after = shown(serving, context)
        assert (done.serial, begun.serial) == (before, before)
        assert after != before
        assert waiting.serial == after, "its handshake began later"
        for client in (waiting, begun, done):
            assert client.get().startswith(b"HTTP/1.1 200 ")
            client.close()


def test_session_of_the_old_certificate_is_not_resumed(authority: Authority, loop: str) -> None:
    context = authority.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with Serving(application(), loop, certfile=authority.issue()) as serving:

        def resumed(session: ssl.SSLSession | None) -> tuple[bool | None, ssl.SSLSession | None]:
            sock = socket.create_connection(("127.0.0.1", serving.port()), timeout=WAIT)
            with context.wrap_socket(sock, server_hostname=HOST, session=session) as tls:
                tls.sendall(GET)
                assert tls.recv(65536).startswith(b"HTTP/1.1 200 ")
                return tls.session_reused, tls.session

        _, session = resumed(None)
        assert resumed(session)[0], "as long as nothing changes"
        authority.issue()
        assert reload(serving)
        assert not resumed(session)[0]


def test_file_that_is_half_written_changes_nothing(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever writes it in place is looked at in the middle, at every stage."""
    context = authority.client_context()
    path = Path(authority.issue())
    with Serving(application(), "uvloop", certfile=str(path)) as serving:
        old = shown(serving, context)
        fresh = Path(authority.issue(file="fresh")).read_bytes()
        whole = fresh.rindex(b"-----END CERTIFICATE-----") + len(b"-----END CERTIFICATE-----")
        for end in range(0, whole, 37):
            path.write_bytes(fresh[:end])
            assert not reload(serving), fresh[:end]
        path.unlink()
        assert not reload(serving)
        assert shown(serving, context) == old
        path.write_bytes(fresh)
        assert reload(serving)
        assert shown(serving, context) != old
    for record in caplog.records:
        if record.name == "blackbull.tls" and record.levelno >= logging.ERROR:
            assert record.getMessage().startswith("the certificates in use stay: ")
            assert "\n" not in record.getMessage()


@pytest.mark.parametrize("first", ["certificate", "key"])
def test_pair_of_which_one_half_is_new_is_refused_until_the_other_is_there(
    authority: Authority, loop: str, first: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody says that the files have changed: they are looked at."""
    context = authority.client_context()
    certfile, keyfile = authority.issue_pair()
    settings = {"certfile": certfile, "keyfile": keyfile, "certificate_interval": 0.01}
    with Serving(application(), loop, **settings) as serving:
        old = shown(serving, context)
        halves = list(zip((certfile, keyfile), authority.issue_pair(file="fresh"), strict=True))
        if first == "key":
            halves.reverse()
        (there, fresh), (other, last) = halves
        os.replace(fresh, there)
        until(lambda: "does not belong" in caplog.text)
        assert shown(serving, context) == old
        os.replace(last, other)
        until(lambda: shown(serving, context) != old)
    said = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert len(said) == 1, "once per change, not once per look"
