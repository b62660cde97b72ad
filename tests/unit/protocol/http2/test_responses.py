"""RFC 9113 §8.1, §8.4: what we send."""

from __future__ import annotations

import pytest

from blackbull.errors import LocalProtocolError, RemoteProtocolError
from blackbull.protocol.http2 import ErrorCode, FrameType, RequestReceived, header_block
from tests.spec import spec

from .peer import DATE, END_HEADERS, END_STREAM, GET, POST, Peer, frame, number, setting

HEAD = [(b":method", b"HEAD"), *GET[1:]]
TEXT = b"text/plain"


@spec("RFC 9113 §8.1")
def test_response_is_headers_and_data_in_one_piece() -> None:
    peer = Peer()
    peer.request(1)
    peer.machine.send_response(1, 200, TEXT, (), b"hello", DATE)
    headers, data = peer.read()
    assert (headers.kind, headers.flags, headers.stream_id) == (FrameType.HEADERS, END_HEADERS, 1)
    assert peer.decode(headers) == [
        (b":status", b"200"),
        (b"content-type", TEXT),
        (b"date", DATE),
        (b"content-length", b"5"),
    ]
    assert (data.kind, data.flags, data.payload) == (FrameType.DATA, END_STREAM, b"hello")
    assert peer.machine.open_streams == 0
    assert not peer.machine.is_open(1)


def test_responses_that_repeat_are_short_and_mean_the_same() -> None:
    peer = Peer()
    lengths = set()
    for stream_id in range(1, 41, 2):
        peer.request(stream_id)
        content = b"hello" if stream_id % 4 == 1 else b"hello, world"
        peer.machine.send_response(stream_id, 200, TEXT, (), content, DATE)
        headers, data = peer.read()
        assert dict(peer.decode(headers))[b"content-length"] == str(len(content)).encode()
        assert data.payload == content
        if stream_id > 3:
            lengths.add(len(headers.payload))
    assert max(lengths) < 10


def test_response_date_that_changes_is_sent() -> None:
    peer = Peer()
    for stream_id, date in [(1, b"a"), (3, b"a"), (5, b"b"), (7, b"b"), (9, b"a"), (11, b"")]:
        peer.request(stream_id)
        peer.machine.send_response(stream_id, 200, TEXT, (), b"x", date)
        headers, _ = peer.read()
        assert dict(peer.decode(headers)).get(b"date", b"") == date


def test_responses_of_all_kinds_mixed_keep_the_tables_in_step() -> None:
    peer = Peer()
    for turn in range(60):
        stream_id = 2 * turn + 1
        peer.request(stream_id)
        fields = [(b"x-turn", b"%d" % (turn % 7)), (b"x-long", b"v" * 40 * (turn % 5))]
        content = b"x" * (turn % 3 + 1)
        peer.machine.send_response(
            stream_id, 200 + turn % 2, TEXT, fields if turn % 2 else (), content, DATE
        )
        headers, _ = peer.read()
        got = peer.decode(headers)
        assert got[0] == (b":status", str(200 + turn % 2).encode())
        assert dict(got)[b"content-length"] == str(len(content)).encode()
        if turn % 2:
            assert fields[0] in got
            assert fields[1] in got


@pytest.mark.parametrize("status", [200, 404])
def test_response_without_content_ends_with_its_head(status: int) -> None:
    peer = Peer()
    peer.request(1)
    peer.machine.send_response(1, status, b"", (), b"", DATE)
    (headers,) = peer.read()
    assert headers.ended
    assert dict(peer.decode(headers))[b"content-length"] == b"0"


@spec("RFC 9110 §6.4.1", "§8.6", "§15.3.6")
@pytest.mark.parametrize(("status", "length"), [(204, None), (304, None), (205, b"0")])
def test_response_status_that_has_no_content(status: int, length: bytes | None) -> None:
    peer = Peer()
    peer.request(1)
    peer.machine.send_response(1, status, TEXT, (), b"hello", DATE)
    (headers,) = peer.read()
    assert headers.ended
    assert dict(peer.decode(headers)).get(b"content-length") == length


@spec("RFC 9110 §8.6")
def test_response_304_keeps_the_length_of_what_is_not_sent() -> None:
    peer = Peer()
    peer.request(1)
    peer.machine.send_response(1, 304, TEXT, [(b"content-length", b"7")], b"", DATE)
    (headers,) = peer.read()
    assert headers.ended
    assert dict(peer.decode(headers))[b"content-length"] == b"7"


@spec("RFC 9110 §9.3.2")
def test_response_to_head_has_the_length_and_no_content() -> None:
    peer = Peer()
    peer.request(1, HEAD)
    peer.machine.send_response(1, 200, TEXT, (), b"hello", DATE)
    (headers,) = peer.read()
    assert headers.ended
    assert dict(peer.decode(headers))[b"content-length"] == b"5"


@spec("RFC 9110 §9.3.2")
def test_response_to_head_in_parts_sends_no_content() -> None:
    peer = Peer()
    peer.request(1, HEAD)
    peer.machine.send_head(1, 200, [(b"content-length", b"10")], DATE)
    assert peer.machine.send_data(1, b"hello") == 0
    assert peer.machine.send_data(1, b"world", end=True) == 0
    peer.machine.send_trailers(1, [(b"x-a", b"1")])
    (headers,) = peer.read()
    assert headers.ended


@spec("RFC 9110 §9.3.2")
def test_response_to_head_with_content_to_come_sends_no_content() -> None:
    peer = Peer()
    peer.request(1, [HEAD[0], *GET[1:]], ended=False)
    peer.machine.send_head(1, 200, [], DATE)
    assert peer.machine.send_data(1, b"hello") == 0
    peer.machine.send_trailers(1, [(b"x-a", b"1")])
    (headers,) = peer.read()
    assert headers.ended
    assert peer.send(peer.data(1, b"", flags=END_STREAM)) == []


@spec("RFC 9110 §6.4.1", "§15.3.6")
@pytest.mark.parametrize("status", [204, 205, 304])
def test_response_in_parts_with_a_status_without_content_sends_none(status: int) -> None:
    peer = Peer()
    peer.request(1)
    peer.machine.send_head(1, status, [], DATE)
    assert peer.machine.send_data(1, b"hello", end=True) == 0
    (headers,) = peer.read()
    assert headers.ended


def test_response_in_parts_of_known_length() -> None:
    peer = Peer()
    peer.request(1)
    peer.machine.send_head(1, 200, [(b"x-a", b"1")], DATE, length=10)
    peer.machine.send_data(1, b"hello")
    assert peer.machine.response_started(1)
    headers, first = peer.read()
    assert peer.decode(headers)[-1] == (b"content-length", b"10")
    peer.machine.send_data(1, b"world", end=True)
    (second,) = peer.read()
    assert (first.payload, first.ended, second.payload, second.ended) == (
        b"hello", False, b"world", True,
    )  # fmt: skip


def test_response_large_is_split_into_frames() -> None:
    peer = Peer()
    peer.request(1)
    content = bytes(range(256)) * 200
    peer.machine.send_response(1, 200, TEXT, (), content, DATE)
    _, *data = peer.read()
    assert [len(f.payload) for f in data] == [16384, 16384, 16384, 2048]
    assert [f.ended for f in data] == [False, False, False, True]
    assert b"".join(f.payload for f in data) == content


def test_response_large_head_is_split_into_frames() -> None:
    peer = Peer()
    peer.request(1)
    fields = [(b"x-%d" % i, bytes((i % 60 + 0x3F,)) * 4000) for i in range(10)]
    peer.machine.send_response(1, 200, TEXT, fields, b"x", DATE)
    headers, *rest, data = peer.read()
    assert {f.kind for f in rest} == {FrameType.CONTINUATION}
    assert [f.flags for f in (headers, *rest)] == [0] * len(rest) + [END_HEADERS]
    block = b"".join(f.payload for f in (headers, *rest))
    assert len(peer.decoder.decode(block, raw=True)) == 14
    assert data.ended


@spec("RFC 9113 §8.1")
def test_response_trailers_follow_the_content() -> None:
    peer = Peer(settings=setting(4, 3))
    peer.request(1)
    peer.machine.send_head(1, 200, [], DATE)
    peer.machine.send_data(1, b"hello")
    peer.machine.send_trailers(1, [(b"grpc-status", b"0")])
    headers, data = peer.read()
    assert not data.ended
    peer.decode(headers)
    peer.send(frame(FrameType.WINDOW_UPDATE, 0, 1, number(10)))
    data, trailers = peer.read()
    assert (data.payload, data.ended) == (b"lo", False)
    assert trailers.ended
    assert peer.decode(trailers) == [(b"grpc-status", b"0")]
    assert peer.machine.open_streams == 0


@spec("RFC 9113 §8.1")
def test_response_trailers_follow_at_once_where_nothing_waits() -> None:
    peer = Peer()
    peer.request(1)
    peer.machine.send_head(1, 200, [], DATE)
    peer.machine.send_trailers(1, [(b"grpc-status", b"0")])
    headers, trailers = peer.read()
    peer.decode(headers)
    assert peer.decode(trailers) == [(b"grpc-status", b"0")]


def test_response_trailers_that_are_none_end_the_content() -> None:
    peer = Peer()
    peer.request(1)
    peer.machine.send_head(1, 200, [], DATE)
    peer.machine.send_trailers(1, [])
    assert [(f.kind, f.ended) for f in peer.read()] == [(1, False), (0, True)]


@spec("RFC 9110 §15.2")
def test_interim_responses_come_before_the_response() -> None:
    peer = Peer()
    peer.request(1, [*POST, (b"expect", b"100-continue")], ended=False)
    peer.machine.send_informational(1, 100)
    peer.machine.send_informational(1, 103, [(b"link", b"</a.css>; rel=preload")])
    first, second = peer.read()
    assert peer.decode(first) == [(b":status", b"100")]
    assert peer.decode(second)[1:] == [(b"link", b"</a.css>; rel=preload")]
    assert not first.ended
    assert not second.ended
    peer.machine.send_response(1, 200, b"", (), b"x", b"")
    with pytest.raises(LocalProtocolError):
        peer.machine.send_informational(1, 103)


@spec("RFC 9113 §8.2.2")
def test_response_fields_that_http2_has_no_place_for_are_left_out() -> None:
    peer = Peer()
    peer.request(1)
    fields = [(b"connection", b"close"), (b"transfer-encoding", b"chunked"), (b"x-a", b"1")]
    peer.machine.send_response(1, 200, TEXT, fields, b"x", DATE)
    headers, _ = peer.read()
    assert [n for n, _ in peer.decode(headers)] == [
        b":status", b"content-type", b"x-a", b"date", b"content-length",
    ]  # fmt: skip


def test_response_date_of_the_application_is_kept() -> None:
    peer = Peer()
    peer.request(1)
    peer.machine.send_response(1, 200, TEXT, [(b"date", b"then")], b"x", DATE)
    headers, _ = peer.read()
    assert [v for n, v in peer.decode(headers) if n == b"date"] == [b"then"]


@pytest.mark.parametrize(
    "field",
    [(b"X-A", b"1"), (b"x-a", b"1\r\nx-b: 2"), (b"x-a", b"\0"), (b"x a", b"1"), (b":path", b"/"),
     (b"", b"1")],
)  # fmt: skip
def test_response_field_that_cannot_be_sent_is_our_mistake(field: tuple[bytes, bytes]) -> None:
    peer = Peer()
    peer.request(1)
    with pytest.raises(LocalProtocolError):
        peer.machine.send_response(1, 200, TEXT, [field], b"x", DATE)
    with pytest.raises(LocalProtocolError):
        peer.machine.send_head(1, 200, [field], DATE)
    assert peer.read() == []
    peer.machine.send_response(1, 500, b"", (), b"x", DATE)
    headers, _ = peer.read()
    assert peer.decode(headers)[0] == (b":status", b"500")


def test_response_content_type_that_cannot_be_sent_is_our_mistake() -> None:
    peer = Peer()
    peer.request(1)
    with pytest.raises(LocalProtocolError):
        peer.machine.send_response(1, 200, b"a\r\nb", (), b"x", DATE)


def test_response_out_of_order_is_our_mistake() -> None:
    peer = Peer()
    machine = peer.machine
    peer.request(1)
    with pytest.raises(LocalProtocolError):
        machine.send_data(1, b"x")
    with pytest.raises(LocalProtocolError):
        machine.send_trailers(1, [(b"x-a", b"1")])
    for status in (100, 199, 99, 1000):
        with pytest.raises(LocalProtocolError):
            machine.send_head(1, status, [], DATE)
    for status in (101, 200):
        with pytest.raises(LocalProtocolError):
            machine.send_informational(1, status)
    machine.send_head(1, 200, [], DATE)
    with pytest.raises(LocalProtocolError):
        machine.send_head(1, 200, [], DATE)
    with pytest.raises(LocalProtocolError):
        machine.send_response(1, 200, TEXT, (), b"x", DATE)
    for name in (b"content-length", b"connection", b":status", b"X"):
        with pytest.raises(LocalProtocolError):
            machine.send_trailers(1, [(name, b"1")])
    machine.send_data(1, bytes(100000), end=True)
    with pytest.raises(LocalProtocolError):
        machine.send_data(1, b"x")
    with pytest.raises(LocalProtocolError):
        machine.send_trailers(1, [(b"x-a", b"1")])


@spec("RFC 9110 §8.6")
def test_response_of_another_length_than_announced_is_our_mistake() -> None:
    peer = Peer()
    peer.request(1)
    with pytest.raises(LocalProtocolError):
        peer.machine.send_head(1, 200, [(b"content-length", b"x")], DATE)
    peer.machine.send_head(1, 200, [(b"content-length", b"5")], DATE)
    with pytest.raises(LocalProtocolError):
        peer.machine.send_data(1, b"123456")
    with pytest.raises(LocalProtocolError):
        peer.machine.send_data(1, b"1234", end=True)
    with pytest.raises(LocalProtocolError):
        peer.machine.send_trailers(1, [(b"x-a", b"1")])
    peer.machine.send_data(1, b"12345", end=True)
    assert peer.read()[-1].payload == b"12345"


def test_response_on_a_stream_that_is_gone_does_nothing() -> None:
    peer = Peer()
    peer.request(1)
    peer.send(frame(FrameType.RST_STREAM, 0, 1, number(8)))
    machine = peer.machine
    machine.send_response(1, 200, TEXT, (), b"x", DATE)
    machine.send_informational(1, 103)
    machine.send_head(1, 200, [], DATE)
    machine.send_trailers(1, [])
    machine.send_refusal(1, RemoteProtocolError("x", code=400), date=DATE)
    machine.reset_stream(1)
    assert machine.send_data(1, b"x") == 0
    assert machine.queued(1) == 0
    assert machine.stream_window(1) == 0
    assert machine.response_started(1)
    assert peer.read() == []


def test_reset_drops_what_was_queued() -> None:
    peer = Peer()
    peer.request(1)
    peer.request(3)
    peer.machine.send_response(1, 200, TEXT, (), bytes(50000), DATE)
    peer.machine.send_response(3, 200, TEXT, (), b"x", DATE)
    peer.machine.reset_stream(1, ErrorCode.INTERNAL_ERROR)
    frames = peer.read()
    assert [(f.kind, f.stream_id) for f in frames] == [(1, 1), (1, 3), (3, 1), (0, 3)]
    assert frames[2].code == ErrorCode.INTERNAL_ERROR


def test_response_bytes_are_not_copied_until_sent() -> None:
    peer = Peer(settings=setting(4, 0))
    peer.request(1)
    peer.machine.send_head(1, 200, [], DATE)
    peer.machine.send_data(1, b"a" * 10)
    peer.machine.send_data(1, b"b" * 10, end=True)
    for increment, expected in [(5, b"aaaaa"), (7, b"aaaaabb"), (100, b"b" * 8)]:
        peer.send(frame(FrameType.WINDOW_UPDATE, 0, 1, number(increment)))
        assert peer.read()[-1].payload == expected


# Server push


@spec("RFC 9113 §8.4")
def test_push_promises_a_request_and_takes_its_response() -> None:
    peer = Peer()
    peer.request(1)
    pushed = peer.machine.push(1, [*GET[:2], (b":path", b"/style.css"), GET[3], (b"x-a", b"1")])
    assert isinstance(pushed, RequestReceived)
    assert pushed.stream_id == 2
    assert pushed.ended
    assert pushed.head.path == "/style.css"
    peer.machine.send_response(2, 200, b"text/css", (), b"a{}", DATE)
    peer.machine.send_response(1, 200, TEXT, (), b"x", DATE)
    promise, *rest = peer.read()
    assert (promise.kind, promise.flags, promise.stream_id) == (5, END_HEADERS, 1)
    assert promise.value == 2
    fields = peer.decoder.decode(promise.payload[4:], raw=True)
    assert (b":path", b"/style.css") in fields
    assert [(f.kind, f.stream_id) for f in rest] == [(1, 2), (0, 2), (1, 1), (0, 1)]


@spec("RFC 9113 §6.5.2")
def test_push_is_not_for_clients_that_do_not_want_it() -> None:
    peer = Peer(settings=setting(2, 0))
    peer.request(1)
    assert not peer.machine.can_push
    assert peer.machine.push(1, GET) is None
    assert peer.read() == []


@spec("RFC 9113 §5.1.2")
def test_push_keeps_to_the_streams_that_the_client_allows() -> None:
    peer = Peer(settings=setting(3, 1))
    peer.request(1)
    assert peer.machine.push(1, GET) is not None
    assert peer.machine.push(1, GET) is None
    peer.machine.send_response(2, 200, TEXT, (), b"x", DATE)
    pushed = peer.machine.push(1, GET)
    assert pushed is not None
    assert pushed.stream_id == 4


@spec("RFC 9113 §8.4")
def test_push_comes_before_the_end_of_the_response_only() -> None:
    peer = Peer()
    peer.request(1)
    peer.machine.send_response(1, 200, TEXT, (), bytes(100000), DATE)
    assert peer.machine.push(1, GET) is None
    assert peer.machine.push(3, GET) is None


@spec("RFC 9113 §8.4")
@pytest.mark.parametrize("fields", [POST, [*GET, (b"content-length", b"1")], GET[1:]])
def test_push_of_a_request_that_cannot_be_is_our_mistake(
    fields: list[tuple[bytes, bytes]],
) -> None:
    peer = Peer()
    peer.request(1)
    with pytest.raises(LocalProtocolError):
        peer.machine.push(1, fields)
    assert peer.read() == []


@spec("RFC 9113 §5.1")
def test_push_can_be_reset_and_prioritised_by_the_client() -> None:
    peer = Peer()
    peer.request(1)
    peer.machine.push(1, GET)
    events = peer.send(
        frame(FrameType.WINDOW_UPDATE, 0, 2, number(5)),
        frame(FrameType.PRIORITY_UPDATE, 0, 0, number(2) + b"u=1"),
        frame(FrameType.RST_STREAM, 0, 2, number(8)),
    )
    assert len(events) == 2
    peer.machine.send_response(2, 200, TEXT, (), b"x", DATE)
    assert [f.kind for f in peer.read()] == [FrameType.PUSH_PROMISE]


@spec("RFC 9113 §5.1")
def test_push_stream_takes_no_content_of_the_client() -> None:
    peer = Peer()
    peer.request(1)
    peer.machine.push(1, GET)
    peer.read()
    assert peer.loses(2, peer.data(2, b"x")).code == ErrorCode.STREAM_CLOSED


def test_memories_of_responses_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application may repeat in its fields what a client says."""
    checked: set[tuple[bytes, bytes]] = set()
    monkeypatch.setattr(header_block, "_checked", checked)
    peer = Peer()
    for turn in range(400):
        peer.request(2 * turn + 1)
        peer.machine.send_response(2 * turn + 1, 200, b"", (), b"x" * (turn + 1), DATE)
        peer.read()
        assert len(peer.machine._responses.rendered) <= 256
    for turn in range(5000):
        header_block.check_own_field((b"x", b"%d" % turn))
        assert len(checked) <= 2048
    for length, kept in ((256, True), (257, False)):
        header_block.check_own_field((b"y", b"v" * length))
        assert ((b"y", b"v" * length) in checked) is kept
