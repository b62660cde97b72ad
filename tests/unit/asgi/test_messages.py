from __future__ import annotations

import pytest

from blackbull.asgi import ASGIEvent, messages, parse_response_event
from blackbull.asgi.messages import parse_request_event, to_early_hint_event, to_request_event
from blackbull.errors import LocalProtocolError
from blackbull.native import (
    InterimResponse,
    RequestBody,
    RequestDisconnected,
    RequestMessage,
    ResponseBody,
    ResponseMessage,
    ResponseStart,
    ResponseTrailers,
)
from tests.spec import spec


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"type": "http.response.start", "status": 201}, ResponseStart(201)),
        (
            {
                "type": "http.response.start",
                "status": 200,
                "headers": iter([[b"X-A", b" 1 "], (b"x-a", b"2")]),
                "trailers": True,
            },
            ResponseStart(200, ((b"x-a", b"1"), (b"x-a", b"2")), trailers=True),
        ),
        ({"type": "http.response.body"}, ResponseBody(b"", False)),
        (
            {"type": "http.response.body", "body": bytearray(b"x"), "more_body": True},
            ResponseBody(b"x", True),
        ),
        ({"type": "http.response.body", "body": memoryview(b"x")}, ResponseBody(b"x", False)),
        (
            {"type": "http.response.trailers", "headers": [(b"digest", b"1")]},
            ResponseTrailers(((b"digest", b"1"),)),
        ),
        (
            {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]},
            InterimResponse(103, ((b"link", b"</a.css>; rel=preload"),)),
        ),
    ],
)
def test_response_event_well_formed_becomes_native(
    event: dict[str, object], message: ResponseMessage
) -> None:
    assert parse_response_event(event) == message


@spec("ASGI HTTP & WebSocket", "Response Start")
@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": "http.response.push"},
        {"type": "http.response.start"},
        {"type": "http.response.start", "status": "200"},
        {"type": "http.response.start", "status": 100},
        {"type": "http.response.start", "status": 600},
        {"type": "http.response.start", "status": 200, "headers": 5},
        {"type": "http.response.start", "status": 200, "headers": [b"x"]},
        {"type": "http.response.start", "status": 200, "headers": [("x", "text")]},
        {"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\r\nset-cookie: b")]},
        {"type": "http.response.start", "status": 200, "headers": [(b"x y", b"a")]},
        {"type": "http.response.start", "status": 200, "headers": [(b"", b"a")]},
        {"type": "http.response.body", "body": "text"},
        {"type": "http.response.body", "body": None},
        {"type": "http.response.trailers", "headers": [(b"x", b"\x00")]},
        {"type": "http.response.early_hint"},
        {"type": "http.response.early_hint", "links": [b"a\nb"]},
    ],
)
def test_response_event_malformed_is_our_callers_fault(event: dict[str, object]) -> None:
    with pytest.raises(LocalProtocolError):
        parse_response_event(event)


def test_field_names_ever_new_are_not_all_remembered() -> None:
    names = [b"X-%d" % number for number in range(2 * messages.MAX_NAMES)]
    event = {"type": "http.response.trailers", "headers": [(name, b"") for name in names]}
    trailers = ResponseTrailers(tuple((name.lower(), b"") for name in names))
    assert [parse_response_event(event), parse_response_event(event)] == [trailers, trailers]
    assert len(messages._names) <= messages.MAX_NAMES


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"type": "http.request"}, RequestBody(b"", False)),
        ({"type": "http.request", "body": b"a", "more_body": True}, RequestBody(b"a", True)),
        ({"type": "http.disconnect"}, RequestDisconnected()),
    ],
)
def test_request_event_any_becomes_native_and_back(
    event: dict[str, object], message: RequestMessage
) -> None:
    assert parse_request_event(event) == message
    assert parse_request_event(to_request_event(message)) == message


def test_request_event_unknown_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match=r"websocket\.connect"):
        parse_request_event({"type": "websocket.connect"})


def test_early_hint_other_fields_are_left_out() -> None:
    event = to_early_hint_event(((b"link", b"<a>"), (b"x", b"y"), (b"link", b"<b>")))
    assert event["links"] == [b"<a>", b"<b>"]


def test_event_names_core_protocol_are_all_there() -> None:
    """The nineteen events of ASGI 3.0, and the early hint."""
    names = {value for name, value in vars(ASGIEvent).items() if name.isupper()}
    assert len(names) == 20
    assert all(name.partition(".")[0] in {"http", "websocket", "lifespan"} for name in names)
