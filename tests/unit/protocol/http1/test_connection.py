from __future__ import annotations

import pytest

from blackbull.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError
from blackbull.protocol.http1 import (
    Data,
    EndOfMessage,
    HeadParser,
    HTTP1Connection,
    HTTP1Limits,
    HTTP1RequestHead,
    render_refusal,
)
from tests.spec import spec

DATE = b"\r\ndate: D\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
EXPECT = b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n"


def machine(limits: HTTP1Limits | None = None) -> HTTP1Connection:
    return HTTP1Connection(HeadParser(limits or HTTP1Limits()))


def given(wire: bytes) -> HTTP1Connection:
    """Return a machine that has reported the head of *wire*."""
    conn = machine()
    conn.receive(wire)
    assert isinstance(conn.next_event(), HTTP1RequestHead)
    return conn


def feed(conn: HTTP1Connection, arrivals: list[bytes]) -> None:
    """Feed what holds no event."""
    for data in arrivals:
        conn.receive(data)
        assert conn.next_event() is None


def answer(conn: HTTP1Connection, status: int = 200, body: bytes = b"ok") -> bytes:
    return conn.send_response(status, b"text/plain", (), body, DATE)


# Receiving


def test_connection_without_bytes_wants_more() -> None:
    conn = machine()
    assert conn.next_event() is None
    conn.receive_eof()
    assert conn.response_complete


@spec("RFC 9112 §9.3.2")
def test_pipelined_request_waits_for_the_answer_before_it() -> None:
    conn = given(GET + GET)
    assert conn.next_event() is None
    assert conn.buffered == len(GET)
    answer(conn)
    assert isinstance(conn.next_event(), HTTP1RequestHead)
    assert not conn.response_started


@spec("RFC 9112 §9.6")
def test_request_after_a_closing_one_is_never_reported() -> None:
    conn = given(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n" + GET)
    assert b"connection: close" in answer(conn)
    assert conn.next_event() is None


@spec("RFC 9112 §2.2")
def test_empty_line_before_a_request_is_ignored_once() -> None:
    assert given(b"\r\n" + GET).request_complete
    conn = given(b"\r\n" + GET + b"\r\n" + GET)
    answer(conn)
    assert isinstance(conn.next_event(), HTTP1RequestHead)


@pytest.mark.parametrize("cut", [2, 3, 4])
@spec("RFC 9112 §2.2")
def test_empty_lines_instead_of_a_request_are_400_however_they_arrive(cut: int) -> None:
    wire = b"\r\n\r\n" + GET
    with pytest.raises(RemoteProtocolError) as caught:
        feed(machine(), [wire[:cut], wire[cut:]])
    assert caught.value.code == 400


@pytest.mark.parametrize(
    ("start", "code"),
    [
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (b"\x00", 400),
        (b" ", 400),
        (b"\n", 400),
        (b"\rG", 400),
        (b"GET /\n", 400),
        (b"GET /\r\n", 400),
        (b"GET / HTTP/2.0\r\n", 505),
        (b"PRI * HTTP/2.0\r\n", 505),
        (b"CONNECT a:80 HTTP/1.1\r\n", 501),
        (b"GET / HTTP/1.1\r\nhost: a\n", 400),
        (b"GET / HTTP/1.1\nhost", 400),
    ],
)
@spec("RFC 9112 §2.2", "RFC 9112 §3")
def test_start_that_can_become_no_request_is_refused_at_once(start: bytes, code: int) -> None:
    conn = machine()
    conn.receive(start)
    with pytest.raises(RemoteProtocolError) as caught:
        conn.next_event()
    assert caught.value.code == code


@pytest.mark.parametrize("start", [b"G", b"GET", b"GET ", b"GET /\r", b"\r", b"\r\n", b"\r\nG"])
def test_start_that_can_become_a_request_waits(start: bytes) -> None:
    conn = machine()
    conn.receive(start)
    assert conn.next_event() is None


@pytest.mark.parametrize(
    ("wire", "limit", "code"),
    [
        (b"GET /" + b"a" * 80, "header_max_line", 414),
        (b"A" * 80, "header_max_line", 501),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 80, "header_max_line", 431),
        (b"GET / HTTP/1.1\r\n" + b"x: yyyyyyyyyyyyyyyy\r\n" * 20, "header_max_total", 431),
    ],
)
@spec("RFC 9112 §3", "RFC 6585 §5")
def test_head_that_never_ends_is_refused_before_it_does(wire: bytes, limit: str, code: int) -> None:
    conn = machine(HTTP1Limits(max_header_line=64, max_header_total=256))
    with pytest.raises(LimitExceeded) as caught:
        feed(conn, [bytes([byte]) for byte in wire])
    assert (caught.value.limit, caught.value.code) == (limit, code)
    assert conn.buffered <= 256 + 4


def test_head_exactly_at_the_limits_is_taken_however_it_arrives() -> None:
    limits = HTTP1Limits(max_header_line=64, max_header_total=130)
    target = b"GET /" + b"a" * 50 + b" HTTP/1.1"
    wire = target + b"\r\nhost: " + b"h" * 58 + b"\r\n\r\n"
    assert (len(target), wire.index(b"\r\n\r\n")) == (64, 130)
    conn = machine(limits)
    for byte in wire[:-1]:
        conn.receive(bytes([byte]))
        assert conn.next_event() is None
    conn.receive(wire[-1:])
    assert isinstance(conn.next_event(), HTTP1RequestHead)
    whole = machine(limits)
    whole.receive(wire)
    assert isinstance(whole.next_event(), HTTP1RequestHead)


def test_content_is_reported_as_it_arrives() -> None:
    conn = given(POST + b"he")
    assert conn.unread == 5
    event = conn.next_event()
    assert isinstance(event, Data)
    assert event.data == b"he"
    assert conn.next_event() is None
    assert conn.unread == 3
    conn.receive(b"lloGET ")
    event = conn.next_event()
    assert isinstance(event, Data)
    assert event.data == b"llo"
    assert isinstance(conn.next_event(), EndOfMessage)
    assert conn.buffered == 4


@spec("RFC 9112 §8")
@pytest.mark.parametrize(
    "wire", [b"GET", GET[:-1], POST, POST + b"hell", CHUNKED, CHUNKED + b"5\r\n"]
)
def test_end_in_the_middle_of_a_request_is_400(wire: bytes) -> None:
    conn = machine()
    conn.receive(wire)
    while conn.next_event() is not None:
        pass
    with pytest.raises(RemoteProtocolError) as caught:
        conn.receive_eof()
    assert caught.value.code == 400


# Sending


def test_response_to_a_plain_get_is_one_piece() -> None:
    conn = given(GET)
    assert answer(conn) == (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\ndate: D\r\n\r\nok"
    )
    assert conn.response_complete


@spec("RFC 9110 §6.4.1", "RFC 9112 §6.3 rule 1")
@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST"])
def test_response_204_and_304_have_neither_content_nor_framing(status: int, method: bytes) -> None:
    conn = given(method + GET[3:])
    wire = answer(conn, status, b"" if status == 204 else b"body")
    assert wire.endswith(b"\r\n\r\n")
    assert b"content-length" not in wire
    assert b"transfer-encoding" not in wire


@spec("RFC 9110 §8.6")
def test_response_304_may_say_the_length_of_what_it_leaves_out() -> None:
    conn = given(GET)
    wire = conn.send_head(304, [(b"content-length", b"7")], DATE)
    assert b"content-length: 7\r\n" in wire
    assert conn.send_end() == b""


@spec("RFC 9110 §15.3.6")
@pytest.mark.parametrize("wire", [GET, POST + b"hello"])
def test_response_205_never_has_content(wire: bytes) -> None:
    conn = given(wire)
    out = answer(conn, 205, b"body")
    assert b"content-length: 0\r\n" in out
    assert out.endswith(b"\r\n\r\n")


@spec("RFC 9110 §9.3.2")
def test_response_to_head_has_the_fields_of_get_and_no_content() -> None:
    conn = given(b"HEAD" + GET[3:])
    assert answer(conn, 200, b"four").endswith(b"content-length: 4\r\ndate: D\r\n\r\n")
    conn = given(b"HEAD" + GET[3:])
    conn.send_head(200, [], DATE)
    assert conn.send_data(b"left out") + conn.send_end([(b"x", b"y")]) == b""


@spec("RFC 9112 §6.1", "RFC 9112 §7.1")
def test_response_of_unknown_length_is_chunked() -> None:
    conn = given(GET)
    head = conn.send_head(200, [], DATE, trailers=True)
    assert b"transfer-encoding: chunked\r\n" in head
    assert b"content-length" not in head
    assert conn.send_data(b"") == b""  # RFC 9112 §7.1: an empty chunk would end the content
    assert conn.send_data(b"x" * 17) == b"11\r\n" + b"x" * 17 + b"\r\n"
    assert conn.send_end([(b"sum", b"1")]) == b"0\r\nsum: 1\r\n\r\n"


@spec("RFC 9112 §6.1", "RFC 9112 §9.3")
def test_response_of_unknown_length_to_http_10_ends_with_the_connection() -> None:
    conn = given(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
    head = conn.send_head(200, [], DATE, trailers=True)
    assert b"transfer-encoding" not in head
    assert b"connection: close\r\n" in head
    assert conn.send_data(b"x") + conn.send_end([(b"sum", b"1")]) == b"x"
    assert not conn.keep_alive


@spec("RFC 9112 §9.3")
def test_response_to_http_10_that_keeps_the_connection_says_so() -> None:
    conn = given(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
    wire = answer(conn)
    assert wire.startswith(b"HTTP/1.1 200")
    assert b"connection: keep-alive\r\n" in wire


@spec("RFC 9110 §8.6")
def test_response_with_more_or_less_content_than_announced_is_our_bug() -> None:
    conn = given(GET)
    conn.send_head(200, [(b"content-length", b"3")], DATE)
    assert conn.send_data(b"ab") == b"ab"
    with pytest.raises(LocalProtocolError):
        conn.send_data(b"cd")
    with pytest.raises(LocalProtocolError):
        conn.send_end()
    conn.send_data(b"c")
    assert conn.send_end() == b""


def test_response_framing_is_ours_whatever_the_application_says() -> None:
    conn = given(GET)
    fields = [(b"transfer-encoding", b"gzip"), (b"keep-alive", b"1"), (b"content-length", b"99")]
    wire = conn.send_response(200, b"", fields, b"ok", DATE)
    assert wire == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ndate: D\r\n\r\nok"


@spec("RFC 9112 §9.6")
@pytest.mark.parametrize(
    ("value", "kept"), [(b"close", False), (b"x, Close", False), (b"not-close", True)]
)
def test_response_connection_close_of_the_application_is_obeyed(value: bytes, kept: bool) -> None:
    conn = given(GET)
    wire = conn.send_response(200, b"", [(b"connection", value)], b"", DATE)
    assert (b"connection: close\r\n" not in wire) is kept
    assert conn.keep_alive is kept


@spec("RFC 9110 §7.8", "RFC 9110 §15.5.22")
def test_response_426_names_the_protocol_and_its_connection_option() -> None:
    conn = given(GET)
    wire = conn.send_response(426, b"", [(b"upgrade", b"HTTP/3.0")], b"", DATE)
    assert b"upgrade: HTTP/3.0\r\n" in wire
    assert b"connection: upgrade\r\n" in wire


@spec("RFC 9110 §6.6.1")
def test_response_date_of_the_application_replaces_ours() -> None:
    conn = given(GET)
    wire = conn.send_response(200, b"", [(b"date", b"mine")], b"", DATE)
    assert wire.count(b"date:") == 1
    assert b"date: mine\r\n" in wire


@pytest.mark.parametrize(
    "field",
    [
        (b"x y", b"z"),
        (b"", b"z"),
        (b"x", b"a\r\nb"),
        (b"x", b"a\nb"),
        (b"x", b"\x00"),
        (b"x", b" a"),
    ],
)
@spec("RFC 9110 §5.1", "RFC 9110 §5.5")
def test_response_field_that_could_split_it_is_our_bug(field: tuple[bytes, bytes]) -> None:
    conn = given(GET)
    with pytest.raises(LocalProtocolError):
        conn.send_response(200, b"", [field], b"", DATE)
    assert answer(conn, 500).startswith(b"HTTP/1.1 500")


def test_response_twice_is_our_bug() -> None:
    conn = given(GET)
    answer(conn)
    for again in (
        lambda: answer(conn),
        lambda: conn.send_head(200, [], DATE),
        lambda: conn.send_data(b"x"),
        conn.send_end,
        lambda: conn.send_informational(103),
    ):
        with pytest.raises(LocalProtocolError):
            again()


@pytest.mark.parametrize("status", [99, 100, 101, 199, 1000, 0])
@spec("RFC 9110 §15")
def test_response_with_a_status_that_is_not_final_is_our_bug(status: int) -> None:
    with pytest.raises(LocalProtocolError):
        answer(given(GET), status)


def test_response_with_an_unregistered_status_has_an_empty_reason() -> None:
    assert answer(given(GET), 299).startswith(b"HTTP/1.1 299 \r\n")


@pytest.mark.parametrize("name", [b"content-length", b"transfer-encoding", b"host", b"set-cookie"])
@spec("RFC 9110 §6.5.1")
def test_response_trailer_forbidden_is_our_bug(name: bytes) -> None:
    conn = given(GET)
    conn.send_head(200, [], DATE, trailers=True)
    with pytest.raises(LocalProtocolError):
        conn.send_end([(name, b"1")])


# Interim responses


@spec("RFC 9110 §15.2", "RFC 9110 §8.6", "RFC 9112 §6.1")
def test_interim_response_has_its_fields_but_no_framing() -> None:
    conn = given(GET)
    fields = [(b"link", b"</a>"), (b"content-length", b"3"), (b"transfer-encoding", b"chunked")]
    assert conn.send_informational(103, fields) == (
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    )
    assert b"200 OK" in answer(conn)


@spec("RFC 9110 §15.2")
def test_interim_response_to_http_10_is_nothing() -> None:
    conn = given(b"GET / HTTP/1.0\r\n\r\n")
    assert conn.send_informational(103, [(b"link", b"</a>")]) == b""


def test_interim_response_101_is_not_for_applications() -> None:
    with pytest.raises(LocalProtocolError):
        given(GET).send_informational(101)


@spec("RFC 9110 §10.1.1")
def test_continue_is_awaited_until_it_is_sent() -> None:
    conn = given(EXPECT)
    assert conn.awaits_continue
    assert conn.send_informational(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert not conn.awaits_continue


@spec("RFC 9110 §10.1.1")
def test_continue_is_not_awaited_once_content_comes() -> None:
    conn = given(EXPECT + b"h")
    assert isinstance(conn.next_event(), Data)
    assert not conn.awaits_continue


@spec("RFC 9110 §10.1.1")
def test_continue_is_awaited_on_every_request_of_a_connection() -> None:
    conn = given(EXPECT)
    conn.send_informational(100)
    conn.receive(b"hello" + EXPECT)
    assert isinstance(conn.next_event(), Data)
    assert isinstance(conn.next_event(), EndOfMessage)
    answer(conn)
    assert isinstance(conn.next_event(), HTTP1RequestHead)
    assert conn.awaits_continue


@spec("RFC 9110 §10.1.1")
def test_final_answer_instead_of_continue_closes() -> None:
    conn = given(EXPECT)
    assert b"connection: close" in answer(conn, 403)


@spec("RFC 9112 §9.3")
@pytest.mark.parametrize(("length", "kept"), [(65536, True), (65537, False)])
def test_early_answer_keeps_the_connection_if_little_is_unread(length: int, kept: bool) -> None:
    conn = given(POST.replace(b" 5", b" %d" % length))
    answer(conn)
    assert conn.keep_alive is kept


# Refusals and upgrades


@spec("RFC 9112 §9.6")
def test_refusal_closes_and_ends_receiving() -> None:
    conn = machine()
    conn.receive(b"GET\r\n\r\n" + GET)
    with pytest.raises(RemoteProtocolError) as caught:
        conn.next_event()
    wire = conn.send_refusal(caught.value, DATE)
    assert wire.startswith(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n")
    assert conn.next_event() is None


def test_refusal_after_the_response_began_splices_nothing() -> None:
    conn = given(CHUNKED + b"X\r\n")
    conn.send_head(200, [], DATE)
    with pytest.raises(RemoteProtocolError) as caught:
        conn.next_event()
    assert conn.send_refusal(caught.value, DATE) == b""


@spec("RFC 9110 §9.3.2")
def test_refusal_of_head_has_no_content() -> None:
    conn = given(b"HEAD" + CHUNKED[4:] + b"X\r\n")
    with pytest.raises(RemoteProtocolError) as caught:
        conn.next_event()
    assert conn.send_refusal(caught.value, DATE).endswith(b"\r\n\r\n")


def test_refusal_length_matches_its_content() -> None:
    head, _, content = render_refusal(413, "too much", DATE).partition(b"\r\n\r\n")
    assert b"content-length: %d\r\n" % len(content) in head


UPGRADE = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"


@spec("RFC 9110 §7.8")
def test_upgrade_hands_over_every_byte_that_follows() -> None:
    conn = given(UPGRADE + b"\x00\r\n\r\nrest")
    wire, rest = conn.switch_protocols(((b"connection", b"upgrade"), (b"upgrade", b"x")))
    assert wire.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert rest == b"\x00\r\n\r\nrest"
    assert conn.switched
    assert conn.next_event() is None


@spec("RFC 9110 §7.8")
def test_upgrade_that_nobody_asked_for_is_our_bug() -> None:
    with pytest.raises(LocalProtocolError):
        given(GET).switch_protocols(())


@spec("RFC 9110 §7.8")
def test_upgrade_waits_for_the_content_of_its_request() -> None:
    conn = given(UPGRADE.replace(b"\r\n\r\n", b"\r\ncontent-length: 5\r\n\r\n") + b"hell")
    with pytest.raises(LocalProtocolError):
        conn.switch_protocols(())
    conn.receive(b"oNEW")
    while conn.next_event() is not None:
        pass
    assert conn.switch_protocols(())[1] == b"NEW"
