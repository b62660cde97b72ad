"""Measure our HTTP/1.1 server against others on this machine, and print a table.

    python bench/http.py [--rows plaintext,json] [--peers ours,uvicorn] [--seconds 2] [--rounds 3]
                         [--quick] [--json FILE] [--cores SERVER,LOAD]

One worker each, pinned to one core, the load (wrk, 64 connections) on another; uvloop for everyone
who supports it; no access logs; JSON by the standard library for everyone. Ratios compare requests
per second of the server's *CPU* time: on a machine that others use too, that is what is stable.
Requests per second of wall time stand in a second table. A peer that is not installed is left out
and named.

``bench/README.md`` says what each row sends and how to read the result.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

# The directory of this script holds a module named http: the standard library's must win.
sys.path.remove(str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measure import LOAD, BenchError, LoadTools, Sample, Server, import_seconds
from bench.peers import HTTP_PEERS, Peer, known_peers
from bench.suite import Cost, Row, Suite, run

IDLE_CONNECTIONS = 2000
IMPORTS = 9
CLIENTS = 64
ECHOED = b"0123456789abcdef" * 64
ANSWERS: tuple[tuple[str, str, bytes | None, Callable[[bytes], bool]], ...] = (
    ("GET", "/plaintext", None, lambda got: got == b"Hello, World!"),
    ("GET", "/json", None, lambda got: json.loads(got) == {"message": "Hello, World!"}),
    ("GET", "/users/42", None, lambda got: json.loads(got) == {"id": 42}),
    ("POST", "/echo", ECHOED, lambda got: got == ECHOED),
    ("GET", "/big", None, lambda got: len(got) == 65536),
    ("GET", "/stream", None, lambda got: len(got) == 1000),
)


def check(tools: LoadTools, server: Server) -> None:
    """Make sure that *server* answers as ``apps/payloads.py`` says.

    Raises:
        BenchError: it does not.
    """
    for method, path, content, fits in ANSWERS:
        status, got = server.ask(method, path, content)
        if status != 200 or not fits(got):
            raise BenchError(f"{path} is answered with {status} {got[:60]!r}")


def wrk(
    label: str, path: str, shape: str = "plain", goals: Mapping[str, float] | None = None
) -> Row:
    """Return a row of requests of *shape* over keep-alive connections; see ``requests.lua``."""

    def load(tools: LoadTools, server: Server, seconds: int) -> Sample:
        command = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds}s", "-s", str(LOAD / "requests.lua")]
        return tools.run(server, [*command, server.url(path), "--", shape], seconds=seconds)

    return Row(label, load, check, goals or {})


def load_close(tools: LoadTools, server: Server, seconds: int) -> Sample:
    """Load *server* from clients that use a connection for one request each."""
    command = [tools.programs["connections"], "close", str(server.port), "/plaintext"]
    return tools.run(server, [*command, str(CLIENTS), str(seconds)], seconds=seconds)


def measure_idle(tools: LoadTools, peer: Peer) -> list[float]:
    """Return the KiB of a keep-alive connection that has made one request."""
    command = [tools.programs["connections"], "idle"]
    with Server(peer, tools.cores) as server:
        for _ in range(50):
            server.ask("GET", "/plaintext")
        command += [str(server.port), "/plaintext", str(IDLE_CONNECTIONS)]
        return [tools.idle_bytes(server, command, count=IDLE_CONNECTIONS) / 1024]


def measure_import(tools: LoadTools, peer: Peer) -> list[float]:
    """Return the milliseconds that importing takes, several times."""
    if not peer.imports:
        return []
    return [one * 1000 for one in import_seconds(peer, tools.cores, times=IMPORTS)]


FRAMEWORKS = {"starlette": 2.4, "fastapi": 5.5, "aiohttp": 2.0}
SUITE = Suite(
    summary="Measure our HTTP/1.1 server against others.",
    unit="requests",
    rows={
        "plaintext": wrk(
            "plaintext", "/plaintext", goals={"uvicorn": 1.8, "granian": 1.2, **FRAMEWORKS}
        ),
        "json": wrk("JSON", "/json", goals={"uvicorn": 1.7, "granian": 1.2, **FRAMEWORKS}),
        "path": wrk("path parameter to JSON", "/users/42", goals={"uvicorn": 1.6, "granian": 1.1}),
        "paths": wrk("the same, 20,000 different ids", "/users/42", "users"),
        "echo": wrk("POST 1 KiB echo", "/echo", "post", {"uvicorn": 1.8, "granian": 2.0}),
        "browser": wrk(
            "14 browser fields", "/plaintext", "browser", {"uvicorn": 1.7, "granian": 1.1}
        ),
        "cookies": wrk("the same, 20,000 different cookies", "/plaintext", "cookies"),
        "pipeline": wrk(
            "pipelining, 16 deep", "/plaintext", "pipeline", {"uvicorn": 2.5, "granian": 1.5}
        ),
        "big": wrk("64 KiB body", "/big", goals={"uvicorn": 1.3, "granian": 1.0}),
        "stream": wrk("streamed body, 10 parts", "/stream", goals={"uvicorn": 1.3, "granian": 1.0}),
        "close": Row(
            "one request per connection", load_close, check, {"uvicorn": 1.1, "granian": 0.9}
        ),
    },
    costs={
        "idle": Cost(
            f"KiB per idle keep-alive connection (of {IDLE_CONNECTIONS:,})", measure_idle, 6.0
        ),
        "start": Cost("ms from start to first answer", None, 250.0),
        "import": Cost("ms to import", measure_import, 80.0),
    },
    peers=known_peers(HTTP_PEERS),
    default_peers=(
        *("ours", "uvicorn", "granian", "granian-asgi"),
        *("starlette", "fastapi", "aiohttp", "hypercorn"),
    ),
    tools=("wrk",),
    programs=("connections",),
)

if __name__ == "__main__":
    sys.exit(run(SUITE))
