"""Which protocols are spoken at a listener."""

from __future__ import annotations

import pytest

from blackbull.abc import ConnectionView, ProtocolBinding, ProtocolDetector
from blackbull.config import Settings
from blackbull.errors import ConfigurationError
from blackbull.server.listeners import listeners_of, own_ports, spoken
from blackbull.server.protocol_registry import ProtocolRegistry
from blackbull.transport.listener import Listener
from blackbull.transport.where import Tcp, Unix


class Binding(ProtocolBinding):
    def __init__(self, name: str) -> None:
        self.name = name

    def detect(self, prefix: bytes, alpn: str | None) -> bool | None:
        return True

    async def serve(self, conn: ConnectionView) -> None:
        """Serves nothing."""


class Detector(ProtocolDetector):
    def detect(self, prefix: bytes, alpn: str | None) -> bool | None:
        return True


async def nothing(*_: object) -> None:
    """Serves nothing."""


@pytest.fixture
def registry() -> ProtocolRegistry:
    registry = ProtocolRegistry()
    registry.add(Binding("http1"))
    registry.add(Binding("http2"))
    registry.register("found", nothing, detector=Detector())
    registry.register("own", nothing, port=9000, tls=True)
    registry.register("hidden", nothing)
    return registry


@pytest.mark.parametrize(
    ("speaks", "name", "fallback", "candidates"),
    [
        ("http", "http", "http1", ["http2", "found"]),
        ("http1", "http1", "http1", []),
        ("own", "own", "own", []),
        ("hidden", "hidden", "hidden", []),
        (("http1", "http2"), "http1+http2", "http1", ["http2"]),
        (("found", "hidden"), "found+hidden", "hidden", ["found"]),
        (("http2", "found"), "http2+found", "found", ["http2"]),
        (("own", "own"), "own", "own", []),
    ],
)
def test_spoken_is_what_the_names_say(
    registry: ProtocolRegistry,
    speaks: str | tuple[str, ...],
    name: str,
    fallback: str,
    candidates: list[str],
) -> None:
    found, last, others = spoken(registry, Listener(Tcp(1), speaks=speaks))
    assert (found, last.name, [each.name for each in others]) == (name, fallback, candidates)


@pytest.mark.parametrize(
    ("speaks", "said"),
    [
        ("mqtt", "to speak 'mqtt', which is no protocol here: there are http, http1"),
        (("http", "own"), "'http1' and 'own' cannot be told apart by their opening bytes"),
        (("own", "hidden"), "'own' and 'hidden' cannot be told apart"),
        ((), "say which protocol it speaks"),
    ],
)
def test_spoken_impossible_is_refused_with_the_cure(
    registry: ProtocolRegistry, speaks: str | tuple[str, ...], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        spoken(registry, Listener(Tcp(1), speaks=speaks))


@pytest.mark.parametrize(
    ("settings", "listeners"),
    [
        (Settings(), [Listener(Tcp(8000))]),
        (Settings(host="::", port=1), [Listener(Tcp(1, "::"))]),
        (Settings(unix_path="/x"), [Listener(Unix("/x"))]),
        (Settings(bind=(":1", "unix:/x")), [Listener(Tcp(1, "*")), Listener(Unix("/x"))]),
    ],
)
def test_listeners_are_those_of_the_settings(settings: Settings, listeners: list[object]) -> None:
    assert listeners_of(settings) == listeners


def test_protocols_with_a_port_of_their_own_are_on_the_first_host(
    registry: ProtocolRegistry,
) -> None:
    others = [Listener(Unix("/x")), Listener(Tcp(1, "::1")), Listener(Tcp(2, "*"))]
    assert list(own_ports(registry, others, host="a")) == [
        Listener(Tcp(9000, "::1"), speaks="own", tls=True)
    ]
    assert list(own_ports(registry, [], host="a")) == [
        Listener(Tcp(9000, "a"), speaks="own", tls=True)
    ]
