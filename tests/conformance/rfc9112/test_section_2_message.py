"""RFC 9112 §2: message parsing, versions."""

from __future__ import annotations

import ssl

import pytest

from tests.conformance.peer import App, conversation, refused
from tests.spec import spec

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


@spec("RFC 9112 §2.2", "an empty line before the request line SHOULD be ignored")
async def test_empty_line_before_each_request_is_ignored() -> None:
    async with conversation() as peer:
        for _ in range(2):
            assert (await peer.ask(b"\r\n" + GET)).status == 200


@spec("RFC 9112 §2.2", "white space between the start line and the first field MUST be rejected")
async def test_space_before_the_first_field_is_400() -> None:
    reply = await refused(b"GET / HTTP/1.1\r\n \r\nhost: a\r\n\r\n")
    assert reply.status == 400


@spec("RFC 9112 §2.2", "a bare CR MUST NOT be taken for a line end")
@pytest.mark.parametrize(
    "wire",
    [
        b"GET / HTTP/1.1\rhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\rx: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx: y\r\r\n\r\n",
    ],
)
async def test_bare_cr_is_400(wire: bytes) -> None:
    assert (await refused(wire)).status == 400


@spec("RFC 9112 §2.2", "a recipient MAY accept a single LF: we do not")
@pytest.mark.parametrize(
    "wire",
    [
        b"GET / HTTP/1.1\nhost: a\n\n",
        b"GET / HTTP/1.1\r\nhost: a\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx: y\n\nGET /evil HTTP/1.1\r\n\r\n",
    ],
)
async def test_bare_lf_is_400(wire: bytes) -> None:
    assert (await refused(wire)).status == 400


@spec("RFC 9112 §2.2", "what is no HTTP message SHOULD be answered 400 and closed")
@pytest.mark.parametrize("wire", [b"\x16\x03\x01\x02\x00\x01\x00", b"SSH-2.0-x\r\n", b"\r\n\r\n"])
async def test_another_protocol_is_refused_at_once(wire: bytes) -> None:
    assert (await refused(wire)).status == 400


@spec("RFC 9112 §2.2", "RFC 8446 §5.1")
async def test_tls_handshake_is_called_by_its_name() -> None:
    hello = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="a.test")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    reply = await refused(hello.read())
    assert reply.status == 400
    assert reply.body == b"a TLS handshake, but there is no TLS on this port\n"


@spec("RFC 9112 §2.3", "RFC 9110 §2.5")
@pytest.mark.parametrize("version", [b"1.0", b"1.1", b"1.2"])
async def test_response_carries_our_version(version: bytes) -> None:
    async with conversation() as peer:
        await peer.send(b"GET / HTTP/" + version + b"\r\nhost: a\r\n\r\n")
        assert await peer.exactly(15) == b"HTTP/1.1 200 OK"


@spec("RFC 9110 §15.6.6")
@pytest.mark.parametrize(
    "wire",
    [
        b"PRI * HTTP/2.0\r\n\r\nPM\r\n\r\n",
        b"GET / HTTP/9.9\r\nhost: a\r\n\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
    ],
)
async def test_other_major_version_is_505(wire: bytes) -> None:
    assert (await refused(wire)).status == 505


async def test_http_09_request_is_400_at_once() -> None:
    assert (await refused(b"GET /\r\n")).status == 400


async def test_request_in_single_bytes_is_answered_like_any_other() -> None:
    app = App()
    async with conversation(app) as peer:
        for byte in b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc":
            await peer.send(bytes([byte]))
        assert (await peer.reply("POST")).body == b"POST /x"
    assert app.paths == ["/x"]
