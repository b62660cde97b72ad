"""Spans, as the SDK of OpenTelemetry collects them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiomqtt
import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from websockets.asyncio.client import connect

from blackbull import BlackBull, Connection, HTTPException, Settings, WebSocket
from blackbull.errors import MissingExtra
from blackbull.mqtt import Message, MQTTExtension
from blackbull.server import Server
from blackbull.tracing import TracingExtension, spans
from blackbull.utils import Scheme
from tests.unit.app.doubles import Exchange, ask, get

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01".encode()


class Traced:
    """An application whose spans are kept.

    Args:
        sampled: False: no span is recorded.
        options: Of the extension.
    """

    def __init__(self, *, sampled: bool = True, **options: object) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(**({} if sampled else {"sampler": ALWAYS_OFF}))  # type: ignore[arg-type]
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.app = BlackBull(settings=Settings(port=0))
        self.current: list[trace.SpanContext] = []
        self.extension = self.app.add_extension(
            TracingExtension(tracer_provider=self.provider, **options)  # type: ignore[arg-type]
        )
        self._register(self.app)

    def note(self) -> None:
        self.current.append(trace.get_current_span().get_span_context())

    def _register(self, app: BlackBull) -> None:
        @app.route(path="/")
        async def index() -> str:
            self.note()
            return "hello"

        @app.route(path="/items/{id:int}")
        async def item(id: int) -> str:
            self.note()
            await asyncio.sleep(0)
            self.note()
            return "item"

        @app.route(path="/bug")
        async def bug() -> str:
            raise ZeroDivisionError("nothing to divide by")

        @app.route(path="/late-bug")
        async def late_bug() -> str:
            await asyncio.sleep(0)
            raise LookupError("nothing there")

        @app.route(path="/overloaded")
        async def overloaded() -> str:
            raise HTTPException(503)

        @app.route(path="/ws/{room}", scheme=Scheme.websocket)
        async def talk(ws: WebSocket, room: str) -> None:
            await ws.accept()
            async for message in ws:
                self.note()
                await ws.send(message)

    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def only(self) -> ReadableSpan:
        (span,) = self.spans()
        return span


def attributes(span: ReadableSpan) -> Mapping[str, object]:
    return dict(span.attributes or {})


@asynccontextmanager
async def serving(app: BlackBull) -> AsyncIterator[dict[str, int]]:
    server = Server(app, settings=Settings(port=0))
    await server.start()
    try:
        yield {each.protocol: each.address[1] or 0 for each in server.listening}
    finally:
        await server.stop(0.1)


async def test_request_is_a_server_span_with_the_conventions_names() -> None:
    traced = Traced()
    await get(traced.app, "/items/7")
    span = traced.only()
    assert (span.name, span.kind) == ("GET /items/{id:int}", SpanKind.SERVER)
    assert attributes(span) == {
        "http.request.method": "GET",
        "http.route": "/items/{id:int}",
        "http.response.status_code": 200,
        "url.path": "/items/7",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "client.address": "192.0.2.1",
    }
    assert span.status.status_code is StatusCode.UNSET
    assert span.parent is None
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "blackbull"


@pytest.mark.parametrize("path", ["/", "/items/7"])
async def test_span_is_current_in_the_handler_and_nowhere_else(path: str) -> None:
    traced = Traced()
    await get(traced.app, path)
    assert {context.span_id for context in traced.current} == {traced.only().context.span_id}
    assert not trace.get_current_span().get_span_context().is_valid


async def test_spans_of_requests_at_the_same_time_do_not_mix() -> None:
    traced = Traced()
    await asyncio.gather(*(get(traced.app, f"/items/{n}") for n in range(5)))
    seen = [context.span_id for context in traced.current]
    assert sorted(seen) == sorted(2 * [span.context.span_id for span in traced.spans()])


@pytest.mark.parametrize("path", ["/", "/items/7"])
async def test_caller_is_the_parent(path: str) -> None:
    traced = Traced()
    await ask(traced.app, Exchange("GET", path, fields=[(b"traceparent", TRACEPARENT)]))
    span = traced.only()
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == CALLER
    assert span.parent.is_remote


@pytest.mark.parametrize(
    "fields",
    [
        [(b"traceparent", b"00-garbage-01")],
        [(b"traceparent", TRACEPARENT), (b"traceparent", TRACEPARENT)],
        [(b"tracestate", b"a=b")],
    ],
)
async def test_caller_that_cannot_be_understood_is_no_parent(
    fields: list[tuple[bytes, bytes]],
) -> None:
    traced = Traced()
    await ask(traced.app, Exchange("GET", "/", fields=fields))
    assert traced.only().parent is None


@pytest.mark.parametrize(
    ("path", "kind"), [("/bug", "ZeroDivisionError"), ("/late-bug", "LookupError")]
)
async def test_bug_is_recorded(path: str, kind: str) -> None:
    traced = Traced()
    await get(traced.app, path)
    span = traced.only()
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(span)["error.type"] == kind
    assert attributes(span)["http.response.status_code"] == 500
    (event,) = span.events
    assert event.name == "exception"
    assert (event.attributes or {})["exception.type"] == kind


async def test_answer_that_is_an_error_is_told_by_its_status() -> None:
    traced = Traced()
    await get(traced.app, "/overloaded")
    await get(traced.app, "/nowhere")
    await ask(traced.app, Exchange("BREW", "/"))
    await ask(traced.app, Exchange("GET", "/items/1", gone=True))
    overloaded, nowhere, brew, gone = traced.spans()
    assert attributes(overloaded)["error.type"] == "503"
    assert overloaded.status.status_code is StatusCode.ERROR
    assert not overloaded.events
    assert nowhere.name == "GET"
    assert nowhere.status.status_code is StatusCode.UNSET
    assert type(attributes(nowhere)["http.response.status_code"]) is int
    assert "http.route" not in attributes(nowhere)
    assert brew.name == "HTTP"
    assert attributes(brew)["http.request.method"] == "_OTHER"
    assert attributes(brew)["http.request.method_original"] == "BREW"
    assert attributes(gone)["error.type"] == "disconnected"
    assert "http.response.status_code" not in attributes(gone)


async def test_nothing_is_kept_of_what_is_over() -> None:
    traced = Traced()
    for path in ("/", "/items/1", "/bug", "/late-bug", "/nowhere"):
        await get(traced.app, path)
    (watching,) = traced.app.observers
    assert isinstance(watching, spans.ServerSpans)
    assert not watching._recording


async def test_paths_that_are_excluded_have_no_span() -> None:
    traced = Traced(exclude=["/"])
    await get(traced.app, "/")
    assert traced.spans() == []
    assert not traced.current[0].is_valid


async def test_what_is_not_sampled_is_passed_on_as_not_sampled() -> None:
    traced = Traced(sampled=False)
    await ask(traced.app, Exchange("GET", "/", fields=[(b"traceparent", TRACEPARENT)]))
    assert traced.spans() == []
    assert f"{traced.current[0].trace_id:032x}" == TRACE
    assert not traced.current[0].trace_flags.sampled


async def test_every_version_of_http_and_websockets_have_spans() -> None:
    traced = Traced()
    async with serving(traced.app) as ports:
        url = f"http://127.0.0.1:{ports['http']}/items/1"
        async with (
            httpx.AsyncClient() as http1,
            httpx.AsyncClient(http1=False, http2=True) as http2,
        ):
            await http1.get(url)
            await http2.get(url)
        async with connect(f"ws://127.0.0.1:{ports['http']}/ws/a") as ws:
            await ws.send("x")
            await ws.recv()
    old, new, session = traced.spans()
    assert attributes(old)["network.protocol.version"] == "1.1"
    assert attributes(new)["network.protocol.version"] == "2"
    assert session.name == "GET /ws/{room}"
    assert attributes(session)["http.response.status_code"] == 101
    assert attributes(session)["url.scheme"] == "ws"
    assert traced.current[-1].span_id == session.context.span_id


async def test_message_of_a_broker_goes_on_with_its_trace() -> None:
    traced = Traced()
    mqtt = traced.app.add_extension(MQTTExtension(port=0))
    done = asyncio.Event()

    @mqtt.on_message(topic="sensors/#")
    async def on_message(msg: Message) -> None:
        with traced.extension.message(msg, template="sensors/#"):
            traced.note()
            await mqtt.publish("out", b"", properties=traced.extension.user_properties())

    @mqtt.on_message(topic="out")
    async def on_out(msg: Message) -> None:
        with traced.extension.message(msg):
            done.set()

    async with (
        serving(traced.app) as ports,
        aiomqtt.Client("127.0.0.1", ports["mqtt"], protocol=aiomqtt.ProtocolVersion.V5) as client,
    ):
        properties = Properties(PacketTypes.PUBLISH)
        properties.UserProperty = ("traceparent", TRACEPARENT.decode())
        await client.publish("sensors/a", b"1", qos=1, properties=properties)
        await done.wait()
    first, second = traced.spans()
    assert (first.name, first.kind) == ("process sensors/#", SpanKind.CONSUMER)
    assert attributes(first)["messaging.destination.name"] == "sensors/a"
    assert attributes(first)["messaging.system"] == "mqtt"
    assert first.parent is not None
    assert f"{first.parent.span_id:016x}" == CALLER
    assert second.name == "process"
    assert second.parent is not None
    assert second.parent.span_id == first.context.span_id


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "Context", None)
    with pytest.raises(MissingExtra, match=r"pip install 'blackbull\[otel\]'"):
        TracingExtension()


async def test_without_a_provider_nothing_is_in_the_way() -> None:
    app = BlackBull()
    app.add_extension(TracingExtension())

    @app.route(path="/")
    async def index(conn: Connection) -> str:
        return "hello"

    assert (await get(app, "/")).text == "hello"
