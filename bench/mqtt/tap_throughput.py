"""Measure what an application that looks on costs our MQTT broker, by the mode of its taps.

    python bench/mqtt/tap_throughput.py [--rows one-qos0] [--peers ours,inline] [--seconds 2]
                                        [--rounds 3] [--quick] [--json FILE]

The same broker four times: without a tap, with one on ``#`` in actor mode, inline, and reliable.
What is counted are deliveries to subscribers. In actor mode a tap that falls behind misses
messages, so that deliveries do not wait for it; inline and reliable ones see every message.
"""

from __future__ import annotations

import sys
from pathlib import Path

# The directories of benchmarks hold modules named http and mqtt: others' must win.
sys.path.remove(str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from bench.mqtt.peers import Broker
from bench.mqtt.rows import load, pairs
from bench.mqtt.server import MQTTServer
from bench.peers import APPS, OURS_ENVIRONMENT, Peer
from bench.suite import Suite, run


def broker(name: str, label: str, mode: str) -> Peer:
    """Return the broker with a tap in *mode*."""
    command = (sys.executable, str(APPS / "mqtt_taps.py"), "{port}", mode)
    return Broker(name, label, command, ("uvloop",), ours=True, environment=OURS_ENVIRONMENT)


SUITE = Suite(
    summary="Measure the modes of taps against each other.",
    unit="deliveries",
    rows={
        "one-qos0": load("1 to 1, QoS 0", window=1000),
        "one-qos1": load("1 to 1, QoS 1", window=1000, qos=1),
        "pairs-qos0": pairs("100 pairs, QoS 0", {}),
        "round-trip": load("one message at a time"),
    },
    costs={},
    peers={
        peer.name: peer
        for peer in (
            broker("ours", "actor mode", "actor"),
            broker("inline", "inline", "inline"),
            broker("reliable", "reliable", "reliable"),
            broker("none", "no tap", "none"),
        )
    },
    default_peers=("ours", "inline", "reliable", "none"),
    programs=("mqtt",),
    server=MQTTServer,
)

if __name__ == "__main__":
    sys.exit(run(SUITE))
