"""Everything that works today. ``make demo`` runs it, ``make demo WORKERS=4`` in four processes.

HTTP is on port 8000, a raw TCP echo on port 9000, an MQTT broker on port 1883. Whatever has to be
known in every process is published at the broker, which is one, and followed by all.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from blackbull import BlackBull, Connection, Event, EventSourceResponse, HTTPException, WebSocket
from blackbull.abc import ProtocolContext, Reader, Writer
from blackbull.broadcast import Channel
from blackbull.health import HealthExtension
from blackbull.metrics import MetricsExtension
from blackbull.mqtt import AsyncAPIExtension, Message, MQTTExtension
from blackbull.mqtt.auth import ClientInfo
from blackbull.utils import Scheme

HTTP_PORT = 8000
ECHO_PORT = 9000
MQTT_PORT = 1883

app = BlackBull()
app.enable_openapi(title="Gateway", version="0.1.0")


def may(client: ClientInfo, action: str, topic: str) -> bool:
    """Clients may read what the gateway knows; only the gateway itself writes it."""
    return action == "subscribe" or not topic.startswith("gateway/")


mqtt = app.add_extension(MQTTExtension(port=MQTT_PORT, websocket_path="/mqtt", authorize=may))
app.add_extension(AsyncAPIExtension(title="Gateway", version="0.1.0"))
app.add_extension(HealthExtension())
app.add_extension(MetricsExtension(allow="127.0.0.0/8,::1"))


@contextmanager
def topic_of_the_client() -> Iterator[None]:
    """What a client has sent may be no topic, or no filter: that is the client's error."""
    try:
        yield
    except ValueError as error:
        raise HTTPException(400, str(error)) from error


@dataclass
class Reading:
    """What one sensor measured."""

    sensor: str
    celsius: float


readings: dict[str, Reading] = {}
live = Channel(overflow="drop_oldest")
totals = {"echoed": 0}

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Readings</title><link rel="icon" href="data:,">
<style>body { font: 16px system-ui; margin: 2rem } td { padding: .2rem 1rem .2rem 0 }</style>
<h1>Readings, live</h1><table id="rows"></table><p id="state">connecting</p>
<form id="report"><input name="sensor" value="attic" size="12" aria-label="sensor">
<input name="celsius" type="number" step="any" value="21.5" aria-label="celsius">
<button>Report</button></form>
<script>
  const [rows, state, form] = ["rows", "state", "report"].map(id => document.getElementById(id));
  const seen = {};
  function show({sensor, celsius}) {
    const row = seen[sensor] ||= rows.insertRow();
    row.replaceChildren();
    for (const text of [sensor, celsius + " °C"]) row.insertCell().textContent = text;
  }
  function follow() {
    const socket = new WebSocket(location.origin.replace("http", "ws") + "/live");
    socket.onopen = () => state.textContent = "connected";
    socket.onmessage = event => show(JSON.parse(event.data));
    socket.onclose = event => {
      state.textContent = `closed (${event.code}), trying again`;
      setTimeout(follow, 1000);
    };
  }
  form.onsubmit = event => {
    event.preventDefault();
    const reading = {sensor: form.sensor.value, celsius: form.celsius.valueAsNumber};
    fetch("/readings", {method: "POST", body: JSON.stringify(reading)});
  };
  follow();
</script>
"""


MESSAGES_PAGE = (Path(__file__).parent / "messages.html").read_text()


@app.route(path="/")
async def index() -> str:
    return "HTTP here; raw TCP echo on :9000; MQTT broker on :1883.\n"


@app.route(path="/readings/{sensor}", methods=["GET"])
async def read(sensor: str) -> Reading:
    if sensor not in readings:
        raise HTTPException(404, f"sensor {sensor!r} has not reported")
    return readings[sensor]


@app.route(path="/readings", methods=["POST"])
async def report(reading: Reading) -> Reading:
    with topic_of_the_client():
        await mqtt.publish(f"gateway/readings/{reading.sensor}", reading, retain=True)
    return reading


@mqtt.on_message(topic="readings/{sensor}", schema=float)
async def measured(msg: Message, sensor: str, celsius: float) -> None:
    """What sensors measure that speak MQTT: degrees Celsius."""
    await report(Reading(sensor, celsius))


@app.background_task
async def follow_gateway() -> None:
    """Learn what any process has reported; what was retained comes first."""
    async with mqtt.subscribe("gateway/#") as messages:
        async for msg in messages:
            match msg.topic.split("/", 2):
                case ["gateway", "readings", sensor]:
                    readings[sensor] = Reading(**json.loads(msg.payload))
                    live.send_json(readings[sensor])
                case ["gateway", "echoed"]:
                    totals["echoed"] = int(msg.payload)


@app.route(path="/messages")
async def messages_page() -> str:
    return MESSAGES_PAGE


@app.route(path="/messages/stream")
async def messages_stream(topic: str = "#") -> EventSourceResponse:
    with topic_of_the_client():
        subscription = mqtt.subscribe(topic)

    async def events() -> AsyncIterator[dict[str, object]]:
        async with subscription as messages:
            async for msg in messages:
                payload = msg.payload.decode(errors="replace")
                yield {"data": {"topic": msg.topic, "payload": payload,
                                "qos": msg.qos, "retain": msg.retain}}  # fmt: skip

    return EventSourceResponse(events())


@app.route(path="/messages", methods=["POST"])
async def publish(topic: str, body: bytes) -> dict[str, int]:
    with topic_of_the_client():
        return {"subscribers": await mqtt.publish(topic, body)}


@app.route(path="/live")
async def page() -> str:
    return PAGE


@app.route(path="/live", scheme=Scheme.websocket, allow_origins="self")
async def follow(ws: WebSocket) -> None:
    await ws.accept()
    with live.join(ws):
        for reading in list(readings.values()):
            await ws.send_json(reading)
        async for message in ws:
            await ws.send(message)


@app.route(path="/upload", methods=["POST"])
async def upload(conn: Connection) -> dict[str, int]:
    size = 0
    async for part in conn.stream():
        size += len(part)
    return {"bytes": size}


async def ticks() -> AsyncIterator[str]:
    while True:
        yield time.strftime("%H:%M:%S")
        await asyncio.sleep(1)


@app.route(path="/clock")
async def clock() -> EventSourceResponse:
    return EventSourceResponse(ticks())


@app.route(path="/stats")
async def stats() -> dict[str, int]:
    return {"readings": len(readings), **totals}


@app.raw_handler("echo", port=ECHO_PORT)
async def echo(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
    while data := await reader.read(65536):
        if ctx.aggregator is not None:
            await ctx.aggregator.on_message_received("echo", "data", len(data))
        await writer.write(data)


echoes = itertools.count(1)  # in the first process, which alone has the port


@app.on("message_received")
async def count(event: Event) -> None:
    if event.detail["protocol"] == "echo":
        await mqtt.publish("gateway/echoed", next(echoes), retain=True)


GUIDE = f"""
Try, in another terminal:

  curl http://127.0.0.1:{HTTP_PORT}/
  curl --http2-prior-knowledge http://127.0.0.1:{HTTP_PORT}/
  curl -d '{{"sensor": "attic", "celsius": 21.5}}' http://127.0.0.1:{HTTP_PORT}/readings
  curl http://127.0.0.1:{HTTP_PORT}/readings/attic
  curl --data-binary @README.md http://127.0.0.1:{HTTP_PORT}/upload
  curl -N http://127.0.0.1:{HTTP_PORT}/clock
  echo hello | nc -N 127.0.0.1 {ECHO_PORT}
  mosquitto_pub -p {MQTT_PORT} -q 1 -t readings/cellar -m 9.5
  curl http://127.0.0.1:{HTTP_PORT}/readings/cellar
  curl -d on 'http://127.0.0.1:{HTTP_PORT}/messages?topic=lamps/desk'
  curl http://127.0.0.1:{HTTP_PORT}/stats
  curl http://127.0.0.1:{HTTP_PORT}/readyz
  curl -s http://127.0.0.1:{HTTP_PORT}/metrics | grep mqtt_clients

and in a browser  http://127.0.0.1:{HTTP_PORT}/docs
                  http://127.0.0.1:{HTTP_PORT}/live  (a page with a WebSocket)
                  http://127.0.0.1:{HTTP_PORT}/messages  (what is published, as it comes)
                  http://127.0.0.1:{HTTP_PORT}/asyncapi

Ctrl-C stops it.
"""

if __name__ == "__main__":
    print(GUIDE, flush=True)
    app.run(port=HTTP_PORT)
