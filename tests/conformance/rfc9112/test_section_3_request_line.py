"""RFC 9112 §3: the request line, targets, the effective host."""

from __future__ import annotations

import pytest

from tests.conformance.peer import App, conversation, refused
from tests.spec import spec


@spec("RFC 9112 §3", "an invalid request line SHOULD be answered 400, never corrected")
@pytest.mark.parametrize(
    "line",
    [
        b"GET  / HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b"GET /a b HTTP/1.1",
        b"GET\t/\tHTTP/1.1",
        b"GET / http/1.1",
        b"GET /\xc3\xa9 HTTP/1.1",
        b"GET /\x00 HTTP/1.1",
        b"GET /#x HTTP/1.1",
        b"GET /%zz HTTP/1.1",
        b"G{T / HTTP/1.1",
    ],
)
async def test_request_line_malformed_is_400(line: bytes) -> None:
    assert (await refused(line + b"\r\nhost: a\r\n\r\n")).status == 400


@spec("RFC 9110 §9.1", "the method is case-sensitive")
async def test_method_in_lower_case_is_another_method() -> None:
    async with conversation() as peer:
        reply = await peer.ask(b"get / HTTP/1.1\r\nhost: a\r\n\r\n", "get")
        assert reply.body == b"get /"


@spec("RFC 9112 §3", "RFC 9110 §15.5.15", "a target longer than the server parses MUST be 414")
async def test_target_too_long_is_414() -> None:
    wire = b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nhost: a\r\n\r\n"
    assert (await refused(wire)).status == 414


@spec("RFC 9112 §3", "a method longer than any that is implemented SHOULD be 501")
async def test_method_too_long_is_501() -> None:
    assert (await refused(b"A" * 9000)).status == 501


@spec("RFC 9112 §3", "request lines of 8000 octets ought to be taken")
async def test_target_of_8000_octets_is_taken() -> None:
    async with conversation() as peer:
        target = b"/" + b"a" * 7999
        reply = await peer.ask(b"GET " + target + b" HTTP/1.1\r\nhost: a\r\n\r\n")
        assert reply.body == b"GET " + target


@spec("RFC 9112 §3.2.2", "absolute-form MUST be accepted, and its host used instead of Host")
async def test_absolute_form_overrides_host() -> None:
    app = App()
    async with conversation(app) as peer:
        reply = await peer.ask(b"GET http://b:81/p?q=1 HTTP/1.1\r\nhost: a\r\n\r\n")
        assert reply.body == b"GET /p"
    (conn,) = app.seen
    assert (conn.head.authority, conn.head.query_string) == (b"b:81", b"q=1")
    assert conn.headers.getlist("host") == [(b"host", b"b:81")]


@spec("RFC 9112 §3.2.4", "asterisk-form is for OPTIONS")
async def test_asterisk_form_reaches_the_application_for_options_only() -> None:
    async with conversation() as peer:
        reply = await peer.ask(b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", "OPTIONS")
        assert reply.body == b"OPTIONS *"
        reply = await peer.ask(b"OPTIONS http://a:80 HTTP/1.1\r\nhost: a\r\n\r\n", "OPTIONS")
        assert reply.body == b"OPTIONS *"
    assert (await refused(b"GET * HTTP/1.1\r\nhost: a\r\n\r\n")).status == 400


@spec("RFC 9112 §3.2.3", "RFC 9110 §9.3.6")
async def test_authority_form_is_for_connect_which_is_501() -> None:
    wire = b"CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n"
    assert (await refused(wire)).status == 501
    assert (await refused(wire.replace(b"CONNECT", b"GET"))).status == 400


@spec("RFC 9110 §7.4", "RFC 9110 §15.5.20")
async def test_scheme_without_authority_here_is_421() -> None:
    assert (await refused(b"GET https://a/ HTTP/1.1\r\nhost: a\r\n\r\n")).status == 421


@spec("RFC 9112 §3.2", "a request without Host, with two, or with an invalid one MUST be 400")
@pytest.mark.parametrize(
    "fields",
    [
        b"",
        b"host: a\r\nhost: a\r\n",
        b"host: a\r\nHOST: b\r\n",
        b"host: u:p@a\r\n",
        b"host: a b\r\n",
        b"host: a/\r\n",
        b"host: a:x\r\n",
        b"host: [::1\r\n",
    ],
)
@pytest.mark.parametrize("target", [b"/", b"http://a/"])
async def test_host_missing_doubled_or_invalid_is_400(fields: bytes, target: bytes) -> None:
    wire = b"GET " + target + b" HTTP/1.1\r\n" + fields + b"\r\n"
    assert (await refused(wire)).status == 400


@spec("RFC 9110 §4.2.4", "userinfo in an http URI is to be treated as an error")
async def test_absolute_form_with_userinfo_is_400() -> None:
    assert (await refused(b"GET http://u@a/ HTTP/1.1\r\nhost: a\r\n\r\n")).status == 400


@spec("RFC 9112 §3.2")
async def test_host_ipv6_is_taken() -> None:
    app = App()
    async with conversation(app) as peer:
        assert (await peer.ask(b"GET / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n")).status == 200
    assert app.seen[0].head.authority == b"[::1]:80"


@spec("RFC 3986 §2.1")
async def test_path_is_percent_decoded_once() -> None:
    app = App()
    async with conversation(app) as peer:
        await peer.ask(b"GET /%C3%A9%252F?x=%41 HTTP/1.1\r\nhost: a\r\n\r\n")
    (conn,) = app.seen
    assert (conn.path, conn.head.raw_path) == ("/é%2F", b"/%C3%A9%252F")
    assert conn.head.query_string == b"x=%41"
