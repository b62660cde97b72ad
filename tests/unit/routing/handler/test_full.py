from __future__ import annotations

import pytest

from blackbull.content import native_receive
from blackbull.errors import LocalProtocolError
from blackbull.native import (
    InterimResponse,
    RequestBody,
    RequestDisconnected,
    ResponseBody,
    ResponseStart,
    ResponseTrailers,
)
from blackbull.response import JSONResponse, Response
from blackbull.routing.handler.full import (
    HandlerSend,
    handler_receive,
    native_send,
)
from tests.unit.routing.driving import Sent, receiver


def start(status: int = 200, headers: object = (), **more: object) -> dict[str, object]:
    return {"type": "http.response.start", "status": status, "headers": headers, **more}


def body(data: bytes = b"", *, more: bool = False) -> dict[str, object]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def sent_of(*messages: object) -> Sent:
    sent = Sent()
    send = native_send(sent)
    for message in messages:
        await send(message)
    return sent


@pytest.mark.parametrize(
    "message",
    [
        Response("a"),
        JSONResponse([1]),
        ResponseStart(200, ()),
        ResponseBody(b"a", True),
        ResponseTrailers(()),
        InterimResponse(103),
    ],
)
async def test_send_of_a_native_message_passes_it_on(message: object) -> None:
    (passed,) = await sent_of(message)
    assert passed is message


async def test_send_of_start_and_whole_body_is_one_response() -> None:
    headers = [(b"Content-Type", b"text/plain"), (b"x-a", b"1"), (b"content-length", b"2")]
    (response,) = await sent_of(start(201, headers), body(b"ab"))
    assert isinstance(response, Response)
    assert (response.status, response.body) == (201, b"ab")
    assert response.content_type == b"text/plain"
    assert response.fields == [(b"x-a", b"1")]


async def test_send_of_start_and_body_without_headers_has_no_content_type() -> None:
    (response,) = await sent_of(start(), body())
    assert isinstance(response, Response)
    assert (response.content_type, response.fields) == (b"", ())


async def test_send_of_parts_sends_the_start_with_the_first() -> None:
    sent = Sent()
    send = native_send(sent)
    await send(start(200, [(b"a", b"b")]))
    assert sent == []
    await send(body(b"1", more=True))
    assert sent == [ResponseStart(200, ((b"a", b"b"),)), ResponseBody(b"1", True)]
    await send(body(b"2"))
    assert sent[2:] == [ResponseBody(b"2", False)]


async def test_send_of_a_content_length_that_differs_keeps_it() -> None:
    fields = ((b"content-length", b"5"),)
    assert await sent_of(start(200, fields), body()) == [
        ResponseStart(200, fields),
        ResponseBody(b"", False),
    ]


async def test_send_of_trailers_keeps_the_parts_apart() -> None:
    trailers = {"type": "http.response.trailers", "headers": [(b"a", b"b")]}
    sent = await sent_of(start(trailers=True), body(b"x"), trailers)
    assert sent == [
        ResponseStart(200, (), trailers=True),
        ResponseBody(b"x", False),
        ResponseTrailers(((b"a", b"b"),)),
    ]


async def test_send_of_early_hint_is_an_interim_response() -> None:
    event = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]}
    assert await sent_of(event) == [InterimResponse(103, ((b"link", b"</a.css>; rel=preload"),))]


async def test_send_of_start_then_native_part_flushes_the_start() -> None:
    sent = await sent_of(start(), ResponseBody(b"x", False))
    assert sent == [ResponseStart(200, ()), ResponseBody(b"x", False)]


@pytest.mark.parametrize(
    "message",
    [
        (b"no", 404, [("X-A", "1"), (b"content-type", b"text/plain")]),
        (b"no", 404, {"x-a": "1", "content-type": "text/plain"}),
    ],
)
async def test_send_of_a_tuple_is_a_response(message: object) -> None:
    (response,) = await sent_of(message)
    assert isinstance(response, Response)
    assert (response.status, response.body, response.content_type) == (404, b"no", b"text/plain")
    assert response.fields == [(b"x-a", b"1")]


async def test_send_of_bytes_with_arguments_is_a_response() -> None:
    sent = Sent()
    send = HandlerSend(sent)
    await send(b"a", 404)
    (response,) = sent
    assert isinstance(response, Response)
    assert (response.status, response.content_type) == (404, b"application/octet-stream")


async def test_send_of_a_header_that_is_not_ascii_raises() -> None:
    with pytest.raises(UnicodeEncodeError):
        await sent_of((b"", 200, [("x-a", "é")]))


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([start(), start()], LocalProtocolError),
        ([start(), {"type": "http.response.trailers", "headers": []}], LocalProtocolError),
        ([{"type": "http.nonsense"}], LocalProtocolError),
        ([start("200")], LocalProtocolError),
        (["text"], TypeError),
        ([None], TypeError),
        ([()], TypeError),
        ([(1, 200)], TypeError),
        ([(b"a", 200, (), 4)], TypeError),
    ],
)
async def test_send_of_what_makes_no_sense_raises(
    messages: list[object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await sent_of(*messages)


def test_native_send_of_a_handlers_send_is_itself() -> None:
    send = native_send(Sent())
    assert native_send(send) is send


async def test_handler_receive_gives_asgi_events() -> None:
    receive = handler_receive(receiver([b"a", b"b"]))
    assert [await receive() for _ in range(3)] == [
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.request", "body": b"b", "more_body": False},
        {"type": "http.disconnect"},
    ]


async def test_native_receive_takes_both_forms() -> None:
    events = handler_receive(receiver([b"a"]))
    assert await native_receive(events)() == RequestBody(b"a", False)
    assert await native_receive(events)() == RequestDisconnected()
    assert await native_receive(receiver([b"b"]))() == RequestBody(b"b", False)


async def test_handler_receive_of_events_passes_them_on() -> None:
    event = {"type": "http.request", "body": b"a", "more_body": False}

    async def receive() -> dict[str, object]:
        return event

    assert await handler_receive(receive)() is event
