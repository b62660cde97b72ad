"""A broker that runs, and one exchange with it."""

from __future__ import annotations

import socket

from bench.measure import BenchError, Server
from bench.mqtt.peers import Broker

CONNACK = 0x20


def connect_packet(level: int) -> bytes:
    """Return a CONNECT with a clean start and an identifier that the broker chooses."""
    body = b"\0\4MQTT" + bytes((level, 2, 0, 10)) + bytes(level == 5) + b"\0\5probe"
    return bytes((0x10, len(body))) + body


class MQTTServer(Server):
    """A running broker."""

    @property
    def level(self) -> int:
        """The level of the protocol to speak with it."""
        return self.peer.level if isinstance(self.peer, Broker) else 5

    def probe(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
            client.sendall(connect_packet(self.level))
            answer = client.recv(64)
            client.sendall(b"\xe0\0")
        if not answer:
            raise ConnectionError("the connection was closed")
        if answer[0] != CONNACK or answer[3] != 0:
            raise BenchError(f"{self.peer.label} answers CONNECT with {answer!r}")
