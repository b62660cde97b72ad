"""What a record looks like: for people, with colours, for programs."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import replace

import pytest

from blackbull.connection import KnownEndpoint
from blackbull.log.entry import describe_entry
from blackbull.log.formatters import (
    ColoredFormatter,
    JsonFormatter,
    PlainFormatter,
    RecordFormatter,
)
from tests.unit.log.entries import entry, request

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z "


def line(made: object, *, query: bool = False) -> str:
    """Return a line without its time."""
    text = PlainFormatter(query=query).format_entry(made)  # type: ignore[arg-type]
    return text.partition(" ")[2]


def told(made: object, *, query: bool = False) -> dict[str, object]:
    """Return what a line of JSON says, but for when."""
    found: dict[str, object] = json.loads(
        JsonFormatter(query=query).format_entry(made)  # type: ignore[arg-type]
    )
    del found["time"]
    return found


def record(
    message: str = "hello", *args: object, level: int = logging.WARNING
) -> logging.LogRecord:
    return logging.LogRecord("blackbull.x", level, "f.py", 1, message, args, None)


def test_plain_request_is_what_everybody_knows() -> None:
    made = entry(request("GET", "/a"), 200, sent=12, seconds=0.0015)
    assert line(made) == '192.0.2.7 "GET /a HTTP/1.1" 200 12 1.5ms'


def test_plain_line_begins_with_the_time_in_utc() -> None:
    formatter = PlainFormatter()
    assert formatter.stamp(0.0) == "1970-01-01T00:00:00.000Z"
    assert formatter.stamp(86399.9999) == "1970-01-01T23:59:59.999Z"
    assert formatter.stamp(1.25) == "1970-01-01T00:00:01.250Z"


def test_plain_lines_of_a_batch_are_those_of_each() -> None:
    formatter = PlainFormatter()
    batch = [
        entry(request("GET", "/a"), 200, sent=1),
        entry(request("HEAD", "/a"), 200, sent=9),
        entry(request("DELETE", "/a"), 204, sent=9),
        entry(request("GET", "/a", version="2"), 404, sent=3),
        entry(request("GET", "/a"), 0),
        entry(request("GET", "/a"), 200, details={"disconnected": True}),
    ]
    lines = [each.partition(" ")[2] for each in formatter.format_entries(batch)]
    assert lines == [line(each) for each in batch]
    assert lines == [
        '192.0.2.7 "GET /a HTTP/1.1" 200 1 0.0ms',
        '192.0.2.7 "HEAD /a HTTP/1.1" 200 0 0.0ms',
        '192.0.2.7 "DELETE /a HTTP/1.1" 204 0 0.0ms',
        '192.0.2.7 "GET /a HTTP/2" 404 3 0.0ms',
        '192.0.2.7 "GET /a HTTP/1.1" - 0 0.0ms',
        '192.0.2.7 "GET /a HTTP/1.1" 200 0 0.0ms client=left',
    ]


def test_plain_query_is_shown_only_if_asked_for() -> None:
    made = entry(request("GET", "/a", query=b"key=secret"))
    assert "secret" not in line(made)
    assert '"GET /a?key=secret HTTP/1.1"' in line(made, query=True)


@pytest.mark.parametrize(
    ("method", "path", "shown"),
    [
        (
            "GET",
            '/a" 200 0 0.0ms\n192.0.2.8 "GET /',
            '"GET /a\\" 200 0 0.0ms\\x0a192.0.2.8 \\"GET / ',
        ),
        ("GET", "/\x1b[2J", '"GET /\\x1b[2J '),
        ("GET", "/\u202eexe", '"GET /\\u202eexe '),
        ("GET", "/\x85\u2028", '"GET /\\x85\\u2028 '),
        ("GET", "/\udc80", '"GET /\\udc80 '),
        ("GET", "/caf\xe9", '"GET /caf\xe9 '),
        ("A" * 40, "/", f'"{"A" * 32}...(+8) / '),
        ("GET", "/" * 2000, f"{'/' * 1024}...(+976) "),
    ],
)
def test_plain_request_cannot_forge_a_line(method: str, path: str, shown: str) -> None:
    made = entry(request(method, path))
    for text in (line(made), line((*made[:8], {"error": "x"}))):
        assert shown in text
        assert "\n" not in text


def test_plain_values_are_quoted_where_they_could_be_misread() -> None:
    conn = request()
    conn.log(who="al ice", note='"\n', number=3, ratio=0.5, nothing=None, plain="a-b.c")
    assert line(entry(conn)).endswith(
        'who="al ice" note="\\"\\x0a" number=3 ratio=0.5 nothing=None plain=a-b.c'
    )


def test_plain_connection_without_requests() -> None:
    made = entry(
        status=0, sent=5, received=4, seconds=1.5, details={"protocol": "echo", "who": "x"}
    )
    assert line(made) == "192.0.2.7 echo 1500.0ms received=4 sent=5 who=x"


def test_plain_refusal_without_a_request() -> None:
    made = entry(status=400, sent=28, details={"error": "a line ends in a bare LF"})
    assert line(made) == '192.0.2.7 "-" 400 28 0.0ms error="a line ends in a bare LF"'


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (("::1", 80), "::1"),
        (("", None), "unix"),
        (None, "-"),
        (("/run/x\n.sock", None), "/run/x\\x0a.sock"),
    ],
)
def test_plain_client_is_shown_as_what_it_is(
    address: tuple[str, int | None] | None, shown: str
) -> None:
    made = entry(request())
    assert line((made[0], KnownEndpoint(address), *made[2:])).startswith(f'{shown} "GET')


def test_plain_client_is_who_a_proxy_says() -> None:
    conn = request()
    conn.client = ("198.51.100.1", 1)
    assert line(entry(conn)).startswith("198.51.100.1 ")
    assert told(entry(conn))["client_ip"] == "198.51.100.1"


def test_json_request_has_every_field() -> None:
    fields = (
        (b"user-agent", b"x/1"),
        (b"referer", b"http://a/"),
        (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    )
    conn = request("POST", "/a", query=b"q=1", fields=(*fields, (b"x-request-id", b"r-1")))
    made = entry(conn, 201, sent=3, received=4, seconds=0.25)
    assert told(made) == {
        "level": "INFO", "logger": "blackbull.access", "client_ip": "192.0.2.7",
        "client_port": 4711, "protocol": "http", "http_version": "1.1", "method": "POST",
        "path": "/a", "status": 201, "response_bytes": 3, "request_bytes": 4,
        "duration_ms": 250.0, "request_id": "r-1", "user_agent": "x/1", "referer": "http://a/",
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331",
    }  # fmt: skip
    assert told(made, query=True)["query"] == "q=1"


def test_json_request_id_is_the_one_that_was_made_or_what_a_client_says() -> None:
    conn = request(fields=((b"x-request-id", b'no"t sane'),))
    assert "request_id" not in told(entry(conn))
    assert conn.request_id == told(entry(conn))["request_id"]
    assert f"request_id={conn.request_id}" in line(entry(conn))


def test_json_is_one_line_of_ascii_whatever_a_peer_says() -> None:
    conn = request("GET", "/\n\u202e\udc80\x1b", fields=((b"user-agent", b"\xff\n" * 3),))
    text = JsonFormatter().format_entry(entry(conn))
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text)["path"] == "/\n\u202e\udc80\x1b"


@pytest.mark.parametrize(("length", "more"), [(1023, ""), (1024, ""), (1025, "...(+1)")])
def test_plain_texts_of_a_peer_are_bounded(length: int, more: str) -> None:
    path = "/" * length
    shown = "/" * min(length, 1024) + more
    assert f'"GET {shown} HTTP/1.1" 200 ' in line(entry(request("GET", path)))
    assert f'"GET {shown} HTTP/1.1" 200 ' in line(entry(request("GET", path)), query=True)
    assert told(entry(request("GET", path)))["path"] == shown
    agent = request(fields=((b"user-agent", b"x" * length),))
    assert describe_entry(entry(agent))["user_agent"] == "x" * min(length, 1024)


def test_json_values_are_bounded() -> None:
    conn = request("GET", "/" * 5000, fields=((b"user-agent", b"x" * 5000),))
    assert len(JsonFormatter().format_entry(entry(conn))) < 2600


def test_json_response_that_never_began_has_no_status() -> None:
    found = told(entry(request(), 0, details={"disconnected": True}))
    assert found["status"] is None
    assert found["disconnected"] is True


def test_json_fields_of_handlers_are_values() -> None:
    conn = request()
    conn.log(who="a", number=3, ratio=0.5, yes=True, nothing=None)
    conn.state["access_log"].cost = float("nan")  # type: ignore[attr-defined]
    found = told(entry(conn))
    assert (found["who"], found["number"], found["yes"], found["nothing"]) == ("a", 3, True, None)
    assert found["cost"] == "nan"


def test_json_fields_of_handlers_do_not_hide_ours() -> None:
    conn = request()
    conn.state["access_log"].status = 999  # type: ignore[attr-defined]
    assert told(entry(conn))["status"] == 200


def test_json_record_has_what_its_caller_added() -> None:
    made = record("%s", "x")
    made.cap = "max_connections"
    assert json.loads(JsonFormatter().format(made))["cap"] == "max_connections"


@pytest.mark.parametrize("formatter", [PlainFormatter(), ColoredFormatter(), JsonFormatter()])
def test_record_with_a_traceback_shows_it(formatter: RecordFormatter) -> None:
    made = record()
    try:
        raise ValueError("with \x1b[31m colour\n2026-01-01 forged")
    except ValueError:
        made.exc_info = sys.exc_info()
    text = formatter.format(made)
    assert "ValueError: with " in text
    assert "\x1b[31m colour" not in text
    assert made.getMessage() in text
    assert "\n2026" not in text


def test_plain_record_has_no_control_characters_and_its_further_lines_are_indented() -> None:
    text = PlainFormatter().format(record("a\nb\x1b[0m %s", "c\r"))
    assert text.partition(" ")[2] == "WARNING blackbull.x: a\n    b\\x1b[0m c\\x0d"


def test_colored_line_is_the_plain_one_once_colours_are_off() -> None:
    batch = [entry(request(), status) for status in (101, 200, 301, 404, 500, 0)]
    batch += [(*each[:8], {"who": "x"}) for each in batch]
    plain = [each.partition(" ")[2] for each in PlainFormatter().format_entries(batch)]
    colored = [each.partition(" ")[2] for each in ColoredFormatter().format_entries(batch)]
    assert [strip(each) for each in colored] == plain
    assert [color_of(each) for each in colored] == ["36", "32", "36", "33", "31", ""] * 2
    assert all("\x1b[1mGET\x1b[0m /" in each for each in colored)


def test_colored_level_is_told_by_its_color() -> None:
    levels = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
    texts = [ColoredFormatter().format(record(level=level)) for level in levels]
    assert [color_of(text) for text in texts] == ["", "32", "33", "31", "31"]


def strip(text: str) -> str:
    """Return *text* without colours."""
    return "".join(
        part.partition("m")[2] if i else part for i, part in enumerate(text.split("\x1b["))
    )


def color_of(text: str) -> str:
    """Return the first colour in *text* that is one."""
    codes = [part.partition("m")[0] for part in text.split("\x1b[")[1:]]
    return next((code for code in codes if code not in {"0", "1"}), "")


def test_formatter_of_a_handler_keeps_the_peer_of_each_entry() -> None:
    made = entry(request())
    other = (made[0], replace(KnownEndpoint(), peername=("192.0.2.9", 1)), *made[2:])
    lines = PlainFormatter().format_entries([made, other, made])
    assert [each.split(" ")[1] for each in lines] == ["192.0.2.7", "192.0.2.9", "192.0.2.7"]


def test_plain_formatter_remembers_short_requests_up_to_a_number() -> None:
    formatter = PlainFormatter()
    longest = "/" + "p" * 252
    for path in (longest, longest + "p"):
        for _ in range(2):
            assert f'"GET {path} HTTP/1.1"' in formatter.format_entry(entry(request("GET", path)))
    assert list(formatter._requests) == [("GET", longest, "1.1")]
    for number in range(3000):
        formatter.format_entry(entry(request("GET", f"/{number}")))
        assert len(formatter._requests) <= 1024
