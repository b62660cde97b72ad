"""Measure our MQTT broker against others on this machine, and print a table.

    python bench/mqtt/compare.py [--rows one-qos0,fan-out] [--peers ours,mosquitto] [--seconds 2]
                                 [--rounds 3] [--quick] [--json FILE] [--cores SERVER,LOAD]

The same method as ``http.py``, with ``load/mqtt.c`` for the load: MQTT 5, or 3.1.1 for the brokers
that speak nothing newer. What is counted are deliveries. The load is a closed loop - so many
messages on their way, the next when one has arrived - except in the rows of latency, where it is
a fixed rate.

``bench/README.md`` says what each row sends and how to read the result.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

# The directories of benchmarks hold modules named http and mqtt: others' must win.
sys.path.remove(str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from bench.measure import LoadTools, NotOfferedError, Sample, Server
from bench.mqtt.peers import MQTT_PEERS, Broker
from bench.mqtt.server import MQTTServer
from bench.peers import Peer, known_peers
from bench.suite import Cost, Row, Suite, run

MEMBERS = 1000
PAIRS = 100
RETAINED = 100_000
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
    **options: object,
) -> Row:
    """Return a row of the load generator's *kind* with these *options*."""

    def run_load(tools: LoadTools, server: Server, seconds: int) -> Sample:
        words = command(tools, server, kind, {"seconds": seconds, **options})
        return tools.run_held(server, words)

    def check(tools: LoadTools, server: Server) -> None:
        # Messages are checked while they are measured: the generator ends at the first wrong one.
        lacks = server.peer.lacks if isinstance(server.peer, Broker) else ()
        if any(SUITE.rows[name].label == label for name in lacks):
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
    return load(label, {"mosquitto": 1.0}, latency=True, rate=rate, **each)


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


def beside(mosquitto: float, amqtt: float = 20) -> dict[str, float]:
    """Return goals against these two."""
    return {"mosquitto": mosquitto, "amqtt": amqtt}


SUITE = Suite(
    summary="Measure our MQTT broker against others.",
    unit="deliveries",
    rows={
        "one-qos0": load("1 to 1, QoS 0", beside(2.0), window=1000),
        "one-mixed": load(
            "1 to 1, QoS 0, 64 topics, 64 to 255 B",
            {"mosquitto": 1.3},
            **{"window": 1000, "topics": 64, "spread": 191, "topic": "t/%n", "filter": "t/+"},
        ),
        "one-qos1": load("1 to 1, QoS 1", beside(3.0), window=1000, qos=1),
        "one-qos2": load("1 to 1, QoS 2", beside(4.0), window=1000, qos=2),
        "fan-out": load(
            f"1 to {MEMBERS:,}", beside(5.0), window=10, subscribers=MEMBERS, receivers=MEMBERS
        ),
        "fan-in-100": load("100 to 1", beside(1.3), window=20, publishers=100),
        "fan-in-1000": load("1,000 to 1", beside(1.3), window=4, publishers=1000),
        "pairs-qos0": pairs(f"{PAIRS} pairs, QoS 0", beside(1.3)),
        "pairs-qos1": pairs(f"{PAIRS} pairs, QoS 1", beside(1.7), qos=1),
        "pairs-qos2": pairs(f"{PAIRS} pairs, QoS 2", beside(2.5), qos=2),
        "wildcards": load(
            "10,000 wildcard filters",
            beside(2.5),
            **{"window": 200, "publishers": 10, "topics": 1000, "topic": "site/%n/sensor/t"},
            **{"subscribers": 100, "filters": 100, "filter": "site/%n/+/t"},
        ),
        "shared": load(
            "shared group of 8", {"mosquitto": 2.0}, window=1000, subscribers=8, filter="$share/g/t"
        ),
        "round-trip": load("one message at a time", beside(0.9)),
        "large": load("16 KiB payloads", beside(0.9), window=16, size=16384),
        "connects": load(
            "connect, disconnect; 64 clients", beside(0.7), kind="connects", clients=64
        ),
        "latency-5k": latency(5_000),
        "latency-50k": latency(50_000),
        "retained": load(
            f"{RETAINED:,} retained topics, by wildcard",
            kind="retained",
            **{"topics": RETAINED, "topic": "kept/%n/t", "filter": "kept/+/t"},
        ),
    },
    costs={
        "idle": idle("KiB per idle connection", 8.0, filters=0),
        "idle-subscribed": idle("KiB per idle connection with a subscription", None, filters=1),
        "start": Cost("ms from start to first CONNACK", None, 300.0),
    },
    peers=known_peers(MQTT_PEERS),
    default_peers=("ours", "mosquitto", "aedes", "amqtt"),
    programs=("mqtt",),
    server=MQTTServer,
)

if __name__ == "__main__":
    sys.exit(run(SUITE))
