"""The brokers that are measured: ours and the peers, each with the command that starts it.

One process each, everything else as it comes, except that ours may retain what the row of retained
messages wants, and that mosquitto and amqtt are told to let anybody in.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.peers import APPS, BENCH, OURS_ENVIRONMENT, Peer

BUILD = BENCH.parent / "build" / "bench-npm"
AEDES = "aedes@1"
INSTALL_TIMEOUT = 120
SBIN = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin"))


@dataclass(frozen=True)
class Broker(Peer):
    """A broker to measure.

    Attributes:
        level: The level of the protocol that it speaks, the highest.
        lacks: What it does not offer, or does not survive, in the words of ``rows.py``.
    """

    level: int = 5
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mosquitto(Broker):
    """The broker that comes with Debian.

    Attributes:
        options: Lines for its configuration file.
    """

    options: tuple[str, ...] = ()

    def command_line(self, port: int) -> list[str]:
        # It reads its configuration from a file only; what the shell makes of a text will do.
        lines = [f"listener {port} 127.0.0.1", "allow_anonymous true", "max_inflight_messages 100",
                 *self.options]  # fmt: skip
        program = shutil.which("mosquitto", path=SBIN) or "mosquitto"
        return ["bash", "-c", 'exec "$0" -c /dev/fd/3 3<<<"$1"', program, "\n".join(lines)]

    def unavailable(self) -> str:
        return "" if shutil.which("mosquitto", path=SBIN) else "apt-get install mosquitto"

    def versions(self) -> str:
        program = shutil.which("mosquitto", path=SBIN) or "mosquitto"
        told = subprocess.run([program, "-h"], capture_output=True, text=True, check=False).stdout
        found = re.search(r"version (\S+)", told)
        return f"mosquitto {found[1] if found else '?'}"


@dataclass(frozen=True)
class Aedes(Broker):
    """A broker for Node, which npm installs into the build directory when it is wanted."""

    def unavailable(self) -> str:
        if self._module().exists():
            return ""
        if shutil.which("npm") is None:
            return "apt-get install npm"
        BUILD.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--prefix", str(BUILD), "--no-audit", "--no-fund"]
        try:
            done = subprocess.run(
                [*command, "--ignore-scripts", AEDES],
                capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"npm install {AEDES} does not end"
        lines = done.stderr.strip().splitlines() or ["no word why"]
        return "" if done.returncode == 0 else f"npm install {AEDES} fails: {lines[0]}"

    def command_line(self, port: int) -> list[str]:
        return ["node", str(APPS / "aedes_broker.mjs"), str(port), str(self._module())]

    def versions(self) -> str:
        told = (BUILD / "node_modules" / "aedes" / "package.json").read_text()
        found = re.search(r'"version": "([^"]+)"', told)
        return f"aedes {found[1] if found else '?'}"

    @staticmethod
    def _module() -> Path:
        return BUILD / "node_modules" / "aedes" / "aedes.js"


MQTT_PEERS: Iterable[Broker] = (
    Broker(
        "ours",
        "BlackBull",
        (sys.executable, str(APPS / "mqtt_ours.py"), "{port}"),
        ("uvloop",),
        "from blackbull.mqtt import MQTTExtension",
        ours=True,
        environment={**OURS_ENVIRONMENT, "BB_MQTT_MAX_RETAINED": "200000"},
    ),
    Mosquitto("mosquitto", "mosquitto", (), ("mosquitto",)),
    Mosquitto(
        "mosquitto-nodelay",
        "mosquitto, TCP_NODELAY",
        (),
        ("mosquitto",),
        options=("set_tcp_nodelay true",),
    ),
    # It speaks no shared subscriptions, and at 50,000 messages a second runs out of memory.
    Aedes(
        "aedes",
        "aedes",
        (),
        ("aedes",),
        level=4,
        lacks=("shared subscriptions", "50000 messages/s"),
    ),
    Broker(
        "amqtt",
        "amqtt",
        (sys.executable, str(APPS / "amqtt_broker.py"), "{port}"),
        ("amqtt", "uvloop"),
        "from amqtt.broker import Broker",
        level=4,
        # What it retained comes without the flag that says so.
        lacks=("shared subscriptions", "5000 messages/s", "50000 messages/s", "RETAIN"),
    ),
)
