"""Measure our HTTP/1.1 server against others on this machine, and print a table.

    python bench/http.py [--rows plaintext,json] [--peers ours,uvicorn] [--seconds 2] [--rounds 3]
                         [--quick] [--json FILE] [--cores SERVER,LOAD]

One worker each, pinned to one core, the load (wrk, 64 connections) on another; uvloop for everyone
who supports it; no access logs; JSON by the standard library for everyone. In every round all
servers start anew and take turns row by row, so that a slow minute of the machine hits all of
them. Ratios are medians of the ratios of the rounds, and compare requests per second of the
server's *CPU* time: on a machine that others use too, that is what is stable. Requests per second
of wall time stand in a second table. A peer that is not installed is left out and named.

``bench/README.md`` says what each row sends and how to read the result.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

# The directory of this script holds a module named http: the standard library's must win.
sys.path.remove(str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measure import (
    BenchError,
    Cores,
    LoadTools,
    Sample,
    Server,
    import_seconds,
    load_tools,
)
from bench.peers import Peer, known_peers

IDLE_CONNECTIONS = 2000
IMPORTS = 9
LOAD_SATURATED = 0.97
SERVER_UNSATURATED = 0.9
DEFAULT_PEERS = (
    *("ours", "uvicorn", "granian", "granian-asgi"),
    *("starlette", "fastapi", "aiohttp", "hypercorn"),
)


@dataclass(frozen=True)
class Row:
    """One kind of load.

    Attributes:
        label: What the table calls it.
        path: The request target.
        shape: The shape of ``load/requests.lua``; empty for a connection per request.
        goals: Least ratio wanted of ours to a peer, by the peer's name.
    """

    label: str
    path: str
    shape: str
    goals: Mapping[str, float] = field(default_factory=dict)


FRAMEWORKS = {"starlette": 2.4, "fastapi": 5.5, "aiohttp": 2.0}
ROWS = {
    "plaintext": Row(
        "plaintext", "/plaintext", "plain", {"uvicorn": 1.8, "granian": 1.2, **FRAMEWORKS}
    ),
    "json": Row("JSON", "/json", "plain", {"uvicorn": 1.7, "granian": 1.2, **FRAMEWORKS}),
    "path": Row("path parameter to JSON", "/users/42", "plain", {"uvicorn": 1.6, "granian": 1.1}),
    "paths": Row("the same, 20,000 different ids", "/users/42", "users"),
    "echo": Row("POST 1 KiB echo", "/echo", "post", {"uvicorn": 1.8, "granian": 2.0}),
    "browser": Row("14 browser fields", "/plaintext", "browser", {"uvicorn": 1.7, "granian": 1.1}),
    "cookies": Row("the same, 20,000 different cookies", "/plaintext", "cookies"),
    "pipeline": Row(
        "pipelining, 16 deep", "/plaintext", "pipeline", {"uvicorn": 2.5, "granian": 1.5}
    ),
    "big": Row("64 KiB body", "/big", "plain", {"uvicorn": 1.3, "granian": 1.0}),
    "stream": Row("streamed body, 10 parts", "/stream", "plain", {"uvicorn": 1.3, "granian": 1.0}),
    "close": Row("one request per connection", "/plaintext", "", {"uvicorn": 1.1, "granian": 0.9}),
}
COSTS = ("idle", "start", "import")
COST_LABELS = {
    "idle": f"KiB per idle keep-alive connection (of {IDLE_CONNECTIONS:,})",
    "start": "ms from start to first answer",
    "import": "ms to import",
}
COST_GOALS = {"idle": 6.0, "start": 250.0, "import": 80.0}


@dataclass
class Results:
    """What was measured: samples by row and peer, costs by kind and peer, and what went wrong."""

    samples: dict[str, dict[str, list[Sample]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    costs: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    problems: list[str] = field(default_factory=list)

    def note(self, problem: str) -> None:
        """Record *problem*, once."""
        if problem not in self.problems:
            self.problems.append(problem)
            print(f"! {problem}", file=sys.stderr)


def verify(server: Server) -> None:
    """Make sure that *server* answers every row as ``apps/payloads.py`` says.

    Raises:
        BenchError: it does not.
    """
    body = b"0123456789abcdef" * 64
    cases: list[tuple[str, str, bytes | None, Callable[[bytes], bool]]] = [
        ("GET", "/plaintext", None, lambda got: got == b"Hello, World!"),
        ("GET", "/json", None, lambda got: json.loads(got) == {"message": "Hello, World!"}),
        ("GET", "/users/42", None, lambda got: json.loads(got) == {"id": 42}),
        ("POST", "/echo", body, lambda got: got == body),
        ("GET", "/big", None, lambda got: len(got) == 65536),
        ("GET", "/stream", None, lambda got: len(got) == 1000),
    ]
    for method, path, content, fits in cases:
        status, got = server.ask(method, path, content)
        if status != 200 or not fits(got):
            raise BenchError(f"{server.peer.label} answers {path} with {status} {got[:60]!r}")


def measure_round(
    peers: Iterable[Peer], rows: Iterable[str], tools: LoadTools, seconds: int, results: Results
) -> None:
    """Start all servers, let them take turns row by row, and stop them."""
    with ExitStack() as running:
        servers = {}
        for peer in peers:
            try:
                server = running.enter_context(Server(peer, tools.cores))
                verify(server)
            except BenchError as error:
                results.note(str(error))
                continue
            servers[peer.name] = server
            results.costs["start"][peer.name].append(server.first_answer * 1000)
        for name in rows:
            row = ROWS[name]
            for peer_name, server in servers.items():
                try:
                    if row.shape:
                        sample = tools.run_wrk(server, row.path, row.shape, seconds=seconds)
                    else:
                        sample = tools.run_close(server, row.path, seconds=seconds)
                except BenchError as error:
                    results.note(f"{row.label}, {server.peer.label}: {error}")
                    continue
                results.samples[name][peer_name].append(sample)
                progress(f"{row.label}, {server.peer.label}: {sample.rate:,.0f}/s, "
                         f"{sample.cpu_rate:,.0f} per CPU second")  # fmt: skip


def measure_costs(
    peers: Iterable[Peer], kinds: Iterable[str], tools: LoadTools, results: Results
) -> None:
    """Measure memory per idle connection and the time to import."""
    for peer in peers:
        if "idle" in kinds:
            try:
                with Server(peer, tools.cores) as server:
                    grown = tools.idle_bytes(server, count=IDLE_CONNECTIONS)
                results.costs["idle"][peer.name].append(grown / 1024)
            except BenchError as error:
                results.note(f"idle connections: {error}")
        if "import" in kinds and peer.imports:
            taken = import_seconds(peer, tools.cores, times=IMPORTS)
            results.costs["import"][peer.name].extend(one * 1000 for one in taken)


def progress(text: str) -> None:
    """Say on stderr how far we are."""
    print(text, file=sys.stderr, flush=True)


def markdown(header: list[str], lines: list[list[str]]) -> str:
    """Return a table, the first column flush left."""
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, rule, *lines))


def thousands(rate: float) -> str:
    """Return *rate* in thousands, with three significant figures."""
    k = rate / 1000
    return f"{k:.0f}k" if k >= 100 else f"{k:.1f}k" if k >= 10 else f"{k:.2f}k"


def ratio(results: Results, row: str, peer: str, *, wall: bool = False) -> float | None:
    """Return the median over the rounds of ours divided by *peer*; None without both."""
    pairs = zip(results.samples[row]["ours"], results.samples[row][peer], strict=False)
    ratios = [
        ours.rate / other.rate if wall else ours.cpu_rate / other.cpu_rate
        for ours, other in pairs
        if other.rate and other.cpu_rate
    ]
    return statistics.median(ratios) if ratios else None


def rate_table(results: Results, peers: list[Peer], *, wall: bool) -> str:
    """Return the table of requests per second of wall or of CPU time."""
    lines = []
    for name, by_peer in results.samples.items():
        line = [ROWS[name].label]
        for peer in peers:
            samples = by_peer[peer.name]
            if not samples:
                line.append("-")
                continue
            rate = statistics.median(s.rate if wall else s.cpu_rate for s in samples)
            marks = (
                "!" * any(s.errors for s in samples)
                + "*" * (wall and any(s.load_cpu > LOAD_SATURATED for s in samples))
                + "~" * (wall and any(s.server_cpu < SERVER_UNSATURATED for s in samples))
            )
            line.append(thousands(rate) + marks)
        lines.append(line)
    unit = "per second" if wall else "per CPU second"
    return markdown([f"requests {unit}", *(peer.label for peer in peers)], lines)


def goal_table(results: Results, peers: Mapping[str, Peer]) -> str:
    """Return the table of goals, ratios and whether each was met."""
    lines = []
    for name, row in ROWS.items():
        for peer, goal in row.goals.items():
            got = ratio(results, name, peer)
            wall = ratio(results, name, peer, wall=True)
            if got is None or wall is None:
                continue
            verdict = "met" if got >= goal else f"missed by {(1 - got / goal) * 100:.0f} %"
            lines.append(
                [row.label, peers[peer].label, f"{goal:g}x", f"{got:.2f}x", f"{wall:.2f}x", verdict]
            )
        against_limit = ratio(results, name, "limit")
        if against_limit is not None:
            lines.append([row.label, "reference", "-", f"{against_limit:.2f}x", "-", "-"])
    for kind, goal in COST_GOALS.items():
        values = results.costs[kind]["ours"]
        if values:
            got = statistics.median(values)
            verdict = "met" if got <= goal else f"missed by {(got / goal - 1) * 100:.0f} %"
            lines.append([COST_LABELS[kind], "-", f"<= {goal:g}", f"{got:.1f}", "-", verdict])
    return markdown(["row", "ours against", "goal", "by CPU", "by wall", "verdict"], lines)


def cost_table(results: Results, peers: list[Peer]) -> str:
    """Return the table of memory and start-up times."""
    lines = []
    for kind in COSTS:
        by_peer = results.costs[kind]
        if any(by_peer.values()):
            cells = [
                f"{statistics.median(by_peer[peer.name]):.1f}" if by_peer[peer.name] else "-"
                for peer in peers
            ]
            lines.append([COST_LABELS[kind], *cells])
    return markdown(["cost", *(peer.label for peer in peers)], lines)


def machine() -> str:
    """Return one line about the interpreter and the processor."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, {platform.system()} {platform.release()}, {model}, {os.cpu_count()} cores"


def report(results: Results, peers: list[Peer], arguments: argparse.Namespace) -> str:
    """Return the whole result in Markdown."""
    parts = [
        f"{machine()}; {arguments.rounds} rounds of {arguments.seconds} s",
        "\n".join(f"- {peer.label}: {peer.versions()}" for peer in peers if peer.packages),
    ]
    if results.samples:
        parts += [
            rate_table(results, peers, wall=False),
            rate_table(results, peers, wall=True),
            "`*` the load generator was the bottleneck; `~` the server had less than 90 % of its "
            "core (machine busy, or the load was the limit); `!` some requests failed.",
        ]
    if any(results.costs.values()):
        parts.append(cost_table(results, peers))
    goals = goal_table(results, {peer.name: peer for peer in peers})
    if goals.count("\n") > 1:
        parts.append(goals)
    if results.problems:
        parts.append("Problems:\n" + "\n".join(f"- {problem}" for problem in results.problems))
    return "\n\n".join(parts)


def as_json(results: Results, peers: list[Peer], arguments: argparse.Namespace) -> str:
    """Return everything that was measured, sample by sample."""
    return json.dumps(
        {
            "machine": machine(),
            "seconds": arguments.seconds,
            "rounds": arguments.rounds,
            "peers": {peer.name: peer.versions() for peer in peers},
            "samples": {
                row: {peer: [asdict(sample) for sample in samples] for peer, samples in by.items()}
                for row, by in results.samples.items()
            },
            "costs": results.costs,
            "ratios": {
                row: {peer.name: ratio(results, row, peer.name) for peer in peers}
                for row in results.samples
            },
            "problems": results.problems,
        },
        indent=1,
    )


def parse_arguments(known: Mapping[str, Peer]) -> argparse.Namespace:
    """Return the options of the command line, with ``rows``, ``costs`` and ``peers`` as lists."""
    defaults = [*DEFAULT_PEERS, *(name for name in ("limit",) if name in known)]
    parser = argparse.ArgumentParser(
        description="Measure our HTTP/1.1 server against others.",
        epilog=f"rows: {', '.join((*ROWS, *COSTS))}; peers: {', '.join(known)}",
    )
    parser.add_argument("--rows", default=",".join((*ROWS, *COSTS)), help="comma-separated")
    parser.add_argument("--peers", default=",".join(defaults), help="comma-separated")
    parser.add_argument("--seconds", type=int, default=2, help="length of one slice of load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round of one second")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument("--spin", action="store_true", help="load that polls, and never sleeps")
    parser.add_argument("--cores", default="0,1", metavar="SERVER,LOAD", help="default: 0,1")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seconds = arguments.rounds = 1
    rows = arguments.rows.split(",")
    arguments.peers = arguments.peers.split(",")
    for kind, names, allowed in (
        ("row", rows, {*ROWS, *COSTS}),
        ("peer", arguments.peers, {*known}),
    ):
        for name in names:
            if name not in allowed:
                parser.error(f"no such {kind}: {name!r} (there are {', '.join(sorted(allowed))})")
    arguments.rows = [name for name in rows if name in ROWS]
    arguments.costs = [name for name in rows if name in COSTS]
    server, _, load = arguments.cores.partition(",")
    if not (server.isdigit() and load.isdigit()):
        parser.error("--cores takes two numbers, such as 0,1")
    arguments.cores = Cores(int(server), int(load))
    return arguments


def main() -> int:
    """Measure, print the tables, and return the exit status: 1 if something did not run."""
    known = known_peers()
    arguments = parse_arguments(known)
    tools_missing = [tool for tool in ("wrk", "cc", "taskset") if shutil.which(tool) is None]
    if tools_missing:
        print(
            f"missing: {', '.join(tools_missing)}; apt-get install wrk gcc libc6-dev util-linux",
            file=sys.stderr,
        )
        return 1
    results = Results()
    peers = []
    for name in arguments.peers:
        peer = known[name]
        if peer.missing():
            progress(f"{peer.label} is left out: pip install {' '.join(peer.missing())}")
        else:
            peers.append(peer)
    needs_rounds = bool(arguments.rows) or "start" in arguments.costs
    os.sched_setaffinity(0, {arguments.cores.load})
    with load_tools(arguments.cores, spin=arguments.spin) as tools:
        for number in range(arguments.rounds if needs_rounds else 0):
            progress(f"round {number + 1} of {arguments.rounds}")
            measure_round(peers, arguments.rows, tools, arguments.seconds, results)
        measure_costs(peers, arguments.costs, tools, results)
    if "start" not in arguments.costs:
        results.costs.pop("start", None)
    print(report(results, peers, arguments))
    if arguments.json:
        arguments.json.write_text(as_json(results, peers, arguments) + "\n")
    return 1 if results.problems else 0


if __name__ == "__main__":
    sys.exit(main())
