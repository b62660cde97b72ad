"""The laws of a machine, for HTTP/1.1."""

from __future__ import annotations

from functools import partial

import h11
from hypothesis import given, settings
from hypothesis import strategies as st

from blackbull.protocol.http1 import HeadParser, HTTP1Connection, HTTP1Limits
from tests.property.driver import DATE, LIMITS, observe, pieces
from tests.property.requests import FIELDS, Sample, nearly_requests, samples

CUTS = st.lists(st.integers(0, 2000), max_size=8)
law = partial(settings, deadline=None, derandomize=True)
HELD = LIMITS.max_header_total + 4
"""What a machine may hold between arrivals: an unfinished head or trailer section."""


@law(max_examples=400)
@given(nearly_requests(), CUTS)
def test_segmentation_any_cut_reports_the_same(wire: bytes, cuts: list[int]) -> None:
    whole, _ = observe([wire])
    cut, _ = observe(pieces(wire, cuts))
    bytewise, _ = observe([bytes([byte]) for byte in wire])
    assert [e for e in cut if e[0] != "refused"] == [e for e in whole if e[0] != "refused"]
    assert bytewise[:-1] == whole[:-1]
    assert bytewise[-1][0] == cut[-1][0] == whole[-1][0]


@law(max_examples=200)
@given(st.lists(samples(), min_size=1, max_size=3), CUTS)
def test_segmentation_of_valid_requests_reports_everything(
    requests: list[Sample], cuts: list[int]
) -> None:
    wire = b"".join(request.wire() for request in requests)
    limits = HTTP1Limits()
    seen, _ = observe(pieces(wire, cuts), limits)
    assert [event[1] for event in seen if event[0] == "head"] == [r.method for r in requests]
    assert seen[-1] == ("end", True)
    assert observe([wire], limits)[0] == seen


@law(max_examples=300)
@given(nearly_requests())
def test_bounded_no_more_is_held_than_the_limits_allow(wire: bytes) -> None:
    _, held = observe([bytes([byte]) for byte in wire])
    assert held <= HELD


@law(max_examples=300)
@given(st.binary(max_size=200), CUTS)
def test_closed_errors_any_bytes_raise_only_what_is_documented(
    wire: bytes, cuts: list[int]
) -> None:
    observe(pieces(wire, cuts))


@law(max_examples=200)
@given(samples(), CUTS)
def test_round_trip_h11_writes_and_we_read(sample: Sample, cuts: list[int]) -> None:
    client = h11.Connection(h11.CLIENT)
    content = b"".join(sample.content)
    framing = (
        [("Transfer-Encoding", "chunked")]
        if sample.chunked
        else [("Content-Length", str(len(content)))]
    )
    trailers = [] if not sample.chunked else sample.trailers
    wire = client.send(
        h11.Request(
            method=sample.method,
            target=sample.target,
            headers=[("Host", "example.com"), *sample.fields, *framing],
        )
    )
    for part in sample.content:
        wire += client.send(h11.Data(data=part))
    wire += client.send(h11.EndOfMessage(headers=trailers))
    seen, _ = observe(pieces(wire, cuts), HTTP1Limits())
    head = seen[0]
    assert head[:3] == ("head", sample.method, sample.target.partition("?")[0].encode())
    expected = [("host", "example.com"), *sample.fields, *framing]
    assert head[3] == tuple((n.lower().encode(), v.encode()) for n, v in expected)
    assert b"".join(event[1] for event in seen if event[0] == "data") == content
    if sample.chunked:
        got = next(event[1] for event in seen if event[0] == "trailers")
        assert got == tuple((n.lower().encode(), v.encode()) for n, v in trailers)
    assert seen[-1] == ("end", True)


@law(max_examples=300)
@given(
    st.sampled_from(["GET", "HEAD", "POST"]),
    st.sampled_from([200, 204, 205, 206, 299, 304, 404, 500, 599]),
    FIELDS,
    st.lists(st.binary(max_size=40), max_size=4),
    st.sampled_from(["whole", "announced", "chunked"]),
    st.sampled_from(["1.1", "1.0"]),
    CUTS,
)
def test_round_trip_we_write_and_h11_reads(
    method: str,
    status: int,
    fields: list[tuple[str, str]],
    parts: list[bytes],
    way: str,
    version: str,
    cuts: list[int],
) -> None:
    machine = HTTP1Connection(HeadParser(HTTP1Limits()))
    machine.receive(f"{method} / HTTP/{version}\r\nHost: a\r\n\r\n".encode())
    assert machine.next_event() is not None
    ours = [(name.lower().encode(), value.encode()) for name, value in fields]
    content = b"".join(parts)
    if way == "whole":
        wire = machine.send_response(status, b"text/plain", ours, content, DATE)
    else:
        announced = [(b"content-length", b"%d" % len(content))] if way == "announced" else []
        wire = machine.send_head(status, [*ours, *announced], DATE)
        wire += b"".join(machine.send_data(part) for part in parts)
        wire += machine.send_end()
    assert machine.response_complete
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    events = []
    for piece in [*pieces(wire, cuts), *([] if machine.keep_alive else [b""])]:
        client.receive_data(piece)
        while (event := client.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            events.append(event)
            if isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                break
    response = next(event for event in events if isinstance(event, h11.Response))
    assert response.status_code == status
    names = {"date", "content-type", "content-length", "transfer-encoding", "connection"}
    kept = [(n.decode(), v.decode()) for n, v in response.headers if n.decode() not in names]
    skipped = {"keep-alive", "proxy-connection", *names}
    assert kept == [(n.lower(), v) for n, v in fields if n.lower() not in skipped]
    got = b"".join(bytes(event.data) for event in events if isinstance(event, h11.Data))
    bodiless = method == "HEAD" or status in (204, 205, 304)
    assert got == (b"" if bodiless else content)
    assert any(isinstance(event, h11.EndOfMessage) for event in events)
    assert client.trailing_data[0] == b""
