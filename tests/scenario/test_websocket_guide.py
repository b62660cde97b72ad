"""The WebSocket guide, as it is written, against a client that nobody here wrote.

Statements S22, S23, S25, S28, S29 and S31; the handshake and the frames are S24, S26 and S30.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.program import Program
from tests.spec import spec

REGISTERING = """
from blackbull import BlackBull
from blackbull.utils import Scheme

app = BlackBull()

@app.route(path='/ws', scheme=Scheme.websocket)
async def ws_handler(scope, receive, send):
    await receive()                                   # consume 'websocket.connect'
    await send({'type': 'websocket.accept'})
    while True:
        event = await receive()
        if event['type'] == 'websocket.disconnect':
            break
        text = event.get('text') or event.get('bytes', b'').decode()
        await send({'type': 'websocket.send', 'text': text})
"""

MIDDLEWARE = """
from blackbull.middleware import websocket

@app.route(path='/chat', scheme=Scheme.websocket, middlewares=[websocket])
async def chat(scope, receive, send):
    # Connection already accepted; go straight to reading messages
    while True:
        event = await receive()
        if event['type'] == 'websocket.disconnect':
            break
        await send({'type': 'websocket.send', 'text': event.get('text', '')})
"""

SUBPROTOCOLS = """
app.available_ws_protocols = ['chat', 'superchat']
"""

SHOWING = """
@app.route(path='/show', scheme=Scheme.websocket)
async def show(scope, receive, send):
    while True:
        event = await receive()
        if event['type'] == 'websocket.connect':
            await send({'type': 'websocket.accept'})
        elif event['type'] == 'websocket.receive':
            await send({'type': 'websocket.send', 'text': repr(event)})
        else:
            break
"""

RUN = """
app.run(port=0)
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    script = tmp_path_factory.mktemp("guide") / "main.py"
    script.write_text(REGISTERING + MIDDLEWARE + SUBPROTOCOLS + SHOWING + RUN)
    with Program([str(script)]) as running:
        running.serving()
        yield running


@pytest.fixture
def base(program: Program) -> str:
    return f"ws://127.0.0.1:{program.ports['http']}"


def test_handler_of_the_guide_echoes(base: str) -> None:
    """S22, S23: connect, accept, messages of both kinds, disconnect."""
    with connect(f"{base}/ws") as socket:
        for message in ("hello", "wörld", "x" * 100_000):
            socket.send(message)
            assert socket.recv(timeout=20) == message
        socket.send(b"bytes")
        assert socket.recv(timeout=20) == "bytes"


def test_handler_of_the_guide_serves_again_after_a_client_left(base: str) -> None:
    for number in range(3):
        with connect(f"{base}/ws") as socket:
            socket.send(str(number))
            assert socket.recv(timeout=20) == str(number)
            socket.close(4000 + number)


def test_middleware_of_the_guide_accepts(base: str) -> None:
    """S25."""
    with connect(f"{base}/chat") as socket:
        socket.send("hello")
        assert socket.recv(timeout=20) == "hello"


@spec("RFC 6455 §1.9", "subprotocol")
@pytest.mark.parametrize(
    ("offer", "chosen"),
    [
        (["superchat", "chat"], "superchat"),
        (["mqtt", "chat"], "chat"),
        (["mqtt"], None),
        (None, None),
    ],
)
@pytest.mark.parametrize("path", ["/ws", "/chat"])
def test_subprotocol_of_the_guide_is_the_first_of_the_offer_that_is_known(
    base: str, path: str, offer: list[str] | None, chosen: str | None
) -> None:
    """S28."""
    names = None if offer is None else [Subprotocol(name) for name in offer]
    with connect(f"{base}{path}", subprotocols=names) as socket:
        assert socket.subprotocol == chosen
        assert socket.response is not None
        assert ("sec-websocket-protocol" in socket.response.headers) == (chosen is not None)
        socket.send("hello")
        assert socket.recv(timeout=20) == "hello"


@spec("RFC 6455 §5.4", "fragmentation")
def test_fragments_of_the_guide_are_one_event(base: str) -> None:
    """S29: the application sees one event with both keys."""
    with connect(f"{base}/show") as socket:
        socket.send(["hel", "lo", ""])
        shown = socket.recv(timeout=20)
        assert shown == "{'type': 'websocket.receive', 'text': 'hello', 'bytes': None}"


@spec("RFC 6455 §5.4", "control frames between fragments")
def test_ping_between_fragments_is_answered_first(base: str) -> None:
    """S29."""

    def fragments(socket: ClientConnection) -> Iterator[str]:
        yield "hel"
        assert socket.ping().wait(20)
        yield "lo"

    with connect(f"{base}/ws") as socket:
        socket.send(fragments(socket))
        assert socket.recv(timeout=20) == "hello"


@spec("RFC 6455 §4.2.2", "a handshake that is not accepted")
def test_unknown_path_is_refused_with_404(base: str) -> None:
    with pytest.raises(InvalidStatus) as caught, connect(f"{base}/elsewhere"):
        pass
    assert caught.value.response.status_code == 404


OBJECT = """
import sys

from blackbull import BlackBull, Depends, HTTPException, Response, WebSocket
from blackbull.broadcast import Channel
from blackbull.utils import Scheme

app = BlackBull()
feed = Channel(max_queued=3, overflow="disconnect")
async def get_db(ws: WebSocket):
    yield f"db of {ws.path}"

@app.route(path="/rooms/{room}", scheme=Scheme.websocket, max_message_size=1000)
async def chat(ws: WebSocket, room: str, since: int = 0, db=Depends(get_db)):
    await ws.accept()
    await ws.send_json({"room": room, "since": since, "db": db})
    async for message in ws:
        if message == "boom":
            raise ZeroDivisionError
        if message == "enough":
            await ws.close(4001, "as you wish")
        else:
            await ws.send(message)

@app.route(path="/teapot", scheme=Scheme.websocket)
async def teapot(ws: WebSocket):
    await ws.deny(Response("short and stout", 418))

@app.route(path="/members", scheme=Scheme.websocket)
async def members(ws: WebSocket):
    raise HTTPException(401, headers={"www-authenticate": "Bearer"})

@app.route(path="/own", scheme=Scheme.websocket, allow_origins=["https://app.test"])
async def own(ws: WebSocket):
    await ws.accept()

@app.route(path="/feed", scheme=Scheme.websocket)
async def follow(ws: WebSocket):
    await ws.accept()
    with feed.join(ws):
        async for message in ws:
            feed.send(message)

@app.on("connection_closed")
@app.on("websocket_connected")
@app.on("websocket_disconnected")
async def note(event):
    keys = ("protocol", "path", "code")
    print(event.name, *(event.detail[key] for key in keys if key in event.detail), file=sys.stderr)

app.run(port=0)
"""


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    script = tmp_path_factory.mktemp("objects") / "main.py"
    script.write_text(OBJECT)
    with Program([str(script)]) as running:
        running.serving()
        yield running


@pytest.fixture
def live(objects: Program) -> str:
    return f"ws://127.0.0.1:{objects.ports['http']}"


def end_of(socket: ClientConnection) -> Close:
    with pytest.raises(ConnectionClosed) as caught:
        socket.recv(timeout=20)
    assert caught.value.rcvd is not None
    return caught.value.rcvd


def test_object_form_gets_what_it_asks_for(live: str) -> None:
    with connect(f"{live}/rooms/blue?since=7") as socket:
        assert socket.recv(timeout=20) == '{"room":"blue","since":7,"db":"db of /rooms/blue"}'
        socket.send("hello")
        assert socket.recv(timeout=20) == "hello"
        socket.send("enough")
        assert end_of(socket) == Close(4001, "as you wish")


@spec("RFC 6455 §7.4.1", "1009, 1011")
@pytest.mark.parametrize(("message", "code"), [("boom", 1011), ("x" * 1001, 1009)])
def test_object_form_that_fails_is_closed(live: str, message: str, code: int) -> None:
    with connect(f"{live}/rooms/blue") as socket:
        socket.recv(timeout=20)
        socket.send(message)
        assert end_of(socket).code == code


def test_events_tell_of_a_websocket_and_of_its_connection(objects: Program, live: str) -> None:
    """S20."""
    with connect(f"{live}/rooms/events") as socket:
        socket.recv(timeout=20)
        socket.close(4004)
    objects.said("^websocket_connected /rooms/events$")
    objects.said("^websocket_disconnected /rooms/events 4004$")
    objects.said("^connection_closed http1$")


@spec("RFC 6455 §4.2.2", "a handshake that is not accepted")
@pytest.mark.parametrize(
    ("path", "status"),
    [("/rooms/blue?since=soon", 403), ("/teapot", 418), ("/members", 401)],
)
def test_object_form_refuses_with_a_status(live: str, path: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as caught, connect(f"{live}{path}"):
        pass
    assert caught.value.response.status_code == status


@spec("RFC 6455 §10.2", "Origin Considerations")
def test_foreign_page_is_refused(live: str) -> None:
    with connect(f"{live}/own", origin="https://app.test"):  # type: ignore[arg-type]
        pass
    with (
        pytest.raises(InvalidStatus) as caught,
        connect(f"{live}/own", origin="https://evil.test"),  # type: ignore[arg-type]
    ):
        pass
    assert caught.value.response.status_code == 403


def test_broadcast_reaches_everybody_in_order(live: str) -> None:
    with ExitStack() as stack:
        sockets = [stack.enter_context(connect(f"{live}/feed")) for _ in range(20)]
        texts = [str(number) for number in range(100)]
        for text in texts:
            sockets[0].send(text)
        for socket in sockets:
            assert [socket.recv(timeout=20) for _ in texts] == texts


def test_broadcast_throws_out_who_does_not_read_and_delays_nobody(live: str) -> None:
    payload = random.Random(7).randbytes(262_144)
    with connect(f"{live}/feed", max_queue=1) as slow, connect(f"{live}/feed") as quick:
        for _ in range(100):
            quick.send(payload)
            assert quick.recv(timeout=20) == payload
        received = 0
        with pytest.raises(ConnectionClosed) as caught:  # noqa: PT012 - what is left comes first
            while True:
                slow.recv(timeout=20)
                received += 1
        assert received < 100
        assert caught.value.rcvd == Close(1013, "too slow")
