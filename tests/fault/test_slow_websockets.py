"""WebSocket clients that are silent, do not read, do not close or send too much."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from blackbull.connection import Connection
from blackbull.errors import WebSocketDisconnect
from blackbull.messages import (
    PreparedMessage,
    WebSocketAccept,
    WebSocketClose,
    WebSocketDisconnected,
    WebSocketMessage,
)
from blackbull.native import Receive, Send
from tests.conformance.peer import App, Peer, connected, serving
from tests.conformance.websocket import (
    PING,
    PONG,
    TEXT,
    Client,
    Frame,
    Handler,
    asking,
    close,
    frame,
    open_client,
    talking,
)
from tests.fault.caps import cap_record, caps
from tests.spec import spec

# Liveness


@spec("RFC 6455 §5.5.2", "a ping asks whether the peer is there")
async def test_client_that_is_silent_is_pinged_and_stays_if_it_answers() -> None:
    async with talking(ws_idle_timeout=0.1, ws_pong_timeout=0.3) as client:
        for _ in range(3):
            assert await client.frame() == Frame(PING, b"")
            await client.send(frame(PONG))
        await client.say("x")
        assert await client.hear() == "x"


async def test_client_that_sends_anything_is_alive() -> None:
    async with talking(ws_idle_timeout=0.1, ws_pong_timeout=0.2) as client:
        assert await client.frame() == Frame(PING, b"")
        await client.say("no pong, but here I am")
        assert await client.hear() == "no pong, but here I am"
        assert await client.frame() == Frame(PING, b"")


async def test_client_that_does_not_answer_pings_is_closed_with_1001(
    caplog: pytest.LogCaptureFixture,
) -> None:
    handler = Handler()
    async with talking(handler, ws_idle_timeout=0.1, ws_pong_timeout=0.1) as client:
        assert await client.frame() == Frame(PING, b"")
        assert (await client.ended()).code == 1001
        assert await handler.disconnected() == WebSocketDisconnected(1001, "")
    assert cap_record(caplog, "ws_pong_timeout")["limit"] == 0.1


@pytest.mark.parametrize("how", ["one frame", "fragments", "empty fragments"])
async def test_message_that_does_not_end_is_closed_with_1008(
    caplog: pytest.LogCaptureFixture, how: str
) -> None:
    """It answers pings, and sends a little all the time: it is not silent."""
    more = {"one frame": b"x", "fragments": frame(0, b"x", fin=False)}.get(how, frame(0, fin=False))
    async with talking(ws_message_timeout=0.2, ws_idle_timeout=0.1) as client:
        await client.say("whole messages are no matter")
        await client.hear()
        begin = frame(2, b"x" * 1000)[:8] if how == "one frame" else frame(TEXT, fin=False)
        await client.send(begin)
        ended = asyncio.ensure_future(client.ended())
        while not (await asyncio.wait([ended], timeout=0.02))[0]:
            with contextlib.suppress(ConnectionError):
                await client.send(more)
        assert (await ended).code == 1008
    assert cap_record(caplog, "ws_message_timeout")["limit"] == 0.2


async def test_client_that_we_do_not_read_is_not_taken_for_dead() -> None:
    """The handler is busy and its queue full, so no pong could be seen."""
    go = asyncio.Event()
    settings = {"ws_idle_timeout": 0.05, "ws_pong_timeout": 0.05, "ws_queue_depth": 2}
    async with talking(Busy(go), **settings) as client:
        await client.say(*"abcdef")
        await asyncio.sleep(0.4)
        go.set()
        got = [await client.frame() for _ in range(6)]
        assert [each.payload for each in got if each.opcode == TEXT][:5] == [
            b"a", b"b", b"c", b"d", b"e",
        ]  # fmt: skip


@pytest.mark.parametrize("answer", [b"", frame(TEXT, "x" * 100)])
async def test_client_that_does_not_answer_our_close_is_cut_off(answer: bytes) -> None:
    seen: list[object] = []

    async def closes(conn: Connection, receive: Receive, send: Send) -> None:
        await send(WebSocketAccept())
        await send(WebSocketClose(4000))
        await receive()
        seen.append(await receive())

    async with talking(closes, ws_close_timeout=0.1) as client:
        assert (await client.frame()).code == 4000
        await client.send(answer)
        assert await client.gone()
    assert seen == [WebSocketDisconnected(1006, "")]


# Back-pressure, inwards


class Busy(Handler):
    """Accepts, and reads nothing until it may."""

    def __init__(self, go: asyncio.Event) -> None:
        super().__init__()
        self.go = go
        self.accepted = asyncio.Event()

    async def serve(self, conn: Connection, receive: Receive, send: Send) -> None:
        await receive()
        await send(WebSocketAccept())
        self.accepted.set()
        await self.go.wait()
        while isinstance(event := await receive(), WebSocketMessage):
            self.events.append(event)
            await send(event)
        self.events.append(event)


async def push(peer: Peer, data: bytes) -> int:
    """Send as much of *data* as the server takes; return how much that was."""
    sock = peer.writer.get_extra_info("socket").dup()
    sock.setblocking(False)
    sent = 0
    quiet = 0
    try:
        while sent < len(data) and quiet < 20:
            try:
                sent += sock.send(data[sent : sent + 65536])
                quiet = 0
            except BlockingIOError:
                quiet += 1
                await asyncio.sleep(0.01)
    finally:
        sock.close()
    return sent


@pytest.mark.parametrize("depth", [1, 2, 256])
async def test_queue_that_is_full_stops_the_reading(depth: int) -> None:
    """S31: the client's bytes stay where they are; nothing is lost when the handler reads on."""
    go = asyncio.Event()
    handler = Busy(go)
    one = frame(TEXT, "x" * 1000)
    app = App({"/": handler})
    async with serving(app, ws_queue_depth=depth) as server, connected(server) as peer:
        client = await open_client(peer)
        data = one * 20_000
        sent = await push(peer, data)
        assert sent < len(data)
        session = next(iter(server.connections))._consumer
        assert len(session._inbox.messages) == depth
        assert session._machine.held < 1 << 20
        go.set()
        for _ in range(sent // len(one)):
            assert await client.hear() == "x" * 1000
        await client.send(one[sent % len(one) :])
        assert await client.hear() == "x" * 1000


async def test_queue_is_bounded_in_bytes_as_well(caplog: pytest.LogCaptureFixture) -> None:
    """S31."""
    go = asyncio.Event()
    big = frame(TEXT, "x" * 300_000)
    settings = {"ws_queue_size": 500_000}
    async with serving(App({"/": Busy(go)}), **settings) as server, connected(server) as peer:
        client = await open_client(peer)
        sent = await push(peer, big * 50)
        session = next(iter(server.connections))._consumer
        held = sum(map(len, session._inbox.messages))
        go.set()
        assert held <= 500_000 + 300_000
        for _ in range(sent // len(big)):
            assert await client.hear() == "x" * 300_000
    assert caps(caplog) == []


async def test_queue_of_depth_zero_reads_only_for_a_waiting_handler() -> None:
    """S31: each message is read when the handler asks for one."""
    go = asyncio.Event()
    handler = Busy(go)
    async with serving(App({"/": handler}), ws_queue_depth=0) as server, connected(server) as peer:
        client = await open_client(peer)
        await client.say("a", "b", "c")
        await client.send(frame(PING, b"?"))
        session = next(iter(server.connections))._consumer
        for _ in range(20):
            await asyncio.sleep(0.005)
            assert list(session._inbox.messages) == []
        go.set()
        got = [await client.frame() for _ in range(4)]
        assert sorted(got, key=lambda each: each.opcode) == [
            Frame(TEXT, b"a"), Frame(TEXT, b"b"), Frame(TEXT, b"c"), Frame(PONG, b"?"),
        ]  # fmt: skip
        await client.send(frame(PING, b"!"), close())
        assert await client.frame() == Frame(PONG, b"!")
        assert (await client.ended()).code == 1000
    assert handler.messages == ["a", "b", "c"]


async def test_ping_behind_a_queue_with_room_is_answered_while_the_handler_is_busy() -> None:
    go = asyncio.Event()
    async with talking(Busy(go)) as client:
        await client.say(*["x"] * 200)
        await client.send(frame(PING, b"?"))
        assert await client.frame() == Frame(PONG, b"?")
        go.set()
        assert [await client.hear() for _ in range(200)] == ["x"] * 200


async def test_close_behind_a_full_queue_is_seen_once_the_handler_reads() -> None:
    go = asyncio.Event()
    handler = Busy(go)
    async with talking(handler, ws_queue_depth=2) as client:
        await client.say(*"abcdefgh")
        await client.send(close(4000))
        await asyncio.wait_for(handler.accepted.wait(), 5)
        go.set()
        for letter in "abcdefgh":
            assert await client.hear() == letter
        assert (await client.ended()).code == 4000
        assert (await handler.disconnected()).code == 4000


async def test_handler_that_closes_with_a_full_queue_still_sees_the_clients_close() -> None:
    async def rude(conn: Connection, receive: Receive, send: Send) -> None:
        await send(WebSocketAccept())
        await go.wait()
        await send(WebSocketClose(1013))

    go = asyncio.Event()
    async with talking(rude, ws_queue_depth=2, ws_close_timeout=5) as client:
        await client.say(*["x" * 100] * 5000)
        await client.send(close(1013))
        go.set()
        assert (await client.frame()).code == 1013
        assert await client.gone()


# Back-pressure, outwards


async def test_client_that_does_not_read_stops_the_sender_then_is_cut_off(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    sent = 0

    async def firehose(conn: Connection, receive: Receive, send: Send) -> None:
        nonlocal sent
        await send(WebSocketAccept())
        try:
            while sent < 128 << 20:  # not for ever, should nobody hold it up
                await send(WebSocketMessage("x" * 10_000))
                sent += 10_000
        except WebSocketDisconnect as error:
            ended.set_result(error.code)
            raise

    async with talking(firehose, write_timeout=0.3) as client:
        assert await asyncio.wait_for(ended, 10) == 1006
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(10):  # it is the connection that ends, not only the sending
                while await client.peer.reader.read(1 << 20):
                    pass
    assert sent < 20 << 20
    assert cap_record(caplog, "write_timeout")["protocol"] == "websocket"


async def test_client_that_reads_slowly_gets_everything() -> None:
    async def firehose(conn: Connection, receive: Receive, send: Send) -> None:
        await send(WebSocketAccept())
        for number in range(300):
            await send(WebSocketMessage(None, bytes([number % 256]) * 20_000))

    async with talking(firehose) as client:
        for number in range(300):
            if number % 100 == 0:
                await asyncio.sleep(0.05)
            assert await client.hear() == bytes([number % 256]) * 20_000
        assert (await client.frame()).code == 1000


async def test_offer_is_refused_by_a_client_that_does_not_read() -> None:
    taken: list[bool] = []
    full = asyncio.Event()

    async def offers(conn: Connection, receive: Receive, send: Send) -> None:
        await send(WebSocketAccept())
        offer = conn.offer
        message = PreparedMessage("x" * 10_000)
        while not taken or taken[-1]:
            taken.append(offer(message))
            await asyncio.sleep(0)
        assert len(message.frames) == 1
        full.set()
        while not isinstance(await receive(), WebSocketDisconnected):
            pass
        assert not offer(message)

    async with talking(offers) as client:
        await asyncio.wait_for(full.wait(), 10)
        assert taken[-1] is False
        for _ in taken[:-1]:
            assert await client.hear() == "x" * 10_000
        await client.send(close())
        assert (await client.ended()).code == 1000


@pytest.mark.parametrize("moment", ["asked", "accepted", "sending", "closing"])
async def test_client_that_resets_at_any_moment_leaves_nothing_behind(moment: str) -> None:
    reached = asyncio.Event()
    ended = asyncio.Event()

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        try:
            if moment == "asked":
                reached.set()
                while not isinstance(await receive(), WebSocketDisconnected):
                    pass
            await send(WebSocketAccept())
            reached.set()
            if moment == "closing":
                await send(WebSocketClose())
            while moment == "sending":
                await send(WebSocketMessage("x" * 50_000))
            while not isinstance(await receive(), WebSocketDisconnected):
                pass
        finally:
            ended.set()

    async with serving(App({"/": handler})) as server:
        async with connected(server) as peer:
            opening = asyncio.create_task(open_client(peer))
            await asyncio.wait_for(reached.wait(), 5)
            if moment == "asked":
                opening.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await opening
            else:
                await opening
            peer.reset()
        await asyncio.wait_for(ended.wait(), 5)
        while server.connections:
            await asyncio.sleep(0.01)


async def test_pings_of_a_client_that_does_not_read_are_not_all_answered() -> None:
    """RFC 6455 §5.5.3: only the most recent ping has to be answered."""
    async with talking(frame_rate_limit=0) as client:
        for _ in range(150):
            await client.send(frame(PING, b"x" * 125) * 1000)
        await client.say("x")
        pongs = 0
        while (got := await client.frame()).opcode == PONG:
            pongs += 1
        assert got == Frame(TEXT, b"x")
        assert 0 < pongs < 150_000


async def test_bytes_behind_the_handshake_are_bounded_too() -> None:
    """A client that floods while its handshake is considered, and while nobody reads."""
    go = asyncio.Event()
    considered = asyncio.Event()

    class Slow(Busy):
        async def serve(self, conn: Connection, receive: Receive, send: Send) -> None:
            await considered.wait()
            await super().serve(conn, receive, send)

    one = frame(TEXT, "x" * 1000)
    app = App({"/": Slow(go)})
    async with serving(app, ws_queue_depth=3) as server, connected(server) as peer:
        await peer.send(asking())
        sent = await push(peer, one * 20_000)
        view = next(iter(server.connections))
        assert view._consumer.machine.buffered < 1 << 20
        considered.set()
        assert (await peer.exactly(12)) == b"HTTP/1.1 101"
        while not (await peer.exactly(1) == b"\n" and await peer.exactly(2) == b"\r\n"):
            pass
        sent += await push(peer, one[sent % len(one) :] + one * 20_000)
        assert sent < len(one) * 20_000
        assert len(view._consumer._inbox.messages) == 3
        assert view._consumer._machine.held < 1 << 20
        go.set()
        client = Client(peer, b"")
        for _ in range(sent // len(one)):
            assert await client.hear() == "x" * 1000
