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
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from bench.peers import BENCH, Peer

LOAD = BENCH / "load"
IDLE = re.compile(r"^idle ([0-9.]+)$", re.MULTILINE)
START_TIMEOUT = 15.0
STOP_TIMEOUT = 5.0
LOAD_GRACE = 20.0
NOT_OFFERED = 3


class BenchError(Exception):
    """A server or a load generator did not do its part."""


class NotOfferedError(BenchError):
    """The server does not offer what the row measures. Nothing is wrong."""


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
class Certificate:
    """The files of a certificate for the loopback, signed by itself, and of its key; PEM."""

    certificate: str
    key: str


@dataclass(frozen=True)
class Report:
    """What a load generator says of itself; see :class:`Sample`."""

    requests: int
    seconds: float
    errors: int
    p99_ms: float | None = None
    cpu: float | None = None
    compressed: float | None = None


@dataclass(frozen=True)
class Sample:
    """One slice of load on one server.

    Attributes:
        rate: Answered requests, or messages, per second of wall time.
        cpu_rate: The same per second of the server's CPU time.
        server_cpu: Share of one core that the server used; near 1 when it was the bottleneck.
        load_cpu: Share of one core that the load generator used; near 1 when it was.
        errors: Failed requests or connections.
        p99_ms: 99th percentile of the latency, where the load generator tells it.
        compressed: Share of the messages that came back compressed, where it was agreed on.
    """

    rate: float
    cpu_rate: float
    server_cpu: float
    load_cpu: float
    errors: int
    p99_ms: float | None
    compressed: float | None = None


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

    def __init__(self, peer: Peer, cores: Cores, tls: Certificate | None = None) -> None:
        """Start *peer*, with TLS if there is a certificate, and wait for its first answer.

        Raises:
            BenchError: it ended or did not answer in time.
        """
        self.peer = peer
        self.port = free_port()
        self.tls = tls is not None
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        own = {
            name: text.replace("{port}", str(self.port)) for name, text in peer.environment.items()
        }
        command = peer.command_line(self.port)
        if tls is not None:
            command += peer.tls_options(tls.certificate, tls.key)
        started = time.monotonic()
        self._process = subprocess.Popen(
            cores.pin_server(command),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env={**kept_environment(), **own},
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
                self.probe()
            except (OSError, http.client.HTTPException) as error:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise BenchError(f"{self.peer.label} did not start: {self.output()}") from error
                time.sleep(0.001)
            else:
                return

    def probe(self) -> None:
        """Make one exchange.

        Raises:
            OSError, http.client.HTTPException: there is no answer.
            BenchError: it is the wrong one.
        """
        status, _ = self.ask("GET", "/plaintext")
        if status != 200:
            raise BenchError(f"{self.peer.label} answers /plaintext with {status}")

    def url(self, path: str) -> str:
        """Return the address of *path* on this server."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}{path}"

    def output(self) -> str:
        """Return the end of what the server printed."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace").strip()[-2000:] or "(it printed nothing)"

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Return status and content of one request on its own connection."""
        client: http.client.HTTPConnection
        if self.tls:
            client = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=5, context=ssl._create_unverified_context()
            )
        else:
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


def parse_json(output: str) -> Report:
    """Return the report that a generator of ours printed in its last line."""
    told = json.loads(output.splitlines()[-1])
    return Report(**{name: told[name] for name in Report.__annotations__ if name in told})


@dataclass(frozen=True)
class LoadTools:
    """The load generators, built, and what else a load needs.

    Attributes:
        programs: The paths of the programs built from ``load/*.c``, by name.
        cores: Where they run.
        directory: Where files may be put; it vanishes at the end.
        certificate: For servers with TLS; None where no row wants it.
        spin: The path of the library built from ``load/spin.c``; empty to let them sleep.
    """

    programs: Mapping[str, str]
    cores: Cores
    directory: Path
    certificate: Certificate | None = None
    spin: str = ""

    def run(
        self,
        server: Server,
        command: list[str],
        *,
        seconds: int,
        parse: Callable[[str], Report] = parse_json,
    ) -> Sample:
        """Load *server* with *command*, which ends by itself and prints what *parse* understands.

        Raises:
            BenchError: it failed, or took much longer than *seconds*.
        """
        cpu_before = server.cpu()
        load_before = resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            done = subprocess.run(
                self.cores.pin_load(command),
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds + LOAD_GRACE,
                env=self._environment(),
            )
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"{command[0]} did not end: the server stalls") from error
        load_after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = server.cpu() - cpu_before
        if done.returncode != 0:
            raise BenchError(f"{command[0]}: {done.stderr.strip() or done.stdout.strip()}")
        load_cpu = (load_after.ru_utime + load_after.ru_stime) - (
            load_before.ru_utime + load_before.ru_stime
        )
        return sample(parse(done.stdout), cpu, load_cpu - spun(done.stderr))

    def run_held(self, server: Server, command: list[str]) -> Sample:
        """Load *server* with *command*, which waits before and after what is measured.

        Connecting and closing are not counted this way. See ``load/websocket.c``.

        Raises:
            NotOfferedError: the server declines what the command asks for.
            BenchError: the command failed.
        """
        with self._held(command) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            ready = client.stdout.readline() == "ready\n"
            cpu_before = server.cpu()
            if ready:
                client.stdin.write("\n")
                client.stdin.flush()
            told = client.stdout.readline()
            cpu = server.cpu() - cpu_before
            _, err = client.communicate()
        if client.returncode == NOT_OFFERED:
            raise NotOfferedError(err.strip())
        if not told or client.returncode != 0:
            raise BenchError(f"{Path(command[0]).name}: {err.strip()}")
        report = parse_json(told)
        return sample(report, cpu, (report.cpu or 0.0) - spun(err))

    def idle_bytes(self, server: Server, command: list[str], *, count: int) -> float:
        """Return by how many resident bytes *server* grows per idle connection.

        Args:
            server: It has been used before, so that what is allocated once is not counted.
            command: It opens *count* connections, makes one exchange on each and prints "ready";
                when its stdin ends, it prints how many are still open.
            count: The number of connections.

        Raises:
            NotOfferedError: the server declines what the command asks for.
            BenchError: the server closed some of them meanwhile.
        """
        before = server.memory()
        with self._held(command) as client:
            assert client.stdout is not None
            ready = client.stdout.readline() == "ready\n"
            after = server.memory()
            out, err = client.communicate()
        if client.returncode == NOT_OFFERED:
            raise NotOfferedError(err.strip())
        alive = json.loads(out)["alive"] if ready and out else 0
        if alive != count:
            raise BenchError(f"{server.peer.label} kept {alive} of {count} connections. {err}")
        return (after - before) / count

    def _held(self, command: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.cores.pin_load(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment(),
        )

    def _environment(self) -> dict[str, str] | None:
        return {**os.environ, "LD_PRELOAD": self.spin} if self.spin else None


def sample(report: Report, cpu: float, load_cpu: float) -> Sample:
    """Return *report* with the CPU seconds of the server and of the load generator.

    Raises:
        BenchError: nothing was answered.
    """
    if report.requests == 0:
        raise BenchError("nothing is answered")
    return Sample(
        rate=report.requests / report.seconds,
        cpu_rate=report.requests / cpu if cpu else 0.0,
        server_cpu=cpu / report.seconds,
        load_cpu=load_cpu / report.seconds,
        errors=report.errors,
        p99_ms=report.p99_ms,
        compressed=report.compressed,
    )


def spun(output: str) -> float:
    """Return the seconds that ``load/spin.c`` spent waiting, from what was printed to stderr."""
    idle = IDLE.findall(output)
    return float(idle[-1]) if idle else 0.0


@contextlib.contextmanager
def load_tools(
    cores: Cores, programs: Iterable[str], *, spin: bool, tls: bool = False
) -> Iterator[LoadTools]:
    """Build the load generators and let them open many files; remove them at the end.

    Args:
        cores: Where they run.
        programs: Names of files in ``load/``.
        spin: Whether they poll instead of sleeping.
        tls: Whether a certificate is wanted.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        built = {program: build(program, directory) for program in programs}
        library = build("spin", directory, "-shared", "-fPIC") if spin else ""
        certificate = make_certificate(directory) if tls else None
        yield LoadTools(built, cores, directory, certificate, library)


def build(name: str, directory: Path, *options: str) -> str:
    """Compile ``load/NAME.c`` into *directory* and return the path of the result."""
    result = str(directory / name)
    subprocess.run(["cc", "-O2", *options, "-o", result, str(LOAD / f"{name}.c")], check=True)
    return result


def make_certificate(directory: Path) -> Certificate:
    """Return a certificate for 127.0.0.1 whose files are in *directory*."""
    made = Certificate(str(directory / "certificate.pem"), str(directory / "key.pem"))
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
            *("-keyout", made.key, "-out", made.certificate),
        ],
        check=True,
        capture_output=True,
    )
    return made


def kept_environment() -> dict[str, str]:
    """Return our environment, in which bytecode may be kept.

    What is installed has its bytecode; of what runs from source the compiler would be measured.
    """
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def import_seconds(peer: Peer, cores: Cores, *, times: int) -> list[float]:
    """Return seconds of the import: each an interpreter with it less one without."""
    environment = {**kept_environment(), **peer.environment}

    def run(statement: str) -> float:
        started = time.monotonic()
        command = cores.pin_server([sys.executable, "-c", statement])
        subprocess.run(command, check=True, env=environment)
        return time.monotonic() - started

    run(peer.imports)
    return [run(peer.imports) - run("pass") for _ in range(times)]
