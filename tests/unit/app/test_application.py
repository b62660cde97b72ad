"""Registration, freezing, and the way of a plain request."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, MutableMapping
from dataclasses import dataclass

import pytest

from blackbull import runner
from blackbull.abc import ProtocolContext, Reader, Writer
from blackbull.app import BlackBull
from blackbull.connection import Connection
from blackbull.errors import ConfigurationError
from blackbull.native import NativeHandler
from blackbull.response import Response
from blackbull.utils import Scheme
from tests.spec import spec
from tests.unit.app.doubles import Exchange, ask, get


async def index() -> str:
    return "hello"


async def echo(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
    await writer.write(await reader.read())


@pytest.fixture
def app() -> BlackBull:
    return BlackBull()


async def test_route_plain_handler_answers_without_a_task(app: BlackBull) -> None:
    app.route(path="/")(index)
    await app.startup()
    reply = app.begin(Exchange().conn)
    assert isinstance(reply, Response)
    assert (reply.status, reply.body) == (200, b"hello")


async def test_begin_before_startup_freezes_first(app: BlackBull) -> None:
    app.route(path="/")(index)
    reply = app.begin(Exchange().conn)
    assert isinstance(reply, Response)
    with pytest.raises(RuntimeError, match="after the start"):
        app.route(path="/late")(index)


async def test_begin_impossible_application_answers_500(app: BlackBull) -> None:
    app.route(path="/{id:int}")(index)
    exchange = await get(app, "/1")
    assert exchange.status == 500


async def test_route_waiting_handler_is_left_to_a_task(app: BlackBull) -> None:
    @app.route(path="/")
    async def waits(conn: Connection) -> bytes:
        return await conn.body()

    await app.startup()
    assert not isinstance(app.begin(Exchange().conn), Response)
    assert (await ask(app, Exchange(content=b"abc"))).body == b"abc"


async def test_route_placeholders_reach_the_handler_converted(app: BlackBull) -> None:
    @app.route(path="/add/{a:int}/{b:int}")
    async def add(a: int, b: int) -> dict[str, int]:
        return {"sum": a + b}

    assert (await get(app, "/add/1/2")).body == b'{"sum":3}'
    assert (await get(app, "/add/1/x")).status == 404


async def test_route_regular_expression_gives_named_groups(app: BlackBull) -> None:
    @app.route(path=re.compile(r"/v(?P<major>[0-9])"))
    async def version(major: str) -> str:
        return major

    assert (await get(app, "/v7")).text == "7"


async def test_route_full_handler_gets_the_triplet(app: BlackBull) -> None:
    @app.route(path="/", methods=["POST"])
    async def full(scope, receive, send):  # type: ignore[no-untyped-def]
        event = await receive()
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": event["body"] + scope["path"].encode()})

    exchange = await ask(app, Exchange("POST", content=b"x"))
    assert (exchange.status, exchange.body) == (201, b"x/")


async def test_route_body_that_is_late_is_awaited(app: BlackBull) -> None:
    @dataclass
    class Point:
        x: int

    @app.route("POST", "/")
    async def mirror(point: Point) -> Point:
        return Point(-point.x)

    late = Exchange("POST", content=None)
    late.parts[0] = type(late.parts[0])(b'{"x": 4}', False)
    assert (await ask(app, late)).body == b'{"x":-4}'
    assert (await ask(app, Exchange("POST", content=b'{"x": 5}'))).body == b'{"x":-5}'


async def test_route_generator_is_streamed(app: BlackBull) -> None:
    @app.route(path="/")
    async def numbers() -> AsyncIterator[str]:
        for number in range(3):
            yield str(number)

    exchange = await get(app)
    assert exchange.body == b"012"
    assert exchange.complete


async def test_route_head_is_served_by_get(app: BlackBull) -> None:
    app.route(path="/")(index)
    assert (await ask(app, Exchange("HEAD"))).status == 200


@spec("RFC 9110 §9.3.7")
async def test_options_asterisk_names_every_method(app: BlackBull) -> None:
    app.route(path="/")(index)
    app.route("PURGE", "/cache")(index)
    exchange = await ask(app, Exchange("OPTIONS", "*"))
    assert exchange.status == 204
    assert exchange.headers.get(b"allow") == b"GET, HEAD, OPTIONS, PURGE"
    assert exchange.body == b""


async def test_options_asterisk_with_middleware_is_answered_too(app: BlackBull) -> None:
    @app.use
    async def through(conn, receive, send, call_next):  # type: ignore[no-untyped-def]
        await call_next(conn, receive, send)

    assert (await ask(app, Exchange("OPTIONS", "*"))).status == 204


def test_route_path_as_first_argument_says_how(app: BlackBull) -> None:
    with pytest.raises(ValueError, match=r"route\(path='/x'\)"):
        app.route("/x")


def test_route_same_path_and_method_twice_is_refused(app: BlackBull) -> None:
    app.route(path="/")(index)
    with pytest.raises(ConfigurationError, match="two handlers"):
        app.route(path="/")(index)


def test_url_path_for_fills_the_placeholders(app: BlackBull) -> None:
    @app.route(path="/users/{id:int}", name="user")
    async def user(id: int) -> str:
        return str(id)

    assert app.url_path_for("user", id=7) == "/users/7"
    with pytest.raises(KeyError):
        app.url_path_for("nobody")


def test_get_routes_lists_each_method(app: BlackBull) -> None:
    app.route(["GET", "POST"], "/", name="home")(index)
    assert app.get_routes() == [("GET", "/", "home"), ("POST", "/", "home")]


def test_route_websocket_scheme_does_not_answer_http(app: BlackBull) -> None:
    app.route(path="/", scheme=Scheme.websocket)(index)
    app.route(path="/")(index)
    assert len(app.get_routes()) == 2


async def test_register_converter_extends_what_handlers_return(app: BlackBull) -> None:
    class Celsius(float):
        pass

    @app.route(path="/")
    async def temperature() -> Celsius:
        return Celsius(21)

    @app.register_converter(Celsius)
    def render(value: Celsius) -> str:
        return f"{value:g} C"

    assert (await get(app)).text == "21 C"


async def test_freeze_lists_every_problem(app: BlackBull) -> None:
    app.route(path="/{id:int}")(index)

    @app.use
    async def blind(conn: Connection) -> None: ...

    async def deaf(conn: Connection, receive: object, send: object) -> None: ...

    app.group(middlewares=[deaf]).route(path="/deaf")(index)
    with pytest.raises(ConfigurationError) as caught:
        await app.startup()
    text = str(caught.value)
    assert "blind" in text
    assert "deaf" in text
    assert "{id}" in text


@pytest.mark.parametrize(
    "register",
    [
        lambda app: app.route(path="/late")(index),
        lambda app: app.use(index),
        lambda app: app.on_error(404),
        lambda app: app.add_extension(object()),
    ],
)
def test_registration_after_freeze_is_refused(app: BlackBull, register) -> None:  # type: ignore[no-untyped-def]
    app.freeze()
    with pytest.raises(RuntimeError, match="after the start"):
        register(app)


def test_raw_handler_and_register_protocol_handler_do_the_same(app: BlackBull) -> None:
    """S02: the decorator and the call register alike; a name belongs to one protocol."""
    assert app.raw_handler("echo", port=9000)(echo) is echo
    binding = app.register_protocol_handler("echo2", echo, port=9001)
    assert [(b.name, b.port, b.handler) for b in app.protocols.port_bindings] == [
        ("echo", 9000, echo),
        ("echo2", 9001, binding.handler),
    ]
    with pytest.raises(ConfigurationError, match="already registered"):
        app.raw_handler("echo", port=9002)(echo)


def test_application_without_raw_handlers_has_no_ports(app: BlackBull) -> None:
    """S09: nothing but HTTP."""
    assert app.protocols.ports == ()


async def test_begin_many_routes_share_one_pipeline(app: BlackBull) -> None:
    for number in range(50):

        async def handler(number: int = number) -> str:
            return str(number)

        app.route(path=f"/r{number}")(handler)
    assert (await get(app, "/r49")).text == "49"


async def test_begin_keeps_the_client_that_left_quiet(app: BlackBull) -> None:
    @app.route(path="/")
    async def waits(conn: Connection) -> bytes:
        return await conn.body()

    exchange = await ask(app, Exchange(content=None, gone=True))
    assert exchange.sent == []
    assert exchange.conn.disconnected


def test_begin_returns_handlers_for_streams(app: BlackBull) -> None:
    @app.route(path="/")
    async def numbers() -> AsyncIterator[str]:
        await asyncio.sleep(0)
        yield "1"

    app.freeze()
    reply: Response | NativeHandler = app.begin(Exchange().conn)
    assert callable(reply)
    assert not isinstance(reply, Response)


async def test_call_with_an_asgi_scope_is_a_guest(app: BlackBull) -> None:
    app.route(path="/")(index)
    sent: list[MutableMapping[str, object]] = []

    async def receive() -> MutableMapping[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(event: MutableMapping[str, object]) -> None:
        sent.append(event)

    scope: dict[str, object] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "path": "/", "raw_path": b"/", "query_string": b"", "headers": [], "scheme": "http",
        "client": None, "server": None,
    }  # fmt: skip
    await app(scope, receive, send)
    assert sent[0]["status"] == 200
    assert b"".join(event.get("body", b"") for event in sent) == b"hello"  # type: ignore[misc]


def test_run_hands_everything_to_the_runner(
    app: BlackBull, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[object, dict[str, object]]] = []

    def run(given: object, **options: object) -> None:
        calls.append((given, options))

    monkeypatch.setattr(runner, "run", run)
    app.run("chain.pem", "key.pem", 8443, host="::", workers=1, reload=False, argv=[])
    app.run(cert="chain.pem", key="key.pem", http=False)
    options: dict[str, object] = {
        "certfile": "chain.pem", "keyfile": "key.pem", "port": 8443, "host": "::", "workers": 1,
        "reload": False, "argv": [],
    }  # fmt: skip
    assert calls == [
        (app, options),
        (app, {"certfile": "chain.pem", "keyfile": "key.pem", "port": None, "http": False}),
    ]


def test_run_argument_that_is_none_is_refused(app: BlackBull) -> None:
    with pytest.raises(TypeError, match=r"^run\(\) has no argument 'prot'$"):
        app.run(prot=1)  # type: ignore[call-arg]
