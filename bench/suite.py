"""What every benchmark does: take turns, round after round, and print what came of it.

A benchmark is a :class:`Suite` of rows and costs; :func:`run` measures it. In every round all
servers start anew and take turns row by row, so that a slow minute of the machine hits all of them.
Ratios are medians of the ratios of the rounds.
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

from bench.measure import (
    BenchError,
    Cores,
    LoadTools,
    NotOfferedError,
    Sample,
    Server,
    load_tools,
)
from bench.peers import Peer

LOAD_SATURATED = 0.97
SERVER_UNSATURATED = 0.9
START = "start"
PACKAGES = {
    "cc": "gcc libc6-dev",
    "h2load": "nghttp2-client",
    "openssl": "openssl",
    "taskset": "util-linux",
    "wrk": "wrk",
}


@dataclass(frozen=True)
class Row:
    """One kind of load.

    Attributes:
        label: What the table calls it.
        load: Loads a server for so many seconds.
        check: Raises BenchError if the server does not do what the row measures; asked once.
        goals: Least ratio wanted of ours to a peer, by the peer's name; with *latency* the largest.
        tls: Whether the servers speak TLS.
        latency: Whether the load is fixed, and the 99th percentile of the latency is what counts.
    """

    label: str
    load: Callable[[LoadTools, Server, int], Sample]
    check: Callable[[LoadTools, Server], None]
    goals: Mapping[str, float] = field(default_factory=dict)
    tls: bool = False
    latency: bool = False


@dataclass(frozen=True)
class Cost:
    """Something that has its price once.

    Attributes:
        label: What the table calls it.
        measure: Returns readings; None for the time to the first answer, which every round takes.
        goal: The most that ours should cost, or None.
    """

    label: str
    measure: Callable[[LoadTools, Peer], list[float]] | None
    goal: float | None = None


@dataclass(frozen=True)
class Suite:
    """One benchmark.

    Attributes:
        summary: What it does, in one line.
        unit: What is counted: requests, messages.
        rows: By the name that ``--rows`` takes.
        costs: The same.
        peers: By the name that ``--peers`` takes.
        default_peers: Those that are measured unless told otherwise.
        tools: The programs it needs besides ``cc`` and ``taskset``.
        programs: The load generators it needs, names of files in ``load/``.
        legend: What else the reader of the tables should know.
        server: How a server is started and asked whether it answers.
    """

    summary: str
    unit: str
    rows: Mapping[str, Row]
    costs: Mapping[str, Cost]
    peers: Mapping[str, Peer]
    default_peers: tuple[str, ...]
    tools: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    legend: str = ""
    server: type[Server] = Server


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
            progress(f"! {problem}")


def progress(text: str) -> None:
    """Say on stderr how far we are."""
    print(text, file=sys.stderr, flush=True)


# ---------------------------------------------------------------------------- measuring


def measure_round(
    peers: Iterable[Peer],
    rows: Mapping[str, Row],
    tools: LoadTools,
    *,
    seconds: int,
    results: Results,
    kind: type[Server] = Server,
) -> None:
    """Start all servers, let them take turns row by row, and stop them."""
    with ExitStack() as running:
        tls = any(row.tls for row in rows.values())
        servers = {}
        for peer in peers:
            try:
                server = running.enter_context(
                    kind(peer, tools.cores, tools.certificate if tls else None)
                )
            except BenchError as error:
                results.note(str(error))
                continue
            servers[peer.name] = server
            if not tls:
                results.costs[START][peer.name].append(server.first_answer * 1000)
        able = {name: willing(servers, row, tools, results) for name, row in rows.items()}
        for name, row in rows.items():
            for peer_name in able[name]:
                server = servers[peer_name]
                try:
                    sample = row.load(tools, server, seconds)
                except BenchError as error:
                    results.note(f"{row.label}, {server.peer.label}: {error}")
                    continue
                results.samples[name][peer_name].append(sample)
                told = f", 99 % within {sample.p99_ms:.2f} ms" if row.latency else ""
                progress(f"{row.label}, {server.peer.label}: {sample.rate:,.0f}/s, "
                         f"{sample.cpu_rate:,.0f} per CPU second{told}")  # fmt: skip


def willing(
    servers: Mapping[str, Server], row: Row, tools: LoadTools, results: Results
) -> list[str]:
    """Return the names of the *servers* that do what *row* measures."""
    names = []
    for name, server in servers.items():
        try:
            row.check(tools, server)
        except NotOfferedError as error:
            progress(f"{row.label}, {server.peer.label}: not offered: {error}")
        except (BenchError, OSError) as error:
            results.note(f"{row.label}, {server.peer.label}: {error}")
        else:
            names.append(name)
    return names


def measure_costs(
    peers: Iterable[Peer], costs: Mapping[str, Cost], tools: LoadTools, results: Results
) -> None:
    """Measure what has its price once."""
    for name, cost in costs.items():
        for peer in peers:
            if cost.measure is None:
                continue
            try:
                values = cost.measure(tools, peer)
            except NotOfferedError as error:
                progress(f"{cost.label}, {peer.label}: not offered: {error}")
            except BenchError as error:
                results.note(f"{cost.label}, {peer.label}: {error}")
            else:
                results.costs[name][peer.name].extend(values)
                if values:
                    progress(f"{cost.label}, {peer.label}: {statistics.median(values):.1f}")


# ---------------------------------------------------------------------------- telling


def markdown(header: list[str], lines: list[list[str]]) -> str:
    """Return a table, the first column flush left."""
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, rule, *lines))


def thousands(rate: float) -> str:
    """Return *rate* in thousands, with three significant figures."""
    k = rate / 1000
    return f"{k:,.0f}k" if k >= 100 else f"{k:.1f}k" if k >= 10 else f"{k:.2f}k"


def by_cpu(sample: Sample) -> float:
    """Return what was answered per CPU second."""
    return sample.cpu_rate


def by_wall(sample: Sample) -> float:
    """Return what was answered per second."""
    return sample.rate


def by_latency(sample: Sample) -> float:
    """Return the 99th percentile of the latency in milliseconds."""
    return sample.p99_ms or 0.0


def ratio(
    results: Results, row: str, peer: str, of: Callable[[Sample], float] = by_cpu
) -> float | None:
    """Return the median over the rounds of ours divided by *peer*; None without both."""
    pairs = zip(results.samples[row]["ours"], results.samples[row][peer], strict=False)
    ratios = [of(ours) / of(other) for ours, other in pairs if of(other)]
    return statistics.median(ratios) if ratios else None


def verdict(got: float, goal: float, *, most: bool = False) -> str:
    """Return whether *got* is at least, or with *most* at most, *goal*."""
    if got <= goal if most else got >= goal:
        return "met"
    missed = got / goal - 1 if most else 1 - got / goal
    return f"missed by {missed * 100:.0f} %"


def rate_table(suite: Suite, results: Results, peers: list[Peer], *, wall: bool) -> str:
    """Return the table of what was answered per second of wall or of CPU time."""
    lines = []
    for name, by_peer in results.samples.items():
        if wall and suite.rows[name].latency:
            continue
        line = [suite.rows[name].label]
        for peer in peers:
            samples = by_peer[peer.name]
            if not samples:
                line.append("-")
                continue
            rate = statistics.median(s.rate if wall else s.cpu_rate for s in samples)
            marks = (
                "!" * any(s.errors for s in samples)
                + "u" * any(s.compressed is not None and s.compressed < 0.5 for s in samples)
                + "*" * (wall and any(s.load_cpu > LOAD_SATURATED for s in samples))
                + "~" * (wall and any(s.server_cpu < SERVER_UNSATURATED for s in samples))
            )
            line.append(thousands(rate) + marks)
        lines.append(line)
    unit = "per second" if wall else "per CPU second"
    return markdown([f"{suite.unit} {unit}", *(peer.label for peer in peers)], lines)


def latency_table(suite: Suite, results: Results, peers: list[Peer]) -> str:
    """Return the table of the 99th percentiles of the latency; empty if none was measured."""
    lines = []
    for name, by_peer in results.samples.items():
        if not suite.rows[name].latency:
            continue
        line = [suite.rows[name].label]
        for peer in peers:
            samples = by_peer[peer.name]
            got = f"{statistics.median(map(by_latency, samples)):.2f}" if samples else "-"
            line.append(got + "!" * any(sample.errors for sample in samples))
        lines.append(line)
    header = ["ms within which 99 % are there", *(peer.label for peer in peers)]
    return markdown(header, lines) if lines else ""


def ratio_table(suite: Suite, results: Results, peers: list[Peer]) -> str:
    """Return the table of ours divided by each peer, by CPU time; empty without both."""
    others = [peer for peer in peers if peer.name != "ours"]
    lines = []
    for name in results.samples:
        ratios = [ratio(results, name, peer.name) for peer in others]
        if any(ratios):
            cells = ["-" if got is None else f"{got:.2f}x" for got in ratios]
            lines.append([suite.rows[name].label, *cells])
    if not lines:
        return ""
    return markdown(["ours against, by CPU", *(peer.label for peer in others)], lines)


def goal_table(suite: Suite, results: Results) -> str:
    """Return the table of goals, ratios and whether each was met; empty if none was measured."""
    lines = []
    measured_ours = any(by_peer["ours"] for by_peer in results.samples.values())
    for name, row in suite.rows.items():
        for peer, goal in row.goals.items():
            got = ratio(results, name, peer, by_latency if row.latency else by_cpu)
            wall = ratio(results, name, peer, by_wall)
            label = suite.peers[peer].label
            if got is not None and row.latency:
                cells = [f"<= {goal:g}x", "-", f"{got:.2f}x", verdict(got, goal, most=True)]
                lines.append([row.label, label, *cells])
            elif got is not None and wall is not None:
                cells = [f"{goal:g}x", f"{got:.2f}x", f"{wall:.2f}x", verdict(got, goal)]
                lines.append([row.label, label, *cells])
            elif measured_ours and results.samples[name][peer]:
                lines.append([row.label, label, f"{goal:g}x", "-", "-", "missed: ours fails"])
    for name, cost in suite.costs.items():
        values = results.costs[name]["ours"]
        if values and cost.goal is not None:
            got = statistics.median(values)
            cells = [f"<= {cost.goal:g}", f"{got:.1f}", "-", verdict(got, cost.goal, most=True)]
            lines.append([cost.label, "-", *cells])
    if not lines:
        return ""
    return markdown(["row", "ours against", "goal", "by CPU", "by wall", "verdict"], lines)


def cost_table(suite: Suite, results: Results, peers: list[Peer]) -> str:
    """Return the table of what has its price once; empty if none was measured."""
    lines = []
    for name, cost in suite.costs.items():
        by_peer = results.costs[name]
        if any(by_peer.values()):
            cells = [
                f"{statistics.median(by_peer[peer.name]):.1f}" if by_peer[peer.name] else "-"
                for peer in peers
            ]
            lines.append([cost.label, *cells])
    return markdown(["cost", *(peer.label for peer in peers)], lines) if lines else ""


def machine() -> str:
    """Return one line about the interpreter and the processor."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, {platform.system()} {platform.release()}, {model}, {os.cpu_count()} cores"


def report(suite: Suite, results: Results, peers: list[Peer], arguments: argparse.Namespace) -> str:
    """Return the whole result in Markdown."""
    parts = [
        f"{machine()}; {arguments.rounds} rounds of {arguments.seconds} s",
        "\n".join(f"- {peer.label}: {peer.versions()}" for peer in peers if peer.packages),
    ]
    if results.samples:
        parts += [
            rate_table(suite, results, peers, wall=False),
            rate_table(suite, results, peers, wall=True),
            "`*` the load generator was the bottleneck; `~` the server had less than 90 % of its "
            f"core (machine busy, or the load was the limit); `!` some {suite.unit} failed; "
            "`-` not offered, or it did not work." + suite.legend,
        ]
    parts += [
        latency_table(suite, results, peers),
        ratio_table(suite, results, peers),
        cost_table(suite, results, peers),
        goal_table(suite, results),
    ]
    if results.problems:
        parts.append("Problems:\n" + "\n".join(f"- {problem}" for problem in results.problems))
    return "\n\n".join(part for part in parts if part)


def as_json(
    suite: Suite, results: Results, peers: list[Peer], arguments: argparse.Namespace
) -> str:
    """Return everything that was measured, sample by sample."""
    return json.dumps(
        {
            "benchmark": suite.summary,
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


# ---------------------------------------------------------------------------- the command line


def parse_arguments(suite: Suite) -> argparse.Namespace:
    """Return the options of the command line, with ``rows`` and ``peers`` as lists of names."""
    names = [*suite.rows, *suite.costs]
    defaults = [*suite.default_peers, *(name for name in ("limit",) if name in suite.peers)]
    parser = argparse.ArgumentParser(
        description=suite.summary,
        epilog=f"rows: {', '.join(names)}; peers: {', '.join(suite.peers)}",
    )
    parser.add_argument("--rows", default=",".join(names), help="comma-separated")
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
    arguments.rows = arguments.rows.split(",")
    arguments.peers = arguments.peers.split(",")
    for kind, given, known in (
        ("row", arguments.rows, names),
        ("peer", arguments.peers, suite.peers),
    ):
        for name in given:
            if name not in known:
                parser.error(f"no such {kind}: {name!r} (there are {', '.join(sorted(known))})")
    server, _, load = arguments.cores.partition(",")
    if not (server.isdigit() and load.isdigit()):
        parser.error("--cores takes two numbers, such as 0,1")
    arguments.cores = Cores(int(server), int(load))
    return arguments


def run(suite: Suite) -> int:
    """Measure *suite*, print the tables, and return the exit status: 1 if something did not run."""
    arguments = parse_arguments(suite)
    missing = [tool for tool in ("cc", "taskset", *suite.tools) if shutil.which(tool) is None]
    if missing:
        packages = " ".join(PACKAGES[tool] for tool in missing)
        progress(f"missing: {', '.join(missing)}; apt-get install {packages}")
        return 1
    results = Results()
    peers = []
    for name in arguments.peers:
        peer = suite.peers[name]
        if cure := peer.unavailable():
            progress(f"{peer.label} is left out: {cure}")
        else:
            peers.append(peer)
    rows = {name: suite.rows[name] for name in arguments.rows if name in suite.rows}
    costs = {name: suite.costs[name] for name in arguments.rows if name in suite.costs}
    # Servers with and without TLS are others: they take their turns after each other.
    kinds = [
        {name: row for name, row in rows.items() if row.tls is tls}
        for tls in (False, True)
        if any(row.tls is tls for row in rows.values()) or (START in costs and not tls)
    ]
    tls = any(row.tls for row in rows.values())
    os.sched_setaffinity(0, {arguments.cores.load})
    with load_tools(arguments.cores, suite.programs, spin=arguments.spin, tls=tls) as tools:
        for number in range(arguments.rounds if kinds else 0):
            progress(f"round {number + 1} of {arguments.rounds}")
            for kind in kinds:
                measure_round(
                    peers, kind, tools, seconds=arguments.seconds, results=results,
                    kind=suite.server,
                )  # fmt: skip
        measure_costs(peers, costs, tools, results)
    if START not in costs:
        results.costs.pop(START, None)
    print(report(suite, results, peers, arguments))
    if arguments.json:
        arguments.json.write_text(as_json(suite, results, peers, arguments) + "\n")
    return 1 if results.problems else 0
