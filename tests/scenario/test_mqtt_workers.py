"""One broker for several processes, as programs that nobody here wrote meet it."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests import mqtt_packets as mqtt
from tests.interop.mqtt.aiomqtt_peer import AiomqttPeer
from tests.interop.mqtt.mqttjs_peer import MqttjsPeer, node
from tests.interop.mqtt.paho_peer import PahoPeer
from tests.interop.mqtt.peer import Endpoint, Options, Peer, several
from tests.program import Program

WAIT = 20.0
PROGRAM = """
import os, sys

from blackbull import BlackBull, EventSourceResponse
from blackbull.mqtt import AsyncAPIExtension, MQTTExtension

app = BlackBull()
mqtt = app.add_extension(MQTTExtension(port={port}, websocket_path="/mqtt"))
app.add_extension(AsyncAPIExtension())


def say(*words):
    sys.stderr.write(" ".join(map(str, words)) + "\\n")  # at once: several write there


@app.on_startup
async def online():
    await mqtt.publish(f"online/{{app.worker.index}}", b"yes", retain=True)


@app.route(path="/who")
async def who():
    return {{"index": app.worker.index, "pid": os.getpid()}}


@app.route("POST", "/publish")
async def publish(topic: str, body: bytes):
    return {{"reached": await mqtt.publish(topic, body, qos=1)}}


@app.route(path="/stream")
async def stream(topic: str):
    async def events():
        async with mqtt.subscribe(topic) as messages:
            yield {{"data": "ready"}}
            async for msg in messages:
                yield {{"data": msg.payload}}

    return EventSourceResponse(events())


@mqtt.on_message(topic="tapped/#")
async def tapped(msg):
    say("tapped by", app.worker.index, msg.topic, msg.text())


@mqtt.on_connect
async def arrived(client):
    say("client", client.client_id, client.transport, client.peername[0])


@app.on("connection_accepted")
async def accepted(event):
    say("accepted by", app.worker.index, event.detail["protocol"])


app.run(port=0)
"""


def document(running: Program, index: int) -> dict[str, int]:
    with closing(reach(running, index)) as line:
        return line.ask("/asyncapi.json")


def program(directory: Path, *, port: int | None) -> Program:
    script = directory / "app.py"
    script.write_text(PROGRAM.format(port=port))
    return Program([str(script), "--workers", "2"])


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The broker has a port of its own."""
    with program(tmp_path_factory.mktemp("own"), port=0) as running:
        running.serving()
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The broker shares the port of HTTP."""
    with program(tmp_path_factory.mktemp("shared"), port=None) as running:
        running.serving()
        yield running


class Line:
    """A connection to one worker over HTTP/1.1."""

    def __init__(self, port: int) -> None:
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
        self.http.connect()

    def close(self) -> None:
        self.http.close()

    def ask(self, path: str, content: bytes | None = None) -> dict[str, int]:
        self.http.request("GET" if content is None else "POST", path, content)
        answer = self.http.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        found = json.loads(text)
        assert isinstance(found, dict)
        return found

    def take_socket(self) -> socket.socket:
        """Return the socket, for something else than HTTP."""
        sock = self.http.sock
        assert sock is not None
        self.http.sock = None
        return sock


def reach(running: Program, index: int) -> Line:
    """Return a connection to the worker *index*: connect until it is the one that accepts."""
    for _ in range(200):
        line = Line(running.ports["http"])
        if line.ask("/who")["index"] == index:
            return line
        line.close()
    raise AssertionError(f"worker {index} never accepted")


def mqtt_port(running: Program) -> str:
    return str(running.ports.get("mqtt", running.ports["http"]))


def publish(running: Program, topic: str, text: str, *options: str) -> None:
    subprocess.run(
        ["mosquitto_pub", "-p", mqtt_port(running), "-q", "1", "-t", topic, "-m", text, *options],
        check=True, timeout=WAIT, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def listener(running: Program, topic: str) -> subprocess.Popen[str]:
    """Return a mosquitto_sub that has subscribed and ends with its first message."""
    listening = subprocess.Popen(
        ["stdbuf", "-oL", "mosquitto_sub", "-d", "-p", mqtt_port(running), "-q", "1", "-t", topic,
         "-C", "1"],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert listening.stdout is not None
    while not listening.stdout.readline().startswith("Subscribed"):
        pass
    return listening


def last_line(listening: subprocess.Popen[str]) -> str:
    said, _ = listening.communicate(timeout=WAIT)
    return [line for line in said.splitlines() if not line.startswith("Client ")][-1]


@asynccontextmanager
async def websocket(line: Line) -> AsyncIterator[ClientConnection]:
    """Turn *line* into MQTT over a WebSocket, and connect."""
    async with connect(
        "ws://127.0.0.1/mqtt", sock=line.take_socket(), subprotocols=[Subprotocol("mqtt")]
    ) as opened:
        await opened.send(mqtt.encode(mqtt.connect("websocket"), 5))
        answer = await opened.recv()
        assert isinstance(answer, bytes)
        assert (answer[0], answer[3]) == (0x20, 0)
        yield opened


def test_what_workers_publish_while_they_start_is_not_lost(own: Program) -> None:
    said = subprocess.run(
        ["mosquitto_sub", "-p", mqtt_port(own), "-t", "online/+", "-C", "2", "-v"],
        capture_output=True, text=True, check=True, timeout=WAIT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert sorted(said.stdout.splitlines()) == ["online/0 yes", "online/1 yes"]


def test_publishing_in_another_worker_reaches_clients_and_runs_taps_once(own: Program) -> None:
    with closing(reach(own, 1)) as line:
        assert line.ask("/publish?topic=tapped/a", b"before") == {"reached": 0}
        listening = listener(own, "tapped/#")
        assert line.ask("/publish?topic=tapped/a", b"hello") == {"reached": 1}
        assert last_line(listening) == "hello"
    assert own.said(r"tapped by \d tapped/a hello") == "tapped by 0 tapped/a hello"
    with closing(reach(own, 0)) as line:
        line.ask("/publish?topic=tapped/last", b"x")
    own.said("tapped/last")
    assert len([each for each in own.lines if "tapped/a hello" in each]) == 1


@pytest.mark.parametrize("index", [0, 1])
def test_handlers_of_every_worker_follow_what_clients_publish(own: Program, index: int) -> None:
    with closing(reach(own, index)) as line:
        line.http.request("GET", "/stream?topic=followed")
        stream = line.http.getresponse()
        assert stream.readline() == b"data: ready\n"
        publish(own, "followed", f"for {index}")
        assert stream.readline() == b"\n"
        assert stream.readline() == f"data: for {index}\n".encode()


def test_every_worker_documents_the_same(own: Program) -> None:
    first, second = document(own, 0), document(own, 1)
    assert first == second
    assert "tapped/#" in json.dumps(first)


def test_figures_of_the_broker_are_followed_from_other_workers(own: Program) -> None:
    with closing(reach(own, 1)) as line:
        line.http.request("GET", "/stream?topic=$SYS/broker/version")
        stream = line.http.getresponse()
        assert stream.readline() == b"data: ready\n"
        assert stream.readline() == b"\n"
        assert stream.readline().startswith(b"data: blackbull version")


async def test_websocket_at_another_worker_is_one_client_among_all(own: Program) -> None:
    async with websocket(reach(own, 1)) as opened, asyncio.timeout(WAIT):
        assert own.said(r"^client websocket ") == "client websocket websocket 127.0.0.1"
        await opened.send(mqtt.encode(mqtt.subscribe(1, ("lamps/#", 0)), 5))
        assert await opened.recv() == b"\x90\x04\x00\x01\x00\x00"
        await asyncio.to_thread(publish, own, "lamps/a", "on")
        assert await opened.recv() == mqtt.encode(mqtt.publish("lamps/a", b"on"), 5)


@pytest.fixture(scope="module")
def node_process() -> Iterator[None]:
    with node() as port:
        MqttjsPeer.control = port
        yield


@pytest.mark.usefixtures("node_process")
@pytest.mark.parametrize("kind", [PahoPeer, AiomqttPeer, MqttjsPeer], ids=lambda kind: kind.name)
async def test_websocket_clients_meet_whatever_workers_they_have_come_to(
    own: Program, kind: type[Peer]
) -> None:
    where = Endpoint(own.ports["http"], path="/mqtt")
    async with several(kind, where, [Options()] * 6) as peers:
        for peer in peers:
            assert await peer.subscribe("meeting", qos=2) == [2]
        for number, peer in enumerate(peers):
            await peer.publish("meeting", b"%d" % number, qos=number % 3)
        for peer in peers:
            got = [(each.payload, each.qos) for each in await peer.receive_all(6)]
            assert sorted(got) == [(b"%d" % number, number % 3) for number in range(6)]


async def test_client_that_does_not_read_holds_up_nobody_else(own: Program) -> None:
    line, other = reach(own, 1), reach(own, 1)
    with closing(other):
        pid = other.ask("/who")["pid"]
        async with websocket(line) as slow, asyncio.timeout(WAIT * 2):
            await slow.send(mqtt.encode(mqtt.subscribe(1, ("big", 0)), 5))
            assert await slow.recv() == b"\x90\x04\x00\x01\x00\x00"
            slow.transport.pause_reading()
            before = memory(pid)
            for _ in range(100):
                assert other.ask("/publish?topic=big", bytes(900_000)) == {"reached": 1}
            assert memory(pid) - before < 40_000_000
            await asyncio.to_thread(publish, own, "tapped/meanwhile", "x")
            own.said("tapped/meanwhile x")
            slow.transport.abort()


def memory(pid: int) -> int:
    """Return the bytes of memory that a process holds."""
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def test_shared_port_leads_to_the_broker_from_every_worker(shared: Program) -> None:
    listening = listener(shared, "t")
    with closing(reach(shared, 1)) as line:
        assert line.ask("/publish?topic=t", b"x") == {"reached": 1}
    assert last_line(listening) == "x"
    for number in range(200):
        publish(shared, "tapped/shared", str(number))
        if any(each == "accepted by 1 mqtt" for each in shared.lines):
            break
    shared.said("accepted by 1 mqtt")
    assert shared.said(rf"tapped/shared {number}$") == f"tapped by 0 tapped/shared {number}"
    assert not [each for each in shared.lines if re.search("tapped by [^0]", each)]


async def test_owner_killed_is_replaced_and_everything_finds_its_successor(
    tmp_path: Path,
) -> None:
    with program(tmp_path, port=0) as running:
        running.serving()
        with closing(reach(running, 0)) as line:
            owner = line.ask("/who")["pid"]
        with closing(reach(running, 1)) as line, closing(reach(running, 1)) as other:
            line.http.request("GET", "/stream?topic=t")
            stream = line.http.getresponse()
            assert stream.readline() == b"data: ready\n"
            async with websocket(reach(running, 1)) as opened:
                os.kill(owner, signal.SIGKILL)
                with pytest.raises(ConnectionClosed):
                    await asyncio.wait_for(opened.recv(), WAIT)
            # Somebody new and the stream are two subscribers, once that has found the successor.
            listening = listener(running, "t")
            while other.ask("/publish?topic=t", b"again")["reached"] < 2:
                listening.terminate()
                listening.communicate()
                listening = listener(running, "t")
            assert last_line(listening) == "again"
            assert stream.readline() == b"\n"
            assert stream.readline() == b"data: again\n"
        with closing(reach(running, 0)) as line:
            assert line.ask("/who")["pid"] != owner


def test_workers_replaced_one_after_another_publish_without_a_gap(tmp_path: Path) -> None:
    with program(tmp_path, port=0) as running:
        running.serving()
        running.signal(signal.SIGHUP)
        served = 0
        while sum("blackbull: serving" in line for line in running.lines) < 2 or served < 20:
            with closing(Line(running.ports["http"])) as line:
                assert line.ask("/publish?topic=t", b"x") == {"reached": 0}
                served += 1
            time.sleep(0.02)  # those who start need the processors, too
