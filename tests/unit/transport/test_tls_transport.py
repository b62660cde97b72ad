"""TLS between the event loop and what is served above it, with a client in memory."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from blackbull.abc import Consumer, Leaving
from blackbull.transport.deadline import Wheel
from blackbull.transport.socket_protocol import SocketProtocol
from blackbull.transport.tls import ContextSource, server_context
from blackbull.transport.tls_transport import RECORD, TLSTransport
from tests.certificates import Authority, MemoryClient
from tests.spec import spec


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


class Diary(Consumer):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def data_received(self, data: bytes) -> None:
        self.told.append(data)

    def eof_received(self) -> None:
        self.told.append("eof")

    def connection_lost(self, error: Exception | None) -> None:
        self.told.append(("lost", error and str(error)))

    def writing_paused(self) -> None:
        self.told.append("paused")

    def writing_resumed(self) -> None:
        self.told.append("resumed")

    def deadline_expired(self) -> None:
        self.told.append("deadline")

    def shutdown(self) -> None:
        self.told.append("shutdown")


class Hall:
    """Answers for connections and for handshakes alike, and keeps a list of what it was told."""

    aggregator = None
    write_timeout = 0.0

    def __init__(self, *, timeout: float = 0.0, welcome: bool = True) -> None:
        self.leaving = Leaving()
        self.wheel = Wheel(asyncio.get_running_loop(), granularity=0.005)
        self.timeout = timeout
        self.welcome = welcome
        self.told: list[object] = []
        self.diary = Diary()
        self.view: SocketProtocol | None = None

    def accepted(self, view: SocketProtocol) -> None:
        self.told.append("accepted")
        self.view = view
        view.attach(self.diary)

    def closed(self, view: SocketProtocol, error: Exception | None) -> None:
        self.told.append("closed")

    def begun(self, tls: TLSTransport) -> bool:
        self.told.append("begun")
        return self.welcome

    def failed(self, tls: TLSTransport, reason: str) -> None:
        self.told.append(("failed", reason))

    def timed_out(self, tls: TLSTransport) -> None:
        self.told.append("timed out")

    def over(self, tls: TLSTransport) -> None:
        self.told.append("over")


class Wire(asyncio.Transport):
    """The loop's transport: what it is told to send goes to the client, if there is one."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 4711)})
        self.told: list[str] = []
        self.writes = 0
        self.sent = bytearray()
        self.queued = 0
        self.closing = False
        self.aborted = asyncio.Event()

    def write(self, data: bytes) -> None:  # type: ignore[override]
        assert data
        assert not self.closing
        self.writes += 1
        self.sent += data

    def get_write_buffer_size(self) -> int:
        return self.queued

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.told.append("write_eof")

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
        self.aborted.set()


class Meeting:
    """A server's connection and its client, the handshake done."""

    def __init__(
        self, authority: Authority, *, hall: Hall | None = None, version: str = "TLSv1_3"
    ) -> None:
        self.hall = hall or Hall()
        self.wire = Wire()
        context = server_context(authority.issue(), client_ca=authority.path, alpn=["h2"])
        context.verify_mode = ssl.CERT_OPTIONAL
        self.server = TLSTransport(self.hall, ContextSource(context), handshakes=self.hall)
        client = authority.client_context(alpn=["h2"])
        client.maximum_version = ssl.TLSVersion[version]
        self.to_server = bytearray()
        self.client = MemoryClient(client, self.to_server.extend)
        self.server.connection_made(self.wire)
        self.client.start()
        while not self.client.ready or self.to_server:
            self.carry()

    @property
    def view(self) -> SocketProtocol:
        assert self.hall.view is not None
        return self.hall.view

    @property
    def told(self) -> list[object]:
        return self.hall.diary.told

    def carry(self, *, cut: int = 0) -> None:
        """Bring everything that is under way to where it goes; *cut*: in pieces so long."""
        data = bytes(self.to_server)
        self.to_server.clear()
        for start in range(0, len(data), cut or len(data) or 1):
            self.server.data_received(data[start : start + (cut or len(data))])
        back = bytes(self.wire.sent)
        self.wire.sent.clear()
        self.client.hear(back)

    def lose(self, error: Exception | None = None) -> None:
        self.server.connection_lost(error)


@pytest.fixture(params=["TLSv1_2", "TLSv1_3"])
async def meeting(authority: Authority, request: pytest.FixtureRequest) -> Meeting:
    return Meeting(authority, version=request.param)


# The handshake


async def test_handshake_done_is_told_before_the_connection_is_served(meeting: Meeting) -> None:
    assert meeting.hall.told == ["begun", "over", "accepted"]
    assert meeting.view.ssl is not None
    assert meeting.view.alpn == "h2"
    assert meeting.view.peername == ("192.0.2.1", 4711)
    assert meeting.told == []
    meeting.lose()
    assert meeting.hall.told[3:] == ["closed"]


async def test_handshake_in_single_bytes_is_the_same(authority: Authority) -> None:
    hall = Hall()
    wire = Wire()
    source = ContextSource(server_context(authority.issue()))
    server = TLSTransport(hall, source, handshakes=hall)
    server.connection_made(wire)

    def one_by_one(data: bytes) -> None:
        for byte in data:
            server.data_received(bytes([byte]))

    client = MemoryClient(authority.client_context(), one_by_one)
    client.start()
    while not client.ready:
        data = bytes(wire.sent)
        wire.sent.clear()
        client.hear(data)
    client.say(b"hello")
    assert hall.diary.told == [b"hello"]
    server.connection_lost(None)


async def test_handshake_last_flight_may_bring_the_first_bytes(authority: Authority) -> None:
    hall = Hall()
    wire = Wire()
    server = TLSTransport(hall, ContextSource(server_context(authority.issue())), handshakes=hall)
    server.connection_made(wire)
    flights: list[bytes] = []
    client = MemoryClient(authority.client_context(), flights.append)
    client.start()
    server.data_received(flights.pop())
    client.hear(bytes(wire.sent))
    client.say(b"hello")
    server.data_received(b"".join(flights))
    assert hall.told == ["begun", "over", "accepted"]
    assert hall.diary.told == [b"hello"]
    server.connection_lost(None)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", "the client spoke plain HTTP"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "wrong version number"),
        (b"\x16\x03\x01\xff\xff" + bytes(70000), "packet length too long"),
        (b"\x00" * 200000, "record layer failure|wrong version number|unsupported protocol"),
        (b"\x10\x0c\x00\x04MQTT\x05\x02", "unsupported protocol|wrong version number"),
    ],
)
async def test_handshake_of_something_else_fails_and_closes(
    authority: Authority, said: bytes, reason: str
) -> None:
    hall = Hall()
    wire = Wire()
    server = TLSTransport(hall, ContextSource(server_context(authority.issue())), handshakes=hall)
    server.connection_made(wire)
    server.data_received(said)
    begun, (failed, why) = hall.told  # type: ignore[misc]
    assert (begun, failed) == ("begun", "failed")
    assert why in reason.split("|")
    assert wire.told == ["write_eof"]
    server.data_received(said)  # is not looked at any more
    assert server.eof_received() is False
    server.connection_lost(None)
    assert hall.told[2:] == ["over"]
    assert hall.view is None


async def test_handshake_failed_peer_that_stays_is_dropped(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blackbull.transport.tls_transport.FAREWELL", 0.01)
    hall = Hall()
    wire = Wire()
    server = TLSTransport(hall, ContextSource(server_context(authority.issue())), handshakes=hall)
    server.connection_made(wire)
    server.data_received(b"nonsense")
    async with asyncio.timeout(5):
        await wire.aborted.wait()
    server.connection_lost(None)
    assert hall.told[2:] == ["over"]


async def test_handshake_too_slow_is_dropped(authority: Authority) -> None:
    hall = Hall(timeout=0.01)
    wire = Wire()
    server = TLSTransport(hall, ContextSource(server_context(authority.issue())), handshakes=hall)
    server.connection_made(wire)
    server.data_received(b"\x16")
    async with asyncio.timeout(5):
        await wire.aborted.wait()
    server.connection_lost(None)
    assert hall.told == ["begun", "timed out", "over"]


async def test_handshake_unwelcome_is_dropped_before_it_begins(authority: Authority) -> None:
    hall = Hall(welcome=False)
    wire = Wire()
    server = TLSTransport(hall, ContextSource(server_context(authority.issue())), handshakes=hall)
    server.connection_made(wire)
    assert wire.told == ["abort"]
    server.connection_lost(None)
    assert hall.told == ["begun", "over"]


@pytest.mark.parametrize(
    ("said", "error", "reason"),
    [
        (b"", None, ""),
        (b"\x16", None, "the peer left"),
        (b"\x16", ConnectionResetError("reset"), "reset"),
    ],
)
async def test_handshake_abandoned_by_the_peer_is_told(
    authority: Authority, said: bytes, error: Exception | None, reason: str
) -> None:
    hall = Hall()
    wire = Wire()
    server = TLSTransport(hall, ContextSource(server_context(authority.issue())), handshakes=hall)
    server.connection_made(wire)
    if said:
        server.data_received(said)
    assert server.eof_received() is False
    server.connection_lost(error)
    assert hall.told == ["begun", ("failed", reason), "over"]


async def test_handshake_refused_by_the_client_says_why(authority: Authority) -> None:
    hall = Hall()
    wire = Wire()
    server = TLSTransport(hall, ContextSource(server_context(authority.issue())), handshakes=hall)
    server.connection_made(wire)
    client = MemoryClient(ssl.create_default_context(), server.data_received)
    client.start()
    with pytest.raises(ssl.SSLCertVerificationError):
        client.hear(bytes(wire.sent))
    client.flush()
    assert hall.told[1:] == [("failed", "tlsv1 alert unknown ca")]
    server.connection_lost(None)


async def test_handshake_aborted_by_the_server_is_no_failure(authority: Authority) -> None:
    hall = Hall()
    wire = Wire()
    server = TLSTransport(hall, ContextSource(server_context(authority.issue())), handshakes=hall)
    server.connection_made(wire)
    server.abort_handshake()
    server.connection_lost(None)
    assert wire.told == ["abort"]
    assert hall.told == ["begun", "over"]


async def test_handshake_uses_the_newest_context(authority: Authority, tmp_path: Path) -> None:
    hall = Hall()
    source = ContextSource(server_context(Authority(tmp_path).issue()))
    server = TLSTransport(hall, source, handshakes=hall)
    wire = Wire()
    server.connection_made(wire)
    source.context = server_context(authority.issue())
    client = MemoryClient(authority.client_context(), server.data_received)
    client.start()
    client.hear(bytes(wire.sent))
    assert client.ready
    server.connection_lost(None)


# Bytes


async def test_bytes_that_arrive_together_are_handed_on_together(meeting: Meeting) -> None:
    for _ in range(3):
        meeting.client.say(b"abc")
    meeting.carry()
    assert meeting.told == [b"abcabcabc"]
    meeting.lose()


async def test_bytes_in_pieces_arrive_once_their_record_is_complete(meeting: Meeting) -> None:
    meeting.client.say(b"abc")
    meeting.client.say(b"def")
    meeting.carry(cut=7)
    assert meeting.told == [b"abc", b"def"]
    meeting.lose()


async def test_bytes_of_many_records_arrive_whole(meeting: Meeting) -> None:
    sent = bytes(range(256)) * 2000
    for start in range(0, len(sent), 100_000):
        meeting.client.say(sent[start : start + RECORD])
        meeting.client.say(sent[start + RECORD : start + 100_000][:RECORD])
    meeting.carry()
    said = b"".join(sent[start : start + 2 * RECORD] for start in range(0, len(sent), 100_000))
    assert b"".join(part for part in meeting.told if isinstance(part, bytes)) == said
    meeting.lose()


@pytest.mark.parametrize("size", [0, 1, RECORD, RECORD + 1, 65536, 1_000_000])
@pytest.mark.parametrize("kind", [bytes, bytearray])
async def test_write_of_any_size_reaches_the_client(
    meeting: Meeting, size: int, kind: type[bytes] | type[bytearray]
) -> None:
    sent = (b"0123456789" * (size // 10 + 1))[:size]
    meeting.server.write(kind(sent))
    meeting.carry()
    assert meeting.client.read() == sent
    meeting.lose()


@pytest.mark.parametrize(
    "parts", [[b"head", b"body"], [b"head", b"x" * 100_000, b"", b"tail"], [b""], []]
)
async def test_writelines_keeps_the_order(meeting: Meeting, parts: list[bytes]) -> None:
    meeting.server.writelines(iter(parts))
    meeting.carry()
    assert meeting.client.read() == b"".join(parts)
    meeting.lose()


async def test_write_of_a_response_is_one_write_to_the_loop(meeting: Meeting) -> None:
    before = meeting.wire.writes
    meeting.view.send_parts([b"h" * 200, b"b" * 60_000])
    meeting.view.send(b"ok")
    assert meeting.wire.writes == before + 2
    meeting.lose()


async def test_write_pressure_and_pauses_pass_through(meeting: Meeting) -> None:
    meeting.server.pause_writing()
    meeting.server.resume_writing()
    assert meeting.told == ["paused", "resumed"]
    meeting.view.pause_reading()
    meeting.view.resume_reading()
    assert meeting.wire.told == ["pause", "resume"]
    meeting.wire.queued = 77
    assert meeting.server.get_write_buffer_size() == 77
    meeting.lose()


# The end


@spec("RFC 8446 §6.1")
async def test_close_notify_of_the_peer_ends_its_direction_only(meeting: Meeting) -> None:
    meeting.client.say(b"last")
    assert meeting.client.finish() is False
    meeting.carry()
    assert meeting.told == [b"last", "eof"]
    assert meeting.server.eof_received() is True
    meeting.view.send(b"answer")
    meeting.carry()
    assert meeting.client.read() == b"answer"
    meeting.view.close()
    meeting.carry()
    assert meeting.client.finish() is True
    assert meeting.wire.told == ["close"]
    meeting.lose()
    assert meeting.told == [b"last", "eof", ("lost", None)]


@spec("RFC 8446 §6.1")
async def test_close_sends_close_notify_before_it_closes(meeting: Meeting) -> None:
    meeting.view.send(b"last")
    meeting.view.close()
    meeting.view.close()
    assert meeting.wire.told == ["close"]
    assert meeting.server.is_closing()
    meeting.carry()
    assert meeting.client.read() == b"last"
    assert meeting.client.finish() is True
    meeting.lose()


@spec("RFC 8446 §6.1")
async def test_connection_cut_without_close_notify_is_lost_not_ended(meeting: Meeting) -> None:
    meeting.client.say(b"first half")
    meeting.carry()
    assert meeting.server.eof_received() is True
    assert meeting.wire.told == ["close"]
    meeting.lose()
    assert meeting.told == [
        b"first half",
        ("lost", "the peer left without its close_notify"),
    ]


async def test_connection_cut_while_much_is_queued_is_dropped(meeting: Meeting) -> None:
    meeting.wire.queued = 1_000_000
    meeting.server.eof_received()
    assert meeting.wire.told == ["abort"]
    meeting.lose()


async def test_write_after_the_end_is_nothing(meeting: Meeting) -> None:
    meeting.server.write_eof()
    meeting.server.write_eof()
    before = meeting.wire.writes
    meeting.server.write(b"too late")
    meeting.server.writelines([b"too", b"late" * RECORD])
    assert meeting.wire.writes == before
    meeting.server.close()
    meeting.server.write(b"too late")
    meeting.server.writelines([b"too", b"late" * RECORD])
    meeting.server.write_eof()
    assert meeting.wire.writes == before
    meeting.lose()


async def test_linger_reads_on_after_our_close_notify(meeting: Meeting) -> None:
    meeting.view.send(b"413")
    meeting.view.linger()
    assert meeting.wire.told == ["write_eof"]
    meeting.client.say(b"more of the upload")
    meeting.carry()
    assert meeting.client.read() == b"413"
    assert meeting.told == []
    assert meeting.server.eof_received() is True
    assert meeting.wire.told == ["write_eof", "close"]
    meeting.lose()


async def test_linger_ends_with_the_peers_close_notify(meeting: Meeting) -> None:
    meeting.view.linger()
    meeting.carry()
    assert meeting.client.finish() is True
    meeting.carry()
    assert meeting.wire.told == ["write_eof", "close"]
    meeting.lose()


async def test_abort_says_nothing_more(meeting: Meeting) -> None:
    meeting.view.abort()
    assert meeting.wire.told == ["abort"]
    assert meeting.wire.sent == b""
    meeting.server.data_received(b"whatever")
    meeting.lose()
    assert meeting.told == [("lost", None)]


async def test_bytes_that_are_no_record_break_the_connection(meeting: Meeting) -> None:
    meeting.server.data_received(b"\x17\x03\x03\x00\x20" + bytes(32))
    assert meeting.wire.told == ["close"]
    assert meeting.wire.sent != b""  # the alert
    meeting.lose()
    ((lost, why),) = meeting.told  # type: ignore[misc]
    assert lost == "lost"
    assert "TLS failed: decryption failed or bad record mac" in why


async def test_bytes_after_close_notify_are_ignored(meeting: Meeting) -> None:
    meeting.client.finish()
    meeting.carry()
    meeting.server.data_received(b"whatever")
    assert meeting.told == ["eof"]
    meeting.lose()


@pytest.mark.parametrize("records", [1, 20])
async def test_consumer_that_closes_gets_nothing_more(meeting: Meeting, records: int) -> None:
    """Not even what had arrived behind the bytes that made it close."""

    class Closer(Diary):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            meeting.view.close()

    closer = Closer()
    meeting.view.attach(closer)
    for _ in range(records):
        meeting.client.say(bytes(RECORD))
    meeting.client.finish()
    meeting.carry()
    assert len([told for told in closer.told if isinstance(told, bytes)]) == 1
    assert "eof" not in closer.told
    meeting.lose()


async def test_extra_info_is_the_loops_and_the_ssl_objects(meeting: Meeting) -> None:
    tls = meeting.server.get_extra_info("ssl_object")
    assert isinstance(tls, ssl.SSLObject)
    assert tls.version() in {"TLSv1.2", "TLSv1.3"}
    assert meeting.server.get_extra_info("peername") == ("192.0.2.1", 4711)
    assert meeting.server.get_extra_info("nothing", 7) == 7
    meeting.lose()
