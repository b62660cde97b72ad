"""The WebSocket object and its session."""

from __future__ import annotations

import asyncio

import pytest

from blackbull import Response, WebSocket, WebSocketDisconnect
from blackbull.errors import LocalProtocolError
from blackbull.messages import (
    PreparedMessage,
    ResponseBody,
    ResponseStart,
    WebSocketAccept,
    WebSocketClose,
    WebSocketEvent,
    WebSocketMessage,
)
from blackbull.response import WebSocketResponse
from blackbull.websocket_session import Session, session_of
from tests.spec import spec
from tests.websocket_peer import Peer


def socket(peer: Peer) -> WebSocket:
    return WebSocket(peer.conn, peer.receive, peer.send)


async def opened(peer: Peer) -> WebSocket:
    ws = socket(peer)
    await ws.accept()
    return ws


async def test_accept_consumes_the_connect_and_opens() -> None:
    peer = Peer()
    ws = socket(peer)
    assert not ws.accepted
    await ws.accept(headers={"x-room": "7"})
    assert ws.accepted
    assert peer.accept == WebSocketAccept(None, ((b"x-room", b"7"),))
    assert not peer.events


async def test_accept_without_arguments_when_open_does_nothing() -> None:
    peer = Peer()
    ws = await opened(peer)
    await ws.accept()
    assert len(peer.sent) == 1


async def test_accept_with_arguments_when_open_is_refused() -> None:
    ws = await opened(Peer(offer="chat"))
    with pytest.raises(LocalProtocolError, match="after the WebSocket was accepted"):
        await ws.accept("chat")


async def test_accept_of_a_client_that_left_says_so() -> None:
    peer = Peer()
    peer.events.clear()
    ws = socket(peer.leave(1006))
    with pytest.raises(WebSocketDisconnect) as caught:
        await ws.accept()
    assert caught.value.code == 1006
    assert ws.client_disconnected


@spec("RFC 6455 §4.2.2", "/subprotocol/ is one that the client offered")
async def test_accept_of_a_subprotocol_that_was_not_offered_is_refused() -> None:
    ws = socket(Peer(offer="chat"))
    with pytest.raises(LocalProtocolError, match="did not offer the subprotocol 'stomp'"):
        await ws.accept("stomp")
    await ws.accept("chat")
    assert ws.subprotocol == "chat"


@pytest.mark.parametrize("name", ["upgrade", "Connection", "Sec-WebSocket-Protocol"])
async def test_accept_with_a_field_of_the_handshake_is_refused(name: str) -> None:
    with pytest.raises(LocalProtocolError, match="belongs to the handshake"):
        await socket(Peer()).accept(headers={name: "x"})


async def test_accept_with_an_unsafe_header_is_refused() -> None:
    with pytest.raises(ValueError, match="control character"):
        await socket(Peer()).accept(headers={"x-a": "b\r\nc: d"})


async def test_messages_come_as_text_and_bytes() -> None:
    ws = await opened(Peer().say("text", b"bytes", "1", '{"a": 1}', b"[2]", "€", b"\xe2\x82\xac"))
    assert await ws.receive() == "text"
    assert await ws.receive() == b"bytes"
    assert await ws.receive_json() == 1
    assert await ws.receive_json() == {"a": 1}
    assert await ws.receive_json() == [2]
    assert await ws.receive_bytes() == "€".encode()
    assert await ws.receive_text() == "€"


async def test_empty_messages_are_messages() -> None:
    ws = await opened(Peer().say("", b"", "", b""))
    assert await ws.receive() == ""
    assert await ws.receive() == b""
    assert await ws.receive_bytes() == b""
    assert await ws.receive_text() == ""


async def test_receive_json_of_no_json_is_a_value_error() -> None:
    ws = await opened(Peer().say("{", b"{"))
    for _ in range(2):
        with pytest.raises(ValueError, match=r".+"):
            await ws.receive_json()


async def test_messages_leave_as_text_and_bytes() -> None:
    peer = Peer()
    ws = await opened(peer)
    await ws.send("a")
    await ws.send(b"b")
    await ws.send_text("c")
    await ws.send_bytes(bytearray(b"d"))
    await ws.send_bytes(memoryview(b"e"))
    await ws.send_json({"f": 1})
    await ws.send_json(["g"], binary=True)
    await ws.send(PreparedMessage("h"))
    assert peer.heard == ["a", b"b", "c", b"d", b"e", '{"f":1}', b'["g"]', "h"]


@pytest.mark.parametrize(
    ("method", "value"), [("send", 1), ("send_text", b"x"), ("send_bytes", "x")]
)
async def test_send_of_another_type_is_a_type_error(method: str, value: object) -> None:
    ws = await opened(Peer())
    with pytest.raises(TypeError):
        await getattr(ws, method)(value)


async def test_iteration_ends_when_the_client_closes() -> None:
    ws = await opened(Peer().say("a", b"b").leave(1001, "bye"))
    assert [message async for message in ws] == ["a", b"b"]
    assert (ws.close_code, ws.close_reason, ws.client_disconnected) == (1001, "bye", True)


async def test_receive_after_the_client_closed_tells_code_and_reason_every_time() -> None:
    ws = await opened(Peer().leave(4000, "done"))
    for _ in range(2):
        with pytest.raises(WebSocketDisconnect) as caught:
            await ws.receive_text()
        assert (caught.value.code, caught.value.reason) == (4000, "done")


async def test_send_after_the_client_closed_tells_code_and_reason() -> None:
    ws = await opened(Peer().leave(4000))
    with pytest.raises(WebSocketDisconnect):
        await ws.receive()
    with pytest.raises(WebSocketDisconnect) as caught:
        await ws.send("too late")
    assert caught.value.code == 4000


async def test_send_to_a_client_that_vanished_is_a_disconnect() -> None:
    peer = Peer()
    ws = await opened(peer)
    peer.vanish()
    with pytest.raises(WebSocketDisconnect) as caught:
        await ws.send("hello?")
    assert caught.value.code == 1006
    assert ws.client_disconnected


async def test_messages_that_arrived_are_read_after_a_failed_send() -> None:
    peer = Peer().say("last words")
    ws = await opened(peer)
    peer.vanish()
    with pytest.raises(WebSocketDisconnect):
        await ws.send("hello?")
    assert await ws.receive() == "last words"


async def test_close_sends_code_and_reason_once() -> None:
    peer = Peer()
    ws = await opened(peer)
    await ws.close(4001, "enough")
    await ws.close()
    assert peer.close == (4001, "enough")
    assert (ws.close_code, ws.close_reason, ws.client_disconnected) == (4001, "enough", False)


async def test_close_before_accept_refuses() -> None:
    peer = Peer()
    ws = socket(peer)
    await ws.close(1008, "no")
    assert peer.sent == [WebSocketClose(1008, "no")]
    assert not ws.accepted
    with pytest.raises(LocalProtocolError, match="after the WebSocket was closed"):
        await ws.send("x")


async def test_close_after_the_client_closed_does_nothing() -> None:
    peer = Peer().leave()
    ws = await opened(peer)
    assert [message async for message in ws] == []
    await ws.close()
    assert len(peer.sent) == 1


async def test_close_of_a_client_that_vanished_does_nothing() -> None:
    peer = Peer()
    ws = await opened(peer)
    peer.vanish()
    await ws.close()
    assert len(peer.sent) == 1


async def test_receive_after_own_close_is_a_disconnect() -> None:
    ws = await opened(Peer().say("unread"))
    await ws.close(4001)
    with pytest.raises(WebSocketDisconnect) as caught:
        await ws.receive()
    assert caught.value.code == 4001


async def test_deny_sends_a_response_instead_of_accepting() -> None:
    peer = Peer()
    ws = socket(peer)
    await ws.deny(Response("who are you?", 401))
    assert (peer.refusal.status, peer.refusal.body) == (401, b"who are you?")
    with pytest.raises(LocalProtocolError):
        await ws.accept()


async def test_deny_after_accept_is_refused() -> None:
    ws = await opened(Peer())
    with pytest.raises(LocalProtocolError, match="a response was sent after"):
        await ws.deny(Response("no"))


@pytest.mark.parametrize("method", ["receive", "receive_text", "receive_bytes", "receive_json"])
async def test_receive_before_accept_is_refused_with_the_cure(method: str) -> None:
    with pytest.raises(LocalProtocolError, match="await accept"):
        await getattr(socket(Peer()), method)()


async def test_send_before_accept_is_refused_with_the_cure() -> None:
    with pytest.raises(LocalProtocolError, match="await accept"):
        await socket(Peer()).send("x")


async def test_facts_of_the_handshake_are_properties() -> None:
    peer = Peer("/rooms/7", query=b"since=3", offer="chat, superchat")
    peer.conn.path_params = {"room": "7"}
    ws = socket(peer)
    assert (ws.path, ws.query_string, ws.path_params) == ("/rooms/7", b"since=3", {"room": "7"})
    assert ws.subprotocols == ["chat", "superchat"]
    assert ws.client == ("192.0.2.1", 4711)
    assert ws.headers.get("host") == b"example.test"
    assert ws.connection is peer.conn
    assert (ws.close_code, ws.subprotocol) == (None, None)
    assert repr(ws) == "<WebSocket '/rooms/7' asked>"
    assert peer.conn.scheme == "ws"


async def test_middleware_channels_stay_in_between() -> None:
    peer = Peer().say("a")
    session = Session(peer.conn, peer.receive, peer.send)
    seen: list[object] = []

    async def receive() -> object:
        event = await session.receive()
        seen.append(event)
        return event

    async def send(message: object) -> None:
        seen.append(message)
        await session.send(message)  # type: ignore[arg-type]

    ws = WebSocket(peer.conn, receive, send)  # type: ignore[arg-type]
    await ws.accept()
    await ws.send(await ws.receive())
    assert WebSocketMessage("a") in seen
    assert [type(item).__name__ for item in seen] == [
        "WebSocketConnect", "WebSocketAccept", "WebSocketMessage", "WebSocketMessage",
    ]  # fmt: skip
    assert ws.offer is None


class Arrived:
    """Messages that have arrived without an event, and one more once somebody waits."""

    def __init__(self, *messages: str | bytes, later: str | None = None) -> None:
        self.messages = list(messages)
        self.later = later
        self.asked = 0

    def take(self) -> str | bytes | None:
        return self.messages.pop(0) if self.messages else None

    def wait(self) -> asyncio.Future[None] | None:
        self.asked += 1
        if self.later is None:
            return None
        arrival = asyncio.get_running_loop().create_future()
        arrival.set_result(None)
        self.messages.append(self.later)
        self.later = None
        return arrival


async def test_iteration_takes_what_has_arrived_without_events_then_asks_for_them() -> None:
    peer = Peer().say("by an event").leave(3000)
    session = Session(peer.conn, peer.receive, peer.send)
    peer.conn.receive = peer.receive  # type: ignore[assignment]
    peer.conn.inbox = arrived = Arrived("a", b"b", later="c")
    session.server_receive = peer.conn.receive  # type: ignore[assignment]
    ws = WebSocket(peer.conn, session.receive, session.send)
    await ws.accept()
    assert [message async for message in ws] == ["a", b"b", "c", "by an event"]
    assert arrived.asked == 3
    assert ws.close_code == 3000


async def test_iteration_where_somebody_looks_at_the_events_takes_nothing_past_them() -> None:
    peer = Peer().say("by an event").leave()
    Session(peer.conn, peer.receive, peer.send)
    peer.conn.receive = peer.receive  # type: ignore[assignment]
    peer.conn.inbox = Arrived("past them")
    session = session_of(peer.conn)
    assert session is not None

    async def looks() -> WebSocketEvent:
        return await session.receive()

    ws = WebSocket(peer.conn, looks, session.send)
    await ws.accept()
    assert [message async for message in ws] == ["by an event"]


async def test_second_object_of_a_connection_shares_its_state() -> None:
    peer = Peer().say("a")
    first = await opened(peer)
    session = session_of(peer.conn)
    assert session is not None
    second = WebSocket(peer.conn, session.receive, session.send)
    await second.accept()
    assert await second.receive() == "a"
    assert first.accepted
    assert second.offer == peer.take


async def test_refusal_in_parts_becomes_one_response() -> None:
    peer = Peer()
    session = Session(peer.conn, peer.receive, peer.send)
    await session.send(ResponseStart(404, ((b"content-type", b"text/plain"),)))
    with pytest.raises(LocalProtocolError, match="being refused"):
        await session.send(WebSocketAccept())
    await session.send(ResponseBody(b"no ", more=True))
    await session.send(ResponseBody(b"room"))
    assert (peer.refusal.status, peer.refusal.body) == (404, b"no room")
    assert peer.refusal.content_type == b"text/plain"


async def test_refusal_without_its_start_is_refused() -> None:
    peer = Peer()
    with pytest.raises(LocalProtocolError):
        await Session(peer.conn, peer.receive, peer.send).send(ResponseBody(b"x"))


async def test_close_that_the_server_refuses_leaves_the_websocket_open() -> None:
    peer = Peer()
    ws = await opened(peer)

    async def strict(message: object) -> None:
        raise LocalProtocolError("1005 cannot be sent")

    session = session_of(peer.conn)
    assert session is not None
    session.server_send = strict
    with pytest.raises(LocalProtocolError):
        await ws.close(1005)
    session.server_send = peer.send
    await ws.close()
    assert peer.close == (1000, "")


async def test_message_that_has_no_place_is_refused() -> None:
    peer = Peer()
    with pytest.raises(LocalProtocolError, match="no place on a WebSocket"):
        await Session(peer.conn, peer.receive, peer.send).send("text")  # type: ignore[arg-type]


async def test_connect_that_was_not_awaited_is_no_message() -> None:
    peer = Peer().say("a")
    session = Session(peer.conn, peer.receive, peer.send)
    await session.send(WebSocketAccept())
    ws = WebSocket(peer.conn, session.receive, session.send)
    assert await ws.receive() == "a"


async def test_second_close_through_the_channel_is_refused() -> None:
    peer = Peer()
    session = Session(peer.conn, peer.receive, peer.send)
    await session.send(WebSocketAccept())
    await session.send(WebSocketClose())
    with pytest.raises(LocalProtocolError, match="a close was sent after"):
        await session.send(WebSocketClose())


async def test_close_through_the_channel_after_the_client_closed_does_nothing() -> None:
    peer = Peer().leave()
    peer.events.popleft()
    session = Session(peer.conn, peer.receive, peer.send)
    await session.send(WebSocketAccept())
    await session.receive()
    await session.send(WebSocketClose())
    assert len(peer.sent) == 1


async def test_iteration_before_accept_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="await accept"):
        await anext(socket(Peer()))


async def test_receive_that_is_cancelled_loses_nothing() -> None:
    peer = Peer()
    ws = await opened(peer)
    waiting = asyncio.ensure_future(ws.receive())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    peer.say("here")
    assert await ws.receive() == "here"


def test_websocket_response_is_an_event_by_type() -> None:
    assert WebSocketResponse("a") == {"type": "websocket.send", "text": "a"}
    assert WebSocketResponse(b"a") == {"type": "websocket.send", "bytes": b"a"}
    assert WebSocketResponse({"a": [1]}) == {"type": "websocket.send", "text": '{"a":[1]}'}
