"""Health: what is answered, when, and what asking costs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from blackbull import BlackBull, Extension, Settings
from blackbull.errors import ConfigurationError
from blackbull.health import HealthExtension
from blackbull.mqtt import MQTTExtension
from blackbull.server import Server
from tests.unit.app.doubles import get


def make(**options: object) -> tuple[BlackBull, HealthExtension]:
    app = BlackBull(settings=Settings(port=0))
    return app, app.add_extension(HealthExtension(max_age=0.0, **options))  # type: ignore[arg-type]


@asynccontextmanager
async def started(app: BlackBull) -> AsyncIterator[None]:
    await app.startup()
    try:
        yield
    finally:
        await app.shutdown()


async def ready(app: BlackBull) -> tuple[int, object]:
    answer = await get(app, "/readyz")
    assert answer.headers.get(b"cache-control") == b"no-store"
    return answer.status, json.loads(answer.body)


def not_ready(**reasons: str) -> tuple[int, object]:
    return 503, {"status": "not ready", "reasons": reasons}


async def test_alive_is_said_at_any_time() -> None:
    app, _ = make()
    answer = await get(app, "/healthz")
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "alive"})


async def test_readiness_follows_the_life_of_the_application() -> None:
    app, _ = make()
    seen: list[tuple[int, object]] = []

    @app.on_startup
    async def connect() -> None:
        seen.append(await ready(app))

    await app.startup()
    seen.append(await ready(app))
    await app.stopping()
    seen.append(await ready(app))
    await app.shutdown()
    assert seen == [
        not_ready(server="the application is starting"),
        (200, {"status": "ready", "checks": []}),
        not_ready(server="the server is stopping"),
    ]


async def test_checks_say_what_is_wrong(caplog: pytest.LogCaptureFixture) -> None:
    app, health = make()
    said: dict[str, bool | str | None] = {"database": True, "queue": None}

    @health.check("database")
    async def database() -> bool | str | None:
        return said["database"]

    @health.check("queue")
    async def queue() -> bool | str | None:
        if said["queue"] == "raise":
            raise ConnectionRefusedError("10.0.0.7 said no")
        return said["queue"]

    async with started(app):
        assert await ready(app) == (200, {"status": "ready", "checks": ["database", "queue"]})
        said.update(database=False, queue="behind")
        assert await ready(app) == not_ready(database="it failed", queue="behind")
        said.update(database="full", queue="raise")
        assert await ready(app) == not_ready(database="full", queue="ConnectionRefusedError")
        said.update(database=None, queue=True)
        assert (await ready(app))[0] == 200
    told = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert told == [
        "the health check 'database' says: it failed",
        "the health check 'queue' says: behind",
        "the health check 'database' is content again",
        "the health check 'queue' is content again",
    ]


async def test_check_that_takes_too_long_is_cut_short() -> None:
    app, health = make()

    @health.check("slow", timeout=0.01)
    async def slow() -> None:
        await asyncio.Event().wait()

    async with started(app):
        assert await ready(app) == not_ready(slow="no answer within 0.01 s")


async def test_many_who_ask_share_one_answer_for_its_time() -> None:
    app = BlackBull(settings=Settings(port=0))
    health = app.add_extension(HealthExtension(max_age=3600.0))
    asked = 0
    gate = asyncio.Event()

    @health.check("database")
    async def database() -> None:
        nonlocal asked
        asked += 1
        await gate.wait()

    async with started(app):
        first = asyncio.create_task(ready(app))
        others = [asyncio.create_task(ready(app)) for _ in range(3)]
        while not asked:
            await asyncio.sleep(0)
        first.cancel()
        gate.set()
        assert [status for status, _ in await asyncio.gather(*others)] == [200] * 3
        assert (await ready(app))[0] == 200
    assert asked == 1


async def test_check_that_runs_at_the_end_is_ended() -> None:
    app, health = make()
    begun = asyncio.Event()

    @health.check("stuck", timeout=3600.0)
    async def stuck() -> None:
        begun.set()
        await asyncio.Event().wait()

    async with started(app):
        asking = asyncio.create_task(ready(app))
        await begun.wait()
    assert await asyncio.gather(asking, return_exceptions=True) != []


async def test_extension_in_trouble_keeps_requests_out() -> None:
    class Broken(Extension[BlackBull]):
        extension_key = "broken"

        def init_app(self, app: BlackBull) -> None:
            self._register(app)

        def trouble(self) -> str | None:
            raise RuntimeError

    app, _ = make()
    mqtt = app.add_extension(MQTTExtension(port=0))
    async with started(app):
        assert (await ready(app))[0] == 200
        assert mqtt.actor is not None
        mqtt.actor.stop()
        await asyncio.wait({mqtt._task})  # type: ignore[arg-type]
        assert await ready(app) == not_ready(mqtt="the MQTT broker has failed")
    app, _ = make()
    app.add_extension(Broken())
    async with started(app):
        assert await ready(app) == not_ready(broken="it failed")


async def test_paths_can_be_moved_and_left_out() -> None:
    app, _ = make(alive="", ready="/up")
    async with started(app):
        assert (await get(app, "/up")).status == 200
        assert (await get(app, "/healthz")).status == 404


def test_checks_that_cannot_be_are_refused() -> None:
    _, health = make()
    health.check("taken")(_nothing)
    with pytest.raises(ValueError, match="'taken' already: name this one otherwise"):
        health.check("taken")(_nothing)
    with pytest.raises(ValueError, match="needs time"):
        health.check("never", timeout=0)(_nothing)
    with pytest.raises(TypeError, match="make it async"):
        health.check("sync")(lambda: True)  # type: ignore[arg-type, return-value]


async def _nothing() -> None:
    """All is well."""


async def test_port_of_its_own_serves_nothing_else() -> None:
    app, _ = make(port=0)

    @app.route(path="/")
    async def index() -> str:
        return "public"

    server = Server(app, settings=Settings(port=0))
    await server.start()
    ports = {each.protocol: each.address[1] for each in server.listening}
    async with httpx.AsyncClient() as client:
        private, public = (f"http://127.0.0.1:{ports[name]}" for name in ("health", "http"))
        answers = [
            (await client.get(f"{private}/readyz")).json(),
            (await client.get(f"{private}/")).status_code,
            (await client.get(f"{public}/readyz")).status_code,
            (await client.get(f"{public}/")).text,
        ]
    await server.stop()
    assert answers == [{"status": "ready", "checks": []}, 404, 404, "public"]


def test_port_that_a_protocol_has_is_refused() -> None:
    app = BlackBull()
    app.add_extension(MQTTExtension(port=1883))
    with pytest.raises(ConfigurationError, match="'mqtt' has it"):
        app.add_extension(HealthExtension(port=1883))


async def test_connection_that_is_open_at_the_stop_is_told_503() -> None:
    app, health = make()
    server = Server(app, settings=Settings(port=0))
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\nGET /readyz HTTP/1.1\r\nhost: a\r\n")
    await reader.readuntil(b"alive")  # the second request has begun to arrive
    stopping = asyncio.create_task(server.stop(5.0))
    while not await health.reasons():
        await asyncio.sleep(0)
    writer.write(b"\r\n")
    answer = await reader.readuntil(b'{"server":"the server is stopping"}}')
    writer.close()
    await writer.wait_closed()
    await stopping
    assert b"HTTP/1.1 503 " in answer
