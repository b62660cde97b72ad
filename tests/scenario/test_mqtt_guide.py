"""The MQTT guide, as it is written, against clients that nobody here wrote.

Statements S32 to S35 and S44 to S46.
"""

from __future__ import annotations

import importlib
import json
import queue
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import httpx
import pytest

from blackbull import BlackBull
from blackbull.mqtt import MQTTExtension
from tests.architecture.source import ROOT
from tests.environment import clean_environment
from tests.program import Program

PROGRAM = """
from blackbull import BlackBull
from blackbull.mqtt import MQTTExtension, Message

app = BlackBull()
mqtt = app.add_extension(MQTTExtension(port=1883))

@app.route(path='/')
async def index():
    return "HTTP here; MQTT broker on :1883."

@mqtt.on_message(topic='sensors/+/temperature')
async def on_temperature(msg: Message):
    print(msg.topic, msg.payload.decode())

app.run(port=8000) # HTTP on 8000, MQTT on 1883
"""

HANDLERS = """
from blackbull import BlackBull
from blackbull.mqtt import MQTTExtension, Message

app = BlackBull()
mqtt = app.add_extension(MQTTExtension())

@mqtt.on_message(topic='#')          # every message
async def firehose(msg: Message):
    print('firehose', msg.topic)

@mqtt.on_message(topic='alerts/#')   # one subtree
async def alerts(msg: Message):
    print('alerts', msg.topic)

@mqtt.on_message(topic='sensors/{room}/temperature')
async def on_temperature(msg: Message, room: str):
    print(room, msg.payload.decode())   # room == 'kitchen' for sensors/kitchen/temperature

@mqtt.on_message()
async def fields(msg: Message):
    print('fields', msg.topic, msg.payload, msg.qos, msg.retain, dict(msg.properties))

@mqtt.on_message(topic='boom')
async def boom(msg: Message):
    raise ZeroDivisionError

app.run(port=8000)
"""

ALONE = """
from blackbull import BlackBull
from blackbull.mqtt import MQTTExtension

app = BlackBull()
app.add_extension(MQTTExtension())
app.run(port=8000)
"""

ASYNCAPI = """
from blackbull import BlackBull
from blackbull.mqtt import MQTTExtension, AsyncAPIExtension, Message

app = BlackBull()
mqtt = app.add_extension(MQTTExtension(port=1883))
app.add_extension(AsyncAPIExtension(title='Sensor Gateway', version='1.0.0'))

@mqtt.on_message(topic='sensors/{room}/temperature')
async def on_temp(msg: Message, room: str):
    \"\"\"Temperature readings per room.\"\"\"

app.run(port=8000)
"""

SLOW = """
import asyncio
import logging
from blackbull import BlackBull
from blackbull.mqtt import MQTTExtension, Message

logging.basicConfig(level=logging.WARNING)
app = BlackBull()
mqtt = app.add_extension(MQTTExtension(MODE))
gate = asyncio.Event()

@app.route(path='/open')
async def open_gate():
    gate.set()
    return 'open'

@mqtt.on_message(topic='slow')
async def slow(msg: Message):
    await gate.wait()
    print('tapped', msg.payload.decode())

app.run(port=8000)
"""

RELIABLE = """
import asyncio
from dataclasses import dataclass
from blackbull import BlackBull
from blackbull.mqtt import MQTTExtension, Message

@dataclass
class Order:
    number: int

app = BlackBull()
mqtt = app.add_extension(MQTTExtension())
failed = set()

@mqtt.on_message(topic='orders/{shop}', schema=Order, reliable=True)
async def on_order(msg: Message, order: Order, shop: str):
    if order.number % 2 and order.number not in failed:
        failed.add(order.number)
        raise ConnectionError
    print('done', shop, order.number)

@app.route(path='/events')
async def events():
    async with mqtt.subscribe('orders/#') as messages:
        await mqtt.publish('ready', 'yes', retain=True)
        message = await anext(messages)
        return message.json()

app.run(port=8000)
"""


HOOKS = """
from blackbull import BlackBull
from blackbull.mqtt import MQTTExtension

app = BlackBull()
mqtt = app.add_extension(MQTTExtension())

@mqtt.on_connect
async def on_connect(client):
    print('connect', client.client_id, client.username)

@mqtt.on_disconnect
async def on_disconnect(client, reason_code):
    print('disconnect', client.client_id, reason_code)

@mqtt.on_subscribe
async def on_subscribe(client, topic_filter, qos):
    print('subscribe', client.client_id, topic_filter, qos)

app.run(port=8000)
"""


class Guide:
    """A program of the guide, on ports that are free; what it prints is in its log."""

    def __init__(self, text: str, directory: Path) -> None:
        script = directory / "main.py"
        script.write_text(
            re.sub(
                r"\bport=\d+", "port=0", text.replace("MQTTExtension()", "MQTTExtension(port=0)")
            )
        )
        # A buffer of its own: the log's thread must not flush a line of which a part is printed.
        prints = "sys.stdout = open(2, 'w', buffering=1, closefd=False)"
        run = f"import runpy, sys; {prints}; runpy.run_path({str(script)!r})"
        self.program = Program(["-c", run], cwd=directory)

    def __enter__(self) -> Guide:
        self.program.__enter__()
        self.program.serving()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.program.__exit__(kind, error, trace)

    def publish(self, *arguments: str, version: str = "5", lines: str | None = None) -> None:
        """Run mosquitto_pub."""
        done = subprocess.run(
            ["mosquitto_pub", "-p", str(self.program.ports["mqtt"]), "-V", version, *arguments],
            input=lines, capture_output=True, text=True, timeout=20, check=False,
            env=clean_environment(), stdin=subprocess.DEVNULL if lines is None else None,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")

    def get(self, path: str) -> httpx.Response:
        """Ask over HTTP."""
        return httpx.get(f"http://127.0.0.1:{self.program.ports['http']}{path}", timeout=20)

    def printed(self, prefix: str) -> list[str]:
        """Return the lines so far that begin with *prefix*, without it."""
        return [line.removeprefix(prefix) for line in self.program.lines if line.startswith(prefix)]


class Subscriber:
    """mosquitto_sub, from when it is subscribed."""

    def __init__(self, guide: Guide, *arguments: str, version: str = "5") -> None:
        port = str(guide.program.ports["mqtt"])
        self._lines: queue.Queue[str] = queue.Queue()
        self._process = subprocess.Popen(
            ["stdbuf", "-oL", "mosquitto_sub", "-d", "-v", "-p", port, "-V", version, *arguments],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=clean_environment(),
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        while "SUBACK" not in self._lines.get(timeout=20):
            pass

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Not terminate(): its signal handler prints, and hangs if the signal came amid a print.
        self._process.kill()
        self._process.wait(20)
        self._reader.join(20)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def next(self) -> str:
        """Return the next message: its topic and its payload."""
        while True:
            line = self._lines.get(timeout=20)
            if not line.startswith(("Client ", "Subscribed ")):
                return line

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))


Start = Callable[[str], Guide]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a program; it ends with the test."""
    with ExitStack() as stack:
        yield lambda text: stack.enter_context(Guide(text, tmp_path))


@pytest.mark.parametrize("version", ["5", "311"])
def test_program_of_the_guide_serves_http_and_mqtt(start: Start, version: str) -> None:
    """S32, S44: the message appears in the subscriber's terminal and in the callback."""
    guide = start(PROGRAM)
    assert guide.get("/").text == "HTTP here; MQTT broker on :1883."
    with Subscriber(guide, "-t", "sensors/#", version=version) as subscriber:
        guide.publish("-t", "sensors/room1/temperature", "-m", "21.5", version=version)
        assert subscriber.next() == "sensors/room1/temperature 21.5"
        guide.program.said("^sensors/room1/temperature 21.5$")
        guide.publish("-t", "sensors/room1/humidity", "-m", "40", version=version)
        assert subscriber.next() == "sensors/room1/humidity 40"
    guide.publish("-t", "sensors/room2/temperature", "-m", "19", version=version)
    guide.program.said("^sensors/room2/temperature 19$")
    assert guide.printed("sensors/room1/humidity") == []


def test_extension_of_the_guide_uses_1883_and_is_returned() -> None:
    """S32."""
    app = BlackBull()
    extension = MQTTExtension()
    assert app.add_extension(extension) is extension
    assert extension.port == 1883
    assert app.protocols.ports == (1883,)


def test_handlers_of_the_guide_get_what_matches(start: Start) -> None:
    """S33: ``#``, a subtree, a capture; the fields of a message."""
    guide = start(HANDLERS)
    guide.publish("-t", "alerts/fire", "-m", "!", "-q", "1", "-r")
    guide.program.said("^fields alerts/fire b'!' 1 True {}$")
    properties = (
        "-D",
        "publish",
        "content-type",
        "text/plain",
        "-D",
        "publish",
        "user-property",
        "a",
        "b",
    )
    guide.publish("-t", "sensors/kitchen/temperature", "-m", "21.5", "-q", "2", *properties)
    guide.program.said("^kitchen 21.5$")
    said = guide.program.said("^fields sensors/kitchen/temperature")
    assert "b'21.5' 2 False" in said
    assert "'content_type': 'text/plain'" in said
    assert "'user_property': [('a', 'b')]" in said
    assert guide.printed("firehose ") == ["alerts/fire", "sensors/kitchen/temperature"]
    assert guide.printed("alerts ") == ["alerts/fire"]


def test_handler_that_raises_disturbs_nobody(start: Start) -> None:
    """S34: neither the broker nor other handlers, nor its own next message."""
    guide = start(HANDLERS)
    with Subscriber(guide, "-t", "#") as subscriber:
        for number in ("1", "2"):
            guide.publish("-t", "boom", "-m", number)
            assert subscriber.next() == f"boom {number}"
            guide.program.said(f"^fields boom b'{number}'")


def test_broker_works_without_any_handler(start: Start) -> None:
    """S34."""
    guide = start(ALONE)
    with Subscriber(guide, "-t", "a/+", "-q", "2") as subscriber:
        for qos in ("0", "1", "2"):
            guide.publish("-t", "a/b", "-m", qos, "-q", qos)
            assert subscriber.next() == f"a/b {qos}"
    assert guide.get("/").status_code == 404


def test_slow_handler_delays_nobody_and_misses_the_newest(start: Start) -> None:
    """S35: its queue is bounded, what does not fit is dropped, counted and logged."""
    guide = start(SLOW.replace("MODE", "port=0, tap_queue_size=10"))
    with Subscriber(guide, "-t", "slow") as subscriber:
        guide.publish("-t", "slow", "-l", lines="".join(f"{number}\n" for number in range(200)))
        assert [subscriber.next() for _ in range(200)] == [f"slow {n}" for n in range(200)]
    guide.program.said("the taps are too slow: 1 messages dropped so far")
    assert guide.get("/open").text == "open"
    guide.program.said("^tapped 9$")
    guide.publish("-t", "slow", "-m", "later")
    guide.program.said("^tapped later$")
    tapped = guide.printed("tapped ")
    assert len(tapped) in {11, 12}, "ten waited, and one was being handled or not yet"
    assert tapped[:10] == [str(number) for number in range(10)]


def test_slow_inline_handler_delays_its_publisher_only(start: Start) -> None:
    """S35: ``tap_mode='inline'``."""
    guide = start(SLOW.replace("MODE", "port=0, tap_mode='inline'"))
    with Subscriber(guide, "-t", "#") as subscriber, ExitStack() as stack:
        port = str(guide.program.ports["mqtt"])
        publisher = subprocess.Popen(
            ["mosquitto_pub", "-p", port, "-V", "5", "-t", "slow", "-l"],
            stdin=subprocess.PIPE, text=True,
        )  # fmt: skip
        stack.callback(publisher.wait, 20)
        assert publisher.stdin is not None
        publisher.stdin.write("1\n2\n")
        publisher.stdin.close()
        first = subscriber.next()
        guide.publish("-t", "quick", "-m", "x")
        second = subscriber.next()
        assert [first, second] == ["slow 1", "quick x"]
        assert guide.get("/open").text == "open"
        assert subscriber.next() == "slow 2"
        guide.program.said("^tapped 2$")


def test_reliable_handler_gets_every_message_until_it_returns(start: Start) -> None:
    guide = start(RELIABLE)
    guide.publish("-t", "orders/a", "-l", "-q", "1", lines="".join(
        f'{{"number": {number}}}\n' for number in range(6)
    ))  # fmt: skip
    guide.publish("-t", "orders/a", "-m", "no order", "-q", "1")
    for number in range(6):
        guide.program.said(f"^done a {number}$")
    assert sorted(guide.printed("done a ")) == ["0", "1", "2", "3", "4", "5"]


def test_http_handler_publishes_and_follows_topics(start: Start) -> None:
    guide = start(RELIABLE)
    answers: list[object] = []
    asking = threading.Thread(target=lambda: answers.append(guide.get("/events").json()))
    asking.start()
    with Subscriber(guide, "-t", "ready") as subscriber:
        assert subscriber.next() == "ready yes"
    guide.publish("-t", "orders/b", "-m", '{"number": 8}')
    asking.join(20)
    assert answers == [{"number": 8}]


def test_hooks_are_told_what_clients_do(start: Start) -> None:
    guide = start(HOOKS)
    with Subscriber(guide, "-i", "ada", "-u", "lovelace", "-t", "a/#", "-q", "1"):
        guide.program.said("^connect ada lovelace$")
        guide.program.said("^subscribe ada a/# 1$")
    guide.program.said(r"^disconnect ada \d+$")


def test_asyncapi_of_the_guide_documents_the_tap(start: Start) -> None:
    """S45; that documents are valid is a test of their own."""
    guide = start(ASYNCAPI)
    answer = guide.get("/asyncapi.json")
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert document["asyncapi"] == "3.0.0"
    assert document["info"]["title"] == "Sensor Gateway"
    assert document["info"]["version"] == "1.0.0"
    [channel] = document["channels"].values()
    assert channel["address"] == "sensors/{room}/temperature"
    assert document["operations"]["on_temp"]["action"] == "receive"
    assert document["operations"]["on_temp"]["summary"] == "Temperature readings per room."
    page = guide.get("/asyncapi")
    assert page.headers["content-type"].startswith("text/html")
    assert "/asyncapi.json" in page.text


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("messages", ["encode_packet", "decode_packet", "topic_matches_filter", "ReasonCode"]),
        ("broker", ["BrokerActor"]),
        ("connection", ["MQTTConnectionActor", "PacketFramer", "serve_connection"]),
        ("tap", ["TapActor", "Message"]),
        ("extension", ["MQTTExtension", "MQTTProtocolDetector"]),
    ],
)
def test_modules_of_the_guide_hold_what_it_says(module: str, names: list[str]) -> None:
    """S46."""
    found = importlib.import_module(f"blackbull.mqtt.{module}")
    assert all(hasattr(found, name) for name in names)


# ---------------------------------------------------------------------- the example


def example() -> str:
    """Return the example, for ports that are free, as a program that runs however it is started."""
    text = (ROOT / "examples" / "mqtt_broker.py").read_text()
    text = re.sub(r"^(\w+_PORT) = \d+$", r"\1 = 0", text, flags=re.MULTILINE)
    return text.replace('__name__ == "__main__"', "True")


def test_example_does_what_its_guide_says(start: Start) -> None:
    guide = start(example())
    assert "MQTT broker on :" in guide.get("/").text
    with Subscriber(guide, "-t", "alerts/#", "-t", "commands/#") as subscriber:
        guide.publish("-t", "sensors/kitchen/temperature", "-m", "21.5")
        guide.program.said("^kitchen: 21.5 °C$")
        guide.publish("-t", "sensors/kitchen/air", "-m", '{"co2": 900, "humidity": 40}')
        assert subscriber.next() == 'alerts/kitchen {"co2":900}'
        assert guide.get("/rooms/kitchen").json() == {
            "celsius": 21.5, "air": {"co2": 900, "humidity": 40.0},
        }  # fmt: skip
        url = f"http://127.0.0.1:{guide.program.ports['http']}/rooms/kitchen/fan"
        assert httpx.post(url, content=b"on", timeout=20).json() == {"reached": 1}
        assert subscriber.next() == "commands/kitchen/fan on"
    assert guide.get("/rooms/attic").status_code == 404
    assert set(guide.get("/asyncapi.json").json()["operations"]) == {"on_temperature", "on_air"}


def test_example_stops_at_once_while_somebody_follows(start: Start) -> None:
    """A stream of messages would never end: it ends, whole, when the server is told to stop."""
    guide = start(example())
    url = f"http://127.0.0.1:{guide.program.ports['http']}/live"
    with httpx.stream("GET", url, timeout=20) as answer:
        lines = answer.iter_lines()
        assert next(lines) == ": listening"
        guide.program.signal(signal.SIGTERM)
        began = time.monotonic()
        assert "event:" not in "".join(lines)
        assert guide.program.wait() == 0
    assert time.monotonic() - began < 5, "it waited for the end of what does not end"


def test_example_shows_messages_as_they_come(start: Start) -> None:
    guide = start(example())
    base = f"http://127.0.0.1:{guide.program.ports['http']}"

    def reached() -> object:
        return httpx.post(f"{base}/rooms/attic/fan", content=b"on", timeout=20).json()["reached"]

    with httpx.stream("GET", f"{base}/live", timeout=20) as answer:
        lines = answer.iter_lines()
        assert next(lines) == ": listening"
        guide.publish("-t", "a/b", "-m", json.dumps({"x": 1}))
        while not (line := next(lines)).startswith("event:"):
            pass
        assert line == "event: a/b"
        assert next(lines) == 'data: {"x": 1}'
        assert reached() == 1
    deadline = time.monotonic() + 20
    while reached():
        assert time.monotonic() < deadline, "who has left is subscribed for ever"
