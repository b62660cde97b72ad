"""RFC 9110 §7.8: leaving HTTP/1.1 for another protocol."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from blackbull.abc import Consumer
from blackbull.connection import Connection
from blackbull.native import Receive, RequestBody, Send
from blackbull.response import Response
from blackbull.server.bindings.upgrade import ByteStream, Carrier, Upgrade
from tests.conformance.peer import App, Peer, connected, serving
from tests.spec import spec


class Shout(Consumer):
    """Sends back what it is fed, in capitals; ends on a full stop."""

    stream: ByteStream

    def data_received(self, data: bytes) -> None:
        self.stream.send(data.upper())
        if data.endswith(b"."):
            self.stream.close()

    def eof_received(self) -> None:
        self.stream.send(b"<end>")
        self.stream.close()

    def connection_lost(self, error: Exception | None) -> None: ...

    def writing_paused(self) -> None: ...

    def writing_resumed(self) -> None: ...

    def deadline_expired(self) -> None: ...

    def shutdown(self) -> None:
        self.stream.close()


class ShoutUpgrade(Upgrade):
    """Decides by the path; whoever asks for ``/later`` waits for :attr:`decide`."""

    token = b"shout"

    def __init__(self) -> None:
        self.decide: asyncio.Future[Callable[[], None]] = asyncio.Future()

    def begin(self, conn: Connection, carrier: Carrier) -> Response | bool:
        if conn.path == "/no":
            return False
        if conn.path == "/refused":
            return Response("refused", 403)
        consumer = Shout()
        carrier.join(consumer)

        def switch() -> None:
            consumer.stream = carrier.accept(((b"connection", b"upgrade"), (b"upgrade", b"shout")))
            carrier.give_way()

        if conn.path == "/later":
            self.decide.set_result(switch)
        elif conn.path == "/later-refused":
            self.decide.set_result(lambda: carrier.refuse(Response("refused", 403)))
        else:
            switch()
        return True


@contextlib.asynccontextmanager
async def shouting(app: App, upgrade: ShoutUpgrade | None = None) -> AsyncIterator[Peer]:
    async with serving(app, header_timeout=0.2, keep_alive_timeout=0.2) as server:
        server._service.upgrades[b"shout"] = upgrade or ShoutUpgrade()
        async with connected(server) as peer:
            yield peer


def asking(*fields: bytes, path: bytes = b"/") -> bytes:
    lines = b"".join(field + b"\r\n" for field in fields)
    return b"GET " + path + b" HTTP/1.1\r\nhost: a\r\n" + lines + b"\r\n"


ASK = asking(b"connection: keep-alive, Upgrade", b"upgrade: x/1, SHOUT")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: shout\r\n\r\n"


@spec("RFC 9110 §7.8", "RFC 9110 §15.2.2")
@pytest.mark.parametrize("early", [b"", b"g", b"get / http/1.1\r\n\r\n", b"\r\n\r\n\x00"])
async def test_upgrade_loses_no_byte(early: bytes) -> None:
    app = App()
    async with shouting(app) as peer:
        await peer.send(ASK + early)
        assert await peer.exactly(len(SWITCHED)) == SWITCHED
        assert await peer.exactly(len(early)) == early.upper()
        await peer.send(b"later.")
        assert await peer.until_close() == b"LATER."
    assert app.seen == []


@spec("RFC 9110 §7.8")
async def test_upgrade_cut_anywhere_loses_no_byte() -> None:
    wire = ASK + b"hello"
    for cut in range(len(ASK) - 6, len(wire)):
        async with shouting(App()) as peer:
            await peer.send(wire[:cut])
            await peer.send(wire[cut:] + b".")
            assert await peer.until_close() == SWITCHED + b"HELLO."


@spec("RFC 9110 §7.8", "the old request is answered first")
async def test_upgrade_behind_pipelined_requests_waits_for_their_answers() -> None:
    async with shouting(App()) as peer:
        await peer.send(asking(path=b"/first") + ASK + b"x.")
        assert (await peer.reply()).body == b"GET /first"
        assert await peer.until_close() == SWITCHED + b"X."


async def test_upgrade_then_half_close_is_told_to_the_new_protocol() -> None:
    async with shouting(App()) as peer:
        await peer.send(ASK)
        peer.half_close()
        assert await peer.until_close() == SWITCHED + b"<end>"


@spec("RFC 9110 §7.8", "a server MAY ignore it; MUST ignore it in HTTP/1.0")
@pytest.mark.parametrize(
    "wire",
    [
        asking(b"upgrade: shout"),
        asking(b"connection: upgrade"),
        asking(b"connection: upgrade", b"upgrade: h2c"),
        asking(b"connection: upgrade", b"upgrade: shout", path=b"/no"),
        b"GET / HTTP/1.0\r\nconnection: upgrade, keep-alive\r\nupgrade: shout\r\n\r\n",
    ],
)
async def test_upgrade_not_agreed_is_answered_as_http(wire: bytes) -> None:
    async with shouting(App()) as peer:
        for _ in range(2):
            assert (await peer.ask(wire)).status == 200


@spec("RFC 9110 §7.8", "content is read before the protocol is switched")
async def test_upgrade_with_content_never_takes_it_for_the_new_protocol() -> None:
    async with shouting(App()) as peer:
        await peer.send(
            asking(b"connection: upgrade", b"upgrade: shout", b"content-length: 4") + b"bodynew."
        )
        assert await peer.until_close() == SWITCHED + b"NEW."
    app = App()
    async with shouting(app) as peer:
        await peer.send(asking(b"connection: upgrade", b"upgrade: shout", b"content-length: 4"))
        assert (await peer.reply()).status == 200
        await peer.send(b"body" + asking(path=b"/next"))
        assert (await peer.reply()).body == b"GET /next"


async def test_upgrade_behind_a_slow_request_of_a_half_closed_client_keeps_the_order() -> None:
    """The end of the stream arrived before the upgrade was looked at, and is told after it."""

    async def slow(conn: Connection, receive: Receive, send: Send) -> None:
        while isinstance(await receive(), RequestBody):
            pass
        await send(Response("slow"))

    async with shouting(App({"/slow": slow})) as peer:
        await peer.send(asking(path=b"/slow") + ASK + b"x")
        peer.half_close()
        assert (await peer.reply()).body == b"slow"
        assert await peer.until_close() == SWITCHED + b"X<end>"


@spec("RFC 9110 §7.8", "what follows the request waits for the decision")
async def test_upgrade_that_is_decided_later_loses_no_byte() -> None:
    upgrade = ShoutUpgrade()
    async with shouting(App(), upgrade) as peer:
        await peer.send(asking(b"connection: upgrade", b"upgrade: shout", path=b"/later") + b"a")
        switch = await upgrade.decide
        await peer.send(b"b")
        await asyncio.sleep(0.3)  # longer than any timeout of HTTP
        switch()
        await peer.send(b"c.")
        assert await peer.until_close() == SWITCHED + b"ABC."


async def test_upgrade_that_is_refused_goes_on_with_http() -> None:
    upgrade = ShoutUpgrade()
    async with shouting(App(), upgrade) as peer:
        ask = [b"connection: upgrade", b"upgrade: shout"]
        assert (await peer.ask(asking(*ask, path=b"/refused"))).status == 403
        await peer.send(asking(*ask, path=b"/later-refused") + asking(path=b"/next"))
        (await upgrade.decide)()
        assert (await peer.reply()).status == 403
        assert (await peer.reply()).body == b"GET /next"
