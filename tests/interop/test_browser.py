"""A page in a real browser: fetches over HTTP/2 and a WebSocket, from one TLS port."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from blackbull import BlackBull, Response, Settings, WebSocket
from blackbull.server import Server
from blackbull.utils import Scheme
from tests.certificates import Authority

PAGE = """<!doctype html><title>try</title><script>
(async () => {
  const seen = {};
  const answers = await Promise.all([...Array(20).keys()].map(n => fetch('/items/' + n)));
  seen.items = await Promise.all(answers.map(answer => answer.json()));
  const big = await fetch('/echo', {method: 'POST', body: 'x'.repeat(300000)});
  seen.echoed = (await big.text()).length;
  seen.protocols = [...new Set(
    performance.getEntriesByType('resource').map(entry => entry.nextHopProtocol))];
  seen.messages = await new Promise((resolve, reject) => {
    const got = [];
    const ws = new WebSocket('wss://' + location.host + '/ws', ['other', 'chat']);
    ws.onopen = () => { seen.subprotocol = ws.protocol; seen.extensions = ws.extensions;
                        ws.send('hello'); ws.send('ä'.repeat(5000)); };
    ws.onmessage = event => { got.push(event.data.length);
                              if (got.length == 2) ws.close(3001, 'enough'); };
    ws.onclose = event => resolve([...got, event.code, event.wasClean]);
    ws.onerror = () => reject('the WebSocket failed');
  });
  return seen;
})().catch(error => ({error: String(error)})).then(
  seen => fetch('/seen', {method: 'POST', body: JSON.stringify(seen)}));
</script>"""

ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--ignore-certificate-errors",
)  # fmt: skip


def application(seen: asyncio.Future[dict[str, object]]) -> BlackBull:
    app = BlackBull()
    app.available_ws_protocols = ["chat"]

    @app.route(path="/")
    async def page() -> str:
        return PAGE

    @app.route(path="/items/{n:int}")
    async def item(n: int) -> dict[str, int]:
        return {"n": n}

    @app.route("POST", "/echo")
    async def echo(body: bytes) -> Response:
        return Response(body, content_type="text/plain")

    @app.route("POST", "/seen")
    async def tell(body: bytes) -> None:
        seen.set_result(json.loads(body))

    @app.route(path="/ws", scheme=Scheme.websocket)
    async def talk(ws: WebSocket) -> None:
        await ws.accept()
        async for message in ws:
            await ws.send(message)

    return app


async def test_page_in_chromium_uses_http2_and_a_websocket(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).issue_pair()
    seen: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
    settings = Settings(port=0, certfile=certificate, keyfile=key)
    server = Server(application(seen), settings=settings)
    await server.start()
    browser = await asyncio.create_subprocess_exec(
        "chromium", *ARGUMENTS, f"--user-data-dir={tmp_path / 'profile'}",
        f"https://127.0.0.1:{server.port}/",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(50):
            result = await seen
    finally:
        browser.terminate()
        await browser.wait()
        await server.stop(0.5)
    assert result["items"] == [{"n": n} for n in range(20)]
    assert result["echoed"] == 300_000
    assert result["protocols"] == ["h2"]
    assert result["subprotocol"] == "chat"
    assert "permessage-deflate" in str(result["extensions"])
    assert result["messages"] == [5, 5000, 3001, True]
