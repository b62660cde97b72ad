from __future__ import annotations

import time

import pytest

from blackbull.errors import LimitExceeded, RemoteProtocolError
from blackbull.protocol.http1 import HeadParser, HTTP1Connection, HTTP1Limits
from blackbull.protocol.http1.request_line import decode_path
from tests.spec import spec

SMALL = HTTP1Limits(max_header_line=64, max_header_total=256, max_fields=4, max_body=1000)


def parse(raw: bytes, *, secure: bool = False, limits: HTTP1Limits = SMALL):
    return HeadParser(limits, secure=secure).parse(raw)


def refusal(raw: bytes, *, secure: bool = False) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        parse(raw, secure=secure)
    return caught.value


def with_field(line: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\nhost: a\r\n" + line


def test_head_complete_has_every_part() -> None:
    head = parse(b"POST /a%20b?c=d&e HTTP/1.1\r\nHost: a:80\r\nX-Y: \t z z \t\r\nx-y:2")
    assert (head.method, head.path, head.raw_path) == ("POST", "/a b", b"/a%20b")
    assert (head.query_string, head.http_version, head.authority) == (b"c=d&e", "1.1", b"a:80")
    assert head.fields == ((b"host", b"a:80"), (b"x-y", b"z z"), (b"x-y", b"2"))
    assert head.framing.keep_alive
    assert head.plain


def test_head_repeated_is_the_same_object() -> None:
    parser = HeadParser(SMALL)
    raw = b"GET / HTTP/1.1\r\nhost: a"
    assert parser.parse(raw) is parser.parse(bytes(bytearray(raw)))


def test_head_refused_is_not_remembered() -> None:
    parser = HeadParser(SMALL)
    raw = b"GET / HTTP/1.1\r\nhost: a\r\nhost: b"
    for _ in range(2):
        with pytest.raises(RemoteProtocolError):
            parser.parse(raw)


def test_head_memories_when_flooded_stay_bounded() -> None:
    parser = HeadParser(SMALL)
    for i in range(5000):
        parser.parse(b"GET /%d HTTP/1.1\r\nhost: a\r\nx: %d" % (i, i))
    assert len(parser._heads) <= 512
    assert len(parser._sections) <= 1024
    assert len(parser._lines) <= 4096
    assert len(parser._starts) <= 1024
    for i in range(3000):
        parser.parse(b"GET / HTTP/1.1\r\nhost: %d" % i)
    assert len(parser._decisions) <= 1024


@pytest.mark.parametrize(("more", "kept"), [(0, 1), (1, 0)])
def test_head_memories_keep_nothing_that_is_longer(more: int, kept: int) -> None:
    """Beyond 2048 bytes a head and its section are forgotten, beyond 256 a line."""
    line = b"GET /%b HTTP/1.1" % (b"a" * (256 - 14 + more))
    fields = [b"host: a", *(b"x%d: %b" % (n, b"y" * (252 + more)) for n in range(7))]
    section = b"\r\n".join(fields)
    section += b"\r\nz: " + b"z" * (2048 - len(section) - 5 + more)
    parser = HeadParser(HTTP1Limits())
    parser.parse(b"GET / HTTP/1.1\r\n" + section)
    assert len(section) == 2048 + more
    assert len(parser._sections) == len(parser._decisions) == kept
    assert not parser._heads
    assert len([each for each in parser._lines if each[:1] == b"x"]) == 7 * kept
    parser.parse(line + b"\r\nhost: a")
    assert len(line) == 256 + more
    assert (line in parser._starts) is bool(kept)
    for length in (2048, 2049):
        raw = b"GET / HTTP/1.1\r\nhost: b\r\nq: "
        parser.parse(raw + b"q" * (length - len(raw)))
    assert [len(raw) for raw in parser._heads if b"\r\nq: " in raw] == [2048]


def test_head_larger_than_the_memory_takes_is_parsed_and_forgotten() -> None:
    parser = HeadParser(HTTP1Limits())
    raw = b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 4000
    assert parser.parse(raw).path == "/"
    assert not parser._heads


@spec("RFC 9112 §3")
@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET",
        b"GET /",
        b"GET  / HTTP/1.1",
        b"GET /  HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b" GET / HTTP/1.1",
        b"GET\t/ HTTP/1.1",
        b"GET / a HTTP/1.1",
        b"GET / HTTP/1.1\r",
        b"GET /\r HTTP/1.1",
        b"GET /\x00 HTTP/1.1",
        b"GET /\x7f HTTP/1.1",
        b"GET /\xc3\xa9 HTTP/1.1",
        b"GET /#f HTTP/1.1",
        b"GET / http/1.1",
        b"GET / HTTP/1",
        b"GET / HTTP/1.10",
        b"GET / HTTP/11",
        b"GET / HTTP/1.x",
        b"GET / HTTP /1.1",
        b"GET / HTCPCP/1.0",
        b"G(T / HTTP/1.1",
        b"G:T / HTTP/1.1",
        b"\x00GET / HTTP/1.1",
        b"g\xc3\xa9t / HTTP/1.1",
    ],
)
def test_request_line_malformed_is_400(line: bytes) -> None:
    error = refusal(line + b"\r\nhost: a")
    assert (error.code, error.spec) == (400, "RFC 9112 §3")


@spec("RFC 9110 §2.5")
@pytest.mark.parametrize("version", [b"0.9", b"2.0", b"3.0", b"9.9", b"0.0"])
def test_version_of_another_major_is_505(version: bytes) -> None:
    assert refusal(b"GET / HTTP/" + version + b"\r\nhost: a").code == 505


@spec("RFC 9110 §2.5")
@pytest.mark.parametrize("version", [b"1.1", b"1.2", b"1.9"])
def test_version_of_a_higher_minor_is_served_as_11(version: bytes) -> None:
    assert parse(b"GET / HTTP/" + version + b"\r\nhost: a").http_version == "1.1"


@spec("RFC 9110 §9.1")
def test_method_is_case_sensitive_and_any_token() -> None:
    assert parse(b"get / HTTP/1.1\r\nhost: a").method == "get"
    assert parse(b"M-SEARCH / HTTP/1.1\r\nhost: a").method == "M-SEARCH"


@spec("RFC 9110 §15.6.2")
def test_connect_is_501() -> None:
    assert refusal(b"CONNECT a:80 HTTP/1.1\r\nhost: a:80").code == 501


@spec("RFC 9112 §3.2.2")
@pytest.mark.parametrize(
    ("target", "authority", "path", "query"),
    [
        (b"http://b/p?q", b"b", "/p", b"q"),
        (b"HTTP://b:8080", b"b:8080", "/", b""),
        (b"http://b?q", b"b", "/", b"q"),
        (b"http://[::1]:80/", b"[::1]:80", "/", b""),
    ],
)
def test_absolute_form_overrides_host(
    target: bytes, authority: bytes, path: str, query: bytes
) -> None:
    head = parse(b"GET " + target + b" HTTP/1.1\r\nx: y\r\nhost: a")
    assert (head.authority, head.path, head.query_string) == (authority, path, query)
    assert dict(head.fields)[b"host"] == authority
    assert dict(head.fields)[b"x"] == b"y"


@spec("RFC 9112 §3.2.2")
def test_absolute_form_does_not_leak_into_another_head() -> None:
    parser = HeadParser(SMALL)
    parser.parse(b"GET http://b/ HTTP/1.1\r\nhost: a")
    assert parser.parse(b"GET / HTTP/1.1\r\nhost: a").fields == ((b"host", b"a"),)


@spec("RFC 9110 §4.2")
@pytest.mark.parametrize(
    "target",
    [
        b"ftp://a/",
        b"http://",
        b"http:///p",
        b"http://:80/",
        b"http://u@a/",
        b"http://u:p@a/",
        b"http://a b/",
        b"http://a:b/",
        b"http:/a",
        b"a:80",
        b"a",
        b"?q",
        b"**",
    ],
)
def test_target_of_no_form_is_400(target: bytes) -> None:
    assert refusal(b"GET " + target + b" HTTP/1.1\r\nhost: a").code == 400


@spec("RFC 9110 §7.4")
def test_absolute_form_of_the_other_scheme_is_421() -> None:
    assert refusal(b"GET https://a/ HTTP/1.1\r\nhost: a").code == 421
    assert refusal(b"GET http://a/ HTTP/1.1\r\nhost: a", secure=True).code == 421
    assert parse(b"GET https://a/ HTTP/1.1\r\nhost: a", secure=True).authority == b"a"


@spec("RFC 9112 §3.2.4")
def test_asterisk_form_is_for_options_only() -> None:
    assert parse(b"OPTIONS * HTTP/1.1\r\nhost: a").path == "*"
    assert parse(b"OPTIONS http://a HTTP/1.1\r\nhost: a").path == "*"
    assert parse(b"OPTIONS http://a/ HTTP/1.1\r\nhost: a").path == "/"
    assert refusal(b"GET * HTTP/1.1\r\nhost: a").spec == "RFC 9112 §3.2.4"


@spec("RFC 3986 §2.1")
def test_path_is_decoded_once_and_as_utf8() -> None:
    assert decode_path(b"/%C3%A9%2525%2f+") == "/é%25/+"
    assert decode_path(b"/%ff") == "/\ufffd"
    for bad in (b"/%", b"/%4", b"/%zz", b"/%4g"):
        with pytest.raises(RemoteProtocolError) as caught:
            decode_path(bad)
        assert caught.value.code == 400


@spec("RFC 9112 §3.2")
@pytest.mark.parametrize(
    "block",
    [
        b"x: y",
        b"host: a\r\nhost: a",
        b"host: a\r\nHost: b",
        b"host: u@a",
        b"host: a b",
        b"host: a, b",
        b"host: a/b",
        b"host: a?b",
        b"host: a:b",
        b"host: a:123456",
        b"host: [::1",
        b"host: [g::]",
        b"host: a%zz",
        b"host: \xc3\xa9",
        b"host: http://a",
    ],
)
def test_host_missing_doubled_or_malformed_is_400(block: bytes) -> None:
    assert refusal(b"GET / HTTP/1.1\r\n" + block).code == 400


@spec("RFC 9112 §3.2")
@pytest.mark.parametrize(
    "host", [b"", b"a", b"A.b-c", b"a:", b"a:80", b"[::1]", b"[::1]:443", b"1.2.3.4:5"]
)
def test_host_valid_is_the_authority(host: bytes) -> None:
    assert parse(b"GET / HTTP/1.1\r\nhost: " + host).authority == host


@spec("RFC 9112 §3.2")
def test_host_is_optional_in_http_10() -> None:
    head = parse(b"GET / HTTP/1.0")
    assert (head.http_version, head.authority, head.fields) == ("1.0", b"", ())


@spec("RFC 9112 §5.1", "RFC 9112 §5.2", "RFC 9110 §5.5")
@pytest.mark.parametrize(
    ("line", "clause"),
    [
        (b"x : y", "RFC 9112 §5.1"),
        (b"x\t: y", "RFC 9112 §5.1"),
        (b" x: y", "RFC 9112 §5.2"),
        (b"\tfolded", "RFC 9112 §5.2"),
        (b"x: y\r\n z", "RFC 9112 §5.2"),
        (b"x", "RFC 9112 §5"),
        (b"x y", "RFC 9112 §5"),
        (b": y", "RFC 9110 §5.1"),
        (b"x y: z", "RFC 9110 §5.1"),
        (b"x(: z", "RFC 9110 §5.1"),
        (b"\xc3\xa9: z", "RFC 9110 §5.1"),
        (b"x\x00: y", "RFC 9110 §5.1"),
        (b"x: \x00", "RFC 9110 §5.5"),
        (b"x: a\x00b", "RFC 9110 §5.5"),
        (b"x: a\rb", "RFC 9110 §5.5"),
        (b"x: a\r", "RFC 9110 §5.5"),
        (b"x: a\nb: c", "RFC 9110 §5.5"),
        (b"x: \x0b1", "RFC 9110 §5.5"),
        (b"x: \x7f", "RFC 9110 §5.5"),
    ],
)
def test_field_line_malformed_is_400_with_its_clause(line: bytes, clause: str) -> None:
    error = refusal(with_field(line))
    assert (error.code, error.spec) == (400, clause)


def test_field_line_first_after_the_request_line_folded_is_400() -> None:
    assert refusal(b"GET / HTTP/1.1\r\n host: a").spec == "RFC 9112 §5.2"


@spec("RFC 9110 §5.5")
def test_field_value_with_obs_text_and_tabs_is_kept() -> None:
    head = parse(with_field(b"x:\t \xff\tb \t"))
    assert head.fields[1] == (b"x", b"\xff\tb")
    assert parse(with_field(b"x:")).fields[1] == (b"x", b"")
    assert parse(with_field(b"x: \t ")).fields[1] == (b"x", b"")


@pytest.mark.parametrize("filling", [b" ", b"\t", b"a ", b" a", b"a"])
def test_field_line_hostile_is_refused_in_linear_time(filling: bytes) -> None:
    parser = HeadParser(HTTP1Limits())
    line = (b"x:" + filling * 8000)[:8000] + b"\x01"
    began = time.process_time()
    for _ in range(20):
        with pytest.raises(RemoteProtocolError):
            parser.parse_fields(line)
    assert time.process_time() - began < 0.5  # quadratic: 20 times 0.13 s


@spec("RFC 9110 §8.6", "RFC 9112 §6.3 rule 5")
@pytest.mark.parametrize(
    "value",
    [
        b"", b"+5", b"-5", b"5 ", b" 5", b"5,5", b"5, 5", b"5, 6", b"0x5", b"5_0", b"1e2", b"5.0",
        b"05", b"00", b"\xb2", b"five", b"5;", b"\t5",
    ],
)  # fmt: skip
def test_content_length_garbled_is_400(value: bytes) -> None:
    from blackbull.protocol.http1.framing import parse_content_length

    with pytest.raises(RemoteProtocolError) as caught:
        parse_content_length(value)
    assert caught.value.code == 400


@spec("RFC 9110 §15.5.14")
@pytest.mark.parametrize("value", [b"1001", b"9" * 30])
def test_content_length_beyond_the_limit_is_413(value: bytes) -> None:
    machine = HTTP1Connection(HeadParser(SMALL))
    machine.receive(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: " + value + b"\r\n\r\n")
    with pytest.raises(LimitExceeded) as caught:
        machine.next_event()
    assert (caught.value.code, caught.value.limit) == (413, "max_body_size")


@spec("RFC 9110 §15.5.14")
@pytest.mark.parametrize("framing", [b"content-length: 1001", b"transfer-encoding: chunked"])
def test_content_limit_is_that_of_the_request(framing: bytes) -> None:
    parser = HeadParser(SMALL)
    parser.body_limit = lambda head: 2000 if head.path == "/large" else 10
    outcomes = {}
    for path in (b"/large", b"/small", b"/large"):
        machine = HTTP1Connection(parser)
        machine.receive(
            b"POST " + path + b" HTTP/1.1\r\nhost: a\r\n" + framing + b"\r\n\r\n3e9\r\n"
        )
        try:
            machine.next_event()
            machine.next_event()
            outcomes[path] = 0
        except LimitExceeded as error:
            outcomes[path] = error.allowed
    assert outcomes == {b"/large": 0, b"/small": 10}


@spec("RFC 9112 §6.1", "RFC 9112 §6.3 rule 3", "RFC 9112 §6.3 rule 4")
@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (b"content-length: 5\r\ncontent-length: 5", 400),
        (b"content-length: 5\r\ncontent-length: 6", 400),
        (b"content-length: 5\r\ntransfer-encoding: chunked", 400),
        (b"transfer-encoding: chunked\r\ncontent-length: 5", 400),
        (b"transfer-encoding: chunked\r\ntransfer-encoding: chunked", 400),
        (b"transfer-encoding: chunked, chunked", 400),
        (b"transfer-encoding: chunked, gzip", 400),
        (b"transfer-encoding: chunked\r\ntransfer-encoding: identity", 400),
        (b"transfer-encoding: identity", 400),
        (b"transfer-encoding: gzip", 400),
        (b"transfer-encoding: xchunked", 400),
        (b"transfer-encoding: chunkedx", 400),
        (b'transfer-encoding: "chunked"', 400),
        (b"transfer-encoding: chunked;q=1", 400),
        (b"transfer-encoding:", 400),
        (b"transfer-encoding: ,", 400),
        (b"transfer-encoding : chunked", 400),
        (b"transfer-encoding: \x0bchunked", 400),
        (b"transfer-encoding: gzip, chunked", 501),
        (b"content_length: 5", 400),
        (b"transfer_encoding: chunked", 400),
        (b"content-type: a/b\r\ncontent-type: a/b", 400),
    ],
)
def test_framing_ambiguous_is_refused(lines: bytes, code: int) -> None:
    assert refusal(with_field(lines)).code == code


@spec("RFC 9112 §6.1")
def test_transfer_coding_in_http_10_is_400() -> None:
    assert refusal(b"POST / HTTP/1.0\r\ntransfer-encoding: chunked").code == 400


@spec("RFC 9112 §7")
def test_transfer_coding_name_is_case_insensitive() -> None:
    head = parse(with_field(b"Transfer-Encoding: ChUnKeD"))
    assert head.framing.chunked
    assert not head.plain


@spec("RFC 9112 §9.3")
@pytest.mark.parametrize(
    ("version", "connection", "keep"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"connection: keep-alive", True),
        (b"1.1", b"connection: close", False),
        (b"1.1", b"connection: CLOSE", False),
        (b"1.1", b"connection: foo , Close,bar", False),
        (b"1.1", b"connection: keep-alive, close", False),
        (b"1.1", b"connection: keep-alive\r\nconnection: close", False),
        (b"1.1", b"connection: not-close", True),
        (b"1.0", b"", False),
        (b"1.0", b"connection: Keep-Alive", True),
        (b"1.0", b"connection: keep-alive, close", False),
    ],
)
def test_persistence_follows_version_and_options(
    version: bytes, connection: bytes, keep: bool
) -> None:
    block = b"\r\n".join(filter(None, [b"host: a", connection]))
    assert parse(b"GET / HTTP/" + version + b"\r\n" + block).framing.keep_alive is keep


@spec("RFC 9110 §10.1.1")
@pytest.mark.parametrize(
    ("lines", "expects"),
    [
        (b"expect: 100-continue\r\ncontent-length: 5", True),
        (b"expect: 100-Continue\r\ntransfer-encoding: chunked", True),
        (b"expect: 100-continue", False),
        (b"expect: 100-continue\r\ncontent-length: 0", False),
    ],
)
def test_expectation_matters_only_with_content(lines: bytes, expects: bool) -> None:
    assert parse(with_field(lines)).framing.expects_continue is expects


@spec("RFC 9110 §10.1.1")
@pytest.mark.parametrize(
    "lines", [b"expect: foo", b"expect: 100-continue, foo", b"expect: foo\r\nexpect: 100-continue"]
)
def test_expectation_unknown_is_417(lines: bytes) -> None:
    assert refusal(with_field(lines + b"\r\ncontent-length: 5")).code == 417


@spec("RFC 9110 §10.1.1")
def test_expectation_in_http_10_is_ignored() -> None:
    head = parse(b"POST / HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: 5")
    assert not head.framing.expects_continue


@spec("RFC 9110 §7.8")
def test_upgrade_needs_its_connection_option_and_http_11() -> None:
    assert parse(with_field(b"connection: upgrade\r\nupgrade: x")).framing.upgrade == b"x"
    assert parse(with_field(b"upgrade: x")).framing.upgrade == b""
    assert parse(b"GET / HTTP/1.0\r\nconnection: upgrade\r\nupgrade: x").framing.upgrade == b""


@pytest.mark.parametrize(
    ("raw", "limit", "code"),
    [
        (b"GET /" + b"a" * 64 + b" HTTP/1.1\r\nhost: a", "header_max_line", 414),
        (b"GET /" + b"a" * 51 + b" HTTP/1.1\r\nhost: a", "header_max_line", 414),
        (b"A" * 65 + b" / HTTP/1.1\r\nhost: a", "header_max_line", 501),
        (b"(" * 65 + b" / HTTP/1.1\r\nhost: a", "header_max_line", 400),
        (with_field(b"x: " + b"y" * 62), "header_max_line", 431),
        (with_field(b"a:\r\nb:\r\nc:\r\nd:"), "max_fields", 431),
        (with_field(b"\r\n".join([b"x: " + b"y" * 60] * 4)), "header_max_total", 431),
    ],
)
@spec("RFC 6585 §5", "RFC 9110 §15.5.15", "RFC 9112 §3")
def test_head_beyond_a_limit_names_it(raw: bytes, limit: str, code: int) -> None:
    error = refusal(raw)
    assert isinstance(error, LimitExceeded)
    assert (error.limit, error.code) == (limit, code)
    assert error.seen > error.allowed


def test_head_exactly_at_the_limits_is_taken() -> None:
    line = b"GET /" + b"a" * (64 - 14) + b" HTTP/1.1"
    assert len(line) == 64
    assert parse(line + b"\r\nhost: a").method == "GET"
    assert parse(with_field(b"x: " + b"y" * 61)).fields[1][1] == b"y" * 61
    assert len(parse(with_field(b"a:\r\nb:\r\nc:")).fields) == 4


def test_head_is_as_long_as_it_may_be_to_the_byte() -> None:
    limits = HTTP1Limits(max_header_line=64, max_header_total=256, max_fields=5)
    filled = with_field(b"\r\n".join([b"x: " + b"y" * 60] * 3)) + b"\r\nz:"
    longest = filled + b"z" * (256 - len(filled))
    assert len(parse(longest, limits=limits).fields) == 5
    with pytest.raises(LimitExceeded) as caught:
        parse(longest + b"z", limits=limits)
    assert (caught.value.limit, caught.value.seen) == ("header_max_total", 257)
