"""Which listeners a server has, and which protocols are spoken at each of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, TypeAlias, cast

from blackbull.abc import ProtocolBinding
from blackbull.config import PassedSocket, Settings
from blackbull.errors import ConfigurationError
from blackbull.transport.listener import Listener, parse_listener
from blackbull.transport.tls import TLSOption
from blackbull.transport.where import InheritedFd, Tcp, Unix

from .protocol_registry import ProtocolRegistry, RawBinding

SHARED: Final = "http"
"""HTTP and whatever else can be told from it by its opening bytes."""
HTTP1: Final = "http1"

EVERY: Final = "systemd"
"""The name that stands for every socket that was passed."""

Spoken: TypeAlias = tuple[str, ProtocolBinding, tuple[ProtocolBinding, ...]]
"""What a listener is called, who serves what nobody claims, and who is asked before."""


def listeners_of(settings: Settings) -> list[Listener]:
    """Return the listeners that *settings* describe.

    Raises:
        ConfigurationError: ``bind`` names something that is no place to listen.
    """
    if settings.bind:
        return [parse_listener(text) for text in settings.bind]
    if settings.unix_path:
        return [Listener(Unix(settings.unix_path))]
    return [Listener(Tcp(settings.port, host=settings.host))]


def resolve(
    listeners: Sequence[Listener],
    passed: Sequence[PassedSocket],
    *,
    registry: ProtocolRegistry,
    http: bool = True,
) -> list[Listener]:
    """Return *listeners*, those by the name of a socket with the descriptors in its place.

    Args:
        listeners: Among them perhaps ``fd://NAME``, or ``fd://systemd`` for all that was passed.
        passed: The sockets that systemd has passed.
        registry: The protocols: a socket that is called like one speaks that.
        http: What other sockets speak; False: the one protocol that has a port of its own.

    Raises:
        ConfigurationError: no socket of that name was passed, or it is not clear what one speaks.
    """
    resolved: list[Listener] = []
    for listener in listeners:
        if not (isinstance(listener.where, InheritedFd) and isinstance(listener.where.fd, str)):
            resolved.append(listener)
            continue
        name = listener.where.fd
        found = [each for each in passed if name in (each.name, EVERY)]
        if not found:
            raise ConfigurationError(_nothing_passed(listener, passed))
        for each in found:
            opened = replace(listener, where=InheritedFd(each.fd))
            if name == EVERY and listener.speaks == SHARED:
                opened = _speaking(opened, each, registry=registry, http=http)
            resolved.append(opened)
    return resolved


def _speaking(
    listener: Listener, passed: PassedSocket, *, registry: ProtocolRegistry, http: bool
) -> Listener:
    """Return *listener* with what the name of its socket says about it."""
    binding = registry.get(passed.name)
    if binding is None and http:
        return listener
    if binding is None:
        names = [each.name for each in registry.port_bindings]
        if len(names) != 1:
            raise ConfigurationError(
                f"what is spoken on the socket {passed.name!r}? call it like its protocol, with "
                f"FileDescriptorName= in its unit: {', '.join(names) or 'there is none'}"
            )
        binding = registry.port_bindings[0]
    tls = listener.tls
    if tls is None and binding.port is not None:
        tls = cast("TLSOption", binding.tls)
    return replace(listener, speaks=binding.name, tls=tls)


def _nothing_passed(listener: Listener, passed: Sequence[PassedSocket]) -> str:
    if not passed:
        return f"{listener.where}: systemd has passed no socket; write a unit of type .socket"
    names = ", ".join(dict.fromkeys(each.name for each in passed))
    return f"{listener.where}: the sockets that systemd has passed are called {names}; name one"


def own_ports(
    registry: ProtocolRegistry, listeners: Sequence[Listener], *, host: str
) -> Iterable[Listener]:
    """Return the listeners of the protocols that have a port of their own.

    Args:
        registry: The protocols.
        listeners: The others; the first TCP one says on which host.
        host: The host if none does.
    """
    hosts = [each.where.host for each in listeners if isinstance(each.where, Tcp)]
    for binding in registry.port_bindings:
        yield Listener(
            Tcp(binding.port or 0, host=hosts[0] if hosts else host),
            speaks=binding.name,
            tls=cast("TLSOption", binding.tls),
        )


def spoken(registry: ProtocolRegistry, listener: Listener) -> Spoken:
    """Return what is spoken at *listener*.

    Raises:
        ConfigurationError: a name is no protocol, or several can only be had alone.
    """
    names = listener.names
    if SHARED in names:
        wanted = [b for b in registry.bindings if b.shared or b.name in names]
    else:
        wanted = [_named(registry, name, listener) for name in dict.fromkeys(names)]
    if not wanted:
        raise ConfigurationError(f"{listener.where}: say which protocol it speaks")
    if len(wanted) == 1:
        return wanted[0].name, wanted[0], ()
    # HTTP/1.1 says 400 to what nobody understands. A protocol that cannot be told from others
    # takes what the others leave.
    last = [b for b in wanted if b.name == HTTP1 or not _detects(b)]
    if len(last) > 1:
        raise ConfigurationError(
            f"{listener.where}: {last[0].name!r} and {last[1].name!r} cannot be told apart by "
            "their opening bytes: give one of them a detector or a listener of its own"
        )
    fallback = last[0] if last else wanted[-1]
    name = SHARED if SHARED in names else "+".join(dict.fromkeys(names))
    return name, fallback, tuple(b for b in wanted if b is not fallback)


def _detects(binding: ProtocolBinding) -> bool:
    if isinstance(binding, RawBinding):
        return binding.detector is not None
    return type(binding).detect is not ProtocolBinding.detect


def _named(registry: ProtocolRegistry, name: str, listener: Listener) -> ProtocolBinding:
    binding = registry.get(name)
    if binding is None:
        known = ", ".join([SHARED, *(b.name for b in registry.bindings)])
        raise ConfigurationError(
            f"{listener.where} is to speak {name!r}, which is no protocol here: "
            f"there are {known}; register it first"
        )
    return binding
