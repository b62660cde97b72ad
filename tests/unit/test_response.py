"""Complete responses, and streams driven without a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http import HTTPStatus

import pytest

from blackbull.connection import Connection
from blackbull.errors import ClientDisconnected
from blackbull.headers import HeadersLike
from blackbull.messages import RequestDisconnected, RequestMessage, ResponseBody, ResponseStart
from blackbull.protocol.sse import COMMENT
from blackbull.response import (
    EventSourceResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    ResponseMessage,
    StreamingResponse,
)
from tests.spec import spec

HTML = b"text/html; charset=utf-8"


async def never() -> RequestMessage:
    return RequestDisconnected()


def request(method: str = "GET") -> Connection:
    return Connection.from_scope({"type": "http", "method": method, "path": "/"})


async def run(
    response: Response | StreamingResponse | EventSourceResponse, method: str = "GET"
) -> list[ResponseMessage]:
    sent: list[ResponseMessage] = []

    async def send(message: ResponseMessage) -> None:
        sent.append(message)

    await response(request(method), never, send)
    return sent


class Source:
    """An async generator that tells how it ended."""

    def __init__(self, *items: object, then: BaseException | None = None) -> None:
        self.items = items
        self.then = then
        self.asked = 0
        self.closed = False

    async def stream(self) -> AsyncIterator[object]:
        try:
            for item in self.items:
                self.asked += 1
                yield item
            if self.then is not None:
                raise self.then
        finally:
            self.closed = True


# Complete


def test_response_text_is_utf8_html() -> None:
    response = Response("é")
    assert (response.status, response.body) == (200, b"\xc3\xa9")
    assert (response.content_type, response.fields) == (HTML, ())
    assert repr(response) == "<Response 200 text/html; charset=utf-8, 2 bytes>"


def test_response_content_of_other_types_raises_or_is_copied() -> None:
    assert Response(bytearray(b"x")).body == b"x"
    with pytest.raises(TypeError, match="not dict"):
        Response({})  # type: ignore[arg-type]


def test_response_has_exactly_the_slots_that_the_codec_reads() -> None:
    assert Response.__slots__ == ("body", "content_type", "fields", "status")
    assert not hasattr(JSONResponse({}), "__dict__")


def test_response_positional_arguments_are_taken_in_documented_order() -> None:
    response = Response(b"x", HTTPStatus.CREATED, "text/csv", {"X-A": "b"})
    assert (response.status, response.content_type) == (201, b"text/csv")
    assert response.fields == [(b"x-a", b"b")]
    assert list(response.headers) == [(b"content-type", b"text/csv"), (b"x-a", b"b")]


def test_response_content_type_header_replaces_the_argument() -> None:
    response = Response("x", headers=[("Content-Type", "text/plain")])
    assert response.content_type == b"text/plain"
    assert response.fields == ()


@pytest.mark.parametrize(
    "name", ["Content-Length", "transfer-encoding", "Connection", "keep-alive", "proxy-connection"]
)
@spec("RFC 9112 §6")
def test_response_framing_fields_are_left_to_the_codec(name: str) -> None:
    response = Response("x", headers={name: "1", "x": "y"})
    assert response.fields == [(b"x", b"y")]
    response.add_header(name, "1")
    assert response.fields == [(b"x", b"y")]


@pytest.mark.parametrize(
    "headers",
    [{"x": "a\r\nset-cookie: a=b"}, {"x\r\ny": "a"}, {"": "a"}, {"x": "é"}, [(b"x", b"\0")]],
)
@spec("RFC 9110 §5.5")
def test_response_unsafe_field_raises(headers: HeadersLike) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Response("x", headers=headers)


def test_response_unsafe_content_type_raises_every_time() -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="header value"):
            Response("x", content_type="text/plain\r\nx: y")


@pytest.mark.parametrize("status", [0, 100, 101, 199, 600, -1])
@spec("RFC 9110 §15")
def test_response_status_not_final_raises(status: int) -> None:
    with pytest.raises(ValueError, match="200 to 599"):
        Response("x", status)


def test_response_content_types_without_end_all_work() -> None:
    for number in range(1000):
        assert Response("", 200, f"a/b{number}").content_type == b"a/b%d" % number


def test_response_add_header_appends_or_replaces_content_type() -> None:
    response = Response("x")
    response.add_header("Vary", "accept")
    response.add_header(b"vary", b"origin")
    response.add_header("content-type", "text/plain")
    assert response.fields == [(b"vary", b"accept"), (b"vary", b"origin")]
    assert response.content_type == b"text/plain"


def test_response_headers_of_one_are_not_shared_with_another() -> None:
    first, second = Response("x"), Response("x")
    first.add_header("a", "b")
    assert second.fields == ()


def test_response_cookies_are_added_and_deleted() -> None:
    response = Response("x")
    response.set_cookie("id", "1", secure=True, max_age=60, same_site="Strict")
    response.delete_cookie("old", path="/app")
    assert response.fields == [
        (b"set-cookie", b"id=1; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Strict"),
        (b"set-cookie", b"old=; Path=/app; Max-Age=0; HttpOnly; SameSite=Lax"),
    ]


async def test_response_is_a_handler_that_sends_itself() -> None:
    response = Response("x")
    assert await run(response) == [response]


@dataclass
class Point:
    x: int
    y: int


def test_json_response_is_compact_utf8() -> None:
    response = JSONResponse({"a": [1, None, "é"], "p": Point(1, 2)}, 201, {"x": "y"})
    assert response.body == '{"a":[1,null,"é"],"p":{"x":1,"y":2}}'.encode()
    assert (response.status, response.content_type) == (201, b"application/json")
    assert response.fields == [(b"x", b"y")]


def test_json_response_what_json_cannot_express_raises() -> None:
    with pytest.raises(TypeError, match="no JSON form"):
        JSONResponse(object())


@spec("RFC 9110 §15.4")
def test_redirect_response_has_location_and_no_content() -> None:
    response = RedirectResponse("/there?a=b", headers={"x": "y"})
    assert (response.status, response.body, response.content_type) == (302, b"", b"")
    assert response.fields == [(b"location", b"/there?a=b"), (b"x", b"y")]
    assert RedirectResponse("/", 308).status == 308


@pytest.mark.parametrize("url", ["/é", "/\r\nset-cookie: a=b", "/\0"])
def test_redirect_response_unsafe_url_raises(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        RedirectResponse(url)


@pytest.mark.parametrize("status", [200, 304, 404])
def test_redirect_response_status_that_does_not_redirect_raises(status: int) -> None:
    with pytest.raises(ValueError, match="redirect"):
        RedirectResponse("/", status)


# Streams


async def test_streaming_response_sends_each_item_at_once() -> None:
    source = Source("é", b"b", bytearray(b"c"), "", memoryview(b"d"))
    sent = await run(StreamingResponse(source.stream()))  # type: ignore[arg-type]
    assert sent == [
        ResponseStart(
            200, ((b"content-type", b"text/plain; charset=utf-8"),), cancel_on_disconnect=True
        ),
        ResponseBody("é".encode(), True),
        ResponseBody(b"b", True),
        ResponseBody(b"c", True),
        ResponseBody(b"d", True),
        ResponseBody(b"", False),
    ]
    assert source.closed


async def test_streaming_response_waits_for_send_before_the_next_item() -> None:
    source = Source("a", "b", "c")
    asked: list[int] = []

    async def send(message: ResponseMessage) -> None:
        asked.append(source.asked)

    response = StreamingResponse(source.stream())  # type: ignore[arg-type]
    await response(request(), never, send)
    assert asked == [0, 1, 2, 3, 3]


def fields_of(response: StreamingResponse | EventSourceResponse) -> dict[bytes, bytes]:
    assert len(response.fields) == len(dict(response.fields))
    return dict(response.fields)


def test_streaming_response_headers_replace_defaults_and_may_tell_the_length() -> None:
    response = StreamingResponse(
        Source().stream(),  # type: ignore[arg-type]
        status=201,
        headers={"Content-Type": "text/csv", "content-length": "3", "Transfer-Encoding": "chunked"},
    )
    assert fields_of(response) == {b"content-type": b"text/csv", b"content-length": b"3"}
    assert response.status == 201


@pytest.mark.parametrize(
    ("media_type", "value"),
    [
        ("text/plain", b"text/plain; charset=utf-8"),
        ("text/csv; charset=latin-1", b"text/csv; charset=latin-1"),
        ("application/x-ndjson", b"application/x-ndjson"),
    ],
)
def test_streaming_response_media_type_of_text_names_its_charset(
    media_type: str, value: bytes
) -> None:
    response = StreamingResponse(Source().stream(), media_type=media_type)  # type: ignore[arg-type]
    assert fields_of(response) == {b"content-type": value}


async def test_event_source_response_sends_events_and_asks_for_heartbeats() -> None:
    source = Source("a", {"data": {"n": 1}, "event": "e"})
    sent = await run(EventSourceResponse(source.stream()))  # type: ignore[arg-type]
    assert sent == [
        ResponseStart(
            200,
            ((b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")),
            cancel_on_disconnect=True,
            lingers_half_closed=False,
            heartbeat=(15.0, COMMENT),
        ),
        ResponseBody(b"data: a\n\n", True),
        ResponseBody(b'event: e\ndata: {"n":1}\n\n', True),
        ResponseBody(b"", False),
    ]
    assert source.closed


async def test_event_source_response_options_change_heartbeat_and_fields() -> None:
    response = EventSourceResponse(
        Source().stream(),  # type: ignore[arg-type]
        ping_interval=None,
        headers={"Cache-Control": "no-store"},
    )
    start = (await run(response))[0]
    assert isinstance(start, ResponseStart)
    assert start.heartbeat is None
    assert fields_of(response)[b"cache-control"] == b"no-store"
    quick = EventSourceResponse(Source().stream(), ping_interval=0.5)  # type: ignore[arg-type]
    start = (await run(quick))[0]
    assert isinstance(start, ResponseStart)
    assert start.heartbeat == (0.5, COMMENT)


@pytest.mark.parametrize("interval", [0, -1.0])
def test_event_source_response_interval_not_positive_raises(interval: float) -> None:
    with pytest.raises(ValueError, match="ping_interval"):
        EventSourceResponse(Source().stream(), ping_interval=interval)  # type: ignore[arg-type]


Streamed = StreamingResponse | EventSourceResponse
each_stream = pytest.mark.parametrize("make", [StreamingResponse, EventSourceResponse])


@each_stream
async def test_stream_answer_to_head_has_no_content_and_asks_for_none(
    make: Callable[..., Streamed],
) -> None:
    source = Source("a")
    sent = await run(make(source.stream()), "HEAD")
    assert [type(message) for message in sent] == [ResponseStart, ResponseBody]
    assert source.asked == 0


@each_stream
async def test_stream_client_leaves_closes_the_source(make: Callable[..., Streamed]) -> None:
    source = Source("a", "b")

    async def send(message: ResponseMessage) -> None:
        if isinstance(message, ResponseBody):
            raise ClientDisconnected

    with pytest.raises(ClientDisconnected):
        await make(source.stream())(request(), never, send)
    assert source.closed
    assert source.asked == 1


@each_stream
async def test_stream_source_raises_error_passes_and_response_stays_unfinished(
    make: Callable[..., Streamed],
) -> None:
    source = Source("a", then=LookupError("broken"))
    sent: list[ResponseMessage] = []

    async def send(message: ResponseMessage) -> None:
        sent.append(message)

    with pytest.raises(LookupError, match="broken"):
        await make(source.stream())(request(), never, send)
    assert [message.more for message in sent if isinstance(message, ResponseBody)] == [True]


@each_stream
async def test_stream_cancelled_while_the_source_waits_closes_it(
    make: Callable[..., Streamed],
) -> None:
    waiting, ended = asyncio.Event(), asyncio.Event()

    async def stream() -> AsyncIterator[str]:
        try:
            yield "a"
            waiting.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.ensure_future(run(make(stream())))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


@each_stream
async def test_stream_cancelled_while_sending_closes_the_source(
    make: Callable[..., Streamed],
) -> None:
    source, sending = Source("a", "b"), asyncio.Event()

    async def send(message: ResponseMessage) -> None:
        if isinstance(message, ResponseBody):
            sending.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(make(source.stream())(request(), never, send))
    await sending.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.closed


@each_stream
async def test_stream_item_of_wrong_type_raises_and_closes(make: Callable[..., Streamed]) -> None:
    source = Source(3)
    with pytest.raises(TypeError, match="int"):
        await run(make(source.stream()))
    assert source.closed


@each_stream
@pytest.mark.parametrize("content", [["a"], "a", None, Source.stream])
def test_stream_content_not_async_iterable_raises_with_the_cure(
    make: Callable[..., Streamed], content: object
) -> None:
    with pytest.raises(TypeError, match="async generator"):
        make(content)


@each_stream
@pytest.mark.parametrize("status", [199, 600])
def test_stream_status_not_final_raises(make: Callable[..., Streamed], status: int) -> None:
    with pytest.raises(ValueError, match="200 to 599"):
        make(Source().stream(), status=status)
