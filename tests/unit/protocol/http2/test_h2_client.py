"""The strict client of the h2 package talks to the machine, in memory."""

from __future__ import annotations

import h2.config
import h2.connection
import h2.events
import h2.settings

from blackbull.protocol.http2 import (
    ConnectionFailed,
    DataReceived,
    HeadParser,
    HTTP2Connection,
    HTTP2Limits,
    PriorityUpdated,
    RequestEnded,
    RequestReceived,
    StreamReset,
)

from .peer import DATE

REQUEST = [
    (":method", "GET"), (":scheme", "http"), (":authority", "example.com"), (":path", "/"),
]  # fmt: skip


class Pair:
    """A client and a server that exchange what they have to say until both fall silent."""

    def __init__(
        self, limits: HTTP2Limits | None = None, *, connect_protocol: bool = False
    ) -> None:
        self.client = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        )
        parser = HeadParser(limits or HTTP2Limits(), connect_protocol=connect_protocol)
        self.server = HTTP2Connection(parser)
        self.bodies: dict[int, bytes] = {}
        self.requests: dict[int, RequestReceived] = {}
        self.ended: list[int] = []
        self.seen: list[object] = []
        self.events: list[h2.events.Event] = []
        self.client.initiate_connection()
        self.exchange()

    def exchange(self, *, segment: int = 1 << 20) -> None:
        while True:
            data = self.client.data_to_send()
            for at in range(0, len(data), segment):
                for event in self.server.receive(data[at : at + segment], 0.0):
                    self.serve(event)
            answer = self.server.data_to_send()
            if not data and not answer:
                return
            for event in self.client.receive_data(answer):
                self.events.append(event)
                if isinstance(event, h2.events.DataReceived):
                    assert event.stream_id is not None
                    self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + (
                        event.data or b""
                    )
                    self.client.acknowledge_received_data(
                        event.flow_controlled_length or 0, event.stream_id
                    )

    def serve(self, event: object) -> None:
        assert not isinstance(event, ConnectionFailed), event.error
        self.seen.append(event)
        if isinstance(event, RequestReceived):
            self.requests[event.stream_id] = event
            if event.ended:
                self.answer(event.stream_id)
        elif isinstance(event, DataReceived):
            self.server.acknowledge(event.stream_id, len(event.data))
        elif isinstance(event, RequestEnded):
            self.ended.append(event.stream_id)
            self.answer(event.stream_id)

    def answer(self, stream_id: int) -> None:
        content = b"hello, %d" % stream_id
        self.server.send_response(stream_id, 200, b"text/plain", (), content, DATE)

    def of(self, kind: type[h2.events.Event]) -> list[h2.events.Event]:
        return [event for event in self.events if isinstance(event, kind)]


def test_h2_client_gets_its_answers() -> None:
    pair = Pair()
    for turn in range(300):
        stream_id = pair.client.get_next_available_stream_id()
        pair.client.send_headers(stream_id, [*REQUEST, ("x-turn", str(turn % 50))], end_stream=True)
        if turn % 7 == 0:
            pair.exchange(segment=turn % 40 + 1)
    pair.exchange()
    assert len(pair.bodies) == 300
    assert all(body == b"hello, %d" % stream_id for stream_id, body in pair.bodies.items())
    assert len(pair.of(h2.events.StreamEnded)) == 300
    assert len({id(r.head) for r in pair.requests.values()}) < 300


def test_h2_client_uploads_more_than_a_window() -> None:
    pair = Pair()
    stream_id = pair.client.get_next_available_stream_id()
    pair.client.send_headers(stream_id, [(":method", "POST"), *REQUEST[1:]])
    left = 1_000_000
    while left:
        size = min(left, 16384, pair.client.local_flow_control_window(stream_id))
        assert size > 0
        pair.client.send_data(stream_id, bytes(size), pad_length=3 if size < 10000 else None)
        left -= size
        pair.exchange()
    pair.client.send_headers(stream_id, [("x-checksum", "1")], end_stream=True)
    pair.exchange()
    assert pair.ended == [stream_id]
    received = [e for e in pair.seen if isinstance(e, DataReceived)]
    assert sum(len(e.data) for e in received) == 1_000_000
    assert pair.bodies[stream_id] == b"hello, 1"


def test_h2_client_downloads_more_than_a_window() -> None:
    content = bytes(range(256)) * 4000

    class Large(Pair):
        def answer(self, stream_id: int) -> None:
            self.server.send_head(stream_id, 200, [(b"x-a", b"1")], DATE)
            for at in range(0, len(content), 50000):
                self.server.send_data(stream_id, content[at : at + 50000])
            self.server.send_trailers(stream_id, [(b"x-sum", b"2")])

    pair = Large()
    for stream_id in (1, 3, 5):
        pair.client.send_headers(stream_id, REQUEST, end_stream=True)
    pair.exchange()
    assert [pair.bodies[i] == content for i in (1, 3, 5)] == [True] * 3
    assert len(pair.of(h2.events.TrailersReceived)) == 3


def test_h2_client_changes_its_settings_while_content_flows() -> None:
    class Large(Pair):
        def answer(self, stream_id: int) -> None:
            self.server.send_response(stream_id, 200, b"text/plain", (), bytes(300000), DATE)

    pair = Large()
    pair.client.update_settings(
        {
            h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 10,
            h2.settings.SettingCodes.HEADER_TABLE_SIZE: 100,
            h2.settings.SettingCodes.MAX_FRAME_SIZE: 20000,
        }
    )
    pair.exchange()
    pair.client.send_headers(1, REQUEST, end_stream=True)
    data = pair.client.data_to_send()
    for event in pair.server.receive(data, 0.0):
        pair.serve(event)
    pair.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 100000})
    pair.exchange()
    assert len(pair.bodies[1]) == 300000


def test_h2_client_gets_interim_and_pushed_responses() -> None:
    class Pushing(Pair):
        def answer(self, stream_id: int) -> None:
            if stream_id & 1:
                self.server.send_informational(stream_id, 103, [(b"link", b"</a>")])
                fields = [(n.encode(), v.encode()) for n, v in REQUEST[:3]]
                pushed = self.server.push(stream_id, [*fields, (b":path", b"/a")])
                assert pushed is not None
                self.serve(pushed)
            super().answer(stream_id)

    pair = Pushing()
    pair.client.send_headers(1, REQUEST, end_stream=True)
    pair.exchange()
    assert len(pair.of(h2.events.InformationalResponseReceived)) == 1
    assert len(pair.of(h2.events.PushedStreamReceived)) == 1
    assert pair.bodies == {2: b"hello, 2", 1: b"hello, 1"}


def test_h2_client_resets_and_pings() -> None:
    class Slow(Pair):
        def answer(self, stream_id: int) -> None:
            self.server.send_head(stream_id, 200, [], DATE)

    pair = Slow()
    pair.client.send_headers(1, REQUEST, end_stream=True)
    pair.exchange()
    pair.client.ping(b"12345678")
    pair.client.reset_stream(1, 8)
    pair.exchange()
    assert len(pair.of(h2.events.PingAckReceived)) == 1
    assert isinstance(pair.seen[-1], StreamReset)
    assert pair.server.open_streams == 0


def test_h2_client_sees_the_end() -> None:
    pair = Pair()
    pair.client.send_headers(1, REQUEST, end_stream=True)
    pair.exchange()
    pair.server.terminate()
    (event,) = pair.client.receive_data(pair.server.data_to_send())
    assert isinstance(event, h2.events.ConnectionTerminated)
    assert (event.last_stream_id, event.error_code) == (1, 0)


def test_h2_client_opens_a_tunnel() -> None:
    class Echo(Pair):
        def serve(self, event: object) -> None:
            if isinstance(event, RequestReceived):
                self.server.send_head(event.stream_id, 200, [], DATE)
            elif isinstance(event, DataReceived):
                self.server.acknowledge(event.stream_id, len(event.data))
                self.server.send_data(event.stream_id, event.data)
            elif isinstance(event, RequestEnded):
                self.server.send_data(event.stream_id, b"", end=True)

    pair = Echo(connect_protocol=True)
    assert pair.client.remote_settings.enable_connect_protocol
    pair.client.send_headers(
        1, [(":method", "CONNECT"), (":protocol", "websocket"), *REQUEST[1:]], end_stream=False
    )
    pair.client.send_data(1, b"frame")
    pair.exchange()
    pair.client.send_data(1, b"s", end_stream=True)
    pair.exchange()
    assert pair.bodies[1] == b"frames"
    assert len(pair.of(h2.events.StreamEnded)) == 1


def test_h2_client_priorities_are_ignored_or_obeyed_without_harm() -> None:
    pair = Pair()
    pair.client.send_headers(
        1, REQUEST, end_stream=True, priority_weight=10, priority_depends_on=0,
        priority_exclusive=True,
    )  # fmt: skip
    pair.client.prioritize(3, weight=20)
    pair.exchange()
    assert pair.bodies == {1: b"hello, 1"}
    assert not [e for e in pair.seen if isinstance(e, PriorityUpdated)]
