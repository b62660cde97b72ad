"""Measure our HTTP/2 server against others on this machine, and print a table.

    python bench/http2.py [--rows plaintext,plaintext-tls] [--peers ours,granian] [--seconds 2]
                          [--rounds 3] [--quick] [--json FILE] [--cores SERVER,LOAD]

The same method as ``http.py``, with h2load for the load: 8 connections, 32 streams on each, one
thread, in cleartext with prior knowledge and with TLS.

``bench/README.md`` says what each row sends and how to read the result.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# The directory of this script holds a module named http: the standard library's must win.
sys.path.remove(str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measure import BenchError, LoadTools, Report, Sample, Server
from bench.peers import HTTP2_PEERS, known_peers
from bench.suite import Row, Suite, run

CONNECTIONS = 8
STREAMS = 32
VARIETY = 20_000
SCATTER = 7919  # coprime to VARIETY: visits them all, neighbours far apart
BROWSER = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
    "accept-language": "en-GB,en;q=0.7,de;q=0.3",
    "accept-encoding": "gzip, deflate, br, zstd",
    "referer": "http://localhost/products/list?page=2&order=price",
    "upgrade-insecure-requests": "1",
    "sec-fetch-dest": "document",
    "sec-fetch-mode": "navigate",
    "sec-fetch-site": "same-origin",
    "sec-fetch-user": "?1",
    "priority": "u=0, i",
    "te": "trailers",
    "cookie": "sid=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b; lang=en; theme=dark",
}
PROTOCOL = re.compile(r"^Application protocol: (\S+)$", re.MULTILINE)
FINISHED = re.compile(r"^finished in ([0-9.]+)(us|ms|s),", re.MULTILINE)
REQUESTS = re.compile(
    r"^requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed,", re.MULTILINE
)
CONTENT = re.compile(r"\((\d+)\) data$", re.MULTILINE)
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
ECHOED = b"0123456789abcdef" * 64
UPLOADED = bytes(range(256)) * 256


def parse(output: str) -> Report:
    """Return what h2load reports.

    Raises:
        BenchError: it did not speak HTTP/2, or its report is not understood.
    """
    protocol = PROTOCOL.search(output)
    finished = FINISHED.search(output)
    requests = REQUESTS.search(output)
    if not (finished and requests):
        raise BenchError(f"h2load reports {output[-300:]!r}")
    if protocol is None or protocol[1] not in ("h2", "h2c"):
        raise BenchError(f"h2load speaks {protocol[1] if protocol else 'nothing'}")
    return Report(
        requests=int(requests[1]),
        seconds=float(finished[1]) * UNITS[finished[2]],
        errors=int(requests[2]),
    )


def data_file(tools: LoadTools, content: bytes) -> str:
    """Return the path of a file that holds *content*."""
    path = tools.directory / f"body-{len(content)}"
    if not path.exists():
        path.write_bytes(content)
    return str(path)


def targets(tools: LoadTools) -> list[str]:
    """Return the options for many different targets, in a scattered order."""
    path = tools.directory / "targets"
    if not path.exists():
        path.write_text(
            "".join(f"/users/{number * SCATTER % VARIETY + 1}\n" for number in range(VARIETY))
        )
    return ["-i", str(path)]


def h2load(
    label: str,
    path: str,
    size: int | None,
    *,
    goals: Mapping[str, float],
    fields: Mapping[str, str] | None = None,
    body: bytes = b"",
    tls: bool = False,
) -> Row:
    """Return a row of requests.

    Args:
        label: What the table calls it.
        path: The target; empty for many different ones.
        size: Bytes of each answer's content.
        goals: See :class:`Row`.
        fields: Of the request, besides h2load's own.
        body: Content of the request, which is a POST then.
        tls: Whether the servers speak TLS.
    """

    def command(tools: LoadTools, server: Server) -> list[str]:
        options = [f"-H{name}: {value}" for name, value in (fields or {}).items()]
        if body:
            options += ["-d", data_file(tools, body)]
        where = [server.url(path)] if path else ["-B", server.url("/"), *targets(tools)]
        return ["h2load", "-t1", *options, *where]

    def check(tools: LoadTools, server: Server) -> None:
        """Ask once with HTTP/1.1, which shows the content, and once with HTTP/2."""
        status, got = server.ask("POST" if body else "GET", path or "/users/1", body or None)
        if status != 200 or (size is not None and len(got) != size):
            raise BenchError(f"{path} is answered with {status} {got[:60]!r}")
        once = [*command(tools, server), "-n1", "-c1", "-m1", "-N5"]
        done = subprocess.run(once, capture_output=True, text=True, check=False, timeout=20)
        content = CONTENT.search(done.stdout)
        if parse(done.stdout).requests != 1 or content is None or int(content[1]) != len(got):
            raise BenchError(f"HTTP/2 does not bring what HTTP/1.1 brings: {done.stdout[-400:]}")

    def load(tools: LoadTools, server: Server, seconds: int) -> Sample:
        shape = [*command(tools, server), f"-c{CONNECTIONS}", f"-m{STREAMS}"]
        sample = tools.run(server, [*shape, f"-D{seconds}"], seconds=seconds, parse=parse)
        most = server.peer.requests_per_connection * CONNECTIONS
        if sample.errors and most:
            # h2load does not connect again: a shorter slice, then.
            sample = tools.run(server, [*shape, f"-n{most}"], seconds=seconds, parse=parse)
        return sample

    return Row(f"{label}{', TLS' * tls}", load, check, goals, tls)


GOALS = {"granian": 1.2, "uvicorn": 2.5, "hypercorn": 25.0}


def rows(*, tls: bool) -> dict[str, Row]:
    """Return the rows in cleartext or with TLS, by name."""
    made = {
        "plaintext": h2load("plaintext", "/plaintext", 13, goals=GOALS, tls=tls),
        "json": h2load("JSON", "/json", None, goals=GOALS, tls=tls),
        "paths": h2load("20,000 paths to JSON", "", None, goals=GOALS, tls=tls),
        "browser": h2load(
            "13 browser fields", "/plaintext", 13, goals=GOALS, fields=BROWSER, tls=tls
        ),
        "echo": h2load("POST 1 KiB echo", "/echo", 1024, goals=GOALS, body=ECHOED, tls=tls),
        "big": h2load("64 KiB body", "/big", 65536, goals=GOALS, tls=tls),
        "upload": h2load("upload of 64 KiB", "/upload", 5, goals=GOALS, body=UPLOADED, tls=tls),
    }
    return {f"{name}{'-tls' * tls}": row for name, row in made.items()}


SUITE = Suite(
    summary="Measure our HTTP/2 server against others.",
    unit="requests",
    rows={**rows(tls=False), **rows(tls=True)},
    costs={},
    peers=known_peers(HTTP2_PEERS),
    default_peers=("ours", "granian", "uvicorn", "hypercorn"),
    tools=("h2load", "openssl"),
)

if __name__ == "__main__":
    sys.exit(run(SUITE))
