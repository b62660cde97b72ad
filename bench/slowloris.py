"""Measure what thousands of clients that dribble their heads cost a normal one.

    python bench/slowloris.py [--slow 5000] [--rounds 5] [--seconds 5] [--every 1] [--peers ours]

In each round every server starts anew. One client makes requests on one keep-alive connection,
one every two milliseconds: first alone, then while the others each send a byte of a head every so
often; who is cut off comes back. What is printed are medians of the rounds, of the 99th
percentiles and of their ratios. ``--slow`` needs as many open files in two processes
(``ulimit -n``).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import selectors
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

# The directory of this script holds a module named http: the standard library's must win.
sys.path.remove(str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measure import BenchError, Cores, Server
from bench.peers import HTTP_PEERS, known_peers

HEAD = b"GET /plaintext HTTP/1.1\r\nhost: a\r\nx-slow: " + b"a" * 7000
REQUEST = b"GET /plaintext HTTP/1.1\r\nhost: a\r\n\r\n"
PAUSE = 0.002
SOURCES = 64


@dataclass(frozen=True)
class Reading:
    """What one slice said.

    Attributes:
        p50: Milliseconds until the answer, as a rule.
        p99: The same of the hundredth that was slowest.
        cpu: Share of a core that the server used.
    """

    p50: float
    p99: float
    cpu: float


class Slow:
    """The slow clients, in a process of its own.

    Args:
        port: Where the server is.
        count: How many there are.
        every: Seconds between two bytes of each.
    """

    def __init__(self, port: int, count: int, every: float) -> None:
        self._port = port
        self._every = every
        self._open: dict[socket.socket, int] = {}
        self._events = selectors.EpollSelector()
        self._count = count
        self._source = 0
        self.cut = 0

    def fill(self) -> None:
        """Connect until there are as many as there should be."""
        while len(self._open) < self._count:
            sock = socket.socket()
            self._source = self._source % SOURCES + 1
            sock.bind((f"127.0.0.{self._source + 1}", 0))
            sock.connect(("127.0.0.1", self._port))
            sock.setblocking(False)
            sock.sendall(HEAD[:30])
            self._events.register(sock, selectors.EVENT_READ)
            self._open[sock] = 30

    def dribble(self, until: float) -> None:
        """Send a byte on each connection, spread over the time until *until*."""
        socks = list(self._open)
        began = time.monotonic()
        for number, sock in enumerate(socks):
            due = began + (until - began) * number / len(socks)
            while (left := due - time.monotonic()) > 0:
                self._look(min(left, 0.05))
            at = self._open.get(sock)
            if at is not None:
                try:
                    sock.send(HEAD[at : at + 1])
                    self._open[sock] = at + 1
                except OSError:
                    self._forget(sock)

    def _look(self, timeout: float) -> None:
        for key, _ in self._events.select(timeout):
            assert isinstance(key.fileobj, socket.socket)
            self._forget(key.fileobj)

    def _forget(self, sock: socket.socket) -> None:
        self._events.unregister(sock)
        self._open.pop(sock, None)
        sock.close()
        self.cut += 1

    def run(self) -> None:
        """Attack until nobody wants it any more."""
        self.fill()
        print("ready", flush=True)
        self._events.register(sys.stdin, selectors.EVENT_READ)
        while not any(key.fileobj is sys.stdin for key, _ in self._events.select(0)):
            self._events.unregister(sys.stdin)
            self.dribble(time.monotonic() + self._every)
            self.fill()
            self._events.register(sys.stdin, selectors.EVENT_READ)
        print(self.cut, flush=True)


def measure(server: Server, seconds: float) -> Reading:
    """Make requests on one connection; return how long the answers took."""
    took = []
    before = server.cpu()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.perf_counter()
            sock.sendall(REQUEST)
            answer = sock.recv(65536)
            took.append((time.perf_counter() - began) * 1000)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise BenchError(f"the normal client was answered {answer[:40]!r}")
            time.sleep(PAUSE)
    took.sort()
    cpu = (server.cpu() - before) / seconds
    return Reading(took[len(took) // 2], took[int(len(took) * 0.99)], cpu)


def attacked(server: Server, arguments: argparse.Namespace, cores: Cores) -> tuple[Reading, float]:
    """Return the normal client's reading under attack, and KiB per slow connection."""
    before = server.memory()
    command = [sys.executable, __file__, "--attack", str(server.port)]
    command += ["--slow", str(arguments.slow), "--every", str(arguments.every)]
    with subprocess.Popen(
        cores.pin_load(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as attack:
        assert attack.stdin is not None
        assert attack.stdout is not None
        try:
            if attack.stdout.readline() != "ready\n":
                raise BenchError("the slow clients could not connect")
            time.sleep(0.5)
            reading = measure(server, arguments.seconds)
            grown = (server.memory() - before) / arguments.slow / 1024
        finally:
            attack.kill()
    return reading, grown


def be_punctual(core: int) -> None:
    """Run before everything else on *core*, as the server does on its own, if that is allowed."""
    os.sched_setaffinity(0, {core})
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slow", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--every", type=float, default=1.0)
    parser.add_argument("--peers", default="ours")
    parser.add_argument("--cores", default="0,1")
    parser.add_argument("--attack", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if arguments.attack is not None:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        Slow(arguments.attack, arguments.slow, arguments.every).run()
        return
    serve, load = (int(core) for core in arguments.cores.split(","))
    cores = Cores(serve, load)
    be_punctual(load)
    known = known_peers(HTTP_PEERS)
    peers = [known[name] for name in arguments.peers.split(",")]
    readings: dict[str, list[tuple[Reading, Reading, float]]] = {}
    for _ in range(arguments.rounds):
        for peer in peers:
            with Server(peer, cores) as server:
                measure(server, 0.5)
                quiet = measure(server, arguments.seconds)
                under, grown = attacked(server, arguments, cores)
            readings.setdefault(peer.label, []).append((quiet, under, grown))
    print(f"{arguments.slow:,} slow clients, a byte every {arguments.every:g} s each")
    for label, found in readings.items():
        p50, p99 = (
            [(getattr(q, name), getattr(u, name)) for q, u, _ in found] for name in ("p50", "p99")
        )
        print(
            f"{label}: p99 {statistics.median(q for q, _ in p99):.2f} ms quiet, "
            f"{statistics.median(u for _, u in p99):.2f} ms attacked, "
            f"ratio {statistics.median(u / q for q, u in p99):.2f} "
            f"({', '.join(f'{u / q:.2f}' for q, u in p99)}); "
            f"p50 ratio {statistics.median(u / q for q, u in p50):.2f}; "
            f"CPU {statistics.median(q.cpu for q, *_ in found):.0%} quiet, "
            f"{statistics.median(u.cpu for _, u, _ in found):.0%} attacked; "
            f"{statistics.median(grown for *_, grown in found):.1f} KiB per slow client"
        )


if __name__ == "__main__":
    main()
