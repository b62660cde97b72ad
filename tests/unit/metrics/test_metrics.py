"""What is counted, and how it is served."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import httpx
import prometheus_client
import pytest
from websockets.asyncio.client import connect

from blackbull import BlackBull, Connection, Extension, Settings, WebSocket
from blackbull.errors import ConfigurationError, ConnectionLost, MissingExtra
from blackbull.extension import Figure
from blackbull.health import HealthExtension
from blackbull.metrics import MetricsExtension, exposition, traffic
from blackbull.mqtt import MQTTExtension
from blackbull.server import Server
from blackbull.utils import Scheme
from blackbull.worker import Figures, OnlyWorker, Worker
from tests.certificates import Authority
from tests.unit.app.doubles import Exchange, ask, get
from tests.unit.metrics.scrape import OPENMETRICS, Scrape, scrape

REQUESTS = "blackbull_http_requests_total"


def make(**options: object) -> tuple[BlackBull, MetricsExtension]:
    app = BlackBull(settings=Settings(port=0))
    return app, app.add_extension(MetricsExtension(**options))  # type: ignore[arg-type]


def shop() -> BlackBull:
    app, _ = make()

    @app.route(path="/")
    async def index() -> str:
        return "hello"

    @app.route(["GET", "PUT"], path="/items/{id:int}")
    async def item(conn: Connection, id: int) -> bytes:
        await asyncio.sleep(0)
        return await conn.body()

    @app.route(path="/bug")
    async def bug() -> str:
        raise ZeroDivisionError

    @app.route(path="/ws/{room}", scheme=Scheme.websocket)
    async def talk(ws: WebSocket, room: str) -> None:
        await ws.accept()
        async for message in ws:
            await ws.send(message)

    return app


@asynccontextmanager
async def serving(
    app: BlackBull, settings: Settings | None = None
) -> AsyncIterator[dict[str, int]]:
    server = Server(app, settings=settings or Settings(port=0))
    await server.start()
    try:
        yield {each.protocol: each.address[1] or 0 for each in server.listening}
    finally:
        await server.stop(0.1)


# ---------------------------------------------------------------------- requests


async def test_requests_are_counted_by_method_route_and_status() -> None:
    app = shop()
    for path in ("/", "/", "/items/1", "/items/2", "/bug", "/nowhere", "/else/where"):
        await get(app, path)
    await ask(app, Exchange("PUT", "/items/3", content=b"12345"))
    await ask(app, Exchange("DELETE", "/"))
    await ask(app, Exchange("GET", "/items/4", gone=True))
    seen = await scrape(app)
    assert seen.all(REQUESTS) == {
        ("GET", "/", "200"): 2,
        ("GET", "/items/{id:int}", "200"): 2,
        ("GET", "/bug", "500"): 1,
        ("GET", "none", "404"): 2,
        ("PUT", "/items/{id:int}", "200"): 1,
        ("DELETE", "none", "405"): 1,
        ("GET", "/items/{id:int}", "aborted"): 1,
    }
    labels = {"method": "PUT", "route": "/items/{id:int}"}
    assert seen.value("blackbull_http_request_bytes_total", **labels) == 5
    assert seen.value("blackbull_http_response_bytes_total", **labels) == 5
    assert seen.value("blackbull_http_response_bytes_total", method="GET", route="/") == 10
    assert seen.all("blackbull_http_exceptions_total") == {("ZeroDivisionError", "/bug"): 1}
    duration = "blackbull_http_request_duration_seconds"
    assert seen.value(f"{duration}_count", method="GET", route="/") == 2
    assert seen.value(f"{duration}_bucket", method="GET", route="/", le="+Inf") == 2
    total = seen.value(f"{duration}_sum", method="GET", route="/")
    assert total is not None
    assert 0 < total < 60


async def test_clients_cannot_make_series() -> None:
    app = shop()
    before = len((await scrape(app)).all(REQUESTS))
    for number in range(50):
        await ask(app, Exchange(f"VERB{number}", f"/path/{number}"))
        await ask(app, Exchange(f"VERB{number}", "/"))
        await ask(app, Exchange("GET", f"/items/{number}"))
    seen = (await scrape(app)).all(REQUESTS)
    assert seen["other", "none", "404"] == 50
    assert seen["other", "none", "405"] == 50
    assert seen["GET", "/items/{id:int}", "200"] == 50
    assert len(seen) <= before + 4


async def test_method_of_ones_own_is_a_method_if_a_route_has_it() -> None:
    app, _ = make()

    @app.route("PURGE", path="/cache")
    async def purge() -> None: ...

    await ask(app, Exchange("PURGE", "/cache"))
    assert ("PURGE", "/cache", "204") in (await scrape(app)).all(REQUESTS)


async def test_requests_under_way_are_shown_until_they_end() -> None:
    app, _ = make()
    gate = asyncio.Event()

    @app.route(path="/slow")
    async def slow() -> str:
        await gate.wait()
        return "done"

    name = "blackbull_http_requests_in_progress"
    slow_ones = [asyncio.create_task(get(app, "/slow")) for _ in range(3)]
    await asyncio.sleep(0)
    assert (await scrape(app)).value(name) == 4  # and this one
    gate.set()
    await asyncio.gather(*slow_ones)
    assert (await scrape(app)).value(name) == 1


# ---------------------------------------------------------------------- the wire


async def test_connections_websockets_and_refusals_are_counted() -> None:
    app = shop()
    async with serving(app) as ports:
        url = f"http://127.0.0.1:{ports['http']}"
        async with (
            httpx.AsyncClient() as http1,
            httpx.AsyncClient(http1=False, http2=True) as http2,
            connect(f"ws://127.0.0.1:{ports['http']}/ws/1") as ws,
        ):
            for text in ("one", "three"):
                await ws.send(text)
                await ws.recv()
            reader, writer = await asyncio.open_connection("127.0.0.1", ports["http"])
            writer.write(b"nonsense\r\n\r\n")
            await reader.read()
            writer.close()
            await writer.wait_closed()
            await http2.get(url)
            answer = await http1.get(f"{url}/metrics", headers={"accept": OPENMETRICS})
            seen = Scrape(answer.text)
        async with httpx.AsyncClient() as http1:
            after = Scrape(
                (await http1.get(f"{url}/metrics", headers={"accept": OPENMETRICS})).text
            )
    assert seen.all("blackbull_connections_total") == {("http1",): 3, ("http2",): 1}
    assert seen.value("blackbull_connections_open", protocol="http2") == 1
    assert seen.value("blackbull_websockets_total", route="/ws/{room}") == 1
    assert seen.value("blackbull_websockets_open", route="/ws/{room}") == 1
    assert after.value("blackbull_websockets_open", route="/ws/{room}") == 0
    assert after.value("blackbull_connections_open", protocol="http2") == 0
    for direction in ("received", "sent"):
        labels = {"route": "/ws/{room}", "direction": direction}
        assert seen.value("blackbull_websocket_messages_total", **labels) == 2
        assert seen.value("blackbull_websocket_message_bytes_total", **labels) == 8
    assert seen.all("blackbull_http_refusals_total") == {("http1", "400"): 1}
    assert after.value(REQUESTS, method="GET", route="/ws/{room}", status="101") == 1


async def test_limits_are_counted_even_where_they_are_logged_no_more() -> None:
    app = shop()
    async with serving(app, Settings(port=0, max_body_size=3)) as ports:
        url = f"http://127.0.0.1:{ports['http']}"
        async with httpx.AsyncClient(http1=False, http2=True) as client:
            for _ in range(3):
                answer = await client.put(f"{url}/items/1", content=b"12345")
                assert answer.status_code == 413
            answer = await client.get(f"{url}/metrics", headers={"accept": OPENMETRICS})
    seen = Scrape(answer.text)
    assert seen.value("blackbull_limits_total", limit="max_body_size", protocol="http2") == 3
    assert seen.value("blackbull_http_refusals_total", protocol="http2", status="413") == 3


async def test_handshakes_that_fail_are_counted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue_pair()
    app = shop()
    async with serving(app, Settings(port=0, certfile=certificate, keyfile=key)) as ports:
        url = f"https://127.0.0.1:{ports['http']}/metrics"
        with pytest.raises(ssl.SSLError):
            await asyncio.open_connection(
                "127.0.0.1", ports["http"], ssl=ssl.create_default_context()
            )
        async with httpx.AsyncClient(verify=authority.client_context()) as client:
            seen = Scrape((await client.get(url, headers={"accept": OPENMETRICS})).text)
    assert seen.value("blackbull_tls_handshake_failures_total") == 1


async def test_broker_shows_its_figures_without_knowing_who_asks() -> None:
    app, _ = make()
    app.add_extension(MQTTExtension(port=0))
    async with serving(app) as ports, aiomqtt.Client("127.0.0.1", ports["mqtt"]) as client:
        await client.publish("a", b"1", qos=1)
        seen = await scrape(app)
    assert seen.value("blackbull_mqtt_clients_connected") == 1
    assert seen.value("blackbull_mqtt_messages_received_total", qos="1") == 1
    assert seen.value("blackbull_connections_open", protocol="mqtt") == 1


async def test_process_loop_and_build_are_shown() -> None:
    app, extension = make()
    await app.startup()
    extension._lag.histogram.add(0.002)
    seen = await scrape(app)
    await app.shutdown()
    assert seen.value("blackbull_event_loop_lag_seconds_bucket", le="0.0025") == 1
    assert seen.value("blackbull_event_loop_lag_seconds_bucket", le="0.001") == 0
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds",
                 "process_max_fds", "blackbull_workers", "blackbull_workers_up"):  # fmt: skip
        assert (seen.value(name) or 0) > 0, name
    ((labels, value),) = seen.all("blackbull_build_info").items()
    assert labels[0] == "CPython"
    assert value == 1


async def test_lag_is_looked_at_while_the_application_runs() -> None:
    app, extension = make()
    extension._lag._interval = 0.001
    await app.startup()
    while sum(extension._lag.histogram.counts) < 3:
        await asyncio.sleep(0.001)
    await app.shutdown()
    assert extension._lag.histogram.total >= 0


# ---------------------------------------------------------------------- serving


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("*/*", False),
        ("", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.6", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=x", False),
        ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
         "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", True),
    ],
)  # fmt: skip
async def test_format_is_the_one_that_is_asked_for(accept: str, openmetrics: bool) -> None:
    app = shop()
    await get(app, "/")
    answer = await ask(app, Exchange("GET", "/metrics", fields=[(b"accept", accept.encode())]))
    media_type = answer.headers.get(b"content-type") or b""
    kind, version = (
        (b"application/openmetrics-text", b"1.0.0") if openmetrics else (b"text/plain", b"0.0.4")
    )
    assert media_type.startswith(kind)
    assert b"version=" + version in media_type
    assert answer.headers.get(b"vary") == b"accept"
    seen = Scrape(answer.text, openmetrics=openmetrics)
    assert seen.value(REQUESTS, method="GET", route="/", status="200") == 1


async def test_others_are_not_let_in() -> None:
    app, _ = make(allow="10.0.0.0/8,unix", path="/figures")
    exchange = Exchange("GET", "/figures")
    assert (await ask(app, exchange)).status == 403
    exchange = Exchange("GET", "/figures")
    exchange.conn.client = ("10.1.2.3", 1)
    assert (await ask(app, exchange)).status == 200


async def test_middleware_can_guard_it() -> None:
    async def guard(conn: Connection, receive: object, send: object, call_next: object) -> None:
        await send(b"no")  # type: ignore[operator]

    app, _ = make(middlewares=[guard])
    assert (await get(app, "/metrics")).text == "no"


def test_allow_that_names_no_address_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="nobody"):
        MetricsExtension(allow="nobody")


async def test_port_of_its_own_can_be_shared_with_health() -> None:
    app = BlackBull(settings=Settings(port=0))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    app.add_extension(MetricsExtension(port=port))
    app.add_extension(HealthExtension(port=port))
    async with serving(app) as ports, httpx.AsyncClient() as client:
        assert ports["metrics"] == port
        private, public = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{ports['http']}"
        answer = await client.get(f"{private}/metrics", headers={"accept": OPENMETRICS})
        assert (await client.get(f"{private}/readyz")).status_code == 200
        assert (await client.get(f"{public}/metrics")).status_code == 404
    assert Scrape(answer.text).all("blackbull_connections_total") == {("metrics",): 1}


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposition, "CollectorRegistry", None)
    with pytest.raises(MissingExtra, match=r"pip install 'blackbull\[metrics\]'"):
        MetricsExtension()


# ---------------------------------------------------------------------- the program's figures


async def test_programs_own_figures_are_served() -> None:
    registry = prometheus_client.CollectorRegistry()
    theirs = prometheus_client.Gauge("theirs", "Made by hand.", registry=registry)
    app, metrics = make(registry=registry)
    orders = metrics.counter("shop_orders", "Orders taken.", labels=["country"])
    queue = metrics.gauge("shop_queue", "What waits.")
    sizes = metrics.histogram("shop_sizes", "Items of an order.", buckets=[1, 10])
    orders.labels("no").inc(2)
    queue.set(7)
    sizes.observe(3)
    theirs.set(5)
    seen = await scrape(app)
    assert seen.value("shop_orders_total", country="no") == 2
    assert seen.value("shop_queue") == 7
    assert seen.value("shop_sizes_bucket", le="10.0") == 1
    assert seen.value("theirs") == 5
    assert seen.value("process_open_fds") is not None
    assert seen.value("shop_orders_created", country="no") is None
    with pytest.raises(ValueError, match="Duplicated"):
        metrics.counter("shop_orders", "Again.")
    with pytest.raises(ValueError, match="average"):
        metrics.gauge("other", "Cannot be.", across="average")


async def test_librarys_own_registry_is_served() -> None:
    app, _ = make()
    counter = prometheus_client.Counter("by_hand", "Made by hand.")
    counter.inc(3)
    try:
        assert (await scrape(app)).value("by_hand_total") == 3
    finally:
        prometheus_client.REGISTRY.unregister(counter)


async def test_extension_that_cannot_show_its_figures_is_left_out() -> None:
    class Broken(Extension[BlackBull]):
        extension_key = "broken"

        def init_app(self, app: BlackBull) -> None:
            self._register(app)

        def figures(self) -> Iterator[Figure]:
            yield Figure("never_seen", 1, "Never seen.")
            raise RuntimeError

    app, _ = make()
    app.add_extension(Broken())
    seen = await scrape(app)
    assert seen.value("blackbull_broken_never_seen") is None
    assert seen.value("blackbull_workers_up") == 1


# ---------------------------------------------------------------------- several workers


class Crew(Worker):
    """Workers in one process: what one posts the others collect."""

    def __init__(self, board: dict[int | None, Figures], index: int) -> None:
        self._board = board
        self.index = index
        self.count = 2

    def post(self, figures: Figures) -> None:
        self._board[self.index] = figures

    async def collect(self) -> list[Figures]:
        return [each for index, each in self._board.items() if index != self.index]

    async def open_owner(self, protocol: str) -> tuple[object, object]:  # type: ignore[override]
        raise LookupError(protocol)


async def test_every_worker_answers_for_all() -> None:
    board: dict[int | None, Figures] = {}
    apps = []
    for index in range(2):
        app, metrics = make()
        app.worker = Crew(board, index)
        busy = metrics.gauge("shop_busy", "Who is.", across="max")
        taken = metrics.counter("shop_orders", "Orders taken.")
        await app.startup()
        busy.set(index + 1)
        taken.inc(10)
        apps.append(app)
    await get(apps[1], "/nowhere")
    apps[1].extensions["metrics"]._post(asyncio.get_running_loop(), apps[1].worker)  # type: ignore[attr-defined]
    await apps[1].extensions["metrics"].shutdown(apps[1])  # type: ignore[attr-defined]
    seen = await scrape(apps[0])
    assert seen.value("shop_orders_total") == 20
    assert seen.value("shop_busy") == 2
    assert seen.value("blackbull_workers_up") == 2
    assert seen.value("blackbull_workers") == 2
    assert seen.value(REQUESTS, method="GET", route="none", status="404") == 1
    assert set(seen.all("process_open_fds")) == {("0",), ("1",)}
    board[None] = Figures(board.pop(1).counters, {}, None)
    seen = await scrape(apps[0])
    assert seen.value("shop_orders_total") == 20
    assert seen.value("blackbull_workers_up") == 1
    for app in apps:
        await app.shutdown()


async def test_what_was_answered_once_is_never_less_for_the_next() -> None:
    board: dict[int | None, Figures] = {}
    apps = []
    for index in range(2):
        app, _ = make()
        app.worker = Crew(board, index)
        apps.append(app)
    await get(apps[0], "/nowhere")
    for app in (*apps, *apps):
        seen = await scrape(app)
        assert seen.value(REQUESTS, method="GET", route="none", status="404") == 1


async def test_supervisor_that_is_gone_leaves_ones_own_figures() -> None:
    class Orphan(Crew):
        async def collect(self) -> list[Figures]:
            raise ConnectionLost("the supervisor has gone")

    app, _ = make()
    app.worker = Orphan({}, 1)
    assert (await scrape(app)).value("blackbull_workers_up") == 1


async def test_single_worker_posts_nothing() -> None:
    class Alone(OnlyWorker):
        def post(self, figures: Figures) -> None:
            raise AssertionError

    app, _ = make()
    app.worker = Alone()
    await app.startup()
    await app.shutdown()


async def test_what_is_remembered_of_paths_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "MAX_REMEMBERED", 5)
    app = shop()
    for number in range(20):
        await get(app, f"/items/{number}")
        await get(app, f"/items/{'9' * traffic.MAX_REMEMBERED_PATH}")
        await get(app, "/items/0")
    watching = app.observers[0]
    assert isinstance(watching, traffic.Traffic)
    assert len(watching._known) <= 5
    assert max(len(path) for _, path, _ in watching._known) < 20
    counts = (await scrape(app)).all(REQUESTS)
    assert counts["GET", "/items/{id:int}", "200"] == 60
