"""RFC 9110 §9, §15: what methods and statuses ask of an answer."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest

from blackbull import BlackBull
from blackbull.response import Response
from tests.conformance.peer import App, conversation
from tests.spec import spec


def ask(method: str, path: str = "/") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode()


@spec("RFC 9110 §9.3.2", "HEAD: the fields of GET and no content")
async def test_head_has_the_fields_of_get_and_no_content() -> None:
    async with conversation(App({"/": Response("content")})) as peer:
        got = await peer.ask(ask("GET"))
        head = await peer.ask(ask("HEAD"), "HEAD")
        assert head.body == b""
        assert {n for n, _ in head.fields} == {n for n, _ in got.fields}
        assert head["content-length"] == b"7"
        assert (await peer.ask(ask("GET", "/next"))).body == b"GET /next"


@spec("RFC 9110 §9.1", "GET and HEAD MUST be supported; unknown: 501, not allowed: 405 with Allow")
async def test_method_that_the_resource_does_not_have_is_405() -> None:
    app = BlackBull()

    @app.route(path="/")
    async def index() -> str:
        return "hello"

    async with conversation(app) as peer:
        assert (await peer.ask(ask("HEAD"), "HEAD"))["content-length"] == b"5"
        reply = await peer.ask(ask("BREW"), "BREW")
        assert reply.status == 405
        assert {m.strip() for m in reply["allow"].split(b",")} >= {b"GET", b"HEAD"}
        assert (await peer.ask(ask("GET", "/none"))).status == 404


@spec("RFC 9110 §9.3.7")
async def test_options_of_the_server_is_answered_and_its_content_skipped() -> None:
    app = BlackBull()
    wire = b"OPTIONS * HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n"
    async with conversation(app) as peer:
        reply = await peer.ask(wire + b"hello" + ask("OPTIONS", "*"), "OPTIONS")
        assert reply.status in {200, 204}
        assert (await peer.reply("OPTIONS")).status == reply.status


@spec("RFC 9110 §15.3.6", "205 MUST NOT have content")
async def test_reset_content_has_no_content() -> None:
    async with conversation(App({"/": Response("ignored", 205)})) as peer:
        for _ in range(2):
            await peer.send(ask("GET"))
            reply = await peer.reply()
            assert (reply.status, reply.body, reply["content-length"]) == (205, b"", b"0")


@spec("RFC 9110 §6.6.1", "an origin server with a clock MUST send Date")
@pytest.mark.parametrize("wire", [ask("GET"), ask("HEAD"), b"GET\r\n\r\n"])
async def test_every_answer_has_a_date(wire: bytes) -> None:
    async with conversation() as peer:
        reply = await peer.ask(wire, wire[:4].decode().strip())
        assert reply["date"].endswith(b" GMT")
        assert parsedate_to_datetime(reply["date"].decode()).utcoffset() is not None


@spec("RFC 9110 §15.5.22", "RFC 9110 §7.8")
async def test_upgrade_required_says_what() -> None:
    response = Response("", 426, headers={"upgrade": "shout"})
    async with conversation(App({"/": response})) as peer:
        reply = await peer.ask(ask("GET"))
        assert (reply["upgrade"], reply["connection"]) == (b"shout", b"upgrade")
