"""MQTT.js in a page of a real browser, over WebSockets of HTTP/1.1 and of HTTP/2."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from blackbull import BlackBull, Response, Settings
from blackbull.event import Event
from blackbull.mqtt import MQTTExtension
from blackbull.server import Server
from tests.certificates import Authority
from tests.interop.mqtt.mqttjs_peer import node_modules
from tests.interop.test_browser import ARGUMENTS

PAGE = """<!doctype html><title>try</title><script src="/mqtt.js"></script><script>
const url = 'wss://' + location.host + '/mqtt';

async function talk(level) {
  const options = {protocolVersion: level, reconnectPeriod: 0, clientId: 'page-' + level};
  const client = await mqtt.connectAsync(url, options);
  const got = [];
  const enough = new Promise(resolve => client.on('message', (topic, payload, packet) => {
    got.push([topic, payload.length, packet.qos, packet.retain]);
    if (got.length == 5) resolve();
  }));
  await client.publishAsync('kept/' + level, 'k', {qos: 1, retain: true});
  const granted = await client.subscribeAsync(['page/+/' + level, 'kept/' + level], {qos: 2});
  for (const qos of [0, 1, 2]) {
    await client.publishAsync('page/' + qos + '/' + level, 'ä'.repeat(10), {qos});
  }
  await client.publishAsync('page/big/' + level, new Uint8Array(200000), {qos: 2});
  await enough;
  await client.unsubscribeAsync('page/+/' + level);
  await client.endAsync();
  return {granted: granted.map(each => each.qos), got};
}

// A client that ends without a word: the page closes its WebSocket.
async function vanish() {
  const watcher = await mqtt.connectAsync(url, {reconnectPeriod: 0});
  const told = new Promise(resolve => watcher.on('message', (_, text) => resolve(String(text))));
  await watcher.subscribeAsync('will', {qos: 1});
  const will = {topic: 'will', payload: 'gone', qos: 1};
  const client = await mqtt.connectAsync(url, {reconnectPeriod: 0, will});
  client.stream.destroy();
  const text = await told;
  await watcher.endAsync();
  return text;
}

(async () => ({v311: await talk(4), v5: await talk(5), will: await vanish()}))()
  .catch(error => ({error: String(error)}))
  .then(seen => fetch('/seen', {method: 'POST', body: JSON.stringify(seen)}));
</script>"""


def application(seen: asyncio.Future[dict[str, object]], protocols: list[object]) -> BlackBull:
    app = BlackBull()
    bundle = (node_modules() / "mqtt" / "dist" / "mqtt.min.js").read_bytes()

    @app.route(path="/")
    async def page() -> str:
        return PAGE

    @app.route(path="/mqtt.js")
    async def script() -> Response:
        return Response(bundle, content_type="text/javascript")

    @app.route("POST", "/seen")
    async def tell(body: bytes) -> None:
        seen.set_result(json.loads(body))

    @app.on("connection_accepted")
    async def note(event: Event) -> None:
        protocols.append(event.detail["protocol"])

    app.add_extension(MQTTExtension(port=None, websocket_path="/mqtt"))
    return app


def conversation(level: int) -> dict[str, object]:
    got = [[f"kept/{level}", 1, 1, True]]
    got += [[f"page/{qos}/{level}", 20, qos, False] for qos in (0, 1, 2)]
    got.append([f"page/big/{level}", 200_000, 2, False])
    return {"granted": [2, 2], "got": got}


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
async def test_page_in_chromium_talks_to_the_broker(tmp_path: Path, http2: bool) -> None:
    certificate, key = Authority(tmp_path).issue_pair()
    seen: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
    protocols: list[object] = []
    app = application(seen, protocols)
    settings = Settings(
        port=0, certfile=certificate, keyfile=key, h2_enable_websocket=http2
    )  # fmt: skip
    server = Server(app, settings=settings)
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
        await app.events.aclose()
    assert result == {"v311": conversation(4), "v5": conversation(5), "will": "gone"}
    assert ("http1" in protocols) is not http2, "the WebSockets took the wrong way"
