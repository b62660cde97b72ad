"""Restarts and stops under load: clients that nobody here wrote notice nothing."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import websockets

from tests.environment import clean_environment
from tests.program import TIMEOUT, Program

APP = """
import asyncio, os
from blackbull import BlackBull, WebSocket
from blackbull.mqtt import MQTTExtension

app = BlackBull()
if "MQTT" in os.environ:
    app.add_extension(MQTTExtension(port=0))


served = 0


@app.route(path="/")
async def index():
    global served
    served += 1
    await asyncio.sleep(0.002)
    return str(os.getpid())


@app.route(path="/quick")
async def quick():
    global served
    served += 1
    return "done"


@app.on_shutdown
async def tell():
    os.write(2, b"served %d\\n" % served)


@app.route(path="/at-once")
def at_once():
    return str(os.getpid())


@app.route(path="/echo", scheme="websocket")
async def echo(ws: WebSocket):
    await ws.accept()
    async for message in ws:
        await ws.send(message)


if __name__ == "__main__":
    app.run(port=0)
"""


@pytest.fixture
def app(tmp_path: Path) -> str:
    """Return the path of the program."""
    path = tmp_path / "main.py"
    path.write_text(APP)
    return str(path)


@contextmanager
def load(*command: str, stop: signal.Signals | None = signal.SIGINT) -> Iterator[list[str]]:
    """Run a load generator until the block ends; what it says is there then."""
    said: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        try:
            yield said
            if stop is not None:
                running.send_signal(stop)
            out, _ = running.communicate(timeout=TIMEOUT)
        except BaseException:
            running.kill()
            raise
    said.append(out.decode())


def wrk_requests(said: str) -> int:
    """Return how many requests wrk made, none of which failed."""
    assert "Socket errors" not in said, said
    assert "Non-2xx" not in said, said
    found = re.search(r"(\d+) requests in", said)
    assert found is not None, said
    return int(found[1])


def restart(program: Program, *, times: int) -> None:
    """Restart it as often, and wait each time until the new workers serve."""
    for number in range(2, 2 + times):
        program.signal(signal.SIGHUP)
        program.serving(times=number)


def test_rolling_restart_under_wrk_fails_no_request(app: str) -> None:
    with Program([app, "--workers", "2", "--no-access-log"]) as program:
        url = f"http://127.0.0.1:{program.serving()['http']}/"
        with load("wrk", "-t1", "-c16", "-d60", url) as said:
            restart(program, times=2)
        assert wrk_requests(said[0]) > 100


@pytest.mark.parametrize(("path", "lost"), [("quick", 0), ("", 16)])
def test_rolling_restart_under_h2load_answers_every_request_that_was_sent(
    app: str, path: str, lost: int
) -> None:
    """A client that reads GOAWAY stops, and counts as failed what it had queued and not sent.

    It has nothing in its queue when it reads it before the answers to all that it asked.
    """
    with Program([app, "--workers", "2", "--no-access-log"]) as program:
        url = f"http://127.0.0.1:{program.serving()['http']}/{path}"
        with load("h2load", "-t1", "-c16", "-m4", "-D8", url, stop=None) as said:
            restart(program, times=1)
        program.signal(signal.SIGTERM)
        assert program.wait() == 0
    found = re.search(
        r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", said[0]
    )
    assert found is not None, said[0]
    done, succeeded, failed, errored, timeout = map(int, found.groups())
    arrived = sum(int(line.split()[1]) for line in program.lines if line.startswith("served "))
    assert succeeded == arrived > 100, said[0]
    assert failed == errored == done - succeeded <= lost, said[0]
    assert timeout == 0, said[0]


def test_stop_of_one_of_two_servers_on_one_socket_under_wrk_fails_no_request(app: str) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as shared:
        shared.set_inheritable(True)
        port = shared.getsockname()[1]
        command = [sys.executable, app, "--no-access-log", "--bind", f"fd://{shared.fileno()}"]
        with Inheriting(command, shared) as first, Inheriting(command, shared) as second:
            url = f"http://127.0.0.1:{port}/at-once"
            with load("wrk", "-t1", "-c16", "-d60", url) as said:
                pids = {httpx.get(url).text for _ in range(20)}
                assert pids <= {str(first.pid), str(second.pid)}
                first.send_signal(signal.SIGTERM)
                assert first.wait(TIMEOUT) == 0
                assert {httpx.get(url).text for _ in range(20)} == {str(second.pid)}
            assert wrk_requests(said[0]) > 100


class Inheriting(subprocess.Popen[bytes]):
    """A program that listens on a socket of ours."""

    def __init__(self, command: list[str], sock: socket.socket) -> None:
        super().__init__(
            command, pass_fds=[sock.fileno()], env=clean_environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self.stderr is not None
        assert b"serving" in self.stderr.readline()

    def __exit__(self, *how: object) -> None:
        if self.poll() is None:
            self.terminate()
        super().__exit__(*how)  # type: ignore[arg-type]


async def test_rolling_restart_is_noticed_by_nobody_who_comes_back(app: str) -> None:
    """HTTP/1.1 on connections that are kept, HTTP/2 of nghttp, WebSockets that are opened again."""
    with Program([app, "--workers", "2", "--no-access-log"]) as program:
        port = (await asyncio.to_thread(program.serving))["http"]
        over = asyncio.Event()
        visitors = [
            asyncio.create_task(visitor(port, over))
            for visitor in (ask_with_httpx, ask_with_nghttp, talk_by_websocket)
        ]
        try:
            await asyncio.to_thread(restart, program, times=2)
        finally:
            over.set()
            counts = await asyncio.gather(*visitors)
        assert min(counts) > 2, counts


async def ask_with_httpx(port: int, over: asyncio.Event) -> int:
    count = 0
    async with httpx.AsyncClient(timeout=TIMEOUT) as client:
        while not over.is_set():
            assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 200
            count += 1
    return count


async def ask_with_nghttp(port: int, over: asyncio.Event) -> int:
    count = 0
    while not over.is_set():
        asked = await asyncio.create_subprocess_exec(
            "nghttp", "-nv", "-m5", f"http://127.0.0.1:{port}/",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await asked.communicate()
        assert asked.returncode == 0, out.decode()
        assert out.count(b":status: 200") == 5, out.decode()
        count += 1
    return count


async def talk_by_websocket(port: int, over: asyncio.Event) -> int:
    count = 0
    codes = set()
    async for ws in websockets.connect(f"ws://127.0.0.1:{port}/echo"):
        try:
            while not over.is_set():
                await ws.send(str(count))
                assert await ws.recv() == str(count)
                count += 1
                await asyncio.sleep(0.01)
        except websockets.ConnectionClosed as closed:
            codes.add(closed.rcvd and closed.rcvd.code)  # None: it was cut
            continue
        break
    assert codes == {1012}
    return count


def test_stop_tells_mqtt_clients_why(app: str) -> None:
    with Program([app], environ={"MQTT": "1"}) as program:
        command = ["stdbuf", "-oL", "mosquitto_sub", "-V", "5", "-d", "-t", "a", "-p",
                   str(program.serving()["mqtt"])]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
            assert client.stdout is not None
            try:
                assert any("SUBACK" in line for line in client.stdout)
                program.signal(signal.SIGTERM)
                assert any("DISCONNECT (139)" in line for line in client.stdout)
            finally:
                client.kill()  # it would go on trying to connect
        assert program.wait() == 0


SIGNALLED = """
import asyncio, contextlib, sys, threading, time
from blackbull import BlackBull

app = BlackBull()


@app.on_startup
async def start():
    if "slow" in sys.argv:
        print("starting", file=sys.stderr, flush=True)
        await asyncio.sleep(60)


@app.on_shutdown
async def end():
    print("shut down", file=sys.stderr, flush=True)
    if "broken" in sys.argv:
        raise LookupError("no such thing")


@app.route(path="/stubborn")
async def stubborn():
    print("asked", file=sys.stderr, flush=True)
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


app.run(port=0)
"""


@pytest.fixture
def signalled(tmp_path: Path) -> str:
    """Return the path of a program that is hard to stop."""
    path = tmp_path / "signalled.py"
    path.write_text(SIGNALLED)
    return str(path)


@pytest.mark.parametrize("uvloop", ["0", "1"])
def test_handler_that_ignores_its_cancellation_does_not_keep_the_process(
    signalled: str, uvloop: str
) -> None:
    environ = {"BB_UVLOOP": uvloop}
    with Program([signalled, "--drain-timeout", "0.2"], environ=environ) as program:
        port = program.serving()["http"]
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(b"GET /stubborn HTTP/1.1\r\nhost: a\r\n\r\n")
            program.said("asked")
            program.signal(signal.SIGTERM)
            assert program.wait() == 0
    assert "stubborn (" in program.said("ignores its cancellation")
    assert "shut down" in program.lines


def test_second_signal_ends_the_process_at_once(signalled: str) -> None:
    with Program([signalled, "--drain-timeout", "60"]) as program:
        port = program.serving()["http"]
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(b"GET /stubborn HTTP/1.1\r\nhost: a\r\n\r\n")
            program.said("asked")
            program.signal(signal.SIGTERM)
            program.said("another signal ends it at once")
            program.signal(signal.SIGTERM)
            assert program.wait() == -signal.SIGTERM
    assert "shut down" not in program.lines


def test_signal_during_the_startup_cancels_it(signalled: str) -> None:
    with Program([signalled, "slow"]) as program:
        program.said("starting")
        program.signal(signal.SIGTERM)
        assert program.wait() == 0
    assert not [line for line in program.lines if "Traceback" in line]


def test_shutdown_that_raises_is_one_line_and_status_1(signalled: str) -> None:
    with Program([signalled, "broken"]) as program:
        program.serving()
        program.signal(signal.SIGTERM)
        assert program.wait() == 1
    assert "shutdown failed: LookupError: no such thing" in program.lines[-1]
