"""Starting servers, loading them and reading what it cost. Linux only (/proc, taskset)."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from bench.peers import BENCH, Peer

LOAD = BENCH / "load"
IDLE = re.compile(r"^idle ([0-9.]+)$", re.MULTILINE)
START_TIMEOUT = 15.0
STOP_TIMEOUT = 5.0


class BenchError(Exception):
    """A server or a load generator did not do its part."""


@dataclass(frozen=True)
class Cores:
    """Which core serves and which makes the load."""

    server: int
    load: int

    def pin_server(self, command: list[str]) -> list[str]:
        """Return *command*, confined to the server's core."""
        return ["taskset", "-c", str(self.server), *command]

    def pin_load(self, command: list[str]) -> list[str]:
        """Return *command*, confined to the core of the load."""
        return ["taskset", "-c", str(self.load), *command]


@dataclass(frozen=True)
class Sample:
    """One slice of load on one server.

    Attributes:
        rate: Answered requests per second of wall time.
        cpu_rate: Answered requests per second of the server's CPU time.
        server_cpu: Share of one core that the server used; near 1 when it was the bottleneck.
        load_cpu: Share of one core that the load generator used; near 1 when it was.
        errors: Failed requests or connections.
        p99_ms: 99th percentile of the latency, where the load generator tells it.
    """

    rate: float
    cpu_rate: float
    server_cpu: float
    load_cpu: float
    errors: int
    p99_ms: float | None


def free_port() -> int:
    """Return a port of the loopback that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def process_cpu(pid: int) -> float:
    """Return the CPU seconds process *pid* has used, user and system, all threads."""
    # The clock that clock_getcpuclockid(3) names: nanoseconds where /proc/PID/stat has ticks.
    try:
        return time.clock_gettime(((~pid) << 3) | 2)
    except OSError:
        return 0.0


def process_tree(pid: int) -> list[int]:
    """Return *pid* and its descendants."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for listing in Path(f"/proc/{parent}/task").glob("*/children"):
                found.extend(int(child) for child in listing.read_text().split())
    return found


def resident(pid: int) -> int:
    """Return the resident bytes of process *pid*."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise BenchError(f"/proc/{pid}/smaps_rollup has no Rss line")


class Server:
    """A running server; a context manager that ends what it started."""

    def __init__(self, peer: Peer, cores: Cores) -> None:
        """Start *peer* and wait for its first answer.

        Raises:
            BenchError: it ended or did not answer in time.
        """
        self.peer = peer
        self.port = free_port()
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        own = {
            name: text.replace("{port}", str(self.port)) for name, text in peer.environment.items()
        }
        started = time.monotonic()
        self._process = subprocess.Popen(
            cores.pin_server(peer.command_line(self.port)),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, **own},
            start_new_session=True,
        )
        try:
            self._await_answer(started + START_TIMEOUT)
        except BaseException:
            self.stop()
            raise
        self.first_answer = time.monotonic() - started

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _await_answer(self, until: float) -> None:
        while True:
            try:
                status, _ = self.ask("GET", "/plaintext")
            except (OSError, http.client.HTTPException) as error:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise BenchError(f"{self.peer.label} did not start: {self.output()}") from error
                time.sleep(0.001)
            else:
                if status != 200:
                    raise BenchError(f"{self.peer.label} answers /plaintext with {status}")
                return

    def output(self) -> str:
        """Return the end of what the server printed."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace").strip()[-2000:] or "(it printed nothing)"

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Return status and content of one request on its own connection."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            client.request(method, path, body, {"Connection": "close"})
            answer = client.getresponse()
            return answer.status, answer.read()
        finally:
            client.close()

    def cpu(self) -> float:
        """Return the CPU seconds of the server and its workers so far."""
        return sum(process_cpu(pid) for pid in process_tree(self._process.pid))

    def memory(self) -> int:
        """Return the resident bytes of the server and its workers."""
        return sum(resident(pid) for pid in process_tree(self._process.pid))

    def stop(self) -> None:
        """End the server and everything it started."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT)
        # The session was created for it, so the group holds its processes and no others.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()


@dataclass(frozen=True)
class LoadTools:
    """The load generators, built.

    Attributes:
        connections: The path of the program built from ``load/connections.c``.
        cores: Where they run.
        spin: The path of the library built from ``load/spin.c``; empty to let them sleep.
    """

    connections: str
    cores: Cores
    spin: str = ""

    def run_wrk(self, server: Server, path: str, shape: str, *, seconds: int) -> Sample:
        """Load *server* over 64 keep-alive connections with requests of *shape*."""
        return self._run(
            server,
            [
                *("wrk", "-t1", "-c64", f"-d{seconds}s", "-s", str(LOAD / "requests.lua")),
                *(f"http://127.0.0.1:{server.port}{path}", "--", shape),
            ],
        )

    def run_close(self, server: Server, path: str, *, seconds: int) -> Sample:
        """Load *server* from 64 clients that use a connection for one request each."""
        return self._run(
            server, [self.connections, "close", str(server.port), path, "64", str(seconds)]
        )

    def _run(self, server: Server, command: list[str]) -> Sample:
        cpu_before = server.cpu()
        load_before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            self.cores.pin_load(command),
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "LD_PRELOAD": self.spin} if self.spin else None,
        )
        load_after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = server.cpu() - cpu_before
        if done.returncode != 0:
            raise BenchError(f"{command[0]}: {done.stderr.strip() or done.stdout.strip()}")
        report = json.loads(done.stdout.splitlines()[-1])
        load_cpu = (load_after.ru_utime + load_after.ru_stime) - (
            load_before.ru_utime + load_before.ru_stime
        )
        idle = IDLE.findall(done.stderr)
        if idle:
            load_cpu -= float(idle[-1])
        seconds = report["seconds"]
        return Sample(
            rate=report["requests"] / seconds,
            cpu_rate=report["requests"] / cpu if cpu else 0.0,
            server_cpu=cpu / seconds,
            load_cpu=load_cpu / seconds,
            errors=report["errors"],
            p99_ms=report.get("p99_ms"),
        )

    def idle_bytes(self, server: Server, *, count: int) -> float:
        """Return by how many resident bytes *server* grows per idle keep-alive connection.

        Every connection has made one request. A few requests come first, so that what the server
        allocates once is not counted.

        Raises:
            BenchError: the server closed some of them meanwhile.
        """
        for _ in range(50):
            server.ask("GET", "/plaintext")
        before = server.memory()
        command = [self.connections, "idle", str(server.port), "/plaintext", str(count)]
        with subprocess.Popen(
            self.cores.pin_load(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as client:
            assert client.stdout is not None
            ready = client.stdout.readline().strip() == "ready"
            after = server.memory()
            out, err = client.communicate()
        alive = json.loads(out)["alive"] if ready else 0
        if alive != count:
            raise BenchError(f"{server.peer.label} kept {alive} of {count} connections. {err}")
        return (after - before) / count


@contextlib.contextmanager
def load_tools(cores: Cores, *, spin: bool) -> Iterator[LoadTools]:
    """Build the load generators and let them open many files; remove them at the end."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as directory:
        binary = str(Path(directory) / "connections")
        subprocess.run(["cc", "-O2", "-o", binary, str(LOAD / "connections.c")], check=True)
        library = str(Path(directory) / "spin.so")
        shared = ["cc", "-O2", "-shared", "-fPIC", "-o", library, str(LOAD / "spin.c")]
        subprocess.run(shared, check=True)
        yield LoadTools(binary, cores, library if spin else "")


def import_seconds(peer: Peer, cores: Cores, *, times: int) -> list[float]:
    """Return seconds of the import: each an interpreter with it less one without."""
    environment = {**os.environ, **peer.environment}

    def run(statement: str) -> float:
        started = time.monotonic()
        command = cores.pin_server([sys.executable, "-c", statement])
        subprocess.run(command, check=True, env=environment)
        return time.monotonic() - started

    run(peer.imports)
    return [run(peer.imports) - run("pass") for _ in range(times)]
