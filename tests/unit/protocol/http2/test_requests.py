"""RFC 9113 §8.1 to §8.3: what makes a request, and what does not."""

from __future__ import annotations

import pytest

from blackbull.errors import LimitExceeded
from blackbull.protocol.head import RequestHead
from blackbull.protocol.http2 import (
    DataReceived,
    ErrorCode,
    FrameType,
    HTTP2Limits,
    HTTP2RequestHead,
    RequestEnded,
    RequestReceived,
    RequestRefused,
    StreamFailed,
)
from tests.spec import spec

from .peer import DATE, END_HEADERS, END_STREAM, GET, POST, Peer, code, frame

Fields = list[tuple[bytes, bytes]]


def without(name: bytes, fields: Fields = GET) -> Fields:
    return [field for field in fields if field[0] != name]


def having(*changes: tuple[bytes, bytes], fields: Fields = GET) -> Fields:
    """Return *fields* with other values for some names, and with what is new at their end."""
    values = dict(changes)
    names = {name for name, _ in fields}
    kept = [(name, values.get(name, value)) for name, value in fields]
    return kept + [change for change in changes if change[0] not in names]


def head(fields: Fields, *, ended: bool = True) -> HTTP2RequestHead:
    return Peer().request(1, fields, ended=ended).head


def test_request_head_has_what_every_version_has() -> None:
    target = b"/a%20b/%C3%A9?x=1&y=%20"
    made = head(having((b":path", target), (b"accept", b"*/*")))
    assert isinstance(made, RequestHead)
    assert made.method == "GET"
    assert made.path == "/a b/é"
    assert made.raw_path == b"/a%20b/%C3%A9"
    assert made.query_string == b"x=1&y=%20"
    assert made.http_version == "2"
    assert made.scheme == "http"
    assert made.authority == b"example.com"
    assert made.fields == ((b"host", b"example.com"), (b"accept", b"*/*"))
    assert made.content_length == -1
    assert not made.expects_continue
    assert made.protocol == b""


def test_request_heads_that_are_identical_are_shared() -> None:
    peer = Peer()
    peer.request(1)
    heads = {id(peer.request(stream_id).head) for stream_id in range(3, 21, 2)}
    assert len(heads) == 1


def test_request_heads_are_not_shared_past_a_change_of_the_dynamic_table() -> None:
    peer = Peer()
    paths = [b"/a", b"/b", b"/a", b"/a", b"/c", b"/c", b"/b"]
    seen = [
        peer.request(2 * i + 1, having((b":path", path), (b"x-a", path))).head.raw_path
        for i, path in enumerate(paths)
    ]
    assert seen == paths


@spec("RFC 9113 §8.3.1")
def test_request_with_asterisk_is_for_options_only() -> None:
    assert head(having((b":method", b"OPTIONS"), (b":path", b"*"))).path == "*"
    peer = Peer()
    error = peer.loses(1, peer.headers(1, having((b":path", b"*"))))
    assert code(error) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9113 §8.3", "§8.3.1")
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(without(b":method"), id="no method"),
        pytest.param(without(b":scheme"), id="no scheme"),
        pytest.param(without(b":path"), id="no path"),
        pytest.param(without(b":authority"), id="neither authority nor host"),
        pytest.param([*GET, (b":unknown", b"1")], id="unknown pseudo-header"),
        pytest.param([*GET, (b":status", b"200")], id="pseudo-header of a response"),
        pytest.param([*GET, (b"x-a", b"1"), (b":path", b"/")], id="pseudo-header after others"),
        *[pytest.param([*GET, field], id=f"two of {field[0]!r}") for field in GET],
        pytest.param(having((b":path", b"")), id="empty path"),
        pytest.param(having((b":path", b"no-slash")), id="path without slash"),
        pytest.param(having((b":path", b"/a b")), id="space in path"),
        pytest.param(having((b":path", b"/a#b")), id="fragment"),
        pytest.param(having((b":path", b"/\xc3\xa9")), id="path that is not ASCII"),
        pytest.param(having((b":path", b"http://example.com/")), id="absolute form"),
        pytest.param(having((b":method", b"")), id="empty method"),
        pytest.param(having((b":method", b"GE T")), id="method that is no token"),
        pytest.param(having((b":scheme", b"")), id="empty scheme"),
        pytest.param(having((b":scheme", b"ftp")), id="scheme that we do not serve"),
        pytest.param(having((b":authority", b"")), id="empty authority"),
        pytest.param(having((b":authority", b":80")), id="no host"),
        pytest.param(having((b":authority", b"user@example.com")), id="userinfo"),
        pytest.param(having((b":authority", b"a/b")), id="authority with path"),
        pytest.param([*without(b":authority"), (b"host", b"")], id="empty host"),
        pytest.param([*GET, (b"host", b"other.example")], id="host of somebody else"),
        pytest.param([*GET, (b"host", b"example.com"), (b"host", b"example.com")], id="two hosts"),
        pytest.param([*GET, (b":protocol", b"websocket")], id="protocol that was not announced"),
    ],
)
def test_request_with_wrong_control_data_loses_its_stream(fields: Fields) -> None:
    peer = Peer()
    assert code(peer.loses(1, peer.headers(1, fields))) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9113 §8.2.1", "§8.2.2")
@pytest.mark.parametrize(
    "field",
    [
        (b"X-Upper", b"1"),
        (b"", b"1"),
        (b"x y", b"1"),
        (b"x\x00", b"1"),
        (b"x:y", b"1"),
        (b"x\xe9", b"1"),
        (b"x-a", b"a\r\nb"),
        (b"x-a", b"a\nb"),
        (b"x-a", b"a\x00b"),
        (b"x-a", b" a"),
        (b"x-a", b"a "),
        (b"x-a", b"a\t"),
        (b"connection", b"keep-alive"),
        (b"keep-alive", b"timeout=5"),
        (b"proxy-connection", b"keep-alive"),
        (b"transfer-encoding", b"chunked"),
        (b"upgrade", b"h2c"),
        (b"te", b"trailers, deflate"),
        (b"te", b"gzip"),
        (b"content-length", b"+1"),
        (b"content-length", b"01"),
        (b"content-length", b""),
    ],
)
def test_request_with_a_wrong_field_loses_its_stream(field: tuple[bytes, bytes]) -> None:
    peer = Peer()
    data = peer.headers(1, [*GET, field], flags=END_HEADERS)
    assert code(peer.loses(1, data)) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9113 §8.2.2")
def test_request_te_trailers_is_taken() -> None:
    assert head([*GET, (b"te", b"trailers")]).fields[-1] == (b"te", b"trailers")


@spec("RFC 9113 §8.3.1")
def test_request_host_is_the_authority_where_there_is_no_other() -> None:
    made = head([*without(b":authority"), (b"host", b"example.com:80")])
    assert made.authority == b"example.com:80"
    assert made.fields == ((b"host", b"example.com:80"),)


@spec("RFC 9113 §8.3.1")
def test_request_host_that_agrees_is_not_doubled() -> None:
    made = head([*GET, (b"host", b"EXAMPLE.com")])
    assert made.authority == b"example.com"
    assert made.fields == ((b"host", b"EXAMPLE.com"),)


@spec("RFC 9113 §8.2.3")
def test_request_cookie_crumbs_are_joined_where_the_first_was() -> None:
    made = head(
        [*GET, (b"cookie", b"a=b"), (b"x-a", b"1"), (b"cookie", b"c=d"), (b"cookie", b"e=f")]
    )
    assert made.fields[1:] == ((b"cookie", b"a=b; c=d; e=f"), (b"x-a", b"1"))


def test_request_repeated_fields_are_kept_in_order() -> None:
    made = head([*GET, (b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3")])
    assert made.fields[1:] == ((b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3"))


def test_request_repeated_content_type_loses_its_stream() -> None:
    peer = Peer()
    fields = [*GET, (b"content-type", b"a/b"), (b"content-type", b"a/b")]
    assert code(peer.loses(1, peer.headers(1, fields))) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9110 §10.1.1")
def test_request_that_expects_100_says_so() -> None:
    assert head([*POST, (b"expect", b"100-continue")], ended=False).expects_continue


@spec("RFC 9110 §10.1.1")
@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([*GET, (b"expect", b"miracles")], 417),
        (having((b":path", b"/%zz")), 400),
        ([(b":method", b"CONNECT"), (b":authority", b"example.com:443")], 501),
        ([*POST, (b"content-length", b"99999999999")], 413),
        ([*POST, (b"content-length", b"9" * 100)], 413),
        ([*GET, (b"x-long", b"v" * 9000)], 431),
        ([*GET, *[(b"x-a", b"v" * 8000)] * 9], 431),
        ([*GET, *[(b"a", b"")] * 300], 431),
    ],
)
def test_request_that_cannot_be_served_is_answered_with_a_status(
    fields: Fields, status: int
) -> None:
    peer = Peer()
    block = peer.encoder.encode(fields)
    parts = [block[at : at + 16384] for at in range(0, len(block), 16384)]
    data = frame(FrameType.HEADERS, 0, 1, parts[0])
    for part in parts[1:]:
        data += frame(FrameType.CONTINUATION, 0, 1, part)
    (event,) = peer.send(data + frame(FrameType.CONTINUATION, END_HEADERS, 1))
    assert isinstance(event, RequestRefused)
    assert event.error.code == status
    assert event.error.spec
    peer.machine.send_refusal(1, event.error, date=DATE)
    headers, content = peer.read()
    assert peer.decode(headers)[0] == (b":status", str(status).encode())
    assert content.ended
    assert peer.send(peer.data(1, b"late", flags=END_STREAM)) == []
    peer.request(3)


def test_request_refused_answer_to_head_has_no_content() -> None:
    peer = Peer()
    fields = having((b":method", b"HEAD"), (b"expect", b"miracles"))
    (event,) = peer.send(peer.headers(1, fields))
    assert isinstance(event, RequestRefused)
    peer.machine.send_refusal(1, event.error, date=DATE)
    (headers,) = peer.read()
    assert headers.ended


@spec("RFC 9113 §8.5")
@pytest.mark.parametrize("extra", [GET[1], GET[2]])
def test_connect_with_scheme_or_path_loses_its_stream(extra: tuple[bytes, bytes]) -> None:
    peer = Peer()
    fields = [(b":method", b"CONNECT"), (b":authority", b"example.com"), extra]
    assert code(peer.loses(1, peer.headers(1, fields))) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9113 §8.1")
def test_request_with_content_is_reported_in_parts() -> None:
    peer = Peer()
    events = peer.send(
        peer.headers(1, [*POST, (b"content-length", b"6")], flags=END_HEADERS),
        peer.data(1, b"abc"),
        peer.data(1, b"def", flags=END_STREAM),
    )
    received, first, second, ended = events
    assert isinstance(received, RequestReceived)
    assert not received.ended
    assert received.head.content_length == 6
    assert isinstance(first, DataReceived)
    assert isinstance(second, DataReceived)
    assert (first.data, second.data) == (b"abc", b"def")
    assert isinstance(ended, RequestEnded)
    assert ended.trailers == ()


@spec("RFC 9113 §8.1.1")
@pytest.mark.parametrize("parts", [[b"test"], [b"te", b"st"], [b""], []])
def test_request_of_another_length_than_announced_loses_its_stream(parts: list[bytes]) -> None:
    peer = Peer()
    fields = [*POST, (b"content-length", b"3")]
    data = peer.headers(1, fields, flags=END_HEADERS | (0 if parts else END_STREAM))
    for part in parts[:-1]:
        data += peer.data(1, part)
    for part in parts[-1:]:
        data += peer.data(1, part, flags=END_STREAM)
    assert code(peer.loses(1, data)) == ErrorCode.PROTOCOL_ERROR


@spec("RFC 9113 §8.1.1")
def test_request_that_announces_nothing_and_has_nothing_is_complete() -> None:
    assert Peer().request(1, [*POST, (b"content-length", b"0")]).ended


@spec("RFC 9113 §8.1")
def test_trailers_end_a_request() -> None:
    peer = Peer()
    peer.request(1, POST, ended=False)
    (event,) = peer.send(peer.headers(1, [(b"x-checksum", b"1"), (b"x-more", b"2")]))
    assert isinstance(event, RequestEnded)
    assert event.trailers == ((b"x-checksum", b"1"), (b"x-more", b"2"))


@spec("RFC 9113 §8.1")
@pytest.mark.parametrize(
    ("fields", "flags"),
    [
        ([(b"x-a", b"1")], END_HEADERS),
        ([(b":method", b"GET")], END_HEADERS | END_STREAM),
        ([(b"X-A", b"1")], END_HEADERS | END_STREAM),
        ([(b"content-length", b"1")], END_HEADERS | END_STREAM),
        ([(b"host", b"a")], END_HEADERS | END_STREAM),
        ([(b"transfer-encoding", b"chunked")], END_HEADERS | END_STREAM),
    ],
)
def test_trailers_that_are_malformed_lose_the_stream(fields: Fields, flags: int) -> None:
    peer = Peer()
    peer.request(1, POST, ended=False)
    error = peer.loses(1, peer.headers(1, fields, flags=flags))
    assert code(error) == ErrorCode.PROTOCOL_ERROR


@pytest.mark.parametrize("fields", [[(b"x-a", b"v" * 9000)], [(b"a", b"")] * 300])
def test_trailers_that_are_too_large_lose_the_stream(fields: Fields) -> None:
    peer = Peer()
    peer.request(1, POST, ended=False)
    error = peer.loses(1, peer.headers(1, fields))
    assert isinstance(error, LimitExceeded)
    assert code(error) == ErrorCode.ENHANCE_YOUR_CALM


@spec("RFC 9113 §8.1.1")
def test_trailers_before_all_content_lose_the_stream() -> None:
    peer = Peer()
    peer.request(1, [*POST, (b"content-length", b"3")], ended=False)
    error = peer.loses(1, peer.data(1, b"ab"), peer.headers(1, [(b"x-a", b"1")]))
    assert code(error) == ErrorCode.PROTOCOL_ERROR


def test_malformed_request_is_reported_and_the_next_one_served() -> None:
    peer = Peer()
    (event,) = peer.send(peer.headers(1, without(b":path")))
    assert isinstance(event, StreamFailed)
    assert peer.request(3).stream_id == 3


def test_known_sections_do_not_carry_verdicts_over() -> None:
    peer = Peer()
    fields = [*GET, (b"x-a", b"1")]
    for stream_id in (1, 3, 5):
        peer.request(stream_id, fields)
    error = peer.loses(7, peer.headers(7, [*without(b":path"), (b"x-a", b"1")]))
    assert code(error) == ErrorCode.PROTOCOL_ERROR
    error = peer.loses(9, peer.headers(9, [*fields, (b"te", b"x")]))
    assert code(error) == ErrorCode.PROTOCOL_ERROR


def test_known_sections_are_bounded_in_number_and_size() -> None:
    parser = Peer().machine._requests._parser
    for length, kept in ((2047, 1), (2048, 2), (2049, 2)):
        counted = sum(len(name) + len(value) for name, value in without(b":path")) + 1
        parser.parse([*GET, (b"x", b"v" * (length - counted))])
        assert len(parser._sections) == kept
    for turn in range(3000):
        parser.parse([*GET, (b"x", b"%d" % turn)])
        assert len(parser._sections) <= 1024


@spec("RFC 6585 §5")
@pytest.mark.parametrize(("length", "status"), [(20, 0), (21, 431)])
def test_authority_has_its_longest_line(length: int, status: int) -> None:
    peer = Peer(HTTP2Limits(max_header_line=20))
    (event,) = peer.send(peer.headers(1, having((b":authority", b"a" * length))))
    if not status:
        assert isinstance(event, RequestReceived)
        return
    assert isinstance(event, RequestRefused)
    assert isinstance(event.error, LimitExceeded)
    assert (event.error.limit, event.error.code) == ("header_max_line", status)
