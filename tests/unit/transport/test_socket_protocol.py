"""From the event loop's callbacks to the current consumer, and back."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from blackbull.abc import Consumer, Leaving
from blackbull.errors import ConnectionLost
from blackbull.transport import socket_protocol
from blackbull.transport.deadline import Wheel
from blackbull.transport.linger import Linger
from blackbull.transport.socket_protocol import SocketProtocol


class Wire(asyncio.Transport):
    """A transport that writes down what it is told to do."""

    def __init__(self, extra: dict[str, object] | None = None) -> None:
        super().__init__(extra)
        self.told: list[str] = []
        self.written = b""
        self.closing = False

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        self.written += data

    def writelines(self, parts: object) -> None:
        assert isinstance(parts, list)
        self.told.append(f"writelines {len(parts)}")
        self.write(b"".join(parts))

    def write_eof(self) -> None:
        self.told.append("write_eof")

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.told.append("pause")

    def resume_reading(self) -> None:
        self.told.append("resume")

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True
        self.told.append("close")

    def abort(self) -> None:
        self.closing = True
        self.told.append("abort")


class Hall:
    """Accepts, and remembers who came and went."""

    aggregator = None
    write_timeout = 0.0

    def __init__(self) -> None:
        self.leaving = Leaving()
        self.wheel = Wheel(asyncio.get_running_loop())
        self.came: list[SocketProtocol] = []
        self.went: list[Exception | None] = []

    def accepted(self, view: SocketProtocol) -> None:
        self.came.append(view)

    def closed(self, view: SocketProtocol, error: Exception | None) -> None:
        self.went.append(error)


class Diary(Consumer):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def data_received(self, data: bytes) -> None:
        self.told.append(data)

    def eof_received(self) -> None:
        self.told.append("eof")

    def connection_lost(self, error: Exception | None) -> None:
        self.told.append(("lost", error))

    def writing_paused(self) -> None:
        self.told.append("paused")

    def writing_resumed(self) -> None:
        self.told.append("resumed")

    def deadline_expired(self) -> None:
        self.told.append("deadline")

    def shutdown(self) -> None:
        self.told.append("shutdown")


def made(extra: dict[str, object] | None = None) -> tuple[SocketProtocol, Wire, Hall]:
    hall = Hall()
    view = SocketProtocol(hall)
    wire = Wire(extra)
    view.connection_made(wire)
    assert hall.came == [view]
    return view, wire, hall


async def test_protocol_happenings_reach_the_consumer_in_order() -> None:
    view, _, hall = made()
    diary = Diary()
    view.attach(diary)
    view.data_received(b"a")
    view.pause_writing()
    view.resume_writing()
    view.shutdown()
    assert view.eof_received() is True
    error = ConnectionLost("gone")
    view.connection_lost(error)
    assert diary.told == [b"a", "paused", "resumed", "shutdown", "eof", ("lost", error)]
    assert hall.went == [error]


async def test_protocol_nobody_attached_keeps_everything_and_stops_the_peer() -> None:
    view, wire, _ = made()
    view.data_received(b"a")
    view.data_received(b"b")
    view.eof_received()
    assert wire.told == ["pause"]
    diary = Diary()
    view.attach(diary)
    assert wire.told == ["pause", "resume"]
    assert diary.told == [b"ab", "eof"]


async def test_protocol_lost_before_anybody_attached_is_told_once() -> None:
    view, _, hall = made()
    view.data_received(b"a")
    view.connection_lost(None)
    diary = Diary()
    view.attach(diary)
    assert diary.told == [b"a", ("lost", None)]
    assert hall.went == [None]


async def test_protocol_unread_bytes_come_first_for_the_next_consumer() -> None:
    view, _, _ = made()
    first, second = Diary(), Diary()
    view.attach(first)
    view.data_received(b"ab")
    view.unread(b"ab")
    view.data_received(b"cd")
    view.attach(second)
    view.data_received(b"ef")
    assert first.told == [b"ab"]
    assert second.told == [b"abcd", b"ef"]


async def test_protocol_consumer_that_hands_on_at_once_is_told_nothing_more() -> None:
    view, _, _ = made()
    last = Diary()

    class Passing(Diary):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            view.unread(data[1:])
            view.attach(last)

    view.data_received(b"abc")
    view.eof_received()
    passing = Passing()
    view.attach(passing)
    assert passing.told == [b"abc"]
    assert last.told == [b"bc", "eof"]


async def test_protocol_deadline_passes_tells_the_consumer() -> None:
    view, _, _ = made()
    told = asyncio.Event()

    class Waiting(Diary):
        def deadline_expired(self) -> None:
            told.set()

    view.attach(Waiting())
    view.deadline.set(0.001)
    async with asyncio.timeout(5):
        await told.wait()


async def test_protocol_lost_writes_nothing_and_leaves_no_timer() -> None:
    view, wire, _ = made()
    view.deadline.set(60.0)
    view.connection_lost(None)
    view.send(b"x")
    view.send_parts([b"x"])
    view.pause_reading()
    view.resume_reading()
    assert wire.written == b""
    assert wire.told == []


@pytest.mark.parametrize(("pauses", "told"), [(True, ["writelines 2"]), (False, [])])
async def test_protocol_parts_are_one_call(
    pauses: bool, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_protocol, "WRITELINES_PAUSES", pauses)
    view, wire, _ = made()
    view.send_parts([b"a", b"b"])
    assert (wire.written, wire.told) == (b"ab", told)


async def test_protocol_pausing_twice_is_once() -> None:
    view, wire, _ = made()
    view.pause_reading()
    view.pause_reading()
    view.resume_reading()
    view.resume_reading()
    assert wire.told == ["pause", "resume"]


async def test_protocol_reader_and_writer_hear_what_happens() -> None:
    view, wire, _ = made()
    reader, writer = view.reader, view.writer
    assert view.reader is reader
    assert view.writer is writer
    view.data_received(b"hello")
    assert await reader.read() == b"hello"
    view.pause_writing()
    writing = asyncio.create_task(writer.write(b"x"))
    await asyncio.sleep(0)
    assert not writing.done()
    view.resume_writing()
    await writing
    assert wire.written == b"x"
    view.connection_lost(None)
    assert await reader.read() == b""
    with pytest.raises(ConnectionLost):
        await writer.write(b"y")


async def test_protocol_linger_says_the_end_then_throws_away_what_comes() -> None:
    view, wire, _ = made()
    diary = Diary()
    view.attach(diary)
    view.linger()
    assert wire.told == ["write_eof"]
    view.data_received(b"ignored")
    assert diary.told == []
    view.eof_received()
    assert wire.told == ["write_eof", "close"]
    view.connection_lost(None)


async def test_protocol_linger_ends_when_the_peer_goes_on_sending() -> None:
    view, wire, _ = made()
    view.linger()
    view.data_received(bytes(Linger.max_bytes))
    assert "abort" not in wire.told
    view.data_received(b"x")
    assert wire.told[-1] == "abort"
    view.connection_lost(None)


@pytest.mark.parametrize(
    ("raw", "address"),
    [
        (("192.0.2.1", 80), ("192.0.2.1", 80)),
        (("::1", 80, 0, 0), ("::1", 80)),
        ("/run/app.sock", ("/run/app.sock", None)),
        ("", None),
        (None, None),
    ],
)
async def test_protocol_addresses_have_two_parts(raw: object, address: object) -> None:
    view, _, _ = made({"peername": raw, "sockname": raw})
    assert view.peername == address
    assert view.sockname == address


async def test_protocol_identity_is_made_once() -> None:
    view, _, _ = made()
    assert uuid.UUID(hex=view.connection_id).version == 4
    assert view.connection_id == view.connection_id
    assert view.ssl is None
    assert view.alpn is None
    assert view.aggregator is None


async def test_protocol_tls_says_its_alpn_and_stays_half_open() -> None:
    class TLS:
        def selected_alpn_protocol(self) -> str:
            return "h2"

    view, _, _ = made({"ssl_object": TLS()})
    view.attach(Diary())
    assert view.alpn == "h2"
    assert isinstance(view.ssl, TLS)
    assert view.eof_received() is True
