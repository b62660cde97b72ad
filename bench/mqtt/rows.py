"""Rows and costs of the MQTT benchmarks: what the load generator is told."""

from __future__ import annotations

from collections.abc import Mapping

from bench.measure import LoadTools, NotOfferedError, Sample, Server
from bench.mqtt.peers import Broker
from bench.mqtt.server import MQTTServer
from bench.peers import Peer
from bench.suite import Cost, Row

PAIRS = 100
IDLE_CONNECTIONS = 2000


def command(
    tools: LoadTools, server: Server, kind: str, options: Mapping[str, object]
) -> list[str]:
    """Return the command of the load generator."""
    level = server.level if isinstance(server, MQTTServer) else 5
    words = [f"{name}={value}" for name, value in {"level": level, **options}.items()]
    return [tools.programs["mqtt"], kind, str(server.port), *words]


def load(
    label: str,
    goals: Mapping[str, float] | None = None,
    *,
    kind: str = "messages",
    latency: bool = False,
    needs: str = "",
    **options: object,
) -> Row:
    """Return a row of the load generator's *kind* with these *options*.

    Args:
        label: What the tables call it.
        goals: Ratios wanted, by peer.
        kind: What the load generator does.
        latency: The load is fixed; the latency counts.
        needs: What a broker may be said to lack; see ``peers.py``.
        options: Of the load generator.
    """

    def run_load(tools: LoadTools, server: Server, seconds: int) -> Sample:
        words = command(tools, server, kind, {"seconds": seconds, **options})
        return tools.run_held(server, words)

    def check(tools: LoadTools, server: Server) -> None:
        # Messages are checked while they are measured: the generator ends at the first wrong one.
        lacks = server.peer.lacks if isinstance(server.peer, Broker) else ()
        if needs in lacks:
            raise NotOfferedError("see bench/mqtt/peers.py")

    return Row(label, run_load, check, goals or {}, latency=latency)


def pairs(label: str, goals: Mapping[str, float], **options: object) -> Row:
    """Return a row of publishers that each have a subscriber of their own."""
    each = {"publishers": PAIRS, "subscribers": PAIRS, "topic": "pair/%c", "filter": "pair/%c"}
    return load(label, goals, **{**each, "window": 20, **options})


def latency(rate: int) -> Row:
    """Return a row of *rate* messages per second from 100 publishers to 100 subscribers."""
    each = {"publishers": PAIRS, "subscribers": PAIRS, "topic": "pair/%c", "filter": "pair/%c"}
    label = f"p99 latency at {rate:,} messages/s, {PAIRS} pairs"
    needs = f"{rate} messages/s"
    return load(label, {"mosquitto": 1.0}, latency=True, needs=needs, rate=rate, **each)


def idle(label: str, goal: float | None, *, filters: int) -> Cost:
    """Return the cost of a connection that is silent."""

    def measure(tools: LoadTools, peer: Peer) -> list[float]:
        with MQTTServer(peer, tools.cores) as server:
            for _ in range(50):
                server.probe()
            options = {"clients": IDLE_CONNECTIONS, "filters": filters, "filter": "idle/%c"}
            words = command(tools, server, "idle", options)
            return [tools.idle_bytes(server, words, count=IDLE_CONNECTIONS) / 1024]

    return Cost(f"{label} (of {IDLE_CONNECTIONS:,})", measure, goal)
