"""An MQTT broker and an HTTP server in one process, and what goes from one to the other.

Run it, then try what ``GET /`` tells: it needs ``curl`` and the clients of Mosquitto. What the
taps keep is in the process that has the broker; ``gateway.py`` shows how several know the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass

from blackbull import BlackBull, EventSourceResponse, HTTPException
from blackbull.mqtt import AsyncAPIExtension, Message, MQTTExtension

HTTP_PORT = 8000
MQTT_PORT = 1883

app = BlackBull()
mqtt = app.add_extension(MQTTExtension(port=MQTT_PORT))
app.add_extension(AsyncAPIExtension(title="Sensor Gateway", version="1.0.0"))

GUIDE = f"""\
HTTP here; MQTT broker on :{MQTT_PORT}.

Listen, in other terminals:

  mosquitto_sub -p {MQTT_PORT} -V 5 -t 'sensors/#' -v
  curl -N http://127.0.0.1:{HTTP_PORT}/live

Publish a temperature, as a device does, and ask for it over HTTP:

  mosquitto_pub -p {MQTT_PORT} -V 5 -t sensors/kitchen/temperature -m 21.5
  curl http://127.0.0.1:{HTTP_PORT}/rooms/kitchen

Publish JSON with a schema, and a command from HTTP to whoever subscribed:

  mosquitto_pub -p {MQTT_PORT} -V 5 -t sensors/kitchen/air -m '{{"co2": 900, "humidity": 40}}'
  curl -X POST -d on http://127.0.0.1:{HTTP_PORT}/rooms/kitchen/fan

What the application listens to is documented:

  http://127.0.0.1:{HTTP_PORT}/asyncapi
"""


@dataclass
class Air:
    """The air in a room."""

    co2: int
    humidity: float = 50.0


temperatures: dict[str, float] = {}
air: dict[str, Air] = {}


@app.route(path="/")
async def index() -> str:
    return f"<pre>{GUIDE}</pre>"


@mqtt.on_message(topic="sensors/{room}/temperature", schema=float)
async def on_temperature(msg: Message, room: str, celsius: float) -> None:
    """Temperature readings per room."""
    print(f"{room}: {celsius} °C", flush=True)
    temperatures[room] = celsius


@mqtt.on_message(topic="sensors/{room}/air", schema=Air, reliable=True)
async def on_air(msg: Message, room: str, reading: Air) -> None:
    """Air readings per room; none is missed."""
    air[room] = reading
    if reading.co2 > 800:
        await mqtt.publish(f"alerts/{room}", {"co2": reading.co2}, qos=1)


@app.route(path="/rooms/{room}")
async def room_state(room: str) -> dict[str, object]:
    if room not in temperatures and room not in air:
        raise HTTPException(404, "nothing was heard from that room")
    found = air.get(room)
    return {"celsius": temperatures.get(room), "air": None if found is None else asdict(found)}


@app.route("POST", "/rooms/{room}/fan")
async def fan(room: str, body: bytes) -> dict[str, int]:
    return {"reached": await mqtt.publish(f"commands/{room}/fan", body, qos=1)}


@app.route(path="/live")
async def live() -> EventSourceResponse:
    async def events() -> AsyncIterator[dict[str, object]]:
        async with mqtt.subscribe("#", max_queued=100) as messages:
            yield {"comment": "listening"}
            async for msg in messages:
                yield {"event": msg.topic, "data": msg.payload}

    return EventSourceResponse(events())


if __name__ == "__main__":
    app.run(port=HTTP_PORT)
