"""Thousands of clients that dribble their heads, and one that does not."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.program import Program

ROUNDS = 3
KIB_EACH = 16
SECONDS_EACH = 0.001
"""CPU that a byte of a head may cost, far beyond what it does."""

SCRIPT = """
import os
from blackbull import BlackBull

app = BlackBull()

@app.route(path="/")
def index():
    return "here"

@app.route(path="/cpu")
def cpu():
    spent = os.times()
    return str(spent.user + spent.system)

app.run(port=0)
"""
HEAD = b"GET / HTTP/1.1\r\nhost: a\r\nx-slow: "


@pytest.fixture
def many_files() -> Iterator[int]:
    """Return how many files may be open, here and in what is started."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard if hard != resource.RLIM_INFINITY else 1 << 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Normal:
    """A client that asks for something now and then."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=20)

    def get(self, path: str = "/") -> str:
        self.sock.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        head, _, content = self.sock.recv(65536).decode().partition("\r\n\r\n")
        assert head.startswith("HTTP/1.1 200 ")
        return content


def resident(program: Program) -> int:
    """Return its resident bytes."""
    pages = Path(f"/proc/{program.process.pid}/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


@pytest.mark.parametrize(
    ("loop", "slow_ones", "seconds"), [("asyncio", 1000, 4), ("uvloop", 5000, 8)]
)
def test_normal_client_is_served_while_thousands_dribble(
    loop: str, slow_ones: int, seconds: int, tmp_path: Path, many_files: int
) -> None:
    """The time of a head is long enough for all of them to have connected and dribbled."""
    script = tmp_path / "main.py"
    script.write_text(SCRIPT)
    environ = {
        "BB_UVLOOP": str(int(loop == "uvloop")),
        "BB_HEADER_TIMEOUT": str(seconds),
        "BB_KEEP_ALIVE_TIMEOUT": "60",
    }
    count = min(slow_ones, many_files - 500)
    with Program([str(script)], environ=environ) as program:
        port = program.serving()["http"]
        normal = Normal(port)
        for _ in range(100):
            assert normal.get() == "here"
        before = resident(program)
        slow = []
        for _ in range(count):
            slow.append(socket.create_connection(("127.0.0.1", port), timeout=30))
            slow[-1].sendall(HEAD)
        assert normal.get() == "here"
        cpu = float(normal.get("/cpu"))
        for _ in range(ROUNDS):
            for number, sock in enumerate(slow):
                sock.sendall(b"a")
                if number % 50 == 0:
                    assert normal.get() == "here"
            fresh = Normal(port)
            assert fresh.get() == "here"
            fresh.sock.close()
        cpu = float(normal.get("/cpu")) - cpu
        grown = (resident(program) - before) / count
        answers = {sock.recv(100).split(b"\r\n")[0] for sock in slow}
        assert normal.get() == "here"
        for sock in [*slow, normal.sock]:
            sock.close()
    assert answers == {b"HTTP/1.1 408 Request Timeout"}
    assert cpu / (ROUNDS * count) < SECONDS_EACH
    assert grown < KIB_EACH * 1024
