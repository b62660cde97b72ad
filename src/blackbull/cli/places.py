"""Where an application is to listen, and where it does."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Final

from blackbull.config import PLACES, Settings, passed_sockets
from blackbull.errors import ConfigurationError
from blackbull.server.listeners import EVERY as EVERY_SOCKET
from blackbull.server.listeners import listeners_of, resolve
from blackbull.server.listening import Listening
from blackbull.server.protocol_registry import ProtocolRegistry
from blackbull.server.workers.process import is_worker
from blackbull.transport.listener import Listener
from blackbull.transport.where import InheritedFd, host_port

WEB: Final = ("http", "http1", "http2")
EVERY: Final = {"0.0.0.0": "IPv4 only", "::": "IPv6 only"}
"""What the addresses that stand for every interface mean."""


def find_listeners(
    app: object,
    settings: Settings,
    *,
    given: Sequence[Listener] | None,
    said: Container[str],
    flags: Container[str],
    http: bool = True,
) -> list[Listener] | None:
    """Return where *app* is to listen; None: where *settings* say.

    Sockets that systemd has passed go before everything but a flag and *given*.

    Args:
        app: The application.
        settings: How it is served.
        given: The argument ``listeners``.
        said: The settings among the arguments.
        flags: Those among the flags.
        http: Sockets that are passed without a protocol's name speak HTTP.

    Raises:
        ConfigurationError: the argument ``listeners`` contradicts another, or a socket that was
            named was not passed.
    """
    if given is not None:
        for name in (*PLACES, "bind"):
            if name in said:
                raise ConfigurationError(
                    f"listeners and {name} both say where to listen: keep one of them"
                )
    flagged = any(name in flags for name in (*PLACES, "bind"))
    passed = passed_sockets(child=is_worker())
    if given is not None and not flagged:
        listeners = list(given)
    elif passed and not flagged:
        listeners = [Listener(InheritedFd(EVERY_SOCKET))]
    elif settings.bind:
        listeners = listeners_of(settings)
    else:
        return None
    registry: object = getattr(app, "protocols", None)
    if not isinstance(registry, ProtocolRegistry):
        registry = ProtocolRegistry()
    return resolve(listeners, passed, registry=registry, http=http)


def describe_listeners(listening: Iterable[Listening]) -> str:
    """Return one line that says where each protocol is to be reached."""
    return "serving " + ", ".join(
        f"{each.protocol} on {describe_address(each)}" for each in listening
    )


def describe_address(listening: Listening) -> str:
    """Return the address as people type it, and what an address that stands for many means."""
    host, port = listening.address
    if port is None:
        return f"unix:{host}"
    address = host_port("*" if listening.dual_stack else host, port)
    notes = [EVERY[host]] if host in EVERY and not listening.dual_stack else []
    if listening.dual_stack:
        notes.append("IPv4 and IPv6")
    if listening.protocol in WEB:
        address = f"{'https' if listening.tls else 'http'}://{address}"
    elif listening.tls:
        notes.insert(0, "TLS")
    return f"{address} ({'; '.join(notes)})" if notes else address
