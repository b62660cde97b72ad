"""The protocols that a server speaks: one :class:`ProtocolBinding` each, in order of registration.

A raw protocol is an async function ``(reader, writer, ctx)`` that owns its connection; it becomes
a :class:`RawBinding`, reached on a port of its own or, with a detector, on a shared port.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from blackbull.abc import (
    ConnectionView,
    ProtocolBinding,
    ProtocolContext,
    ProtocolDetector,
    Reader,
    Writer,
)
from blackbull.errors import ConfigurationError

if TYPE_CHECKING:
    from blackbull.transport.tls import TLSOption

RawProtocolHandler: TypeAlias = Callable[[Reader, Writer, ProtocolContext], Awaitable[None]]

MAX_PORT = 65535


def protocol_context(conn: ConnectionView) -> ProtocolContext:
    """Return what a raw protocol handler, or an event listener, may know about *conn*."""
    return ProtocolContext(
        peername=conn.peername,
        sockname=conn.sockname,
        ssl=conn.ssl,
        connection_id=conn.connection_id,
        protocol=conn.protocol,
        aggregator=conn.aggregator,
        record_limit=conn.record_limit,
        note=conn.note,
    )


class RawBinding(ProtocolBinding):
    """A raw protocol handler as a binding.

    Args:
        name: The registered name; what events and ``ctx.protocol`` say.
        handler: Called once per connection; the connection is closed when it returns or raises.
        detector: Recognises the protocol on a shared port; asked from the first byte on.
        port: A port of its own, where no detection takes place; 0 takes any free port.
        tls: Speak TLS on that port: True with the server's certificates, ``TLSFiles`` or an
            ``ssl.SSLContext`` with others.
        stateful: It must have one owner: with several workers only the first serves it.
    """

    detection_read = 1

    def __init__(
        self,
        name: str,
        handler: RawProtocolHandler,
        *,
        detector: ProtocolDetector | None = None,
        port: int | None = None,
        tls: TLSOption = False,
        stateful: bool = True,
    ) -> None:
        self.name = name
        self.handler = handler
        self.detector = detector
        self.port = port
        self.tls = tls
        self.stateful = stateful
        self.shared = detector is not None

    def detect(self, prefix: bytes, alpn: str | None) -> bool | None:
        """Ask the detector; without one the protocol is reached on its own port only."""
        return False if self.detector is None else self.detector.detect(prefix, alpn)

    async def serve(self, conn: ConnectionView) -> None:
        """Run the handler; cancelling it is safe."""
        await self.handler(conn.reader, conn.writer, protocol_context(conn))


class ProtocolRegistry:
    """Every protocol that a server can speak, the built-in ones and the raw ones alike."""

    def __init__(self) -> None:
        self._bindings: dict[str, ProtocolBinding] = {}

    def register(
        self,
        name: str,
        handler: RawProtocolHandler,
        *,
        detector: ProtocolDetector | None = None,
        port: int | None = None,
        tls: TLSOption = False,
        stateful: bool = True,
    ) -> RawBinding:
        """Add a raw protocol handler; the arguments are those of :class:`RawBinding`.

        Returns:
            The binding that was added.

        Raises:
            ConfigurationError: the name or the port is taken or impossible, or *handler* is not
                an async function.
        """
        given: object = handler
        if not callable(given) or inspect.isasyncgenfunction(given):
            raise ConfigurationError(
                f"protocol {name!r} needs an 'async def (reader, writer, ctx)' function "
                "without 'yield'; write one and register it"
            )
        binding = RawBinding(
            name, handler, detector=detector, port=port, tls=tls, stateful=stateful
        )
        self.add(binding)
        return binding

    def add(self, binding: ProtocolBinding) -> None:
        """Add any binding.

        Raises:
            ConfigurationError: it has no name, or its name or its port is taken or impossible.
        """
        name = binding.name
        if not name:
            raise ConfigurationError(
                f"{type(binding).__name__} needs a protocol name; give it a non-empty one"
            )
        if name in self._bindings:
            raise ConfigurationError(
                f"a protocol named {name!r} is already registered; choose another name"
            )
        if binding.port is not None:
            self._check_port(name, binding.port)
        self._bindings[name] = binding

    def get(self, name: str) -> ProtocolBinding | None:
        """Return the binding with that name, or None."""
        return self._bindings.get(name)

    @property
    def bindings(self) -> tuple[ProtocolBinding, ...]:
        """All of them, in order of registration."""
        return tuple(self._bindings.values())

    @property
    def raw_bindings(self) -> tuple[RawBinding, ...]:
        """Those that :meth:`register` made."""
        return tuple(b for b in self._bindings.values() if isinstance(b, RawBinding))

    @property
    def port_bindings(self) -> tuple[ProtocolBinding, ...]:
        """Those that have a port of their own."""
        return tuple(b for b in self._bindings.values() if b.port is not None)

    @property
    def shared_bindings(self) -> tuple[ProtocolBinding, ...]:
        """Those that can be told from others on a shared port, in order of registration."""
        return tuple(b for b in self._bindings.values() if b.shared)

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports that they asked for."""
        return tuple(b.port for b in self.port_bindings if b.port is not None)

    def by_alpn(self, token: str) -> ProtocolBinding | None:
        """Return the first binding that an ALPN identifier names, or None."""
        return next((b for b in self._bindings.values() if token in b.alpn), None)

    def _check_port(self, name: str, port: int) -> None:
        if not 0 <= port <= MAX_PORT:
            raise ConfigurationError(
                f"protocol {name!r} cannot use port {port}; choose one from 1 to {MAX_PORT}"
            )
        taken = next((b.name for b in self.port_bindings if b.port == port), None)
        if port and taken is not None:
            raise ConfigurationError(
                f"protocol {name!r} cannot use port {port}, {taken!r} has it; choose another"
            )
