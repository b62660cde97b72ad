"""A process that may open no more files: it says so once, serves on, and accepts when it can."""

from __future__ import annotations

import contextlib
import re
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.program import Program

FILES = 100
"""Files that the program may have open."""
CLIENTS = 150
KEPT = 16
"""Descriptors that no connection is served on."""

SCRIPT = f"""
import os, resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({FILES}, {FILES}))
from blackbull import BlackBull

app = BlackBull()
held = []

@app.route(path="/")
def index():
    return "here"

@app.route(path="/hold")
def hold():
    try:
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return str(len(held))

@app.route(path="/release")
def release():
    while held:
        os.close(held.pop())
    return "released"

@app.route(path="/cpu")
def cpu():
    spent = os.times()
    return str(spent.user + spent.system)

app.run(port=0)
"""


class Client:
    """A connection that stays."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)

    def get(self, path: str = "/") -> str:
        """Return the content of the answer; its status if that is not 200."""
        self.sock.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        head, _, content = self.sock.recv(65536).decode().partition("\r\n\r\n")
        if not head:
            raise ConnectionResetError
        status = head.split()[1]
        return content if status == "200" else status

    def outcome(self) -> str:
        """Return what asking leads to."""
        with contextlib.suppress(ConnectionError):
            return self.get()
        return "closed"

    def close(self) -> None:
        self.sock.close()


@pytest.fixture(params=["asyncio", "uvloop"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Program]:
    script = tmp_path / "main.py"
    script.write_text(SCRIPT)
    environ = {
        "BB_UVLOOP": str(int(request.param == "uvloop")),
        "BB_KEEP_ALIVE_TIMEOUT": "60",
        "BB_MAX_CONNECTIONS": "1000",
    }
    with Program([str(script)], environ=environ) as running:
        running.serving()
        yield running
    assert not [line for line in running.lines if "Traceback" in line]


def complaints(program: Program) -> list[str]:
    return [line for line in program.lines if "open_files: " in line]


def test_clients_that_take_every_descriptor_are_refused_and_the_others_served(
    program: Program,
) -> None:
    program.said("BB_MAX_CONNECTIONS")
    port = program.ports["http"]
    first = Client(port)
    assert first.get() == "here"
    clients = [Client(port) for _ in range(CLIENTS)]
    outcomes = Counter(client.outcome() for client in clients)
    assert outcomes["503"] == KEPT
    assert 60 < outcomes["here"] < FILES - KEPT
    assert outcomes["here"] + outcomes["503"] + outcomes["closed"] == CLIENTS
    before = float(first.get("/cpu"))
    assert float(first.get("/cpu")) - before < 0.1
    for client in clients:
        client.close()
    assert first.get() == "here"
    again = [Client(port) for _ in range(50)]
    # What was closed is noticed in the same turn of the loop, or before what came after it.
    assert [client.get() for client in again] == ["here"] * 50
    for client in [first, *again]:
        client.close()
    program.said(f"open_files: .* exceeds {FILES - KEPT} ")
    assert len(complaints(program)) <= KEPT + 1


def test_application_that_takes_every_descriptor_stops_nothing_but_new_connections(
    program: Program,
) -> None:
    port = program.ports["http"]
    first = Client(port)
    assert int(first.get("/hold")) > FILES // 2
    before = float(first.get("/cpu"))
    clients = [Client(port) for _ in range(CLIENTS)]
    assert {client.outcome() for client in clients} == {"closed"}
    assert first.get() == "here"
    assert float(first.get("/cpu")) - before < 0.5
    assert first.get("/release") == "released"
    again = Client(port)
    assert again.get() == "here"
    for client in [first, again, *clients]:
        client.close()
    assert len(complaints(program)) <= 1
    assert all(re.search(rf"{FILES + 1} exceeds {FILES}", line) for line in complaints(program))
