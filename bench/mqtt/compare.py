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
from pathlib import Path

# The directories of benchmarks hold modules named http and mqtt: others' must win.
sys.path.remove(str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from bench.mqtt.peers import MQTT_PEERS
from bench.mqtt.rows import PAIRS, idle, latency, load, pairs
from bench.mqtt.server import MQTTServer
from bench.peers import known_peers
from bench.suite import Cost, Suite, run

MEMBERS = 1000
RETAINED = 100_000


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
        "one-qos1": load(
            "1 to 1, QoS 1, 60 in flight", beside(3.0), window=1000, qos=1, in_flight=60
        ),
        "one-qos2": load(
            "1 to 1, QoS 2, 60 in flight", beside(4.0), window=1000, qos=2, in_flight=60
        ),
        "one-qos1-20": load("1 to 1, QoS 1, 20 in flight", beside(3.0), window=1000, qos=1),
        "one-qos2-20": load("1 to 1, QoS 2, 20 in flight", beside(4.0), window=1000, qos=2),
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
            "shared group of 8",
            {"mosquitto": 2.0},
            needs="shared subscriptions",
            window=1000,
            subscribers=8,
            filter="$share/g/t",
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
            needs="RETAIN",
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
