"""The laws of a machine, for WebSocket; and what wsproto makes of the same bytes."""

from __future__ import annotations

from functools import partial

import wsproto
import wsproto.extensions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from blackbull.errors import RemoteProtocolError
from blackbull.protocol.websocket import (
    CloseReceived,
    Compressor,
    PermessageDeflate,
    PingReceived,
    PongReceived,
    ViolationReceived,
    WebSocketConnection,
    WebSocketLimits,
    negotiate,
)
from blackbull.protocol.websocket.frames import apply_mask, encode_frame
from tests.property.driver import pieces

slow = [HealthCheck.too_slow]
law = partial(settings, deadline=None, derandomize=True, suppress_health_check=slow)
LIMITS = WebSocketLimits(max_frame_payload=2000, max_message_size=1500)
OVERHEAD = 14 + 125
"""What a machine may hold beside an unfinished message: an unfinished control frame."""

CUTS = st.lists(st.integers(0, 5000), max_size=8)
KEYS = st.binary(min_size=4, max_size=4)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40).flatmap(
    lambda text: st.sampled_from([text, text * 20])
)
MESSAGES = st.one_of(TEXTS, st.binary(max_size=200), st.binary(max_size=20).map(lambda b: b * 60))


def make(*, deflate: bool, limits: WebSocketLimits = LIMITS) -> WebSocketConnection:
    agreement = negotiate([(b"permessage-deflate", [])])
    assert agreement is not None
    return WebSocketConnection(
        limits, PermessageDeflate(agreement, Compressor()) if deflate else None
    )


def observe(
    arrivals: list[bytes],
    *,
    deflate: bool = False,
    limits: WebSocketLimits = LIMITS,
    room: int = 1000,
) -> tuple[list[object], int]:
    """Return what a machine reports, and the most bytes that it held after an arrival."""
    machine = make(deflate=deflate, limits=limits)
    seen: list[object] = []
    held = 0
    for data in arrivals:
        events = machine.receive(data, room)
        while events:
            seen += events
            events = machine.receive(b"", room) if len(events) == room else []
        held = max(held, machine.held)
    return [plain(event) for event in seen], held


def plain(event: object) -> object:
    if isinstance(event, PingReceived | PongReceived):
        return (type(event).__name__, event.payload)
    if isinstance(event, CloseReceived):
        return ("close", event.code, event.reason)
    if isinstance(event, ViolationReceived):
        assert isinstance(event.error, RemoteProtocolError)
        assert event.error.code in {1002, 1007, 1008, 1009}
        assert event.error.spec
        return ("violation", event.error.code)
    assert isinstance(event, str | bytes)
    return event


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """Return messages in fragments with control frames between them, as a client writes them."""
    wire = b""
    for message in draw(st.lists(MESSAGES, max_size=4)):
        raw = message.encode() if isinstance(message, str) else message
        opcode = 1 if isinstance(message, str) else 2
        parts = pieces(raw, draw(st.lists(st.integers(0, 200), max_size=3))) or [b""]
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            wire += encode_frame(opcode if not number else 0, part, fin=last, mask_key=draw(KEYS))
            if draw(st.booleans()):
                wire += encode_frame(draw(st.sampled_from([9, 10])), draw(st.binary(max_size=20)),
                                     mask_key=draw(KEYS))  # fmt: skip
    if draw(st.booleans()):
        wire += encode_frame(8, b"\x03\xe8bye", mask_key=draw(KEYS))
    return wire


@st.composite
def nearly_frames(draw: st.DrawFn) -> bytes:
    """Return bytes that look like frames, most of them broken somewhere."""
    wire = draw(frames())
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, max(len(wire) - 1, 0)))
        wire = wire[:at] + draw(st.binary(max_size=3)) + wire[at + draw(st.integers(0, 2)) :]
    rough = st.lists(
        st.builds(
            lambda first, payload, key: bytes((first, 0x80 | len(payload))) + key
            + apply_mask(payload, key),
            st.integers(0, 255), st.binary(max_size=60), KEYS,
        ), max_size=5,
    ).map(b"".join)  # fmt: skip
    return draw(st.one_of(st.just(wire), rough, st.binary(max_size=100)))


@law(max_examples=300)
@given(nearly_frames(), CUTS, st.booleans(), st.integers(1, 5))
def test_segmentation_any_cut_reports_the_same(
    wire: bytes, cuts: list[int], deflate: bool, room: int
) -> None:
    whole, _ = observe([wire], deflate=deflate)
    assert observe(pieces(wire, cuts), deflate=deflate)[0] == whole
    assert observe([wire[i : i + 1] for i in range(len(wire))], deflate=deflate)[0] == whole
    assert observe(pieces(wire, cuts), deflate=deflate, room=room)[0] == whole


@law(max_examples=300)
@given(nearly_frames(), st.booleans())
def test_bounded_no_more_is_held_than_the_limits_allow(wire: bytes, deflate: bool) -> None:
    _, held = observe([wire[i : i + 1] for i in range(len(wire))], deflate=deflate)
    assert held <= LIMITS.max_message_size + OVERHEAD


@law(max_examples=400)
@given(st.binary(max_size=300), CUTS, st.booleans())
def test_closed_errors_any_bytes_raise_nothing(wire: bytes, cuts: list[int], deflate: bool) -> None:
    seen, _ = observe(pieces(wire, cuts), deflate=deflate)
    ends = [
        event for event in seen if isinstance(event, tuple) and event[0] in {"violation", "close"}
    ]
    assert len(ends) <= 1
    assert not ends or seen[-1] == ends[0]


def _client(*, deflate: bool) -> wsproto.connection.Connection:
    extensions = []
    if deflate:
        extension = wsproto.extensions.PerMessageDeflate()
        extension.finalize(
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        )
        extensions = [extension]
    return wsproto.connection.Connection(wsproto.connection.ConnectionType.CLIENT, extensions)


@law(max_examples=200)
@given(st.lists(MESSAGES, max_size=6), CUTS, st.booleans())
def test_round_trip_wsproto_writes_and_we_read(
    messages: list[str | bytes], cuts: list[int], deflate: bool
) -> None:
    client = _client(deflate=deflate)
    wire = b""
    for message in messages:
        event = TextMessage(message) if isinstance(message, str) else BytesMessage(message)
        wire += client.send(event) + client.send(Ping(b"?"))
    wire += client.send(CloseConnection(4000, "bye"))
    seen, _ = observe(pieces(wire, cuts), deflate=deflate, limits=WebSocketLimits())
    expected: list[object] = []
    for message in messages:
        expected += [message, ("PingReceived", b"?")]
    assert seen == [*expected, ("close", 4000, "bye")]


@law(max_examples=200)
@given(st.lists(MESSAGES, max_size=6), CUTS, st.booleans(), st.booleans())
def test_round_trip_we_write_and_wsproto_reads(
    messages: list[str | bytes], cuts: list[int], deflate: bool, shared: bool
) -> None:
    machine = make(deflate=deflate)
    wire = b""
    for message in messages:
        wire += machine.send_shared(message, {}) if shared else machine.send_message(message)
    wire += machine.send_ping(b"!") + machine.send_pong(b"?") + machine.send_close(1001, "grüß")
    client = _client(deflate=deflate)
    got: list[object] = []
    parts: list[str | bytes] = []
    for piece in pieces(wire, cuts):
        client.receive_data(piece)
        for event in client.events():
            if isinstance(event, TextMessage | BytesMessage):
                parts.append(event.data)
                if event.message_finished:
                    empty: str | bytes = "" if isinstance(parts[0], str) else b""
                    got.append(empty.join(parts))
                    parts = []
            else:
                got.append(event)
    assert got[: len(messages)] == [bytes(m) if not isinstance(m, str) else m for m in messages]
    rest = got[len(messages) :]
    assert isinstance(rest[0], Ping)
    assert isinstance(rest[1], Pong)
    assert rest[2] == CloseConnection(1001, "grüß")


def _judge(wire: bytes) -> tuple[list[object], int | None]:
    """Return what wsproto reports as a server, in our words, and the code it ends with."""
    server = wsproto.connection.Connection(wsproto.connection.ConnectionType.SERVER)
    seen: list[object] = []
    parts: list[str | bytes] = []
    server.receive_data(wire)
    for event in server.events():
        if isinstance(event, TextMessage | BytesMessage):
            parts.append(event.data)
            if event.message_finished:
                empty: str | bytes = "" if isinstance(parts[0], str) else b""
                seen.append(empty.join(parts))
                parts = []
        elif isinstance(event, Ping):
            seen.append(("PingReceived", bytes(event.payload)))
        elif isinstance(event, Pong):
            seen.append(("PongReceived", bytes(event.payload)))
        elif isinstance(event, CloseConnection):
            return seen, int(event.code)
    return seen, None


@law(max_examples=400)
@given(nearly_frames())
def test_differential_wsproto_reports_the_same(wire: bytes) -> None:
    """What arrives, and with which code it ends: a close and a violation both end it."""
    ours, _ = observe([wire], limits=WebSocketLimits())
    code = None
    if ours and isinstance(ours[-1], tuple) and ours[-1][0] in {"close", "violation"}:
        code = ours.pop()[1]
    theirs = _judge(wire)
    if code is not None and theirs[1] is None:
        # We judge a header by its first octets; wsproto waits for the rest of it.
        theirs = _judge(wire + bytes(14))
    if code == 1009:
        assert ours == theirs[0]  # it has no limit
    else:
        assert (ours, code) == theirs
