"""Every server as a person starts it, on a port that nobody else can take."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from tests.environment import clean_environment
from tests.program import Program

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
ENVIRON = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PYTHONWARNINGS": "default"}
TIMEOUT = 20.0


class Servers:
    """One process for each ``application@server``; all end with this.

    Args:
        logs: Where the servers of others write what they say.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running = ExitStack()
        self._ports: dict[str, Callable[[], int]] = {}

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def start(self, direction: str) -> None:
        """Start one of them, without waiting until it answers."""
        app, _, server = direction.partition("@")
        target = f"tests.hosting.apps.{app}:app"
        log = self._logs / f"{direction}.log"
        context = {"blackbull": _ours, "granian": _granian}.get(server)
        if context is None:
            self._ports[direction] = self._running.enter_context(_inheriting(server, target, log))
        else:
            self._ports[direction] = self._running.enter_context(context(target, log))

    def port(self, direction: str) -> int:
        """Return the port of one that was started, as soon as it accepts connections."""
        return self._ports[direction]()

    def log(self, direction: str) -> str:
        """Return what one of them has said, complete once all have ended."""
        return (self._logs / f"{direction}.log").read_text()


@contextlib.contextmanager
def _ours(target: str, log: Path) -> Iterator[Callable[[], int]]:
    arguments = ["-m", "blackbull", target, "--port", "0"]
    with Program(arguments, cwd=ROOT, environ=ENVIRON) as program:
        yield lambda: program.serving()["http"]
    log.write_text("\n".join(program.lines))


@contextlib.contextmanager
def _inheriting(server: str, target: str, log: Path) -> Iterator[Callable[[], int]]:
    """Run a server that is given a listening socket: what connects early waits there."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        if server == "uvicorn":
            arguments = ["--fd", str(sock.fileno()), "--no-access-log", target]
        else:
            arguments = ["--bind", f"fd://{sock.fileno()}", "--graceful-timeout", "1", target]
        with log.open("wb") as output:
            process = _popen(server, arguments, stdout=output, fds=(sock.fileno(),))
    with _stopping(process):
        yield lambda: port


@contextlib.contextmanager
def _granian(target: str, log: Path) -> Iterator[Callable[[], int]]:
    """Run granian on a port that a socket of ours keeps for it, but does not listen on."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        arguments = ["--interface", "asgi", "--port", str(port), target]
        process = _popen("granian", arguments, stdout=subprocess.PIPE)
        listening = threading.Event()
        reader = threading.Thread(target=_copy, args=(process, log, listening))
        reader.start()

        def wait() -> int:
            assert listening.wait(TIMEOUT), log.read_text()
            return port

        with _stopping(process):
            yield wait
        reader.join(TIMEOUT)
        assert process.stdout is not None
        process.stdout.close()


def _copy(process: subprocess.Popen[bytes], log: Path, listening: threading.Event) -> None:
    assert process.stdout is not None
    with log.open("wb", buffering=0) as output:
        for line in process.stdout:
            output.write(line)
            if b"Listening at" in line:
                listening.set()


def _popen(
    server: str, arguments: list[str], *, stdout: IO[bytes] | int, fds: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [BIN / server, *arguments],
        cwd=ROOT,
        env=clean_environment(ENVIRON),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        pass_fds=fds,
    )


@contextlib.contextmanager
def _stopping(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
