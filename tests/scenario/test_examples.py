"""The examples do what they tell people to try."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.architecture.source import ROOT
from tests.devtools import opened
from tests.environment import clean_environment
from tests.program import Program

GATEWAY = (ROOT / "examples" / "gateway.py").read_text()
TRIED = [
    ("/\n", "HTTP here; raw TCP echo on :9000; MQTT broker on :1883.\n"),
    ("/\n", "HTTP here; raw TCP echo on :9000; MQTT broker on :1883.\n"),
    ("/readings\n", '{"sensor":"attic","celsius":21.5}'),
    ("/readings/attic\n", '{"sensor":"attic","celsius":21.5}'),
    ("/upload\n", f'{{"bytes":{(ROOT / "README.md").stat().st_size}}}'),
    (" 9000\n", "hello\n"),
    (" -m 9.5\n", ""),
    ("/readings/cellar\n", '{"sensor":"cellar","celsius":9.5}'),
    ("topic=lamps/desk'\n", '{"subscribers":0}'),
    ("/stats\n", '{"readings":2,"echoed":1}'),
    ("/readyz\n", '{"status":"ready","checks":[]}'),
    (
        "/metrics | grep mqtt_clients\n",
        "# HELP blackbull_mqtt_clients_connected Clients that are connected.\n"
        "# TYPE blackbull_mqtt_clients_connected gauge\n"
        "blackbull_mqtt_clients_connected 0.0\n",
    ),
]
"""What the commands of the guide print, by how they end, in the guide's order."""


def gateway_copy(directory: Path) -> Path:
    """Return a copy of the example that listens on ports that are free."""
    script = directory / "gateway.py"
    script.write_text(re.sub(r"^(\w+_PORT) = \d+$", r"\1 = 0", GATEWAY, flags=re.MULTILINE))
    page = ROOT / "examples" / "messages.html"
    (directory / page.name).write_text(page.read_text())
    return script


@pytest.fixture(scope="module", params=[1, 2], ids="workers={}".format)
def gateway(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Program]:
    script = str(gateway_copy(tmp_path_factory.mktemp("gateway")))
    with Program([script, "--workers", str(request.param)]) as program:
        program.serving()
        yield program


def guide(gateway: Program) -> list[str]:
    """Return the commands that the example prints, for the ports that it has got."""
    text = re.search(r'GUIDE = f"""\n(.*?)"""', GATEWAY, re.DOTALL)
    assert text is not None
    shown = text[1].replace("{{", "{").replace("}}", "}")
    for name, port in (("HTTP", "8000"), ("ECHO", "9000"), ("MQTT", "1883")):
        shown = shown.replace(f"{{{name}_PORT}}", port)
    lines = (line.strip() for line in shown.splitlines() if line.startswith("  "))
    return [line for line in lines if not line.startswith("http://")]


@pytest.mark.parametrize(
    ("method", "target", "content"),
    [
        ("POST", "/readings", b'{"sensor":"a/+","celsius":1.5}'),
        ("POST", "/messages?topic=a/%23", b"x"),
        ("GET", "/messages/stream?topic=a/%23/b", b""),
    ],
)
def test_gateway_refuses_what_is_no_topic(
    gateway: Program, method: str, target: str, content: bytes
) -> None:
    url = f"http://127.0.0.1:{gateway.ports['http']}{target}"
    answer = httpx.request(method, url, content=content)
    assert answer.status_code == 400
    assert "topic" in answer.text


def test_gateway_answers_what_its_guide_says(gateway: Program) -> None:
    commands = [line for line in guide(gateway) if "/clock" not in line]
    assert len(commands) == len(TRIED)
    for command, (end, expected) in zip(commands, TRIED, strict=True):
        assert f"{command}\n".endswith(end)
        text = command.replace(":8000", f":{gateway.ports['http']}")
        text = text.replace(" 9000", f" {gateway.ports['echo']}").replace("curl ", "curl -sS ")
        text = text.replace(" 1883", f" {gateway.ports['mqtt']}")
        answer = shell(text)
        if "curl" in command and "-d" not in command:  # a process may learn of it a moment later
            again = time.monotonic() + 10.0
            while answer != (expected, "") and time.monotonic() < again:
                answer = shell(text)
        assert answer == (expected, ""), command


def shell(text: str) -> tuple[str, str]:
    """Return what a command prints on stdout and stderr."""
    done = subprocess.run(
        ["bash", "-c", text], cwd=ROOT, env=clean_environment(), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    return done.stdout, done.stderr


def test_gateway_clock_ticks_until_the_client_leaves(gateway: Program) -> None:
    url = f"http://127.0.0.1:{gateway.ports['http']}/clock"
    with subprocess.Popen(
        ["curl", "-sSN", url], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as client:
        assert client.stdout is not None
        assert re.fullmatch(r"data: ?\d\d:\d\d:\d\d\n", client.stdout.readline())
        client.terminate()


def test_gateway_page_follows_the_readings(gateway: Program) -> None:
    port = gateway.ports["http"]
    page = httpx.get(f"http://127.0.0.1:{port}/live").text
    assert "new WebSocket" in page
    reading = {"sensor": "cellar", "celsius": 9.5}
    httpx.post(f"http://127.0.0.1:{port}/readings", json=reading).raise_for_status()
    with connect(f"ws://127.0.0.1:{port}/live") as socket:
        while json.loads(socket.recv(timeout=20)) != reading:
            pass
        warmer = {"sensor": "cellar", "celsius": 10.5}
        httpx.post(f"http://127.0.0.1:{port}/readings", json=warmer).raise_for_status()
        while json.loads(socket.recv(timeout=20)) != warmer:
            pass


async def test_gateway_page_shows_what_mosquitto_publishes_live(
    gateway: Program, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{gateway.ports['http']}/messages"
    async with opened(url, tmp_path / "profile") as page:
        await page.until("document.getElementById('state')?.textContent == 'connected'")
        for topic, text, options in (
            ("kitchen/lamp", "on", ["-q", "2"]),
            ("kitchen/lamp", "<b>off</b>", ["-V", "5", "-r"]),
        ):
            port = str(gateway.ports["mqtt"])
            client = await asyncio.create_subprocess_exec(
                "mosquitto_pub", "-p", port, "-t", topic, "-m", text, *options
            )
            assert await client.wait() == 0
        ours = ".filter(row => row.innerText.includes('kitchen/lamp'))"
        stream = f"[...document.getElementById('stream').rows]{ours}"
        await page.until(f"{stream}.length == 2")
        assert await page.evaluate(
            f"{stream}.map(row => [...row.cells].slice(1).map(cell => cell.textContent))"
        ) == [["kitchen/lampretained", "<b>off</b>"], ["kitchen/lampQoS 2", "on"]]
        assert await page.evaluate(
            f"[...document.getElementById('topics').rows]{ours}.map(row => row.innerText)"
        ) == ["kitchen/lamp\n<b>off</b>\n\t2"]
        await page.evaluate("document.querySelector('button').click()")
        await page.until("document.getElementById('topics').innerText.includes('lamps/desk')")


async def test_gateway_tells_mqtt_clients_what_is_reported_over_http(gateway: Program) -> None:
    listener = await asyncio.create_subprocess_exec(
        "mosquitto_sub", "-p", str(gateway.ports["mqtt"]), "-t", "gateway/readings/+", "-v", "-R",
        "-C", "1",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    listening = asyncio.create_task(listener.communicate())
    url = f"http://127.0.0.1:{gateway.ports['http']}/readings"
    async with httpx.AsyncClient() as client, asyncio.timeout(20):
        while not listening.done():
            told = await client.post(url, json={"sensor": "roof", "celsius": 3.5})
            told.raise_for_status()
    printed, _ = await listening
    assert printed == b'gateway/readings/roof {"sensor":"roof","celsius":3.5}\n'


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    script = tmp_path_factory.mktemp("chat") / "chat.py"
    text = (ROOT / "examples" / "chat.py").read_text()
    script.write_text(text.replace("port=8000", "port=0"))
    with Program([str(script)]) as program:
        program.serving()
        yield program


def test_chat_room_tells_everybody_in_it(chat: Program) -> None:
    base = f"127.0.0.1:{chat.ports['http']}"
    assert "new WebSocket" in httpx.get(f"http://{base}/").text
    with (
        connect(f"ws://{base}/rooms/blue?name=Ada") as ada,
        connect(f"ws://{base}/rooms/red?name=Eve") as eve,
    ):
        assert json.loads(ada.recv(timeout=20)) == {"here": 1}
        assert json.loads(eve.recv(timeout=20)) == {"here": 1}
        with connect(f"ws://{base}/rooms/blue?name=Bob") as bob:
            assert json.loads(ada.recv(timeout=20)) == {"here": 2}
            assert json.loads(bob.recv(timeout=20)) == {"here": 2}
            bob.send("hello")
            for socket in (ada, bob):
                assert json.loads(socket.recv(timeout=20)) == {
                    "here": 2, "name": "Bob", "text": "hello",
                }  # fmt: skip
        assert json.loads(ada.recv(timeout=20)) == {"here": 1}
        eve.send("alone")
        assert json.loads(eve.recv(timeout=20)) == {"here": 1, "name": "Eve", "text": "alone"}


def test_chat_refuses_pages_of_others(chat: Program) -> None:
    base = f"127.0.0.1:{chat.ports['http']}"
    with connect(f"ws://{base}/rooms/blue", origin=Origin(f"http://{base}")) as socket:
        assert json.loads(socket.recv(timeout=20)) == {"here": 1}
    with (
        pytest.raises(InvalidStatus) as caught,
        connect(f"ws://{base}/rooms/blue", origin=Origin("http://evil.test")),
    ):
        pass
    assert caught.value.response.status_code == 403


def test_gateway_documentation_lists_its_routes(gateway: Program) -> None:
    url = f"http://127.0.0.1:{gateway.ports['http']}"
    done = subprocess.run(
        ["curl", "-sS", f"{url}/openapi.json", f"{url}/docs"],
        capture_output=True, text=True, timeout=20, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert '"/readings/{sensor}"' in done.stdout
    assert "<html" in done.stdout.lower()


def test_demo_runs_this_example() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^demo:.*\n\t.*python examples/gateway\.py ", makefile, re.MULTILINE)
    assert Path(ROOT / "examples" / "gateway.py").is_file()
