"""The laws of the HTTP/2 machine, and agreement with the h2 package."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import hpack
from hypothesis import given, settings
from hypothesis import strategies as st

from blackbull.errors import LocalProtocolError, RemoteProtocolError
from blackbull.protocol.http2 import (
    PREFACE,
    ConnectionFailed,
    DataReceived,
    Event,
    GoAwayReceived,
    HeadParser,
    HTTP2Connection,
    HTTP2Limits,
    HTTP2RequestHead,
    Priority,
    PriorityUpdated,
    RequestEnded,
    RequestReceived,
    RequestRefused,
    StreamFailed,
    StreamReset,
)

LIMITS = HTTP2Limits(
    max_header_block=2000, max_header_total=1500, max_header_line=500, max_fields=20,
    max_continuations=4, max_concurrent_streams=4, max_body=3000, initial_window_size=70000,
    max_send_buffer=1000,
)  # fmt: skip

GET = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")]

PIECES = st.sampled_from([
    *GET, *GET, *GET,
    (b":method", b"POST"), (b":method", b""), (b":path", b"x"), (b":path", b"/%zz"),
    (b":path", b"*"), (b":scheme", b"ftp"), (b":authority", b""), (b":authority", b"u@a"),
    (b":status", b"200"), (b":protocol", b"websocket"), (b":unknown", b"1"),
    (b"host", b"a"), (b"host", b"b"), (b"cookie", b"a=b"), (b"cookie", b"c=d"),
    (b"content-length", b"0"), (b"content-length", b"3"), (b"content-length", b"-1"),
    (b"te", b"trailers"), (b"te", b"gzip"), (b"connection", b"close"), (b"x-a", b"1"),
    (b"X-A", b"1"), (b"x-a", b" 1"), (b"x-a", b"\0"), (b"x-a", b"v" * 600),
    (b"expect", b"100-continue"), (b"expect", b"x"), (b"content-length", b"4000"),
    (b"x-b", b"v" * 600), (b"priority", b"u=1, i"), (b"", b""),
])  # fmt: skip
SECTIONS = st.one_of(
    st.just(GET),
    PIECES.map(lambda extra: [*GET, extra]),
    st.lists(PIECES, max_size=4).map(lambda extra: GET + extra),
    st.lists(PIECES, max_size=8),
)
STREAMS = st.sampled_from([0, 1, 1, 3, 3, 5, 7, 9, 2, 4, 0x7FFFFFFF])
NUMBERS = st.sampled_from([0, 1, 2, 3, 8, 100, 65535, 0x7FFFFFFF, 0x80000001, 0xFFFFFFFF])


def frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    size = len(payload).to_bytes(3, "big")
    return size + bytes((kind, flags)) + stream_id.to_bytes(4, "big") + payload


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


@dataclass(frozen=True)
class Section:
    """A header section on a stream; encoded when all of a connection is put together."""

    stream_id: int
    fields: tuple[tuple[bytes, bytes], ...]
    flags: int
    cut: int

    def render(self, encoder: hpack.Encoder) -> bytes:
        block = encoder.encode(self.fields)
        if not self.cut:
            return frame(1, self.flags | 4, self.stream_id, block)
        rest = block[self.cut :]
        return frame(1, self.flags & ~4, self.stream_id, block[: self.cut]) + frame(
            9, 4, self.stream_id, rest
        )


UNITS = st.one_of(
    st.builds(
        Section, STREAMS, SECTIONS.map(tuple), st.sampled_from([0, 1, 1]),
        st.sampled_from([0, 0, 0, 1, 5]),
    ),
    st.builds(frame, st.just(0), st.sampled_from([0, 1, 8, 9]), STREAMS, st.binary(max_size=300)),
    st.builds(frame, st.just(0), st.just(0), STREAMS, st.just(bytes(2000))),
    st.builds(frame, st.just(3), st.just(0), STREAMS, NUMBERS.map(number)),
    st.builds(frame, st.just(8), st.just(0), STREAMS, NUMBERS.map(number)),
    st.builds(
        frame, st.just(4), st.sampled_from([0, 0, 0, 1]), st.just(0),
        st.lists(
            st.tuples(st.integers(0, 9), NUMBERS).map(
                lambda pair: pair[0].to_bytes(2, "big") + number(pair[1])
            ),
            max_size=3,
        ).map(b"".join),
    ),
    st.builds(frame, st.just(6), st.sampled_from([0, 1]), st.just(0), st.just(b"12345678")),
    st.builds(
        frame, st.just(16), st.just(0), st.just(0),
        STREAMS.map(lambda stream_id: number(stream_id) + b"u=2, i"),
    ),
    st.builds(
        frame, st.integers(0, 20), st.integers(0, 255), STREAMS, st.binary(max_size=20)
    ),
)  # fmt: skip
OPERATIONS = st.one_of(
    st.tuples(st.just("open"), SECTIONS, st.booleans()),
    st.tuples(st.just("open"), st.just(GET), st.booleans()),
    st.tuples(st.just("data"), st.binary(max_size=300), st.sampled_from([0, 1, 8, 9])),
    st.tuples(st.just("data"), st.just(b"\x05" + bytes(1500)), st.sampled_from([0, 0, 1, 8])),
    st.tuples(st.just("trailers"), st.lists(PIECES, max_size=2), st.just(1)),
    st.tuples(st.just("reset"), st.just(b""), NUMBERS),
    st.tuples(st.just("window"), st.booleans(), st.sampled_from([0, 1, 100, 65535, 0x7FFFFFFF])),
    st.tuples(st.just("priority"), st.just(b"u=2, i"), st.just(0)),
    st.tuples(st.just("goaway"), st.just(b""), st.just(0)),
    st.tuples(st.just("wild"), UNITS, st.sampled_from([0, 0, 0, 1])),
)
LAW = settings(deadline=None, max_examples=200)

Plan: TypeAlias = list[tuple[tuple[str, Any, Any], int]]
CONNECTIONS = st.lists(st.tuples(OPERATIONS, st.integers(0, 3)), max_size=14)


def render(plan: Plan) -> bytes:
    """Return all that a client says: mostly plausible, now and then not."""
    encoder = hpack.Encoder()
    parts = [PREFACE, frame(4, 0, 0, b""), frame(4, 1, 0, b"")]
    last = -1
    for (name, first, second), back in plan:
        stream_id = max(last - 2 * back, 1)
        if name == "open":
            last += 2
            section = Section(last, tuple(first), int(bool(second)), back % 2 * 3)
            parts.append(section.render(encoder))
        elif name == "wild" and second:
            parts.append(first.render(encoder) if isinstance(first, Section) else first)
        elif last < 0:
            continue
        elif name == "data":
            parts.append(frame(0, second, stream_id, first))
        elif name == "trailers":
            parts.append(Section(stream_id, tuple(first), second, 0).render(encoder))
        elif name == "reset":
            parts.append(frame(3, 0, stream_id, number(second)))
        elif name == "window":
            parts.append(frame(8, 0, stream_id if first else 0, number(second)))
        elif name == "priority":
            parts.append(frame(16, 0, 0, number(stream_id) + first))
        elif name == "goaway":
            parts.append(frame(7, 0, 0, bytes(8)))
    return b"".join(parts)


def describe(value: object) -> object:
    """Return what an event says, to be compared."""
    if isinstance(value, RemoteProtocolError):
        return (type(value).__name__, value.code, value.spec, str(value))
    if isinstance(value, HTTP2RequestHead):
        return (value.method, value.raw_path, value.query_string, value.authority, value.scheme,
                value.fields, value.content_length, value.protocol)  # fmt: skip
    if isinstance(value, int | bytes | tuple | Priority):
        return value
    names = [name for name in dir(value) if not name.startswith("_")]
    return (type(value).__name__, [describe(getattr(value, name)) for name in names])


def new_machine(parser: HeadParser | None = None) -> HTTP2Connection:
    machine = HTTP2Connection(parser or HeadParser(LIMITS))
    machine.data_to_send()
    return machine


def run(
    machine: HTTP2Connection, segments: list[bytes], *, answer: bool
) -> tuple[list[object], bytes]:
    """Return the descriptions of all events and all that the machine sends."""
    events: list[object] = []
    out = b""
    for segment in segments:
        for event in machine.receive(segment, 0.0):
            events.append(describe(event))
            if answer:
                serve(machine, event)
        check_bounds(machine)
        out += machine.data_to_send(1 << 20)
        machine.relieved()
    return events, out


def serve(machine: HTTP2Connection, event: Event) -> None:
    """Answer in several ways."""
    if isinstance(event, RequestReceived):
        if event.stream_id % 3 == 0:
            machine.send_head(event.stream_id, 200, [(b"x-a", b"1")], b"now")
            machine.send_data(event.stream_id, bytes(3000))
            machine.send_trailers(event.stream_id, [(b"x-b", b"2")])
        elif event.ended:
            machine.send_response(event.stream_id, 200, b"text/plain", (), b"hello", b"now")
    elif isinstance(event, RequestRefused):
        machine.send_refusal(event.stream_id, event.error, date=b"now")
    elif isinstance(event, DataReceived):
        machine.acknowledge(event.stream_id, len(event.data))
    elif isinstance(event, RequestEnded) and not machine.response_started(event.stream_id):
        machine.send_response(event.stream_id, 404, b"", (), b"", b"now")


def check_bounds(machine: HTTP2Connection) -> None:
    assert machine.buffered <= LIMITS.max_frame_size + 9 + LIMITS.max_header_block
    assert len(machine._open) <= LIMITS.max_concurrent_streams
    assert len(machine._streams._reset) <= 256
    assert len(machine._streams._gaps) <= 32
    assert len(machine._requests._known) <= 256
    assert len(machine._control._early) <= LIMITS.max_concurrent_streams
    assert machine._requests._decoder.table.size <= 4096
    assert machine._responses._encoder.table.size <= 4096
    waiting = {stream.id for stream in machine._open.values() if stream.scheduled}
    assert machine._outflow.schedule.count == len(waiting)


def check_credit(machine: HTTP2Connection) -> None:
    """Every byte of the connection's window is available, waiting, or about to be returned."""
    waiting = sum(
        stream.inbound.unacknowledged for stream in machine._open.values() if stream.inbound
    )
    window = machine._streams.window
    assert window.available + window._consumed + waiting == window.size


@LAW
@given(CONNECTIONS, st.data())
def test_segmentation_changes_nothing(plan: Plan, data: st.DataObject) -> None:
    wire = render(plan)
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=8).map(sorted))
    places = [0, *cuts, len(wire)]
    segments = [wire[a:b] for a, b in pairwise(places)]
    whole, split = new_machine(), new_machine()
    expected = run(whole, [wire], answer=False)
    assert run(split, segments, answer=False) == expected
    assert whole.failed == split.failed
    if not whole.failed:
        check_credit(whole)


@LAW
@given(CONNECTIONS)
def test_segmentation_into_single_bytes_changes_nothing(plan: Plan) -> None:
    wire = render(plan)
    expected = run(new_machine(), [wire], answer=False)
    segments = [wire[at : at + 1] for at in range(len(wire))]
    assert run(new_machine(), segments, answer=False) == expected


@LAW
@given(CONNECTIONS)
def test_parity_of_cold_and_warm_memories(plan: Plan) -> None:
    wire = render(plan)
    parser = HeadParser(LIMITS)
    expected = run(new_machine(), [wire], answer=False)
    for _ in range(2):
        assert run(new_machine(parser), [wire], answer=False) == expected


@LAW
@given(CONNECTIONS)
def test_bounded_and_answerable_whatever_comes(plan: Plan) -> None:
    machine = new_machine()
    wire = render(plan)
    run(machine, [wire[at : at + 150] for at in range(0, len(wire), 150)], answer=True)
    assert machine.send_window <= 0x7FFFFFFF
    if not machine.failed:
        check_credit(machine)


@LAW
@given(st.lists(st.binary(max_size=100), max_size=10), st.booleans())
def test_closed_errors_on_arbitrary_bytes(segments: list[bytes], greeted: bool) -> None:
    machine = new_machine()
    if greeted:
        machine.receive(PREFACE + frame(4, 0, 0, b""), 0.0)
    failed = 0
    for segment in segments:
        events = machine.receive(segment, 0.0)
        failed += sum(isinstance(event, ConnectionFailed) for event in events)
    assert failed == machine.failed


COMMANDS = st.lists(
    st.one_of(
        st.tuples(
            st.just("response"), st.sampled_from([200, 204, 304, 404]), st.binary(max_size=9)
        ),
        st.tuples(st.just("head"), st.sampled_from([100, 200, 204, 99]), st.integers(-1, 3)),
        st.tuples(st.just("data"), st.booleans(), st.binary(max_size=5)),
        st.tuples(st.just("trailers"), st.booleans(), st.booleans()),
        st.tuples(st.just("interim"), st.sampled_from([100, 103, 101, 200]), st.none()),
        st.tuples(st.just("reset"), st.none(), st.none()),
        st.tuples(st.just("refuse"), st.sampled_from([1, 413]), st.none()),
    ),
    max_size=8,
)


def command(machine: HTTP2Connection, name: str, first: object, second: object) -> None:
    """Carry out one drawn command on stream 1."""
    if name == "response":
        assert isinstance(first, int)
        assert isinstance(second, bytes)
        machine.send_response(1, first, b"text/plain", (), second, b"now")
    elif name == "head":
        assert isinstance(first, int)
        assert isinstance(second, int)
        machine.send_head(1, first, [], b"now", length=second)
    elif name == "data":
        assert isinstance(second, bytes)
        machine.send_data(1, second, end=bool(first))
    elif name == "trailers":
        machine.send_trailers(1, [(b"x-a", b"1")] if first else [])
    elif name == "interim":
        assert isinstance(first, int)
        machine.send_informational(1, first)
    elif name == "reset":
        machine.reset_stream(1)
    else:
        assert isinstance(first, int)
        machine.send_refusal(1, RemoteProtocolError("no", code=first), date=b"now")


@LAW
@given(COMMANDS, st.sampled_from([b"GET", b"HEAD"]), st.booleans())
def test_round_trip_any_commands_are_refused_or_make_sense_to_h2(
    commands: list[tuple[str, object, object]], method: bytes, ended: bool
) -> None:
    """Whatever is not refused as our mistake is a sequence that a strict client accepts."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    client.initiate_connection()
    client.send_headers(1, [(b":method", method), *GET[1:]], end_stream=ended)
    machine = HTTP2Connection(HeadParser(HTTP2Limits()))
    machine.receive(client.data_to_send(), 0.0)
    for name, first, second in commands:
        try:
            command(machine, name, first, second)
        except LocalProtocolError:
            continue
        client.receive_data(machine.data_to_send())
    client.receive_data(machine.data_to_send())


@LAW
@given(st.lists(PIECES, max_size=8), st.booleans())
def test_what_h2_refuses_is_refused(fields: list[tuple[bytes, bytes]], complete: bool) -> None:
    """And what the machine accepts, h2 reads in the same way."""
    fields = GET + fields if complete else fields
    wire = frame(1, 5, 1, hpack.Encoder().encode(fields))
    server = h2.connection.H2Connection(
        h2.config.H2Configuration(client_side=False, header_encoding=None)
    )
    server.initiate_connection()
    server.receive_data(PREFACE + frame(4, 0, 0, b""))
    theirs: list[tuple[bytes, bytes]] | None = None
    try:
        for event in server.receive_data(wire):
            if isinstance(event, h2.events.RequestReceived):
                theirs = [(bytes(name), bytes(value)) for name, value in event.headers or []]
    except h2.exceptions.ProtocolError:
        theirs = None
    machine = new_machine()
    machine.receive(PREFACE + frame(4, 0, 0, b""), 0.0)
    (event,) = machine.receive(wire, 0.0)
    if theirs is None:
        assert isinstance(event, RequestRefused | StreamFailed)
        return
    if isinstance(event, RequestReceived):
        regular = [f for f in theirs if f[0][:1] != b":" and f[0] not in {b"host", b"cookie"}]
        ours = [f for f in event.head.fields if f[0] not in {b"host", b"cookie"}]
        assert ours == regular
        pseudo = dict(theirs)
        assert event.head.method.encode() == pseudo[b":method"]
        assert event.head.raw_path == pseudo[b":path"]
        cookies = [value for name, value in theirs if name == b"cookie"]
        if cookies:
            assert (b"cookie", b"; ".join(cookies)) in event.head.fields


def test_drawn_connections_reach_every_kind_of_event() -> None:
    """The laws above say something only if the drawn connections get that far."""
    reached = set()

    @settings(max_examples=500, database=None, derandomize=True, deadline=None)
    @given(CONNECTIONS)
    def look(plan: Plan) -> None:
        machine = new_machine()
        reached.update(type(event) for event in machine.receive(render(plan), 0.0))

    look()
    assert reached == {
        ConnectionFailed, DataReceived, GoAwayReceived, PriorityUpdated, RequestEnded,
        RequestReceived, RequestRefused, StreamFailed, StreamReset,
    }  # fmt: skip
