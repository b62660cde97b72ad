from __future__ import annotations

import pytest

from blackbull.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError
from blackbull.protocol.websocket import (
    CloseReceived,
    Compressor,
    PermessageDeflate,
    PingReceived,
    PongReceived,
    ViolationReceived,
    WebSocketConnection,
    WebSocketLimits,
    encode_message,
    negotiate,
)
from blackbull.protocol.websocket.frames import encode_frame
from tests.spec import spec

KEY = b"\x01\x02\x03\x04"


def machine(*, deflate: bool = False, takeover: bool = False, **limits: int) -> WebSocketConnection:
    agreement = negotiate([(b"permessage-deflate", [])], takeover=takeover)
    assert agreement is not None
    return WebSocketConnection(
        WebSocketLimits(**limits),
        PermessageDeflate(agreement, Compressor()) if deflate or takeover else None,
    )


def masked(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv1: bool = False) -> bytes:
    return encode_frame(opcode, payload, fin=fin, rsv1=rsv1, mask_key=KEY)


def test_receive_reports_everything_in_the_order_of_the_wire() -> None:
    ws = machine()
    wire = b"".join([
        masked(1, b"hel", fin=False), masked(9, b"?"), masked(0, b"lo"), masked(2, b"\x00"),
        masked(10, b"!"), masked(8, b"\x03\xe9bye"), masked(1, b"late"),
    ])  # fmt: skip
    events = ws.receive(wire)
    assert [type(event) for event in events] == [
        PingReceived, str, bytes, PongReceived, CloseReceived,
    ]  # fmt: skip
    assert (events[0].payload, events[1], events[2], events[3].payload) == (
        b"?", "hello", b"\x00", b"!",
    )  # fmt: skip
    assert (events[4].code, events[4].reason) == (1001, "bye")
    assert ws.finished
    assert ws.receive(masked(1, b"x")) == []
    assert ws.held == 0


@spec("RFC 6455 §5.4", "RFC 6455 §5.5")
@pytest.mark.parametrize(
    ("wire", "clause"),
    [
        (masked(0, b"x"), "RFC 6455 §5.4"),
        (masked(1, b"x", fin=False) + masked(1, b"y"), "RFC 6455 §5.4"),
        (masked(1, b"x", fin=False) + masked(2, b"y" * 300), "RFC 6455 §5.4"),
        (masked(9, b"", fin=False), "RFC 6455 §5.5"),
    ],
)
def test_receive_of_a_violation_reports_a_protocol_error_last(wire: bytes, clause: str) -> None:
    """S30."""
    events = machine().receive(masked(1, b"good") + wire + masked(1, b"late"))
    assert events[0] == "good"
    assert isinstance(events[-1], ViolationReceived)
    assert len(events) == 2
    error = events[-1].error
    assert isinstance(error, RemoteProtocolError)
    assert (error.code, error.spec) == (1002, clause)


def test_receive_stops_at_the_number_of_events_and_goes_on_where_it_stopped() -> None:
    ws = machine()
    wire = b"".join(masked(1, b"%d" % i) for i in range(10))
    assert ws.receive(wire, 3) == ["0", "1", "2"]
    assert ws.buffered == 7 * 7
    assert ws.receive(b"", 0) == []
    assert ws.receive(masked(1, b"x"), 4) == ["3", "4", "5", "6"]
    assert ws.receive(b"") == ["7", "8", "9", "x"]
    assert ws.buffered == 0


def test_receive_with_no_room_keeps_a_payload_that_has_begun() -> None:
    ws = machine()
    wire = masked(2, b"a" * 100)
    assert ws.receive(wire[:50]) == []
    assert ws.receive(wire[50:] + masked(1, b"b"), 0) == []
    assert ws.receive(b"") == [b"a" * 100, "b"]


def test_receive_stops_at_the_size_of_what_is_inflated() -> None:
    ws = machine(deflate=True)
    deflated = Compressor().compress(b"x" * 10_000)
    assert deflated is not None
    wire = masked(1, deflated, rsv1=True) * 5
    assert len(ws.receive(wire, 100, 15_000)) == 2
    assert len(ws.receive(b"", 100, 5_000)) == 1
    assert len(ws.receive(b"")) == 2


@pytest.mark.parametrize("size", [99, 100, 101, 200])
def test_receive_judges_a_message_by_the_header(size: int) -> None:
    ws = machine(max_message_size=100, max_frame_payload=150)
    header = masked(1, b"x" * size)[: 4 if size > 125 else 2]
    events = ws.receive(header)
    assert bool(events) is (size > 100)
    if events:
        error = events[0].error
        assert isinstance(error, LimitExceeded)
        assert (error.code, error.seen) == (1009, size)
        assert error.limit == ("ws_max_frame_payload" if size > 150 else "ws_max_message_size")


def test_limit_of_one_socket_can_be_lowered_only() -> None:
    ws = machine(max_message_size=100)
    ws.limit_messages(1000)
    assert isinstance(ws.receive(masked(1, b"x" * 101))[0], ViolationReceived)
    ws = machine(max_message_size=100)
    ws.limit_messages(10)
    assert ws.receive(masked(1, b"x" * 10)) == ["x" * 10]
    assert isinstance(ws.receive(masked(1, b"x" * 11))[0], ViolationReceived)


def test_held_counts_what_is_unfinished() -> None:
    ws = machine()
    ws.receive(masked(1, b"x" * 500, fin=False) + masked(0, b"y" * 50)[:20])
    assert ws.held == 500 + 14
    ws.receive(masked(9, b"x" * 100)[:7])
    assert ws.held <= 500 + 50


# Sending


@pytest.mark.parametrize("size", [0, 125, 126, 70_000])
def test_send_message_is_one_frame_whole_or_in_two_parts(size: int) -> None:
    ws = machine()
    assert ws.send_message("x" * size) == encode_frame(1, b"x" * size)
    assert ws.send_message(b"x" * size) == encode_frame(2, b"x" * size)
    payload = b"x" * size
    assert ws.send_parts(payload)[1] is payload
    assert b"".join(ws.send_parts("x" * size)) == encode_frame(1, b"x" * size)


def test_send_message_compresses_where_it_was_agreed_on() -> None:
    ws = machine(deflate=True)
    peer = machine(deflate=True)
    frame = ws.send_message("x" * 1000)
    assert frame[0] == 0xC1
    assert len(frame) < 50
    assert peer.receive(masked(1, frame[2:], rsv1=True)) == ["x" * 1000]
    assert ws.send_message("short") == encode_frame(1, b"short")
    assert encode_message("x" * 1000) == encode_frame(1, b"x" * 1000)


def test_send_shared_encodes_once_for_every_form() -> None:
    frames: dict[object, bytes] = {}
    plain, other = machine(), machine()
    packed, also = machine(deflate=True), machine(deflate=True)
    keeps = machine(takeover=True)
    message = "x" * 1000
    assert plain.send_shared(message, frames) is other.send_shared(message, frames)
    assert packed.send_shared(message, frames) is also.send_shared(message, frames)
    assert keeps.send_shared(message, frames) is plain.send_shared(message, frames)
    assert len(frames) == 2
    assert len(packed.send_shared(message, frames)) < 50


def test_sending_after_our_close_is_our_mistake() -> None:
    ws = machine()
    assert ws.send_close(1000, "bye") == b"\x88\x05\x03\xe8bye"
    assert ws.send_close() == b""
    assert ws.send_pong(b"x") == b""
    for send in (ws.send_message, ws.send_parts, lambda x: ws.send_shared(x, {}), ws.send_ping):
        with pytest.raises(LocalProtocolError):
            send(b"x")


def test_close_that_cannot_be_sent_leaves_the_machine_open() -> None:
    ws = machine()
    with pytest.raises(LocalProtocolError):
        ws.send_close(1006)
    assert not ws.close_sent
    assert ws.send_message("x")


def test_lone_surrogate_cannot_be_sent() -> None:
    with pytest.raises(UnicodeEncodeError):
        machine().send_message("\ud800")
