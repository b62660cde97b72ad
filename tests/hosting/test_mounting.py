"""One application below another's path."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from blackbull import BlackBull, Connection, Response
from blackbull.asgi import HostedApp
from blackbull.native import ResponseMessage
from tests.hosting.apps import starlette_app
from tests.unit.asgi.doubles import NativeServer


def ours() -> BlackBull:
    app = BlackBull()

    @app.route(path="/where/{name}")
    async def where(conn: Connection, name: str) -> Response:
        return Response(f"{conn.root_path} {conn.path} {name}")

    return app


async def ask(app: object, target: str, *, root_path: str = "") -> httpx.Response:
    transport = httpx.ASGITransport(app, root_path=root_path)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://example.test") as client:
        return await client.get(target)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("/sub/where/x", "/sub /where/x x"),
        ("/sub/where/a%20b", "/sub /where/a b a b"),
        ("/sub/where/sub", "/sub /where/sub sub"),
    ],
)
async def test_our_application_below_starlette_routes_on_the_rest(target: str, text: str) -> None:
    answer = await ask(Starlette(routes=[Mount("/sub", app=ours())]), target)
    assert (answer.status_code, answer.text) == (200, text)


async def test_our_application_behind_a_proxy_that_cuts_the_path_routes_on_it() -> None:
    answer = await ask(ours(), "/where/x", root_path="/sub")
    assert (answer.status_code, answer.text) == (200, "/sub /where/x x")


async def test_starlette_with_a_root_path_routes_on_the_rest() -> None:
    server = NativeServer(path="/names/x")
    await HostedApp(starlette_app.app, root_path="/sub")(server.conn, server.receive, server.send)
    assert [_body(message) for message in server.sent] == [b"x"]


def _body(message: ResponseMessage) -> bytes:
    assert isinstance(message, Response)
    return message.body
